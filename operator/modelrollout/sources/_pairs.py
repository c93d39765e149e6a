"""From counters of pairs to tallies, and from a tally to the one number that a limit is held against."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from modelrollout.domain.capture import DIFFERENCES
from modelrollout.domain.tally import Crossed, Histogram, Mean, Paired, Scores, Shares, Tally
from modelrollout.sources._histogram import DEFAULT_QUANTILE, quantile


def scores(increments: Mapping[str, float]) -> Scores:
    """Return pairs by their score, and by their excess over stable's own noise."""
    found: dict[str, dict[float, float]] = {"score": {}, "beyond": {}}
    for (kind, value), count in _named(increments, 2):
        if kind in found:
            found[kind][float(value)] = count
    return Scores(*(dict(sorted(counts.items())) for counts in found.values()))


def crossed(increments: Mapping[str, float]) -> Crossed:
    """Return couples of pairs."""
    return Crossed({(int(d), int(c)): count for (kind, d, c), count in _named(increments, 3) if kind == "kappa"})


def paired(increments: Mapping[str, float]) -> Paired:
    """Return pairs by whose answer was bad."""
    return Paired(**{cell: count for (kind, _, cell), count in _named(increments, 3) if kind == "bad"})


def differences(increments: Mapping[str, float]) -> Histogram:
    """Return rising counts at all bounds that a collector has, of which those below the smallest difference did not grow."""
    grown = {float(series.partition("=")[2]): count for series, count in increments.items() if "le=" in series}
    buckets, below = [], 0.0
    for bound in sorted({*DIFFERENCES, math.inf, *grown}):
        below = max(below, grown.get(bound, 0.0))
        buckets.append((bound, below))
    return Histogram(tuple(buckets))


def lengths(increments: Mapping[str, float]) -> Mean:
    """Return the sum and the number of lengths."""
    return Mean(increments.get("sum", 0.0), increments.get("count", 0.0))


def classes(increments: Mapping[str, float]) -> Shares:
    """Return how many of each class there were, as if each request had one.

    The predictions of one request belong together, so many of them prove no more than one that stands for them all.
    """
    counts: dict[str, float] = defaultdict(float)
    for (kind, label, _), count in _named(increments, 3):
        if kind == "class":
            counts[unquote(label)] += count
    every, requests = sum(counts.values()), increments.get("count", 0.0)
    scale = requests / every if 0 < requests < every else 1.0
    return Shares({label: count * scale for label, count in sorted(counts.items())})


def value(tally: Tally) -> float | None:
    """Return the number that a limit is held against, None when there is none."""
    match tally:
        case Scores(counts):
            return sum(score * count for score, count in counts.items()) / tally.total
        case Crossed():
            return kappa(tally)
        case Paired(both, candidate):
            return (both + candidate) / tally.total
        case Histogram(buckets):
            return quantile(dict(buckets), DEFAULT_QUANTILE)
        case Mean(total, count):
            return total / count
        case _:
            return None


def kappa(tally: Crossed) -> float | None:
    """Return Cohen's kappa, None while all labels are the same: chance would make them agree, too."""
    expected = sum(c * count for (_, c), count in tally.counts.items())
    return 1 - sum(d * count for (d, _), count in tally.counts.items()) / expected if expected > 0 else None


def _named(increments: Mapping[str, float], size: int) -> Iterator[tuple[list[str], float]]:
    for series, count in increments.items():
        parts = series.split("/")
        if len(parts) == size:
            yield parts, count
