"""The requests whose answers are not all there: bounded in number, size and age, the oldest going first."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Flag, auto

from modelrollout.collector.compare import Outcome
from modelrollout.collector.measures import Increments
from modelrollout.collector.prediction import Prediction

_SIZE = 500
"""Bytes of an entry without predictions."""
_INCREMENT = 120


@dataclass(frozen=True)
class Limits:
    """What the collector never exceeds, whatever it is sent.

    Attributes:
        entries: requests that it remembers at once.
        size: bytes that they may need, as estimated.
        age: seconds that a request waits for its other answer, and is remembered.
    """

    entries: int = 10_000
    size: int = 32 * 1024 * 1024
    age: float = 60.0


class Role(Flag):
    """What a message is of its request."""

    REQUEST = auto()
    PRIMARY = auto()
    COPY = auto()
    AGAIN = auto()


@dataclass(slots=True)
class Entry:
    """What is known of a request.

    Attributes:
        id: the request's.
        at: when its first message came.
        parts: of the traffic that it belongs to, as far as known; the empty name is all of it.
        seen: the messages that came.
        skipped: why the client's answer cannot be compared.
        predictions: of the answers that are still needed, one for each extraction.
        outcomes: what was counted already, for the parts that become known later.
        counted: its pair was, or never will be.
        single: the client's answer has no copy to be compared with.
        arm: who answered the client; empty while nobody did.
        asked: what the request amounts to, while nobody has answered it.
        noted: what was counted already for an arm, for the parts that become known later.
        answer: what the client was told, until it is remembered for labels.
        size: bytes, roughly.
    """

    id: str
    at: float
    parts: list[str] = field(default_factory=lambda: [""])
    seen: Role = field(default=Role(0))
    skipped: str = ""
    predictions: dict[Role, tuple[Prediction, ...]] = field(default_factory=dict)
    outcomes: list[tuple[Outcome, ...]] = field(default_factory=list)
    counted: bool = False
    single: bool = False
    arm: str = ""
    asked: Increments | None = None
    noted: list[tuple[str, Increments]] = field(default_factory=list)
    answer: Prediction | None = None
    size: int = _SIZE

    @property
    def waits(self) -> bool:
        """Whether an answer came whose other one did not."""
        return not self.counted and bool(self.seen & (Role.PRIMARY | Role.COPY))


class Table:
    """Requests by id: those that wait, and those that were counted, which go first when there is no room.

    Args:
        limits: of all of them together.

    Attributes:
        size: bytes that they need, roughly.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: OrderedDict[str, Entry] = OrderedDict()
        self._counted: OrderedDict[str, Entry] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._counted)

    def entry(self, request: str, now: float) -> Entry:
        """Return what is known of a request; a new one begins its life."""
        found = self._waiting.get(request) or self._counted.get(request)
        if found is None:
            found = self._waiting[request] = Entry(request, now)
            self.size += found.size
        return found

    def count(self, entry: Entry, outcomes: tuple[Outcome, ...]) -> None:
        """Remember what was counted, for the parts of the traffic that become known later."""
        self.settle(entry)
        entry.outcomes.append(outcomes)
        self._grow(entry, sum(_INCREMENT * len(outcome.increments) for outcome in outcomes))

    def settle(self, entry: Entry) -> None:
        """No longer wait for a pair."""
        entry.counted = True
        if self._waiting.pop(entry.id, None) is not None:
            self._counted[entry.id] = entry

    def note(self, entry: Entry, arm: str, increments: Increments) -> None:
        """Remember what was counted for an arm, for the parts of the traffic that become known later."""
        entry.noted.append((arm, increments))
        self._grow(entry, _INCREMENT * len(increments))

    def ask(self, entry: Entry, increments: Increments) -> None:
        """Remember what a request amounts to until it is known who answered."""
        entry.asked = increments
        self._grow(entry, _INCREMENT * len(increments))

    def answer(self, entry: Entry, prediction: Prediction) -> None:
        """Remember what the client was told until the request's parts are known."""
        entry.answer = prediction
        self._grow(entry, prediction.size)

    def keep(self, entry: Entry, role: Role, predictions: tuple[Prediction, ...]) -> None:
        """Remember the predictions of an answer until they were compared."""
        entry.predictions[role] = predictions
        self._grow(entry, _size(predictions))

    def drop(self, entry: Entry) -> None:
        """Forget the predictions: they were compared."""
        self._grow(entry, -sum(_size(predictions) for predictions in entry.predictions.values()))
        entry.predictions.clear()

    def release(self, entry: Entry) -> None:
        """Forget all but the id: nothing more is expected, and what comes twice must not count twice."""
        entry.predictions.clear()
        entry.outcomes.clear()
        entry.noted.clear()
        entry.asked = entry.answer = None
        self._grow(entry, _SIZE - entry.size)

    def overdue(self, now: float) -> Iterator[Entry]:
        """Remove and yield those that are too old."""
        for entries in (self._waiting, self._counted):
            while entries and now - next(iter(entries.values())).at > self._limits.age:
                yield self._oldest(entries)

    def excess(self) -> Iterator[Entry]:
        """Remove and yield those for which there is no room."""
        while len(self) > self._limits.entries or self.size > self._limits.size:
            yield self._oldest(self._counted or self._waiting)

    def clear(self) -> Iterator[Entry]:
        """Remove and yield all."""
        while self:
            yield self._oldest(self._counted or self._waiting)

    def _oldest(self, entries: OrderedDict[str, Entry]) -> Entry:
        _, entry = entries.popitem(last=False)
        self.size -= entry.size
        return entry

    def _grow(self, entry: Entry, size: int) -> None:
        entry.size += size
        self.size += size


def _size(predictions: tuple[Prediction, ...]) -> int:
    return sum(prediction.size for prediction in predictions)
