"""How many more requests a pass will take."""

import math

from modelrollout.evidence.forecast import requests_needed
from modelrollout.evidence.pair import Pair
from modelrollout.judges._margin import Accepted

_MOST = 10**15


def further(margin: Accepted, past: Pair, within: float, beta: float) -> int | None:
    """Return how many more requests of the candidate bring a rate to a pass, if both sides go on as stable does.

    Args:
        margin: one part of it is enough, so the faster one counts.
        past: totals so far; they say how bad stable is and how the requests are split.
        within: what has been gathered.
        beta: highest chance of a false pass.
    """
    rate, share = (past.ks + 0.5) / (past.ns + 1), past.nc / (past.nc + past.ns) if past.nc + past.ns else 0.0
    found = math.inf
    if margin.absolute is not None:
        found = requests_needed(rate, margin.absolute, 1.0, share, beta)
    if margin.ratio is not None:
        found = min(found, requests_needed(rate, 0.0, margin.ratio, share, beta))
    return left(found, within, beta)


def left(requests: float, within: float, beta: float) -> int | None:
    """Return what is left of so many requests from nothing to a pass; None when there is no end."""
    enough = math.log(1 / beta)
    return whole(requests * max(enough - within, 0.0) / enough if requests < _MOST else math.inf)


def whole(requests: float) -> int | None:
    """Return a number of requests rounded up; None when there is no end."""
    return math.ceil(requests) if requests < _MOST else None
