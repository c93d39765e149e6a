"""The optional first stage of strategies that move answers: copies of requests, before anybody gets an answer."""

from typing import Annotated

from pydantic import Field

from modelrollout.domain.stage import Stage, StageKind
from modelrollout.schema import ApiModel, Duration


class FirstShadow(ApiModel):
    """A first stage in which the candidate gets copies of requests; its answers are thrown away."""

    percent: Annotated[int, Field(ge=1, le=100)] = 100
    """Percent of requests that are copied to the candidate."""
    hold: Duration
    """How long the stage stands at least."""


def shadow_stages(shadow: FirstShadow | None) -> list[Stage]:
    """Return the shadow stage, if there is one."""
    return [Stage(StageKind.SHADOW, "shadow", mirror=shadow.percent, hold=shadow.hold)] if shadow else []
