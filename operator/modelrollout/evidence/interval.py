"""Between what and what the difference of the two rates lies: a confidence sequence, right at all times at once.

A difference d is out once the test of p_c - p_s ≥ d (or ≤ d) has reached 2/alpha; what is left at both ends is the
interval. Each end is wrong with a chance of at most alpha/2, ever, so what is out stays out. That makes the state small:
only differences that are still in are followed, and the more is known the fewer they are.

Two alternatives are mixed: the two rates as estimated from earlier blocks, and one rate for both. Of the first a difference
below the estimate gathers evidence from one side only, one above it from the other; the second speaks against a difference
above 0 from above, and against one below it from below. Without the second a few early failures of an equal candidate
would keep its upper end up for as long as the estimate takes to come down.
"""

import math
from dataclasses import dataclass

from modelrollout.evidence.margin import log_margin_e
from modelrollout.evidence.mixture import log_sum
from modelrollout.evidence.pair import Pair, Rates

_UP = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75)
_DIFFERENCES = (*(-difference for difference in reversed(_UP)), 0.0, *_UP)
_LEAST = 1e-9
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Bounds:
    """Where the interval stands.

    Attributes:
        low: index of the largest difference that is out from below; -1: none.
        high: index of the smallest difference that is out from above; the number of differences: none.
        over: for each difference between them ln E that the true one is above it.
        under: for each difference between them ln E that the true one is below it.
        alike: for each difference between them ln E that both rates are one, so that it is too far from 0.
    """

    low: int
    high: int
    over: tuple[float, ...]
    under: tuple[float, ...]
    alike: tuple[float, ...]


@dataclass(frozen=True)
class IntervalGrid:
    """A confidence sequence for the candidate's rate minus stable's, on a fixed grid of differences.

    Attributes:
        alpha: chance that the true difference is ever outside.
        prior_rate: the rate that estimates begin with.
        prior_n: how many requests the prior rate counts for.
        differences: the grid, rising.
    """

    alpha: float = 0.05
    prior_rate: float = 0.01
    prior_n: float = 20.0
    differences: tuple[float, ...] = _DIFFERENCES

    def start(self) -> Bounds:
        """Return the state before the first block."""
        nothing = (0.0,) * len(self.differences)
        return Bounds(-1, len(self.differences), nothing, nothing, nothing)

    def step(self, state: Bounds, past: Pair, block: Pair, temper: float = 1.0, cap: float = math.inf) -> Bounds:
        """Fold one block in.

        Args:
            state: before the block.
            past: totals of all earlier blocks. It only guides the choice of the alternative: any past is valid.
            block: counts of this block alone.
            temper: at least 1; each ln e is divided by it.
            cap: most that one block may add. Both must come from earlier blocks or outside.
        """
        apart, both = self._estimates(past)
        estimate = apart.candidate - apart.stable
        over, under, alike = list(state.over), list(state.under), list(state.alike)
        first = state.low + 1
        low, high, enough = state.low, state.high, math.log(2 / self.alpha)
        free = temper == 1 and cap == math.inf
        for position, difference in enumerate(self.differences[first : state.high]):
            above = estimate > difference
            side = over if above else under
            increment = log_margin_e(apart, block, difference, 1.0, worse=above)
            side[position] += increment if free else min(increment / temper, cap)
            same = None
            if difference:
                increment = log_margin_e(both, block, difference, 1.0, worse=difference < 0)
                same = alike[position] + (increment if free else min(increment / temper, cap))
                alike[position] = same
            if _reaches(over[position], same if difference < 0 else None, enough):
                low = first + position
            elif _reaches(under[position], same if difference > 0 else None, enough):
                high = min(high, first + position)
        # Both may be out only if the interval is wrong somewhere; it stays an interval all the same.
        high = max(high, low + 1)
        inside = slice(low + 1 - first, high - first)
        return Bounds(low, high, tuple(over[inside]), tuple(under[inside]), tuple(alike[inside]))

    def interval(self, state: Bounds) -> tuple[float, float]:
        """Return both ends; -1 and 1 as long as nothing is known."""
        low = self.differences[state.low] if state.low >= 0 else -1.0
        high = self.differences[state.high] if state.high < len(self.differences) else 1.0
        return low, high

    def _estimates(self, past: Pair) -> tuple[Rates, Rates]:
        """Return the rates of each arm, and the one of both."""
        bad, prior = self.prior_rate * self.prior_n, self.prior_n
        stable, candidate = (bad + past.ks) / (prior + past.ns), (bad + past.kc) / (prior + past.nc)
        both = _inside((bad + past.kc + past.ks) / (prior + past.nc + past.ns))
        return Rates(_inside(stable), _inside(candidate)), Rates(both, both)


def _inside(rate: float) -> float:
    return min(max(rate, _LEAST), 1 - _LEAST)


def _reaches(one: float, other: float | None, enough: float) -> bool:
    """Return whether evidence reaches so much: one alone, or the average of two, which is never above the larger of them."""
    if other is None:
        return one >= enough
    if one < enough - _ROUNDING and other < enough - _ROUNDING:
        return False
    return log_sum((one, other)) - math.log(2) >= enough
