"""How many pods each revision should have, and whether it has enough of them to get traffic."""

from collections.abc import Mapping
from dataclasses import replace

from modelrollout.domain.stage import Stage
from modelrollout.domain.status import RolloutState
from modelrollout.engine.context import Context
from modelrollout.names import workload


def sizes(context: Context) -> Mapping[str, int]:
    """Return replicas per revision that should exist now. One that is not named keeps what it has until it is retired."""
    rollout, replicas = context.status.rollout, context.spec.replicas
    running = rollout is not None and rollout.state in (RolloutState.PROGRESSING, RolloutState.ABORTING)
    result: dict[str, int] = {}
    if context.status.stable:
        # The way home stays whole until the roles have changed, whatever an autoscaler makes of its falling load.
        whole = running and context.router.keeps_size
        result[context.status.stable] = max(replicas, _present(context, context.status.stable) if whole else 0)
    if rollout is not None and running:
        result[rollout.revision] = _candidate(context)
    return result


def _candidate(context: Context) -> int:
    rollout = context.status.rollout
    assert rollout is not None
    present = current_size(context, rollout.revision)
    stage = context.stage
    if stage is None:
        return present or 0
    if present is None:
        return needed(context, stage)
    if context.router.keeps_size:
        if context.frozen:
            # Not what the stage will need, but what the candidate answers now: it may have to be scaled all the same.
            stage = replace(stage, weight=context.asked_weight, full_size=context.asked_weight == 100, replicas=None)
        # Never lowered in a rollout: a smaller step after an edit must not take pods away that still answer.
        return max(needed(context, stage), min(present, context.spec.replicas))
    if context.frozen:
        return present
    # Where the size is the weight, fewer pods are less weight, so the route must be there first.
    live, size = context.seen.live_route, needed(context, stage)
    arrived = live is not None and live.route.weight(rollout.revision) == stage.weight
    return size if arrived else max(size, present)


def _present(context: Context, revision: str) -> int:
    return current_size(context, revision) or 0


def needed(context: Context, stage: Stage) -> int:
    """Return how many candidate pods a stage needs: at least one, or nothing could be seen of it."""
    size = context.router.candidate_size(context.router_config, context.spec.replicas, stage)
    extra = context.spec.max_extra_replicas
    if extra is not None and stage.weight < 100 and not stage.full_size:
        size = min(size, extra)
    return max(1, size)


def current_size(context: Context, revision: str) -> int | None:
    """Return the replicas that a revision's Deployment asks for, None when there is no Deployment."""
    deployment = context.seen.child("Deployment", workload(context.seen.name, revision))
    return None if deployment is None else int(deployment["spec"].get("replicas", 1))


def obstacle(context: Context, stage: Stage, revision: str) -> str | None:
    """Return why a revision has not the Ready pods that a stage needs, None when it has."""
    ready = len(context.seen.ready_pods(revision))
    need = enough_for_all(context, revision) if stage.weight == 100 else needed(context, stage)
    if ready >= need:
        return None
    problems = sorted({pod.problem for pod in context.seen.pods if pod.revision == revision and pod.problem})
    detail = f": {problems[0]}" if problems else ""
    if context.seen.leftovers:
        detail = "; objects of a deleted ModelDeployment of this name are still being removed"
    return f"{ready} of {need} pods of {revision} are Ready{detail}"


def enough_for_all(context: Context, revision: str) -> int:
    """Return how many Ready pods a revision needs to answer everything: as many as it replaces, at most ``replicas``."""
    ask, rollout = context.status.route, context.status.rollout
    others = {arm.revision for arm in ask.route.arms} if ask is not None else set()
    others |= {rollout.previous} if rollout is not None and rollout.previous else set()
    leaving = max((len(context.seen.ready_pods(other)) for other in others - {revision}), default=0)
    return max(1, min(context.spec.replicas, leaving))


def unschedulable(context: Context, revision: str) -> str | None:
    """Return the scheduler's words when it has no place for a pod of a revision."""
    return next(
        (pod.problem for pod in context.seen.pods if pod.revision == revision and pod.unschedulable and not pod.ready),
        None,
    )
