"""The band in which a binomial count lies: how far a traffic split may be from its weight by chance alone.

A split check asks "did 10 % of the requests reach the candidate?". The count is never exactly 10 %; this says which
counts are believable at a stated probability of a false alarm, so that no test carries a tolerance somebody guessed.
"""

from __future__ import annotations

import math
from statistics import NormalDist

EXACT_UP_TO = 20_000
"""Up to here every probability is summed; above, the corrected normal approximation is a count or two wider."""


def band(n: int, p: float, alpha: float) -> tuple[int, int]:
    """Return the lowest and highest believable count of n requests of which each goes there with probability p.

    A count outside the band has a probability of at most alpha, at most alpha / 2 on either side.
    """
    if n < 0 or not 0 <= p <= 1 or not 0 < alpha < 1:
        raise ValueError(f"band needs n >= 0, 0 <= p <= 1 and 0 < alpha < 1, not {n}, {p}, {alpha}")
    if p in (0, 1):
        return round(n * p), round(n * p)
    if n <= EXACT_UP_TO:
        # The highest count of p is the lowest count of the other arm.
        return _lowest(n, p, alpha / 2), n - _lowest(n, 1 - p, alpha / 2)
    z = NormalDist().inv_cdf(1 - alpha / 2)
    reach = z * math.sqrt(n * p * (1 - p)) + 0.5  # 0.5: a count is a step, not a point
    centre = n * p + (1 - 2 * p) * (z * z - 1) / 6  # the distribution leans towards the middle
    return max(0, math.floor(centre - reach)), min(n, math.ceil(centre + reach))


def _lowest(n: int, p: float, tail: float) -> int:
    """The smallest count whose lower tail, itself included, weighs more than `tail`."""
    log_p, log_q, log_n = math.log(p), math.log1p(-p), math.lgamma(n + 1)
    below = 0.0
    for k in range(n + 1):
        # In logarithms, because the single factors leave the range of a float for large n.
        below += math.exp(log_n - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * log_p + (n - k) * log_q)
        if below > tail:
            return k
    return n
