"""From the growth of one arm's counters to a tally, for series that name what they count.

A series is named by what it counts, then by the pod or the labels that tell it from others of its kind:

======================== ==================================================================
``bad/POD/LABELS``       requests that were bad, one series for each set of labels of a pod
``total/POD/LABELS``     all requests
``sum/LABELS``           the sum of all values
``count/LABELS``         the number of values
``le=LOW:HIGH/LABELS``   values of at most HIGH; LOW is the next smaller bound of the histogram
``class/LABELS/CLASS``   values of one class
======================== ==================================================================

The pod is in the name where stable's pods must be told from each other. A bound is named with the one below it, so that each
value has a place of its own, whatever bounds the other version has, and even when only the counters that grew are told.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from modelrollout.domain.tally import Histogram, Mean, Measure, Rate, Shares


@dataclass(frozen=True, order=True)
class Cell:
    """What lies between two bounds of a histogram.

    Attributes:
        low: values are above it.
        high: values are at most this.
        count: so many values.
    """

    low: float
    high: float
    count: float


def bucket(low: float, high: float) -> str:
    """Return the first part of the name of the series for values of at most ``high``."""
    return f"le={low!r}:{high!r}"


def rate(increments: Mapping[str, float]) -> Measure | None:
    """Return bad and all requests, and the same for each pod."""
    grown: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for series, value in increments.items():
        kind, pod, _ = series.split("/", 2)
        grown[pod][kind] += value
    pods = {pod: _rate(kinds["bad"], kinds["total"]) for pod, kinds in sorted(grown.items()) if kinds["total"] > 0}
    total = sum(kinds["total"] for kinds in grown.values())
    bad = sum(kinds["bad"] for kinds in grown.values())
    return Measure(_rate(bad, total), pods) if total > 0 else None


def mean(increments: Mapping[str, float], scale: float) -> Measure | None:
    """Return the sum of all values, in the unit that ``scale`` makes, and their number."""
    grown = _by_kind(increments)
    return Measure(Mean(grown["sum"] * scale, grown["count"])) if grown["count"] > 0 else None


def histogram(increments: Mapping[str, float]) -> Measure | None:
    """Return cumulative counts at every bound beside which a value was counted."""
    found: dict[str, list[Cell]] = defaultdict(list)
    for series, value in increments.items():
        bounds, labels = series.removeprefix("le=").split("/")
        low, high = map(float, bounds.split(":"))
        found[labels].append(Cell(low, high, value))
    return cumulate(cell for cells in found.values() for cell in _apart(cells))


def _apart(cells: Iterable[Cell]) -> Iterator[Cell]:
    """Take from each count what is below its lower bound already. A bound that is not there did not grow, nor any below it."""
    below = 0.0
    for cell in sorted(cells, key=lambda cell: cell.high):
        # Servers that fill their buckets one by one may be a request behind in the larger one.
        yield replace(cell, count=max(cell.count - below, 0.0))
        below = max(below, cell.count)


def cumulate(cells: Iterable[Cell]) -> Measure | None:
    """Return the histogram of what lies between bounds; a bound inside a cell that holds values is left out."""
    ordered = sorted(cells)
    bounds = sorted({bound for cell in ordered for bound in (cell.low, cell.high)} - {-math.inf} | {math.inf})
    buckets, index, count, reach = [], 0, 0.0, -math.inf
    for bound in bounds:
        while index < len(ordered) and ordered[index].low < bound:
            cell = ordered[index]
            index, count, reach = index + 1, count + cell.count, max(reach, cell.high if cell.count > 0 else reach)
        # Only where no cell reaches beyond the bound is everything that was counted so far below it.
        if reach <= bound:
            buckets.append((bound, count))
    return Measure(Histogram(tuple(buckets))) if buckets[-1][1] > 0 else None


def shares(increments: Mapping[str, float]) -> Measure | None:
    """Return how many values each class has."""
    counts: dict[str, float] = defaultdict(float)
    for series, value in increments.items():
        counts[series.split("/", 2)[2]] += value
    return Measure(Shares(dict(sorted(counts.items())))) if sum(counts.values()) > 0 else None


def _by_kind(increments: Mapping[str, float]) -> Mapping[str, float]:
    grown: dict[str, float] = defaultdict(float)
    for series, value in increments.items():
        grown[series.partition("/")[0]] += value
    return grown


def _rate(bad: float, total: float) -> Rate:
    # Counters of one page are read one after the other, so a request may be in one and not yet in the other.
    return Rate(min(bad, total), total)
