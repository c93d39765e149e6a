"""The route that the current state of the rollout wants."""

from modelrollout.domain.route import Arm, Mirror, Route
from modelrollout.domain.status import RolloutState
from modelrollout.engine.context import Context


def wanted_route(context: Context) -> Route | None:
    """Return who should answer now, None before anybody can."""
    rollout, stage = context.status.rollout, context.stage
    if rollout is not None and rollout.state is RolloutState.ABORTING:
        return _all_to(rollout.previous)
    if rollout is None or stage is None:
        return _all_to(context.status.stable)
    if rollout.previous is None:
        return _all_to(rollout.revision)
    arms = (
        Arm(revision=rollout.previous, weight=100 - stage.weight),
        Arm(revision=rollout.revision, weight=stage.weight),
    )
    return Route(
        arms=tuple(arm for arm in arms if arm.weight),
        mirrors=(Mirror(revision=rollout.revision, percent=stage.mirror),) if stage.mirror else (),
        preview=rollout.revision if context.router.previews(context.router_config) else None,
    )


def _all_to(revision: str | None) -> Route | None:
    return Route(arms=(Arm(revision=revision, weight=100),)) if revision else None
