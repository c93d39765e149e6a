"""The ramp of a canary: weights to climb, each of which must be affordable at the worst that the candidate may still be."""

from typing import Annotated

from pydantic import Field

from modelrollout.domain.stage import Stage, StageKind
from modelrollout.schema import ApiModel

RUNGS = (1, 2, 5, 10, 20, 50)
"""Percent of answers; those below the ramp's max, and max itself, are its rungs."""


class Ramp(ApiModel):
    """The weight climbs from 1 % as fast as the evidence lets it, skips what it can afford to skip, and never falls."""

    budget: Annotated[float, Field(ge=0.1, le=1_000_000)] = 30
    """Bad requests a minute that a weight may risk, if the candidate is as bad as the evidence still lets it be.
    The first rung is entered whatever it risks."""
    max: Annotated[int, Field(ge=1, le=99)] = 50
    """The last weight before 100, in percent. There, all metrics must pass."""


def ramp_stages(ramp: Ramp) -> list[Stage]:
    """Return the rungs."""
    weights = [*(rung for rung in RUNGS if rung < ramp.max), ramp.max]
    return [Stage(StageKind.STEP, f"ramp {weight} %", weight, budget=ramp.budget) for weight in weights]
