"""Virtual time: what happens next, and when. Nothing waits; the clock jumps from one entry to the next."""

import heapq
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

START = datetime(2026, 1, 1, tzinfo=UTC)

Job = Callable[[], Coroutine[Any, Any, None] | None]
"""Something that happens: an operator's work is a coroutine, all else an ordinary call."""


class Agenda:
    """Entries in the order of their times; entries of one time in the order in which they were made."""

    def __init__(self) -> None:
        self.now = START
        self._heap: list[tuple[datetime, int, Job]] = []
        self._numbers = count()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return (self.now - START) / timedelta(seconds=1)

    @property
    def next(self) -> datetime | None:
        """Time of the next entry."""
        return self._heap[0][0] if self._heap else None

    def at(self, when: datetime, job: Job) -> None:
        """Have something happen at a time; what is in the past happens now."""
        heapq.heappush(self._heap, (max(when, self.now), next(self._numbers), job))

    def after(self, seconds: float, job: Job) -> None:
        """Have something happen after some seconds."""
        self.at(self.now + timedelta(seconds=seconds), job)

    async def step(self) -> None:
        """Let the next entry happen."""
        self.now, _, job = heapq.heappop(self._heap)
        work = job()
        if work is not None:
            await work
