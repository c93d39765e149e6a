"""Counters recorded from a live rollout, to be counted again by simulated routers: the same numbers, another spec.

The form is a JSON list with one entry for each arm and poll::

    [{"at": 10, "arm": "candidate", "total": 12, "bad": 1}, {"at": 10, "arm": "stable", "total": 110, "bad": 0}, ...]

``at`` counts seconds since the candidate got its first request; ``total`` and ``bad`` are the requests, and the bad ones among
them, since the entry before. Counters that were never reset may be written as they are: ``{"totals": [...]}`` holds the same
list with what was counted since the beginning; ``{"increments": [...]}`` is the plain list.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from modelrollout.errors import RolloutError
from modelrollout.names import mirror_cluster
from modelrollout.simulation.arrivals import Arrived

if TYPE_CHECKING:
    from modelrollout.simulation.envoy import Routes

ARMS = ("candidate", "stable")


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


def read_recording(text: str) -> tuple[Entry, ...]:
    """Read a recording; its entries are sorted by time.

    Raises:
        RolloutError: it is none, with the entry that is wrong.
    """
    try:
        raw = json.loads(text)
    except ValueError as exc:
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


def _entries(raw: list[Any]) -> tuple[Entry, ...]:
    return tuple(sorted((_entry(number, item) for number, item in enumerate(raw)), key=lambda entry: entry.at))


def _entry(number: int, raw: Any) -> Entry:  # noqa: ANN401  # JSON
    what = f"Reading a recording: entry {number}"
    if not isinstance(raw, dict) or raw.keys() != {"at", "arm", "total", "bad"}:
        raise RolloutError(f"{what} does not hold at, arm, total and bad, and nothing else.")
    if raw["arm"] not in ARMS:
        raise RolloutError(f"{what}: its arm is {raw['arm']!r}. Write {' or '.join(ARMS)}.")
    numbers = [raw[name] for name in ("at", "total", "bad")]
    if any(isinstance(value, bool) or not isinstance(value, int | float) or value < 0 for value in numbers):
        raise RolloutError(f"{what}: at, total and bad are no numbers from 0 on.")
    if any(value != int(value) for value in numbers[1:]) or raw["bad"] > raw["total"]:
        raise RolloutError(f"{what}: total and bad are no whole numbers, or bad is more than total.")
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
        entries: sorted by time.

    Attributes:
        begin: when the candidate got its first request; nothing arrives before.
        stable: cluster of the stable revision.
    """

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self._left = list(reversed(entries))
        self._seconds = entries[-1].at
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
