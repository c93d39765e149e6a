"""Is the candidate's rate beyond a margin of stable's? The null is one side of the line p_c = r·p_s + d.

For an alternative (θ_s, θ_c) on the other side and its projection (x, y) on the line, one block has

    ln e = kc·ln(θ_c/y) + (nc - kc)·ln((1 - θ_c)/(1 - y)) + ks·ln(θ_s/x) + (ns - ks)·ln((1 - θ_s)/(1 - x))

with x the minimum of ns·KL(θ_s‖x) + nc·KL(θ_c‖r·x + d). Proof idea: the null is convex, so at the projection q every point
p of it has ⟨∇KL(θ‖q), p - q⟩ ≥ 0, and ln E_p[e] is at most the negative of that (reverse information projection:
Grünwald, de Heide, Koolen, JRSS B 2024; Turner, Ly, Grünwald, JSPI 2024, for r = 1, d = 0).
A chord lies above the function x ↦ a^x, so sums of values from 0 to 1 may stand for counts.

The alternatives are chosen from earlier blocks, with stable's rate before the rollout as the prior; any choice is valid,
a good one is powerful.
"""

import math
from dataclasses import dataclass

from modelrollout.evidence.pair import Pair, PairTest, Rates

# Rates of alternatives keep away from 0 and 1 so that no logarithm is infinite, and projections a little less.
_LEAST = 1e-9
_EDGE = 1e-12


@dataclass(frozen=True)
class MarginTest(PairTest):
    """Tests on which side of a line the two rates are.

    Attributes:
        delta: d, the offset of the line.
        ratio: r, its slope.
        worse: True tests p_c ≤ r·p_s + d: large evidence means worse than the margin. False tests p_c ≥ r·p_s + d: large
            evidence means not worse than the margin.
        prior_rate: the rate that alternatives begin with.
        prior_n: how many requests the prior rate counts for.
        grid: further alternatives, as factors on the odds of the line; unused when "no difference" is an alternative.
    """

    delta: float
    ratio: float = 1.0
    worse: bool = True
    prior_rate: float = 0.01
    prior_n: float = 20.0
    grid: tuple[float, ...] = (1.5, 2.5, 5.0, 15.0)

    def __post_init__(self) -> None:
        if not (self.ratio > 0 and -self.ratio < self.delta < 1):
            raise ValueError(f"No pair of rates lies on both sides of p_c = {self.ratio:g}·p_s + {self.delta:g}.")

    @property
    def equal(self) -> bool:
        """Whether "no difference" lies in the alternative."""
        if self.worse:
            return self.delta < 0 or self.ratio < 1
        return self.delta > 0 or self.ratio > 1

    @property
    def alternatives(self) -> int:
        """Number of alternatives that are mixed."""
        return 2 if self.equal else 1 + len(self.grid)

    def increments(self, past: Pair, block: Pair) -> list[float]:
        """Return ln e of a block, one for each alternative."""
        return [
            log_margin_e(rates, block, self.delta, self.ratio, worse=self.worse) for rates in self._alternatives(past)
        ]

    def _alternatives(self, past: Pair) -> list[Rates]:
        bad, prior = self.prior_rate * self.prior_n, self.prior_n
        stable = _inside((bad + past.ks) / (prior + past.ns))
        separate = Rates(stable, _inside((bad + past.kc) / (prior + past.nc)))
        if self.equal:
            pooled = _inside((bad + past.kc + past.ks) / (prior + past.nc + past.ns))
            return [Rates(pooled, pooled), separate]
        edge = _inside(self.ratio * stable + self.delta)
        odds = edge / (1 - edge)
        moved = [odds * factor if self.worse else odds / factor for factor in self.grid]
        return [separate, *[Rates(stable, _inside(value / (1 + value))) for value in moved]]


def log_margin_e(rates: Rates, block: Pair, delta: float, ratio: float, *, worse: bool) -> float:
    """Return ln e of a block for one alternative; 0 when that is none, being inside the null."""
    stable, candidate = rates
    distance = candidate - (ratio * stable + delta)
    if block.nc <= 0 or block.ns <= 0 or (distance <= 0 if worse else distance >= 0):
        return 0.0
    x, y = project(rates, block.ns, block.nc, ratio, delta)
    found = (block.nc - block.kc) * math.log((1 - candidate) / (1 - y))
    found += (block.ns - block.ks) * math.log((1 - stable) / (1 - x))
    # Most blocks of a good service have no bad request.
    if block.kc:
        found += block.kc * math.log(candidate / y)
    if block.ks:
        found += block.ks * math.log(stable / x)
    return found


def project(rates: Rates, ns: float, nc: float, ratio: float, delta: float) -> Rates:
    """Return the point of p_c = ratio·p_s + delta that is nearest to the rates in ns·KL(·‖p_s) + nc·KL(·‖p_c).

    Newton's method on the derivative times x(1 - x)y(1 - y), a cubic with one root between the points of the line that
    have the wanted p_s and the wanted p_c. A step that would leave what still encloses the root is a bisection instead.
    """
    stable, candidate = rates
    least, most = max(_EDGE, (_EDGE - delta) / ratio), min(1 - _EDGE, (1 - _EDGE - delta) / ratio)
    other = (candidate - delta) / ratio
    low, high = (stable, other) if stable < other else (other, stable)
    # Both ends of what encloses the root, each moved into the line.
    low, high = max(least, min(low, most)), min(most, max(high, least))
    weight = nc * ratio
    # The mean of both, each weighted by its curvature: near the answer when the rates are near the line.
    here = ns / (stable * (1 - stable))
    there = weight * ratio / (candidate * (1 - candidate))
    x = (here * stable + there * other) / (here + there)
    x = min(max(x, low), high)
    for _ in range(100):
        y = ratio * x + delta
        u, v = x * (1 - x), y * (1 - y)
        off, beside = x - stable, y - candidate
        value = ns * off * v + weight * beside * u
        if value > 0:
            high = x
        else:
            low = x
        slope = ns * (v + off * (1 - 2 * y) * ratio) + weight * (ratio * u + beside * (1 - 2 * x))
        step = value / slope if slope else math.inf
        nearer = x - step
        if not low <= nearer <= high:
            nearer = (low + high) / 2
            step = x - nearer
        x = nearer
        # Newton squares the error: after a step so small the next one would be lost in rounding.
        close = 1e-8 * (u if u < v else v)  # noqa: FURB136  # a call costs as much as the rest of a round
        if -close <= step <= close:
            break
    return Rates(x, ratio * x + delta)


def _inside(rate: float) -> float:
    return min(max(rate, _LEAST), 1 - _LEAST)
