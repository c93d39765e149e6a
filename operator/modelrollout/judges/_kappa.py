"""Cohen's kappa: how far two versions agree beyond what chance alone makes of how often each says which label.

    κ = (p_o - p_e)/(1 - p_e) = 1 - (1 - p_o)/(1 - p_e)

with p_o the share of pairs with one label and p_e what it would be if both answered independently of one another (Cohen,
Educational and Psychological Measurement 1960). A version that always says "no" agrees in 99 % where 1 % are "yes", and has
κ = 0.

p_e is a product of shares, so no mean of pairs is κ. A mean of couples of pairs is: of two independent pairs (x, y) and
(x', y') let d of 2 have different labels, and c of 2 of the crossed ones (x, y') and (x', y). Then E[d/2] = 1 - p_o and
E[c/2] = 1 - p_e exactly, and

    Z = d/2 - (1 - κ₀)·c/2        E[Z] = (1 - p_e)·(κ₀ - κ)

is at most 0 on average exactly if κ is at least κ₀. Each pair is in one couple, so couples are independent, and Z is a score
from -(1 - κ₀) to 1. While both versions know only one label, all Z are 0 and nothing is proven.
"""

from collections.abc import Sequence
from itertools import product

from modelrollout.domain.tally import Crossed, Tally
from modelrollout.judges._scale import KAPPA, Scale

CELLS = tuple(product(range(3), range(3)))
"""All (d, c)."""


class Kappa(Scale):
    """Z of each couple; what is shown is κ itself."""

    name = "kappa"
    about = KAPPA
    pairs = 2

    @property
    def limit(self) -> float:
        """The mean that κ₀ has."""
        return 0.0

    @property
    def values(self) -> tuple[float, ...]:
        """Z of each cell."""
        return tuple(d / 2 - (1 - self.bound) * c / 2 for d, c in CELLS)

    def counts(self, tally: Tally) -> tuple[float, ...]:
        """Return couples by cell."""
        return tuple(float(tally.counts.get(cell, 0.0)) for cell in CELLS) if isinstance(tally, Crossed) else ()

    def shown(self, counts: Sequence[float]) -> float | None:
        """Return κ, None while chance alone would make all labels the same."""
        differ = sum(count * d for count, (d, _) in zip(counts, CELLS, strict=True))
        crossed = sum(count * c for count, (_, c) in zip(counts, CELLS, strict=True))
        return 1 - differ / crossed if crossed else None
