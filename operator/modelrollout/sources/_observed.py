"""What collectors observe of requests and answers, whoever answered them: from the rows of their pages to tallies.

A row belongs to the arm that answered. The series are:

======================== =========================================================================================
requests                 observed requests
in/FEATURE/at=UPPER      values of a feature in the bin that ends there (not cumulative; only bins that hold some)
in/FEATURE/is=CATEGORY   values that are this category
in/FEATURE/missing       requests in which it is null, not a number or absent
in/FEATURE/count         requests in which it was looked for
out/at=UPPER             predictions that are numbers, by bin
out/is=CLASS             predictions that are classes
out/empty, error, count  answers without a prediction, answers that are no success, all answers
======================== =========================================================================================

Names are percent-encoded. Of every body there are the features ``bytes`` and ``length``: its size, and how many values or
characters it has.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from modelrollout.domain.capture import BINS_PER_DECADE
from modelrollout.domain.reading import Key, Sample, State
from modelrollout.domain.tally import Features, Histogram, Shares
from modelrollout.sources._base import Scope
from modelrollout.sources._collected import Page, read

REQUESTS = "requests"
"""In every signal: it tells when a collector began anew, and how many requests a block rests on."""
_BOUNDS = tuple(sorted({float(f"{step}e{power}") for power in range(-3, 6) for step in BINS_PER_DECADE} | {1e6}))
"""Upper bounds of positive values, where nobody named a range."""


def sample(
    answers: Mapping[str, Any], arms: Mapping[str, Iterable[str]], wanted: Callable[[str], bool], at: datetime
) -> Sample:
    """Return the counters of some arms.

    Args:
        answers: texts by router pod.
        arms: from the arm in the pages to those whose counters these are.
        wanted: whether a signal is made of a series.
        at: when they were fetched.

    Raises:
        SourceError: an answer that is no page.
    """
    pages = {pod: read(pod, answer) for pod, answer in answers.items()}
    observing = {pod: one.observed for pod, one in pages.items() if one.observed is not None}
    ours = {pod: rows for pod, rows in observing.items() if arms.keys() & rows.keys()}
    if not ours:
        return Sample(at, state=State.NO_METRIC, message=_nothing(pages, observing))
    counters: dict[Key, float] = defaultdict(float)
    for pod, rows in ours.items():
        for arm, names in arms.items():
            for name in names:
                # An arm that nobody has asked yet is at 0, so that its first requests count.
                counters[Key(name, pod, REQUESTS)] += 0.0
                for counted in rows.get(arm, ()):
                    if counted.series == REQUESTS or wanted(counted.series):
                        counters[Key(name, pod, counted.series, counted.part)] += counted.value
    return Sample(at, dict(counters))


def _nothing(pages: Mapping[str, Page], observing: Mapping[str, object]) -> str:
    if not pages:
        return "No collector answers."
    return "The collectors observe other revisions." if observing else "No collector observes requests yet."


def both(scope: Scope) -> dict[str, list[str]]:
    """Return each version as its own arm."""
    return {scope.arm: [scope.arm]} | ({scope.stable: [scope.stable]} if scope.stable else {})


def features(increments: Mapping[str, float]) -> Features:
    """Return the distribution of each feature, as if each request had one value of it.

    The values of one request belong together, so many of them prove no more than one that stands for them all.
    """
    values: dict[str, dict[str, float]] = defaultdict(dict)
    requests: dict[str, float] = defaultdict(float)
    for series, count in increments.items():
        match series.split("/"):
            case ["in", feature, "count"]:
                requests[unquote(feature)] += count
            case ["in", feature, "missing"]:
                requests[unquote(feature)] -= count
            case ["in", feature, value]:
                values[unquote(feature)][value] = count
            case _:
                continue
    found = {name: distribution(counts, requests[name]) for name, counts in sorted(values.items())}
    return Features({name: one for name, one in found.items() if one.total > 0}, increments.get(REQUESTS, 0.0))


def distribution(values: Mapping[str, float], requests: float) -> Histogram | Shares:
    """Return values in bins, or by category where there are no bins.

    Args:
        values: by ``at=UPPER`` or ``is=CATEGORY``.
        requests: that they were found in; 0 or below where nobody knows.
    """
    every = sum(values.values())
    scale = requests / every if 0 < requests < every else 1.0
    bins = {float(name[3:]): count for name, count in values.items() if name.startswith("at=")}
    if not bins:
        named = {unquote(name[3:]): count * scale for name, count in values.items() if name.startswith("is=")}
        return Shares(dict(sorted(named.items())))
    buckets, below = [], 0.0
    for bound in sorted({*bins, math.inf}):
        below += bins.get(bound, 0.0) * scale
        buckets.append((bound, below))
    return Histogram(tuple(buckets))


def middle(upper: float) -> float:
    """Return the middle of the bin that ends there; what is beyond all bins counts as the last bound."""
    if upper > _BOUNDS[-1]:
        return _BOUNDS[-1]
    index = bisect_left(_BOUNDS, upper)
    return (upper + _BOUNDS[index - 1]) / 2 if index and upper > 0 else max(upper, 0.0)
