"""Counts of two arms, and what all tests of such counts have in common."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from modelrollout.evidence import mixture
from modelrollout.evidence.mixture import Mixture
from modelrollout.evidence.onset import Onset


class Pair(NamedTuple):
    """What two arms did in the same stretch of time. Sums of values from 0 to 1 are counts as well.

    Attributes:
        kc: bad ones of the candidate.
        nc: all of the candidate.
        ks: bad ones of stable.
        ns: all of stable.
    """

    kc: float = 0.0
    nc: float = 0.0
    ks: float = 0.0
    ns: float = 0.0

    def __add__(self, other: "Pair") -> "Pair":  # type: ignore[override]  # counts are added, not put in a row
        return Pair(self.kc + other.kc, self.nc + other.nc, self.ks + other.ks, self.ns + other.ns)

    @property
    def rest(self) -> "Pair":
        """All that were not bad: one share is larger where the rest is smaller."""
        return Pair(self.nc - self.kc, self.nc, self.ns - self.ks, self.ns)


class Rates(NamedTuple):
    """An alternative or a null point: one rate for each arm."""

    stable: float
    candidate: float


@dataclass(frozen=True)
class PairTest(ABC):
    """A sequential test of two arms' counts. The settings are the test; what it has gathered is a Mixture.

    Blocks are compared one by one and never pooled, so the level may move from block to block as it likes as long as it
    moves for both arms. Sizes of blocks, weights of arms and the time to stop may depend on all that came before.

    Attributes:
        onset: prior of the block in which a regression begins; None: with the first.
    """

    onset: Onset | None = field(default=None, kw_only=True)

    @property
    @abstractmethod
    def alternatives(self) -> int:
        """Number of alternatives that are mixed."""

    @abstractmethod
    def increments(self, past: Pair, block: Pair) -> Sequence[float]:
        """Return ln e of a block, one for each alternative.

        Args:
            past: totals of all earlier blocks. It only guides the choice of alternatives: any past is valid.
            block: counts of this block alone.
        """

    def start(self) -> Mixture:
        """Return the state before the first block."""
        return mixture.start(self.alternatives)

    def step(self, state: Mixture, past: Pair, block: Pair, temper: float = 1.0, cap: float = math.inf) -> Mixture:
        """Fold one block in.

        Args:
            state: before the block.
            past: totals of all earlier blocks.
            block: counts of this block alone.
            temper: at least 1; each ln e is divided by it. A power below 1 of an e-value is one (Jensen).
            cap: most that one block may add; it only takes evidence away. Both must come from earlier blocks or outside.
        """
        increments = self.increments(past, block)
        if temper != 1 or cap != math.inf:
            increments = [min(increment / temper, cap) for increment in increments]
        return mixture.advance(state, increments, self.onset)

    def log_e(self, state: Mixture) -> float:
        """Return ln E of a state."""
        return mixture.log_e(state)
