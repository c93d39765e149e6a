"""How many requests it will take until a candidate that is as good as stable can be passed.

Per candidate request the evidence grows by g = (ns·KL(p‖x) + nc·KL(p‖y))/nc on average, with p the rate of both and (x, y)
its projection on the line of the margin; 1/beta is reached after about ln(1/beta)/g. It is what an oracle would need that
knows p; a test that must learn it takes about as long (0.6 to 1.2 times in simulations).
"""

import math
from collections.abc import Sequence

from modelrollout.evidence.margin import project
from modelrollout.evidence.mixture import Mixture, log_sum
from modelrollout.evidence.pair import Rates

_LEAST = 1e-9


def requests_needed(rate: float, delta: float, ratio: float, share: float, beta: float) -> float:
    """Return how many candidate requests bring "not worse than the margin" to 1/beta; infinite if none do.

    Args:
        rate: of both arms.
        delta: offset of the margin's line p_c = ratio·p_s + delta.
        ratio: its slope. For "the larger of an offset and a ratio" ask for each alone and take the smaller answer.
        share: of all requests that go to the candidate, from 0 to 1.
        beta: highest chance of a false pass.
    """
    p = min(max(rate, _LEAST), 1 - _LEAST)
    if not 0 < share < 1 or ratio * p + delta <= p:
        return math.inf
    if delta >= 1:
        # No candidate can be beyond such a margin.
        return 0.0
    x, y = project(Rates(p, p), 1 - share, share, ratio, delta)
    growth = ((1 - share) * divergence(p, x) + share * divergence(p, y)) / share
    return math.log(1 / beta) / growth if growth > 0 else math.inf


def requests_needed_for_limit(rate: float, limit: float, beta: float) -> float:
    """Return how many requests bring "below the limit" to 1/beta; infinite if none do.

    Args:
        rate: of the candidate.
        limit: the constant that it must be below. For "above" hand in 1 - rate and 1 - limit.
        beta: highest chance of a false pass.
    """
    p = min(max(rate, _LEAST), 1 - _LEAST)
    return math.log(1 / beta) / divergence(p, limit) if p < limit < 1 else math.inf


def divergence(p: float, q: float) -> float:
    """Return KL(p‖q): by how much q makes a value of rate p more surprising, per request."""
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def requests_until(state: Mixture, growth: Sequence[float], log_e: float) -> float:
    """Return how many more requests bring a mixture to an evidence if all goes on as it does; infinite if none do.

    Args:
        state: what has been gathered; starts that are still to come are not looked at.
        growth: what one request adds to ln e of each alternative, on average.
        log_e: what is asked for.
    """
    enough = log_e + math.log(len(growth))
    if log_sum(state.parts) >= enough:
        return 0.0
    if max(growth) <= 0:
        return math.inf
    # The first alternative that gets there alone takes longer than all together. From there Newton's steps down never go too
    # far, because the evidence is convex in the number of requests.
    requests = min((enough - part) / each for part, each in zip(state.parts, growth, strict=True) if each > 0)
    while True:
        parts = [part + requests * each for part, each in zip(state.parts, growth, strict=True)]
        total = log_sum(parts)
        slope = math.fsum(each * math.exp(part - total) for part, each in zip(parts, growth, strict=True))
        too_many = (total - enough) / slope
        if too_many < max(0.5, 1e-3 * requests):
            return requests
        requests -= too_many
