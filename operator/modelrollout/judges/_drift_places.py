"""Where two distributions are compared: at a few bounds between values, or at the frequent categories.

The bounds are bins' ends near evenly spaced quantiles of what is normal, one just below its lowest bin among them where all
values may fall below that. What is normal is the reference, or what both versions were first seen to do; either is known
before the first block that is tested. A difference between two distributions that shows at no place is smaller than the share
of values between two of them.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping

from modelrollout.domain.tally import Histogram, Shares

Place = float | str | None
"""An upper bound, a category, or None: all categories that are no places of their own."""
MOST_PLACES = 7
"""Of one feature."""


def choose(normal: Histogram | Shares) -> tuple[Place, ...]:
    """Return the places of a feature, in order."""
    if isinstance(normal, Shares):
        frequent = sorted(normal.counts, key=lambda name: (-normal.counts[name], name))[: MOST_PLACES - 1]
        return (*frequent, None)
    found = bins(normal)
    if not found:
        return ()
    places = [math.nextafter(min(found), -math.inf), *(bound for bound in sorted(found) if bound < math.inf)]
    if len(places) <= MOST_PLACES:
        return tuple(places)
    shares = [count / normal.total for count in up_to(normal, places)]
    wanted = [(index + 0.5) / MOST_PLACES for index in range(MOST_PLACES)]
    near = {min(range(len(places)), key=lambda index: abs(shares[index] - share)) for share in wanted}
    return tuple(places[index] for index in sorted(near))


def counts_at(tally: Histogram | Shares, places: Iterable[Place]) -> list[float] | None:
    """Return how many values each place has: at most so large, or of that category; None when it has places of another kind."""
    every = list(places)
    if isinstance(tally, Histogram):
        bounds = [place for place in every if isinstance(place, float)]
        return up_to(tally, bounds) if len(bounds) == len(every) else None
    if None not in every:
        return None
    named = sum(tally.counts.get(place, 0.0) for place in every if isinstance(place, str))
    # Sums of the same numbers in another order may differ in the last digit.
    rest = max(tally.total - named, 0.0)
    return [tally.counts.get(place, 0.0) if isinstance(place, str) else rest for place in every]


def up_to(tally: Histogram, bounds: Iterable[float]) -> list[float]:
    """Return how many values were at most so large. Bins that hold nothing are not listed, so it is the last listed count."""
    listed = [bound for bound, _ in tally.buckets]
    before = (bisect_right(listed, bound) for bound in bounds)
    return [tally.buckets[index - 1][1] if index else 0.0 for index in before]


def bins(tally: Histogram) -> dict[float, float]:
    """Return how many values each bin holds, by its end, of those that hold some."""
    found, below = {}, 0.0
    for bound, count in tally.buckets:
        if count > below:
            found[bound] = count - below
        below = count
    return found


def together(one: Histogram | Shares | None, other: Histogram | Shares | None) -> Histogram | Shares | None:
    """Return what both hold; of different kinds, the first."""
    match one, other:
        case Histogram(), Histogram():
            held = Counter(bins(one)) + Counter(bins(other))
            return _histogram(held)
        case Shares(first), Shares(second):
            return Shares(dict(Counter(first) + Counter(second)))
        case _:
            return one or other


def _histogram(held: Mapping[float, float]) -> Histogram:
    buckets, below = [], 0.0
    for bound in sorted({*held, math.inf}):
        below += held.get(bound, 0.0)
        buckets.append((bound, below))
    return Histogram(tuple(buckets))


def words(feature: str, place: Place) -> str:
    """Return what a share is of: ``brightness at most 2``."""
    return f"{feature} {where(place)}"


def where(place: Place) -> str:
    """Return which values a share is of: ``at most 2``."""
    if place is None:
        return "of another kind"
    if isinstance(place, str):
        return f"is {place}"
    above = math.nextafter(place, math.inf) + 0.0
    return f"below {above:.6g}" if float(f"{above:.6g}") == above else f"at most {place:.6g}"
