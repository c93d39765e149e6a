"""Shadow: the candidate is judged on copies of requests alone, and then answers all of them."""

from typing import Annotated

from pydantic import Field

from modelrollout.domain.stage import Stage, StageKind
from modelrollout.schema import ApiModel, Duration
from modelrollout.strategies._base import Strategy
from modelrollout.strategies._finish import Promotion, finish


class ShadowConfig(ApiModel):
    """The candidate gets copies of requests and answers nobody; then it answers everybody."""

    percent: Annotated[int, Field(ge=1, le=100)] = 100
    """Percent of requests that are copied to the candidate."""
    hold: Duration
    """How long the candidate gets copies at least."""
    promotion: Promotion = "manual"
    """manual: a person must release the move to 100 %; nobody has seen an answer of the candidate until then."""
    bake: Duration | None = None
    """How long to watch at 100 % while stable still stands whole. When it passes, the roles change."""


class Shadow(Strategy[ShadowConfig]):
    """Copies first, then everything."""

    name = "shadow"
    config = ShadowConfig
    mirrors = ""

    def stages(self, config: ShadowConfig) -> tuple[Stage, ...]:
        """Return SHADOW, FULL, BAKE?."""
        shadow = Stage(StageKind.SHADOW, "shadow", mirror=config.percent, hold=config.hold)
        return finish([shadow], config.promotion, config.bake)


PLUGIN = Shadow()
