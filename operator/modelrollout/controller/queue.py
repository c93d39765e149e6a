"""Which ModelDeployment is looked at next. A value machine without tasks or clocks: time is an argument.

Wakes coalesce, a key is worked on once at a time, the earliest due time wins, failures back off. Events carry no
meaning: a wake says only *look again*.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""

FIRST = timedelta(seconds=0.5)
LONGEST = timedelta(minutes=5)


@dataclass
class KeyedQueue:
    """Keys that are ready, worked on, or due later.

    Attributes:
        jitter: returns a factor around 1 for each back-off, so that many failures do not come back together.
    """

    jitter: Callable[[], float] = field(default=lambda: 1.0)
    _ready: dict[Key, None] = field(default_factory=dict)  # a dict keeps the order and coalesces
    _active: set[Key] = field(default_factory=set)
    _again: set[Key] = field(default_factory=set)
    _due: dict[Key, datetime] = field(default_factory=dict)
    _heap: list[tuple[datetime, Key]] = field(default_factory=list)
    _failures: dict[Key, int] = field(default_factory=dict)

    def wake(self, key: Key) -> None:
        """Have a key looked at as soon as possible, and once more if it is being looked at now."""
        self._due.pop(key, None)
        if key in self._active:
            self._again.add(key)
        else:
            self._ready[key] = None

    def wake_at(self, key: Key, due: datetime) -> None:
        """Have a key looked at no later than a time."""
        if key in self._ready or key in self._again or (key in self._due and self._due[key] <= due):
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))

    def take(self, now: datetime) -> Key | None:
        """Return the next key to work on, None when none is ready."""
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            # An entry whose time was moved or taken back stays in the heap and falls through here.
            if self._due.get(key) == due:
                self.wake(key)
        if not self._ready:
            return None
        key = next(iter(self._ready))
        del self._ready[key]
        self._active.add(key)
        return key

    def done(self, key: Key, due: datetime | None) -> None:
        """End the work on a key that went well.

        Args:
            key: the key.
            due: when to look again although nothing happens.
        """
        self._failures.pop(key, None)
        self._end(key, due)

    def failed(self, key: Key, now: datetime, at_least: timedelta = timedelta()) -> timedelta:
        """End the work on a key that failed; return how long it backs off.

        Args:
            key: the key.
            now: the current time.
            at_least: what the API server asked to wait.
        """
        count = self._failures[key] = self._failures.get(key, 0) + 1
        doubled: timedelta = FIRST * (1 << min(count - 1, 20))
        pause = max(at_least, min(LONGEST, doubled) * self.jitter())
        self._end(key, now + pause)
        return pause

    def _end(self, key: Key, due: datetime | None) -> None:
        self._active.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.wake(key)
        elif due is not None:
            self.wake_at(key, due)

    @property
    def next_due(self) -> datetime | None:
        """The earliest due time."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    @property
    def depth(self) -> int:
        """Keys that are ready and not yet worked on."""
        return len(self._ready)

    @property
    def active(self) -> int:
        """Keys that are worked on now."""
        return len(self._active)
