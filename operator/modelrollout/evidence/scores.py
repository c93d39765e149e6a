"""Is the mean of a score beyond a constant? For scores with a few known values, counted value by value.

For values x from a to z and the null E[x] ≤ m one block has, with counts n(x) and a stake λ from 0 to 1/(m - a),

    ln e = Σ n(x)·ln(1 + λ(x - m))

Proof idea: it is what a gambler has who stakes λ on each x - m; every factor is at least 0 and has mean 1 + λ(E[x] - m) ≤ 1
(Waudby-Smith, Ramdas, JRSS B 2024, with a fixed mixture of stakes). Stakes on m - x, from 0 to 1/(z - m), test E[x] ≥ m.
It knows nothing of how the values are spread and is exact for any such law. Values that come together multiply, so how they
are cut into blocks does not matter.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from modelrollout.evidence import mixture
from modelrollout.evidence.mixture import Mixture
from modelrollout.evidence.onset import Onset


@dataclass(frozen=True)
class ScoreTest:
    """Tests on which side of a constant the mean of a score is.

    Attributes:
        limit: m, the constant.
        values: all values that a score can have.
        above: True tests E[x] ≤ m: large evidence means above. False tests E[x] ≥ m: large evidence means below.
        onset: prior of the block in which a regression begins; None: with the first.
        stakes: λ, as fractions of the largest with which no factor is below 0.
    """

    limit: float
    values: tuple[float, ...]
    above: bool = True
    onset: Onset | None = None
    stakes: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 0.95)

    def __post_init__(self) -> None:
        if not self.values or not min(self.values) < self.limit < max(self.values):
            raise ValueError(f"A mean of {self.limit:g} cannot be tested. Use one between the values of the score.")

    @property
    def alternatives(self) -> int:
        """Number of alternatives that are mixed."""
        return len(self.stakes)

    def increments(self, counts: Sequence[float]) -> list[float]:
        """Return ln e of a block, one for each stake.

        Args:
            counts: of each value, in the order of the values.
        """
        sign = 1 if self.above else -1
        room = self.limit - min(self.values) if self.above else max(self.values) - self.limit
        seen = [(count, sign * (value - self.limit)) for value, count in zip(self.values, counts, strict=True) if count]
        return [
            math.fsum(count * math.log1p(fraction / room * away) for count, away in seen) for fraction in self.stakes
        ]

    def start(self) -> Mixture:
        """Return the state before the first block."""
        return mixture.start(len(self.stakes))

    def step(self, state: Mixture, counts: Sequence[float], temper: float = 1.0, cap: float = math.inf) -> Mixture:
        """Fold one block in.

        Args:
            state: before the block.
            counts: of this block alone.
            temper: at least 1; each ln e is divided by it.
            cap: most that one block may add. Both must come from earlier blocks or outside.
        """
        increments = [min(increment / temper, cap) for increment in self.increments(counts)]
        return mixture.advance(state, increments, self.onset)

    def log_e(self, state: Mixture) -> float:
        """Return ln E of a state."""
        return mixture.log_e(state)
