"""The route that the current state of the rollout wants."""

import math

from modelrollout.api.captures import extractions_of
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
        mirrors=_mirrors(context, rollout.previous, rollout.revision, stage.mirror),
        preview=rollout.revision if context.router.previews(context.router_config) else None,
    )


def _mirrors(context: Context, stable: str, candidate: str, percent: int) -> tuple[Mirror, ...]:
    """Return who gets copies: the candidate, and stable itself of some of them where its own noise is asked for."""
    if not percent:
        return ()
    first = Mirror(revision=candidate, percent=percent)
    analysis = context.spec.analysis
    baseline = analysis.predictions.baseline if analysis is not None and analysis.predictions is not None else None
    if baseline is None or not extractions_of(context.spec):
        return (first,)
    return first, Mirror(revision=stable, percent=math.ceil(percent * baseline.percent / 100))


def _all_to(revision: str | None) -> Route | None:
    return Route(arms=(Arm(revision=revision, weight=100),)) if revision else None
