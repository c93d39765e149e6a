"""Is the candidate's mean beyond stable's by more than a margin? For values without a known range, from sums alone.

Block j has d_j = mean_c - mean_s - margin with the weight h_j = √(nc·ns/(nc + ns)), which makes all h_j·d_j equally
noisy; s² is their variance over blocks, S = Σ h_j·d_j/s and n the number of blocks. With v = 1 + r²n

    ln E = ln 2 - ½ ln v + r²S²/(2v) + ln Φ(S·√(r²/v))

Proof idea: exp(tS - t²n/2) is a martingale for a Gaussian random walk S at its null; the formula is its average over a
half-normal prior of t with scale r (Robbins 1970), and a half-normal prior makes it one-sided. With an estimated variance
it is asymptotic (Waudby-Smith and others, Annals of Statistics 2024): unlike all other tests here it holds only about,
and only from some blocks on. Values with a known range belong on a scale from 0 to 1 and into the test of a margin.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

# Below it Φ comes from its asymptotic series, before erfc() underflows.
_FAR = -30.0


class Sums(NamedTuple):
    """What has been gathered so far. The spread is kept around the mean, so that rounding it later does little harm."""

    blocks: float = 0.0
    """n."""
    weight: float = 0.0
    """Σ h²."""
    mean: float = 0.0
    """Σ h²d / Σ h²."""
    spread: float = 0.0
    """Σ h²(d - mean)²."""
    total: float = 0.0
    """Σ h·d."""


@dataclass(frozen=True)
class MeanTest:
    """Tests on which side of a margin the difference of the means is. Asymptotic.

    Attributes:
        margin: for the candidate's mean minus stable's.
        worse: True tests a difference ≤ the margin: large evidence means above it. False tests ≥: below it.
        min_blocks: blocks before which there is no evidence.
        tuned_blocks: number of blocks for which the prior is best.
        tuned_alpha: level for which it is.
    """

    margin: float
    worse: bool = True
    min_blocks: int = 20
    tuned_blocks: float = 60.0
    tuned_alpha: float = 0.01

    def start(self) -> Sums:
        """Return the state before the first block."""
        return Sums()

    def step(self, state: Sums, block: tuple[float, float, float, float]) -> Sums:
        """Fold one block in.

        Args:
            state: before the block.
            block: sum and number of the candidate's values, sum and number of stable's.
        """
        sum_c, nc, sum_s, ns = block
        if nc <= 0 or ns <= 0:
            return state
        difference = sum_c / nc - sum_s / ns - self.margin
        if not self.worse:
            difference = -difference
        square = nc * ns / (nc + ns)
        weight = state.weight + square
        away = difference - state.mean
        mean = state.mean + away * square / weight
        return Sums(
            blocks=state.blocks + 1,
            weight=weight,
            mean=mean,
            spread=state.spread + square * away * (difference - mean),
            total=state.total + math.sqrt(square) * difference,
        )

    def log_e(self, state: Sums) -> float:
        """Return ln E of a state; 0 as long as there are too few blocks, or blocks that do not differ at all."""
        n = state.blocks
        if n < max(self.min_blocks, 2) or state.spread <= 0:
            return 0.0
        length = -2 * math.log(self.tuned_alpha)
        r2 = (length + math.log1p(length)) / self.tuned_blocks
        v = 1 + r2 * n
        z = math.sqrt(r2 / v) * state.total / math.sqrt(state.spread / (n - 1))
        return math.log(2) - 0.5 * math.log(v) + _half_square_plus_log_phi(z)


def _half_square_plus_log_phi(z: float) -> float:
    """Return z²/2 + ln Φ(z). Far below 0 both are huge and cancel, so there the sum is its asymptotic series."""
    if z > _FAR:
        return z * z / 2 + math.log(0.5 * math.erfc(-z / math.sqrt(2)))
    inverse = 1 / (z * z)
    series = 1 - inverse * (1 - inverse * (3 - inverse * (15 - inverse * 105)))
    return math.log(series / (-z * math.sqrt(2 * math.pi)))
