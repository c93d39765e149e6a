"""Is the candidate's rate more than so many times stable's? Exact, for every rate that stable may have.

For the null p_c ≤ r·p_s and an alternative ratio ψ > r one block has, with K = kc + ks,

    ln e = kc · ln(ψ/r) + K · ln((ns + r·nc) / (ns + ψ·nc))

Proof idea: e = A^kc · B^ks, and A^x ≤ 1 + x·(A - 1) on [0, 1], so E[e] ≤ exp(nc·p_c·(A - 1) + ns·p_s·(B - 1)). The
exponent is 0 at p_c = r·p_s for every p_s, and smaller for smaller p_c as A > 1. So it holds for counts of requests, for
events of exposure time (n is the exposure) and for sums of values from 0 to 1. ψ < r tests p_c ≥ r·p_s likewise. It
is the split test of Lindon, Sanden, Shirikian, "Rapid regression detection in software deployments" (KDD 2022).

For equal rates and a block with many bad ones, whole counts allow the exact normaliser instead: given K, the candidate's
bad ones are hypergeometric at worst, and E[ψ^kc] of it is never above that of the binomial distribution, which the
closed form amounts to (Hoeffding 1963, theorem 4). Sums of values that happen to be whole take that path too.
"""

import math
from dataclasses import dataclass

from modelrollout.evidence.pair import Pair, PairTest

# The exact normaliser pays when many of all requests are bad; beyond the largest sum the gain is nil.
_DENSE = 0.02
_LARGEST = 20_000

# A term so far below the sum of all is lost in rounding.
_NEGLIGIBLE = 1e-18


@dataclass(frozen=True)
class RatioTest(PairTest):
    """Tests whether the candidate's rate is beyond a multiple of stable's.

    Attributes:
        ratio: r, the multiple.
        worse: True gathers evidence for p_c > r·p_s, False for p_c < r·p_s.
        grid: alternatives as multiples of r (divisors when not worse).
    """

    ratio: float = 1.0
    worse: bool = True
    grid: tuple[float, ...] = (1.5, 2.5, 5.0, 15.0, 100.0)

    def __post_init__(self) -> None:
        if not 0 < self.ratio < math.inf:
            raise ValueError(f"A ratio of {self.ratio} cannot be tested. Use one above 0.")

    @property
    def alternatives(self) -> int:
        """Number of alternatives that are mixed."""
        return len(self.grid)

    def increments(self, past: Pair, block: Pair) -> list[float]:  # noqa: ARG002  # the grid is fixed
        """Return ln e of a block, one for each alternative."""
        kc, nc, ns = block.kc, block.nc, block.ns
        bad = kc + block.ks
        if nc <= 0 or ns <= 0 or bad <= 0:
            return [0.0] * len(self.grid)
        ratio = self.ratio
        factors = self.grid if self.worse else tuple(1 / factor for factor in self.grid)
        if ratio == 1 and _DENSE * (nc + ns) < bad <= _LARGEST and _whole(block):
            return [
                kc * math.log(factor) - log_hypergeometric_mean(factor, int(bad), int(nc), int(ns))
                for factor in factors
            ]
        null = ns + ratio * nc
        return [kc * math.log(factor) + bad * math.log(null / (ns + ratio * factor * nc)) for factor in factors]


def log_hypergeometric_mean(factor: float, bad: int, candidate: int, stable: int) -> float:
    """Return ln E[factor^k] when ``bad`` of both arms' requests are drawn and k is how many hit the candidate.

    The terms are log-concave in k: from the largest one they fall ever faster on both sides, so the sum ends where they
    are lost in rounding, after some tens of standard deviations at most.
    """
    low, high = max(0, bad - stable), min(bad, candidate)
    peak = min(max(_peak(factor, bad, candidate, stable), low), high)
    total = 1.0
    term, k = 1.0, peak
    while k < high and term > _NEGLIGIBLE * total:
        term *= factor * (candidate - k) * (bad - k) / ((k + 1) * (stable - bad + k + 1))
        total += term
        k += 1
    term, k = 1.0, peak
    while k > low and term > _NEGLIGIBLE * total:
        term *= k * (stable - bad + k) / (factor * (candidate - k + 1) * (bad - k + 1))
        total += term
        k -= 1
    largest = _log_choose(candidate, peak) + _log_choose(stable, bad - peak) - _log_choose(candidate + stable, bad)
    return largest + peak * math.log(factor) + math.log(total)


def _peak(factor: float, bad: int, candidate: int, stable: int) -> int:
    """Return about where the terms are largest: where one equals its neighbour, a quadratic equation in k."""
    linear = stable - bad + factor * (candidate + bad)
    root = math.sqrt(linear * linear + 4 * (1 - factor) * factor * candidate * bad)
    # Written so that a factor of 1 needs no case of its own.
    return round(2 * factor * candidate * bad / (linear + root))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _whole(block: Pair) -> bool:
    counts = (block.kc, block.nc, block.ks, block.ns)
    return all(float(count).is_integer() for count in counts) and block.kc <= block.nc and block.ks <= block.ns
