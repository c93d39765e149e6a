"""Blue-green: the candidate stands in full size beside stable, and then all requests switch at once."""

from modelrollout.domain.stage import Stage, StageKind
from modelrollout.schema import ApiModel, Duration
from modelrollout.strategies._base import Strategy
from modelrollout.strategies._finish import Promotion, finish
from modelrollout.strategies._shadow import FirstShadow, shadow_stages


class BlueGreenConfig(ApiModel):
    """The candidate stands in full size beside stable for preview, and then all requests switch at once."""

    shadow: FirstShadow | None = None
    """Start with copies of requests, before the preview."""
    hold: Duration
    """Preview time: how long the candidate stands in full size, without traffic, before the switch."""
    promotion: Promotion = "automatic"
    """manual: a person must release the switch."""
    bake: Duration | None = None
    """How long to watch at 100 % while stable still stands whole. When it passes, the roles change.
    Absent: nothing is measured after the switch, and without a shadow too a metric that counts requests is refused."""


class BlueGreen(Strategy[BlueGreenConfig]):
    """Preview, then one switch."""

    name = "blueGreen"
    config = BlueGreenConfig
    mirrors = "shadow"

    def stages(self, config: BlueGreenConfig) -> tuple[Stage, ...]:
        """Return shadow?, PREVIEW, FULL, BAKE?."""
        preview = Stage(StageKind.PREVIEW, "preview", hold=config.hold, full_size=True)
        return finish([*shadow_stages(config.shadow), preview], config.promotion, config.bake)


PLUGIN = BlueGreen()
