"""Fixed bins for numbers: which one a value falls into, known before the first value came.

Bins that follow the data could not be held against those of yesterday, nor be added up over routers.
"""

import math
from bisect import bisect_left

from modelrollout.domain.capture import BINS_PER_DECADE

DECADES = range(-3, 6)
WIDTHS = 20
"""Bins between two given ends."""


def _series() -> tuple[float, ...]:
    # Read from their texts: 0.001 × 1.25 is not 0.00125.
    above = [*(float(f"{digit}e{power}") for power in DECADES for digit in BINS_PER_DECADE), 1e6]
    return (*(-bound for bound in reversed(above)), 0.0, *above)


R10 = _series()
"""Upper bounds of the bins of numbers of which nothing is known: from 0.001 to 1000000 on both sides of 0."""


class Bins:
    """Bins by their upper bounds, which belong to them; what is above the last one is in the bin ``inf``.

    Args:
        low: upper bound of the first bin.
        high: of the twenty-first; both or none, and then the bins are those of :data:`R10`.

    Attributes:
        names: upper bounds as text, the last one being inf.
    """

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        self._bounds = R10
        if low is not None and high is not None:
            self._bounds = (*(low + (high - low) * number / WIDTHS for number in range(WIDTHS)), high)
        self.names = tuple(f"{bound:.12g}" for bound in (*self._bounds, math.inf))

    def index(self, value: float) -> int:
        """Return the number of the bin of a value; NaN has none and must not be asked for."""
        return bisect_left(self._bounds, value)
