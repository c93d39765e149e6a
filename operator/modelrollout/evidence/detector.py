"""A watch without an end: an alarm when something changes, with a stated mean time between false alarms.

M ← (M + 1)·e with each block, averaged over alternatives: the sum, over all blocks at which the change may have come, of the
evidence since. Proof idea: M minus the number of blocks is a supermartingale as long as nothing changes, so at the time
of the alarm at M ≥ arl the expected number of blocks is at least arl (Shiryaev 1963, Roberts 1966; Shin, Ramdas, Rinaldo,
"E-detectors", 2024). Unlike a test it never uses up its guarantee and never gets tired of a long healthy past.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from modelrollout.evidence.mixture import log_sum


@dataclass(frozen=True)
class Detector:
    """Watches ln e of blocks.

    Attributes:
        arl: blocks between two false alarms, on average at least.
    """

    arl: float = 10_000.0

    def start(self, alternatives: int) -> tuple[float, ...]:
        """Return the state before the first block: ln(M + 1) for each alternative."""
        return (0.0,) * alternatives

    def step(self, state: Sequence[float], increments: Sequence[float]) -> tuple[float, ...]:
        """Fold in ln e of one block, one for each alternative."""
        return tuple([_log1p_exp(log + increment) for log, increment in zip(state, increments, strict=True)])

    def alarm(self, state: Sequence[float]) -> bool:
        """Return whether something has changed."""
        return log_sum(state) - math.log(len(state)) >= math.log1p(self.arl)


def _log1p_exp(x: float) -> float:
    """Return ln(1 + exp x) without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))
