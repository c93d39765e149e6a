"""Subtracting counters: how many happened between two scrapes, per series, whatever pods and processes come and go.

The rules, for each group of counters that one process keeps (same pod, arm and slice):

- A pod that was never seen brings no numbers, only the start to count from. Nothing says since when it counts, and
  counting all of it could bill the candidate for errors of an earlier stage. It costs at most one interval of its numbers.
- A series that is new in a pod that was seen is born at 0: a first error that appears as 1 counts as 1.
- Where one counter of a group fell, the process started anew, so all of the group count from 0. Counting series one by one
  would lose errors: 3 before the restart and 3 after it look like none.
- A pod that does not report keeps what was counted, and goes on from there when it is back.
"""

from collections.abc import Mapping
from types import MappingProxyType

from modelrollout.domain.reading import Key

ByArm = Mapping[tuple[str, str], Mapping[str, float]]
"""Sums over pods by series, of each arm and slice."""
_NOTHING: ByArm = MappingProxyType({})


def increments(seen: Mapping[Key, float], now: Mapping[Key, float]) -> dict[Key, float]:
    """Return how much each counter grew, without those that did not; never negative.

    Args:
        seen: the last known counters, see :func:`remember`.
        now: counters of one scrape.
    """
    grown = {}
    for key, value in now.items():
        before = seen.get(key)
        if before is None or value < before:
            return _after_a_start(seen, now)
        if value > before:
            grown[key] = value - before
    return grown


def _after_a_start(seen: Mapping[Key, float], now: Mapping[Key, float]) -> dict[Key, float]:
    """Return the increments where a pod, a series or a process may be new, which few scrapes see."""
    pods = {key.pod for key in seen}
    restarted = {_group(key) for key, value in now.items() if value < seen.get(key, 0.0)}
    grown = {}
    for key, value in now.items():
        if key.pod in pods:
            more = value - (0.0 if restarted and _group(key) in restarted else seen.get(key, 0.0))
            if more > 0:
                grown[key] = more
    return grown


def remember(seen: Mapping[Key, float], now: Mapping[Key, float]) -> dict[Key, float]:
    """Return the counters to subtract next time: the newest of each group, and of groups that did not report the last known."""
    if seen.keys() <= now.keys():
        return dict(now)
    reported = {_group(key) for key in now}
    return {key: value for key, value in seen.items() if _group(key) not in reported} | dict(now)


def total(sums: Mapping[Key, float], grown: Mapping[Key, float]) -> dict[Key, float]:
    """Return sums over pods with what grew added; their keys name no pod."""
    result = dict(sums)
    for key, value in grown.items():
        everywhere = Key(key.arm, "", key.series, key.slice)
        result[everywhere] = result.get(everywhere, 0.0) + value
    return result


def by_arm(grown: Mapping[Key, float], sums: ByArm = _NOTHING) -> dict[tuple[str, str], dict[str, float]]:
    """Return sums over pods by series, of each arm and slice; with what was summed up before."""
    found = {place: dict(series) for place, series in sums.items()}
    for (arm, _, series, part), value in grown.items():
        place = found.get((arm, part))
        if place is None:
            place = found[arm, part] = {}
        place[series] = place.get(series, 0.0) + value
    return found


def complete(grown: ByArm, seen: Mapping[Key, float]) -> dict[tuple[str, str], dict[str, float]]:
    """Return what grew, see :func:`by_arm`, with 0 for the series beside it that did not."""
    found = {place: dict(series) for place, series in grown.items()}
    for arm, _, series, part in seen:
        if (arm, part) in found:
            found[arm, part].setdefault(series, 0.0)
    return found


def _group(key: Key) -> tuple[str, str, str]:
    return key.pod, key.arm, key.slice
