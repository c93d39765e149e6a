"""What was recorded of a live rollout, to be counted again on a simulated cluster: the same numbers, another spec.

The short form is a JSON list with one entry for each arm and poll, which the simulated routers count::

    [{"at": 10, "arm": "candidate", "total": 12, "bad": 1}, {"at": 10, "arm": "stable", "total": 110, "bad": 0}, ...]

``at`` counts seconds since the candidate got its first request; ``total`` and ``bad`` are the requests, and the bad ones among
them, since the entry before. Counters that were never reset may be written as they are: ``{"totals": [...]}`` holds the same
list with what was counted since the beginning; ``{"increments": [...]}`` is the plain list.

The long form holds all that the metrics of a rollout have read, as lines of JSON that each tell one change::

    {"at": 10.0, "metric": "errors", "arm": "candidate", "pod": "digits-router-1", "series": "completed", "value": 12}
    {"at": 10.0, "metric": "queue", "gauge": 3.5}
    {"at": 20.0, "metric": "queue", "state": "Stale", "message": "Prometheus answers with a number older than 5m."}

``at`` counts seconds since the metrics were first read, which is when the candidate gets its first requests. A counter is raw
and keeps its value until another line says otherwise; ``null`` ends it. ``slice`` is there where it is a part of the traffic, and
the arms that get copies are ``candidate-mirror`` and ``stable-mirror``. A metric that had no value has a ``state`` until it has
one again: then its gauge, or the state ``Value``, of which a message says why there are no counters of stable. A last line that
was cut off is left out.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from modelrollout.domain.reading import Key, State
from modelrollout.errors import RolloutError
from modelrollout.names import mirror_cluster
from modelrollout.simulation.arrivals import Arrived

if TYPE_CHECKING:
    from modelrollout.simulation.envoy import Routes

ARMS = ("candidate", "stable")
LONGEST = 366 * 86_400.0
"""Seconds that a recording may last."""
MOST = 10**9
"""Requests that one entry may count."""
_COUNTER = {"at", "metric", "arm", "pod", "series", "value"}
_STATE = {"at", "metric", "state", "message"}


@dataclass(frozen=True)
class Entry:
    """What one arm counted between two polls.

    Attributes:
        at: seconds since the candidate got its first request.
        arm: candidate or stable.
        total: requests.
        bad: bad ones among them.
    """

    at: float
    arm: str
    total: int
    bad: int


@dataclass(frozen=True)
class Change:
    """What became of one metric at one poll: of one of its counters, or of all of it.

    Attributes:
        at: seconds since the metrics were first read.
        metric: name.
        key: which counter, its arm named by what it was; None: the metric is a gauge, or its state is meant.
        value: of the counter or the gauge; None: the counter is not there any more, or the metric has no value.
        state: VALUE, or why the metric has no value.
        message: for people, when it has none; of VALUE, why there are counters of the candidate and none of stable.
    """

    at: float
    metric: str
    key: Key | None = None
    value: float | None = None
    state: State = State.VALUE
    message: str = ""

    def line(self) -> str:
        """Return it in the long form."""
        raw: dict[str, Any] = {"at": round(self.at, 6), "metric": self.metric}
        if self.key is not None:
            raw |= {"arm": self.key.arm, "pod": self.key.pod, "series": self.key.series}
            raw |= {"slice": self.key.slice} if self.key.slice else {}
            raw["value"] = self.value
        elif self.value is not None:
            raw["gauge"] = self.value
        else:
            raw |= {"state": str(self.state), "message": self.message}
        return json.dumps(raw, ensure_ascii=False)


Recorded = Entry | Change


def read_recording(text: str) -> tuple[Recorded, ...]:
    """Read a recording; what it holds is sorted by time.

    Raises:
        RolloutError: it is none, with the entry or the line that is wrong.
    """
    lines = text.splitlines(keepends=True)
    if lines and _begins_long(lines[0]):
        return tuple(sorted(_changes(lines), key=lambda change: change.at))
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise RolloutError(f"Reading a recording: it is no JSON: {exc}") from exc
    match raw:
        case list() | {"increments": list()}:
            entries = _entries(raw if isinstance(raw, list) else raw["increments"])
        case {"totals": list(totals)}:
            entries = _differences(_entries(totals))
        case _:
            raise RolloutError('Reading a recording: it is no list. Write [{"at", "arm", "total", "bad"}, ...].')
    if not any(entry.arm == "candidate" for entry in entries):
        raise RolloutError('Reading a recording: nothing in it is about the candidate. Write "arm": "candidate".')
    return entries


def _begins_long(line: str) -> bool:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(raw, dict) and "metric" in raw


def _changes(lines: Iterable[str]) -> Iterator[Change]:
    for number, line in enumerate(lines, 1):
        what = f"Reading a recording: line {number}"
        try:
            raw = json.loads(line)
        except (ValueError, RecursionError) as exc:
            if not line.endswith("\n"):
                # Whoever wrote it was stopped.
                return
            raise RolloutError(f"{what} is no JSON: {exc}") from exc
        change = _change(raw) if isinstance(raw, dict) else None
        if change is None:
            raise RolloutError(f"{what} tells neither a counter, nor a gauge, nor a state. Record it anew.")
        yield change


def _change(raw: Mapping[str, Any]) -> Change | None:
    """Return what a line tells; None: nothing that is known."""
    match raw:
        case {"at": at, "metric": str(metric), **rest} if _is_number(at, 0, LONGEST):
            pass
        case _:
            return None
    match rest:
        case {"arm": str(arm), "pod": str(pod), "series": str(series), "value": value} if raw.keys() - {
            "slice"
        } == _COUNTER and (value is None or _is_number(value, 0)):
            return Change(at, metric, Key(arm, pod, series, str(raw.get("slice", ""))), value)
        case {"gauge": gauge} if len(rest) == 1 and _is_number(gauge, -sys.float_info.max):
            return Change(at, metric, None, gauge)
        case {"state": str(state), "message": str(message)} if raw.keys() == _STATE and state in set(State):
            return Change(at, metric, state=State(state), message=message)
        case _:
            return None


def _is_number(value: object, least: float, most: float = sys.float_info.max) -> bool:
    """Return whether a JSON value is a number of such a size; NaN and Infinity, which Python reads too, are of none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _entries(raw: list[Any]) -> tuple[Entry, ...]:
    return tuple(sorted((_entry(number, item) for number, item in enumerate(raw)), key=lambda entry: entry.at))


def _entry(number: int, raw: Any) -> Entry:  # noqa: ANN401  # JSON
    what = f"Reading a recording: entry {number}"
    if not isinstance(raw, dict) or raw.keys() != {"at", "arm", "total", "bad"}:
        raise RolloutError(f"{what} does not hold at, arm, total and bad, and nothing else.")
    if raw["arm"] not in ARMS:
        raise RolloutError(f"{what}: its arm is {raw['arm']!r}. Write {' or '.join(ARMS)}.")
    if not _is_number(raw["at"], 0, LONGEST):
        raise RolloutError(f"{what}: its at is no number of seconds from 0 to {LONGEST:.0f}, which are 366 days.")
    counts = (raw["total"], raw["bad"])
    if any(not _is_number(count, 0, MOST) or count != int(count) for count in counts) or raw["bad"] > raw["total"]:
        raise RolloutError(f"{what}: total and bad are no whole numbers from 0 to {MOST}, or bad is more than total.")
    return Entry(float(raw["at"]), raw["arm"], int(raw["total"]), int(raw["bad"]))


def _differences(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return how much each entry is above that of its arm before; where a counter fell, its process had started anew."""
    last: dict[str, Entry] = {}
    found = []
    for entry in entries:
        before = last.get(entry.arm, Entry(0, entry.arm, 0, 0))
        last[entry.arm] = entry
        if entry.total < before.total or entry.bad < before.bad:
            before = Entry(0, entry.arm, 0, 0)
        total = entry.total - before.total
        found.append(Entry(entry.at, entry.arm, total, min(entry.bad - before.bad, total)))
    return tuple(found)


class Replay:
    """Requests as they were recorded. Each entry is told by the router that is first asked about its moment.

    Args:
        recording: sorted by time; of the long form nothing arrives, but it says how long there is something to tell.

    Attributes:
        begin: when the candidate got its first request; nothing arrives before.
        stable: cluster of the stable revision.
    """

    def __init__(self, recording: tuple[Recorded, ...]) -> None:
        self._left = [entry for entry in reversed(recording) if isinstance(entry, Entry)]
        self._seconds = recording[-1].at
        self.begin: datetime | None = None
        self.stable = ""

    @property
    def ends(self) -> datetime | None:
        """When there is nothing left to tell; None before it began."""
        return self.begin + timedelta(seconds=self._seconds) if self.begin is not None else None

    def reach(self, routes: "Routes", expected: float, since: datetime, until: datetime) -> Mapping[str, Arrived]:  # noqa: ARG002  # what is recorded does not depend on today's load
        """Return what was recorded until then and not told yet; the weights say only who is there to get it."""
        if self.begin is None:
            return {}
        now = (until - self.begin) / timedelta(seconds=1)
        sums = dict.fromkeys(ARMS, (0, 0))
        while self._left and self._left[-1].at <= now:
            entry = self._left.pop()
            total, bad = sums[entry.arm]
            sums[entry.arm] = (total + entry.total, bad + entry.bad)
        getting = [name for name in (*routes.mirrors, *routes.arms) if name != mirror_cluster(self.stable)]
        clusters = {"stable" if name == self.stable else "candidate": name for name in getting}
        return {clusters[arm]: Arrived(*both) for arm, both in sums.items() if arm in clusters and both[0]}
