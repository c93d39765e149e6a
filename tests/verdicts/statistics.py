"""Shares, means and medians of runs, each with how far chance may have moved it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z95 = 1.959964


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


def share(count: int, of: int) -> Estimate:
    """Return a share with Wilson's interval, which is sound near 0 and 1 too."""
    p, z2 = count / of, Z95**2
    middle = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 * math.sqrt(p * (1 - p) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return Estimate(p, max(0.0, middle - half), min(1.0, middle + half))


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
