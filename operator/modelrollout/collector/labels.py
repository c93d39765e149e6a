"""Labels: what would have been right, told later by somebody who names the request, and joined with what the client was told.

    labels = Labels()
    labels.configure(capture)
    labels.remember("id", "revision", ["light=dark"], prediction, now)
    labels.take([Item("id", "cat")], now + 60.0)
    labels.rows()

Bounded in number and bytes: the oldest request is forgotten first, and that it was known once is remembered a while longer, so
that a label which comes too late is told from one for a request that nobody knows. A label counts for the version that answered,
however late it comes. Of a request with many rows one stands for all, chosen by the request's id: rows of one request prove no
more than one, and the share of rows that are right stays what it is.

Events count when their time is over, together with the request that they are about: a request that was answered a moment ago
has no event yet, and counting it at once would make the version that gets more and more requests look worse.
"""

import math
import zlib
from bisect import bisect_left
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import combinations
from sys import intern
from typing import NamedTuple
from urllib.parse import quote

from modelrollout.collector.compare import BOUNDS, MAX_CLASSES, OTHER
from modelrollout.collector.forms import form
from modelrollout.collector.prediction import UNSEEN, Extractor, Prediction
from modelrollout.collector.text import hashed
from modelrollout.domain.capture import LONGEST_CLASS, Capture, Kind, Labelled
from modelrollout.domain.sampling import LARGEST_ID, sampled

LARGEST = 48 * 1024 * 1024
"""Bytes that all remembered requests may need, as estimated."""
ARMS = 4
"""Revisions that are counted; the one that was seen first goes first."""
EVENTS = 20
"""Kinds of events; further ones are unusable."""
MAX_EVENT = 40
_SIZE = 420
"""Bytes of a remembered request without the texts in it: measured, with its place among the others and among the forgotten."""
_NULL = "null"

Row = tuple[str, str, str, float]
"""Arm, part of the traffic, series, and its value."""


class Outcome(StrEnum):
    """What becomes of a label or an event."""

    JOINED = "joined"
    UNKNOWN = "unknown"
    """Its request would have been looked at, and was not seen here."""
    NOT_SAMPLED = "notSampled"
    """Its request is none of those that are looked at."""
    FORGOTTEN = "forgotten"
    """It came too late: newer requests have taken the place of its own, or the time for events was over."""
    DUPLICATE = "duplicate"
    """The request has a label, or an event of this name."""
    UNUSABLE = "unusable"
    """It has no id, no label of this kind, another number of rows than the answer, or an answer that nobody could read."""


@dataclass(frozen=True)
class Item:
    """One label, or one event.

    Attributes:
        id: of the request; empty: none that can be one.
        label: what would have been right: a scalar, or a list with one for each row; None with an event.
        event: name of what happened; empty with a label.
    """

    id: str
    label: object = None
    event: str = ""


class _Truth(NamedTuple):
    """What was predicted in the row that stands for a request.

    Attributes:
        value: the label or the number; None: there is no prediction.
        row: which one it is.
        rows: so many the answer has; 0: nobody can say what it predicts.
    """

    value: str | float | None
    row: int
    rows: int


@dataclass(slots=True)
class _Kept:
    at: float
    arm: str
    parts: tuple[str, ...]
    truth: _Truth
    labelled: bool = False
    ripe: bool = False
    events: tuple[str, ...] = ()
    size: int = _SIZE


class Labels:
    """Requests that wait for their labels, and what labels said of each version.

    Attributes:
        totals: labels and events by what became of them.
    """

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self._labelled: Labelled | None = None
        self._hidden = False
        self._percent = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._size = 0
        self._unripe: deque[_Kept] = deque()
        self._forgotten: deque[int] = deque()
        self._gone: set[int] = set()
        self._arms: OrderedDict[str, dict[str, Counter[str]]] = OrderedDict()
        self._parts: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._classes: dict[str, str] = {}
        self._events: dict[str, str] = {}
        self._now = 0.0

    def configure(self, capture: Capture) -> None:
        """Obey another capture. What was remembered and counted goes on, unless a prediction is something else now."""
        before, self._labelled = self._labelled, capture.labelled
        shares = [capture.percent] if capture.candidate or capture.observed is None else []
        shares += [capture.observed.percent] if capture.observed is not None else []
        self._percent = max(self._percent, *shares, 0)
        if capture.labelled is None or (before is not None and _meaning(before) != _meaning(capture.labelled)):
            self._clear()
        if capture.labelled is not None:
            self._hidden = Extractor(capture, capture.labelled.output).hidden
            self._make_room(capture.labelled.kept)

    def remember(self, request_id: str, arm: str, parts: Sequence[str], prediction: Prediction, now: float) -> None:
        """Keep what a client was told, until its label comes; once for each request.

        Args:
            request_id: the request's.
            arm: revision that answered the client.
            parts: of the traffic that the request belongs to; all of it need not be named.
            prediction: as ``Labelled.output`` finds it.
            now: monotonic, in seconds.
        """
        self.tick(now)
        if self._labelled is None or request_id in self._kept or not 0 < len(request_id) <= LARGEST_ID:
            return
        names = ("", *sorted({part for part in parts if part}))
        truth = _truth(prediction, request_id)
        kept = _Kept(now, intern(arm), self._parts.setdefault(names, names), truth, size=_SIZE + _length(truth.value))
        self._kept[request_id] = kept
        self._unripe.append(kept)
        self._size += kept.size
        self._add(kept, ["requests"])
        self._add_groups(kept, "total", "positive", some=self._is_positive(truth.value))
        self._make_room(self._labelled.kept)

    def take(self, items: Sequence[Item], now: float) -> list[Outcome]:
        """Join labels and events with their requests; return what became of each.

        Those that are unknown are not counted: another router may know them, see :meth:`miss`.
        """
        self.tick(now)
        found = [self._take(item) for item in items]
        self.totals.update(str(outcome) for outcome in found if outcome is not Outcome.UNKNOWN)
        return found

    def miss(self, number: int) -> None:
        """Count labels and events of requests that no router knows."""
        self.totals[Outcome.UNKNOWN] += number

    def refuse(self, number: int) -> None:
        """Count labels and events that came too fast."""
        self.totals["refused"] += number

    def tick(self, now: float) -> None:
        """Count the events of requests whose time is over."""
        self._now = max(self._now, now)
        if self._labelled is None:
            return
        within = self._labelled.within / timedelta(seconds=1)
        while self._unripe and self._unripe[0].at + within <= self._now:
            kept = self._unripe.popleft()
            kept.ripe = True
            pairs = [f"both/{one}/{other}" for one, other in combinations(sorted(kept.events), 2)]
            self._add(kept, ["ripe", *(f"event/{name}" for name in kept.events), *pairs])

    def page(self) -> dict[str, object]:
        """Return what ``GET /predictions`` shows of labels; nothing while none are taken."""
        return (
            {} if self._labelled is None else {"labels": [list(row) for row in self.rows()], "labelTotals": self.told()}
        )

    def rows(self) -> Iterator[Row]:
        """Yield all counters, of each version the number of its requests first."""
        for arm, parts in self._arms.items():
            for part, counts in parts.items():
                yield from ((arm, part, series, count) for series, count in counts.items())

    def told(self) -> dict[str, float]:
        """Return what became of labels, and how far back one finds its request."""
        totals: dict[str, float] = {name: self.totals[name] for name in (*map(str, Outcome), "refused")}
        oldest = next(iter(self._kept.values()), None)
        age = round(self._now - oldest.at, 1) if oldest is not None else 0.0
        return totals | {"kept": len(self._kept), "seconds": age}

    @property
    def size(self) -> int:
        """Bytes that remembered requests need, as estimated."""
        return self._size

    def _take(self, item: Item) -> Outcome:
        assert self._labelled is not None
        if not 0 < len(item.id) <= LARGEST_ID:
            return Outcome.UNUSABLE
        kept = self._kept.get(item.id)
        if kept is None:
            if _mark(item.id) in self._gone:
                return Outcome.FORGOTTEN
            return Outcome.UNKNOWN if sampled(item.id, self._percent) else Outcome.NOT_SAMPLED
        return self._happen(kept, item.event) if item.event else self._judge(kept, item.label)

    def _happen(self, kept: _Kept, event: str) -> Outcome:
        name = self._events.get(event)
        if name is None:
            if len(event) > MAX_EVENT or len(self._events) >= EVENTS:
                return Outcome.UNUSABLE
            name = self._events[event] = quote(event, safe="", errors="replace")
        if name in kept.events:
            return Outcome.DUPLICATE
        if kept.ripe:
            return Outcome.FORGOTTEN
        kept.events = (*kept.events, name)
        self._grow(kept, 64)
        return Outcome.JOINED

    def _judge(self, kept: _Kept, label: object) -> Outcome:
        assert self._labelled is not None
        if kept.labelled:
            return Outcome.DUPLICATE
        try:
            rows = form(label, self._labelled.output).rows
        except TypeError:
            return Outcome.UNUSABLE
        truth = kept.truth
        right = rows[truth.row] if len(rows) == truth.rows else None
        if not isinstance(right, (str, float)) or right != right:  # noqa: PLR0124  # NaN is null
            return Outcome.UNUSABLE
        kept.labelled = True
        self._add(kept, ["labels", *self._said(truth.value, right)])
        if self._is_positive(right):
            self._add_groups(kept, "actualPositive", "truePositive", some=self._is_positive(truth.value))
        return Outcome.JOINED

    def _said(self, predicted: str | float | None, right: str | float) -> list[str]:
        """Return the series that a label adds to."""
        assert self._labelled is not None
        output = self._labelled.output
        if output.kind is Kind.LABEL:
            found = [f"truth/{self._class(predicted)}/{self._class(right)}"]
            return [*found, "right"] if predicted == right else found
        if not isinstance(predicted, float) or not isinstance(right, float):
            return []
        apart = 0.0 if predicted == right else abs(predicted - right)
        bound = BOUNDS[bisect_left(BOUNDS, apart)] if apart == apart else math.inf  # noqa: PLR0124  # inf - inf
        found = [f"error/at={bound:g}"]
        return [*found, "right"] if apart <= max(output.absolute, output.relative * abs(right)) else found

    def _class(self, value: object) -> str:
        text = _NULL if value is None else str(value)
        found = self._classes.get(text)
        if found is None:
            if len(self._classes) >= MAX_CLASSES:
                return OTHER
            short = hashed(text)[:8] if self._hidden else text[:LONGEST_CLASS]
            found = self._classes[text] = quote(short, safe="", errors="replace")
        return found

    def _is_positive(self, value: object) -> bool:
        assert self._labelled is not None
        return self._labelled.positive is not None and value == self._labelled.positive

    def _add(self, kept: _Kept, series: Sequence[str]) -> None:
        counters = self._counters(kept.arm)
        for part in kept.parts:
            counters.setdefault(part, Counter()).update(series)

    def _add_groups(self, kept: _Kept, every: str, some_of_them: str, *, some: bool) -> None:
        assert self._labelled is not None
        if self._labelled.positive is None:
            return
        found = self._counters(kept.arm)[""]
        for group in kept.parts:
            if group in self._labelled.groups:
                name = quote(group, safe="")
                found.update([f"group/{name}/{every}", *([f"group/{name}/{some_of_them}"] if some else [])])

    def _counters(self, arm: str) -> dict[str, Counter[str]]:
        found = self._arms.get(arm)
        if found is None:
            found = self._arms[arm] = {"": Counter()}
            while len(self._arms) > ARMS:
                self._arms.popitem(last=False)
        return found

    def _grow(self, kept: _Kept, size: int) -> None:
        assert self._labelled is not None
        kept.size += size
        self._size += size
        self._make_room(self._labelled.kept)

    def _make_room(self, most: int) -> None:
        while len(self._kept) > most or self._size > LARGEST:
            request, kept = self._kept.popitem(last=False)
            self._size -= kept.size
            # One whose time is not over counts for no event: whether it would have had one, nobody knows.
            if self._unripe and self._unripe[0] is kept:
                self._unripe.popleft()
            mark = _mark(request)
            if mark not in self._gone:
                self._gone.add(mark)
                self._forgotten.append(mark)
        while len(self._forgotten) > most:
            self._gone.discard(self._forgotten.popleft())

    def _clear(self) -> None:
        for ordered in (self._kept, self._unripe, self._forgotten, self._gone, self._arms):
            ordered.clear()
        for names in (self._parts, self._classes, self._events):
            names.clear()
        self.totals.clear()
        self._size = 0


def _meaning(labelled: Labelled) -> object:
    return labelled.output, labelled.groups, labelled.positive, labelled.within


def _truth(prediction: Prediction, request: str) -> _Truth:
    if prediction.problem:
        return _Truth(None, 0, 0 if prediction.problem in UNSEEN else 1)
    count = len(prediction.rows)
    if not count:
        return _Truth(None, 0, 1)
    row = zlib.crc32(request.encode("utf-8", "surrogatepass")) % count
    value = prediction.rows[row]
    if isinstance(value, float):
        return _Truth(None if math.isnan(value) else value, row, count)
    assert not isinstance(value, tuple)
    return _Truth(intern(value) if value is not None else None, row, count)


def _length(value: object) -> int:
    return len(value) if isinstance(value, str) else 0


def _mark(request: str) -> int:
    """Return a number that stands for an id. Now and then two have the same one, and a miss is told for the wrong reason."""
    return zlib.crc32(request.encode("utf-8", "surrogatepass"))


def parse_items(document: object) -> list[Item]:
    """Return the labels and events of a document: one of either, or a list of them below ``labels``.

    Raises:
        ValueError: it is neither.
    """
    match document:
        case {"labels": list(items)}:
            return [_item(item) for item in items]
        case {"id": _, "label": _} | {"id": _, "event": _}:
            return [_item(document)]
        case _:
            raise ValueError('it is no {"id": …, "label": …}, no {"id": …, "event": …} and no {"labels": […]}')


def _item(raw: object) -> Item:
    if isinstance(raw, Mapping) and isinstance(request := raw.get("id"), str):
        match raw.get("label"), raw.get("event"):
            case None, str(event) if event:
                return Item(request, event=event)
            case label, None if label is not None:
                return Item(request, label)
    return Item("")
