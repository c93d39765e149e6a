"""Has a distribution moved? Its cumulative shares at some places, against another version's or against a kept reference.

Two versions over the same minutes are tested at each place as shares with a margin are: is |F_c - F_s| beyond the floor?

Against a reference the null at a place is |F - F_ref| ≤ floor + ε, with ε the error that the reference itself may have because
it was counted, too:

    ε = √(ln(2·places/chance) / (2·n))

By Dvoretzky, Kiefer and Wolfowitz with Massart's constant (Annals of Probability 1990) all shares of a distribution function
are within ε of the true ones, with places = 1 and but for that chance; shares of categories have no order, and each place needs
a part of the chance (Hoeffding, JASA 1963). What is spent on it is taken from α.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

from modelrollout.evidence.constant import ConstantTest
from modelrollout.evidence.margin import MarginTest
from modelrollout.evidence.onset import Onset

GRID = (1.25, 3.0)
"""Alternatives to a share of the reference, as factors on the odds of the limit: a little beyond it, and far."""


def reference_error(requests: float, chance: float, places: int = 1) -> float:
    """Return how far a counted share may be from the true one; 1 when nothing was counted.

    Args:
        requests: that the reference was counted from.
        chance: with which one of the places is further off.
        places: 1 for cumulative shares, their number for shares of categories.
    """
    return min(math.sqrt(math.log(2 * places / chance) / (2 * requests)), 1.0) if requests > 0 else 1.0


@dataclass(frozen=True)
class PlaceTests:
    """What is tested at one place. Each test is for one sign; the other is the same test of what is left of 1.

    Attributes:
        floor: the largest difference that is of no interest.
        horizon: blocks that the comparison is planned for.
    """

    floor: float
    horizon: int

    @cached_property
    def apart(self) -> MarginTest:
        """Tests that the candidate's share is larger than stable's by more than the floor."""
        return MarginTest(self.floor, prior_rate=0.5, prior_n=2.0, grid=(), onset=Onset(self.horizon))

    @cached_property
    def alike(self) -> MarginTest:
        """Tests that it is not."""
        return MarginTest(self.floor, worse=False, prior_rate=0.5, prior_n=2.0)

    def away(self, normal: float, error: float) -> ConstantTest | None:
        """Return the test that a share is above the reference's by more than the floor; None when no share can be.

        Args:
            normal: the reference's share.
            error: that it may have.
        """
        limit = normal + self.floor + error
        return _above(limit, self.horizon) if limit < 1 else None


@lru_cache(maxsize=4096)
def _above(limit: float, horizon: int) -> ConstantTest:
    # A reference stays what it is for many blocks.
    return ConstantTest(limit, grid=GRID, onset=Onset(horizon))
