"""Both versions answered the same requests: only the pairs in which exactly one of them is bad tell them apart.

With x = 1 where only the candidate is bad, -1 where only stable is and 0 otherwise, and the null E[x] ≤ d, one block has

    ln e = b·ln(1 + λ(1 - d)) + c·ln(1 + λ(-1 - d)) + (n - b - c)·ln(1 - λd)

with b and c the pairs of either kind and n all of them. Proof idea: it is what a gambler has who stakes λ on each x - d;
every factor is at least 0 and has mean 1 + λ(E[x] - d) ≤ 1 (Waudby-Smith, Ramdas, JRSS B 2024). At d = 0 it is McNemar's
test, made sequential. Stakes of the other sign test E[x] ≥ d.
"""

import math
from dataclasses import dataclass

from modelrollout.evidence import mixture
from modelrollout.evidence.mixture import Mixture
from modelrollout.evidence.onset import Onset


@dataclass(frozen=True)
class Cells:
    """Requests that both versions answered, joined.

    Attributes:
        only_candidate: pairs in which only the candidate was bad.
        only_stable: pairs in which only stable was bad.
        pairs: all of them.
    """

    only_candidate: float
    only_stable: float
    pairs: float


@dataclass(frozen=True)
class PairedTest:
    """Tests on which side of a margin the candidate is, on joined answers.

    Attributes:
        delta: d, the margin for the candidate's rate minus stable's.
        worse: True tests E[x] ≤ d: large evidence means worse than the margin. False tests E[x] ≥ d.
        onset: prior of the block in which a regression begins; None: with the first.
        stakes: λ, as fractions of the largest with which no factor is below 0.
    """

    delta: float = 0.0
    worse: bool = True
    onset: Onset | None = None
    stakes: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 0.95)

    def __post_init__(self) -> None:
        if not -1 < self.delta < 1:
            raise ValueError(f"A margin of {self.delta:g} cannot be tested. Use one between -1 and 1.")

    @property
    def alternatives(self) -> int:
        """Number of alternatives that are mixed."""
        return len(self.stakes)

    def increments(self, block: Cells) -> list[float]:
        """Return ln e of a block, one for each stake."""
        sign = 1 if self.worse else -1
        delta = sign * self.delta
        bad, good = block.only_candidate, block.only_stable
        if not self.worse:
            bad, good = good, bad
        same = block.pairs - bad - good
        found = []
        for fraction in self.stakes:
            stake = fraction / (1 + delta)
            increment = bad * math.log1p(stake * (1 - delta)) + good * math.log1p(-fraction)
            found.append(increment + same * math.log1p(-stake * delta))
        return found

    def start(self) -> Mixture:
        """Return the state before the first block."""
        return mixture.start(len(self.stakes))

    def step(self, state: Mixture, block: Cells, temper: float = 1.0, cap: float = math.inf) -> Mixture:
        """Fold one block in.

        Args:
            state: before the block.
            block: pairs of this block alone.
            temper: at least 1; each ln e is divided by it.
            cap: most that one block may add. Both must come from earlier blocks or outside.
        """
        increments = [min(increment / temper, cap) for increment in self.increments(block)]
        return mixture.advance(state, increments, self.onset)

    def log_e(self, state: Mixture) -> float:
        """Return ln E of a state."""
        return mixture.log_e(state)
