"""The margin: how much worse than stable a candidate may be.

One margin gives both guarantees: P(rollback | within it) ≤ α and P(promotion | beyond it) ≤ β.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from modelrollout.domain.tally import Histogram, Paired, Rate, Shares
from modelrollout.evidence.margin import MarginTest
from modelrollout.evidence.onset import Onset
from modelrollout.evidence.pair import PairTest
from modelrollout.evidence.ratio import RatioTest
from modelrollout.judges._case import Claim
from modelrollout.schema import ApiModel, Rule

TOLERANCE, TOLERANCE_RATIO = 0.001, 1.1
"""What strict lets pass as no worsening: two models never fail at exactly the same rate."""
TENTH = 0.1
"""The same for means and shares, as a part of the margin."""


class Margin(ApiModel):
    """The worst increase that you accept.

    With both fields the larger one counts: the ratio while stable is bad, the absolute one while it is so good that a
    multiple of it would be next to nothing.
    """

    absolute: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """At most so much worse than stable, in the metric's unit; for rates, histograms and shares as a fraction of 1.
    0.005 allows 0.5 percentage points more errors, or as many more requests above a bound of the histogram."""
    ratio: Annotated[float, Field(ge=1, le=1000)] | None = None
    """At most so many times as bad as stable: 1.25 allows a quarter more errors. For rates and histograms."""

    rules = (
        Rule(
            lambda margin: margin.absolute is not None or (margin.ratio is not None and margin.ratio > 1),
            "has(self.absolute) || (has(self.ratio) && self.ratio > 1.0)",
            "leaves no room, and no number of requests can prove that two versions are equal. "
            "Set absolute, or a ratio above 1.",
        ),
    )


@dataclass(frozen=True)
class Accepted:
    """A margin with its defaults filled in.

    Attributes:
        absolute: largest difference, None: no such part.
        ratio: largest multiple, None: no such part.
    """

    absolute: float | None = None
    ratio: float | None = None

    def worst(self, stable: float) -> float:
        """Return the worst value that is within the margin."""
        found = [stable]
        if self.absolute is not None:
            found.append(stable + self.absolute)
        if self.ratio is not None:
            found.append(stable * self.ratio)
        return max(found)

    def tightened(self) -> "Accepted":
        """Return what strict accepts of a rate: each part, cut down to the tolerance."""
        return Accepted(
            min(self.absolute, TOLERANCE) if self.absolute is not None else None,
            min(self.ratio, TOLERANCE_RATIO) if self.ratio is not None else None,
        )


DEFAULTS = {
    Rate: Accepted(0.005, 1.25),
    Histogram: Accepted(0.005, 1.25),
    Shares: Accepted(0.10),
    Paired: Accepted(0.005),
}


def accepted(margin: Margin | None, form: type) -> Accepted:
    """Return the margin that counts for tallies of a form; means have none of their own."""
    if margin is None:
        return DEFAULTS[form]
    return Accepted(margin.absolute, margin.ratio if margin.ratio is not None and margin.ratio > 1 else None)


def rate_claim(margin: Accepted, *, strict: bool, horizon: int, prior_rate: float, prior_n: float) -> Claim:
    """Return what is tested about a rate of bad requests.

    Only "beyond" looks for a late onset: whoever wants to promote wants to know about all the time.
    """
    onset = Onset(horizon)
    tested = margin.tightened() if strict else margin
    beyond: list[PairTest] = []
    inside: list[PairTest] = []
    if tested.absolute is not None:
        beyond.append(MarginTest(tested.absolute, prior_rate=prior_rate, prior_n=prior_n, onset=onset))
    if tested.ratio is not None:
        beyond.append(RatioTest(tested.ratio, onset=onset))
    if margin.absolute is not None:
        inside.append(MarginTest(margin.absolute, worse=False, prior_rate=prior_rate, prior_n=prior_n))
    if margin.ratio is not None:
        inside.append(MarginTest(0.0, margin.ratio, worse=False, prior_rate=prior_rate, prior_n=prior_n))
    return Claim(tuple(beyond), tuple(inside), RatioTest(1.0, onset=onset))


def share_claim(absolute: float, *, strict: bool, horizon: int) -> Claim:
    """Return what is tested about one sign of a share or of a scaled mean. The other sign is the same of what is left of 1."""
    onset = Onset(horizon)
    worse = MarginTest(absolute * TENTH, prior_rate=0.5, prior_n=2.0, onset=onset)
    beyond = worse if strict else MarginTest(absolute, prior_rate=0.5, prior_n=2.0, onset=onset)
    return Claim((beyond,), (MarginTest(absolute, worse=False, prior_rate=0.5, prior_n=2.0),), worse)
