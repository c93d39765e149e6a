"""Shares, means and medians of runs, each with how far chance may have moved it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from modelrollout.evidence.wilson import wilson

Z95 = 1.959964


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


def share(count: int, of: int) -> Estimate:
    """Return a share with Wilson's interval, which is sound near 0 and 1 too."""
    low, high = wilson(count, of)
    return Estimate(count / of, max(0.0, low), min(1.0, high))


def mean(values: Sequence[float]) -> Estimate:
    """Return a mean with the normal interval."""
    n = len(values)
    middle = math.fsum(values) / n
    spread = math.sqrt(math.fsum((value - middle) ** 2 for value in values) / max(1, n - 1) / n)
    return Estimate(middle, middle - Z95 * spread, middle + Z95 * spread)


def median_time(times: Sequence[float], of: int) -> float | None:
    """Return when half of all runs had decided; None when fewer ever did."""
    need = (of + 1) // 2
    return sorted(times)[need - 1] if len(times) >= need else None


def likely_at_most(count: int, of: int, rate: float, chance: float) -> bool:
    """Return whether so many of so many are no surprise for a rate that is at most this: exact binomial tail."""
    log_p, log_q = math.log(rate), math.log1p(-rate)
    tail = math.fsum(
        math.exp(math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * log_p + (of - k) * log_q)
        for k in range(count, of + 1)
    )
    return tail >= chance
