"""Is a rate beyond a constant? One arm alone, for limits that are agreed and for times without a concurrent stable.

For the null p ≤ p₀ and an alternative θ > p₀ one block has

    ln e = k · ln(θ/p₀) + (n - k) · ln((1 - θ)/(1 - p₀))

Proof idea: a likelihood ratio has mean 1 at p₀ (Wald 1945), and a smaller p makes bad requests, which alone raise it,
rarer; θ < p₀ tests p ≥ p₀ likewise. Sums of values from 0 to 1 may stand for counts, as a^x is below its chord.
"""

import math
from dataclasses import dataclass

from modelrollout.evidence.pair import Pair, PairTest


@dataclass(frozen=True)
class ConstantTest(PairTest):
    """Tests on which side of a constant the candidate's rate is; stable's counts are not looked at.

    Attributes:
        limit: p₀, the constant.
        above: True tests p ≤ p₀: large evidence means above. False tests p ≥ p₀: large evidence means below.
        grid: alternatives, as factors on the odds of the limit (divisors when not above).
    """

    limit: float
    above: bool = True
    grid: tuple[float, ...] = (1.1, 1.25, 1.5, 2.0, 4.0, 10.0)

    def __post_init__(self) -> None:
        if not 0 < self.limit < 1:
            raise ValueError(f"A limit of {self.limit:g} cannot be tested. Use one between 0 and 1.")

    @property
    def alternatives(self) -> int:
        """Number of alternatives that are mixed."""
        return len(self.grid)

    def increments(self, past: Pair, block: Pair) -> list[float]:  # noqa: ARG002  # the grid is fixed
        """Return ln e of a block, one for each alternative."""
        bad, good, limit = block.kc, block.nc - block.kc, self.limit
        odds = limit / (1 - limit)
        found = []
        for factor in self.grid:
            other = odds * factor if self.above else odds / factor
            # θ = other / (1 + other), written so that neither ratio cancels.
            share = 1 / (1 + other)
            found.append(bad * math.log(other * share / limit) + good * math.log(share / (1 - limit)))
        return found
