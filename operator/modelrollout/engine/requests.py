"""What people ask for: each request answered once, a stale one refused, an abort never overwritten by anything."""

from datetime import datetime
from typing import Any

from modelrollout.domain.observation import RequestSeen
from modelrollout.domain.stage import StageKind
from modelrollout.domain.status import Request, RolloutState
from modelrollout.engine.context import Context
from modelrollout.engine.ladder import ceiling, next_index
from modelrollout.engine.lifecycle import abort, enter, roll_back_to, start
from modelrollout.engine.proof import risk_known
from modelrollout.names import workload
from modelrollout.schema import format_duration

REQUESTS = 20


def obey_abort(context: Context) -> Context:
    """Abort when the annotation names the attempt that runs."""
    rollout = context.progressing
    if rollout is None or context.seen.abort != f"{rollout.revision}/{rollout.attempt}" or rollout.previous is None:
        return context
    return abort(context, "Requested", "A person aborted the rollout.")


def answer(context: Context) -> Context:
    """Carry out or refuse the newest request, unless it has its answer."""
    request = context.seen.request
    if request is None or (context.status.request is not None and context.status.request.id == request.id):
        return context
    refusal = _refusal(context, request)
    if refusal is not None:
        return _answered(context, context, request, accepted=False, message=refusal)
    match request.action:
        case "promote":
            rollout = context.progressing
            assert rollout is not None
            done = context.with_rollout(approved=rollout.stage)
            message = f"Promoted {rollout.stage_label}."
        case "promote-full":
            done = _skip(context)
            message = "The remaining steps are skipped; the bake still follows."
        case "retry":
            done = start(context, context.wanted.name)
            message = "A new attempt started."
        case "rollback":
            done = roll_back_to(context, request.revision)
            message = f"Rolling back to {request.revision}."
        case "pause":
            done = context.with_status(paused=True)
            message = "Paused."
        case _:
            done = context.with_status(paused=False)
            message = "Resumed."
    return _answered(done, context, request, accepted=True, message=message)


def _answered(context: Context, before: Context, request: RequestSeen, *, accepted: bool, message: str) -> Context:
    said = Request(
        id=request.id,
        action=request.action or "unknown",
        accepted=accepted,
        message=message[:1024],
        at=context.now,
        by=request.by,
        **(_approves(before) if accepted and request.action in ("promote", "promote-full") else {}),
    )
    return _noted(context.with_status(request=said), said)


def _approves(before: Context) -> dict[str, Any]:
    """Return what a person lets go on, as it stood when the request was read."""
    rollout = before.progressing
    assert rollout is not None
    return {"revision": rollout.revision, "attempt": rollout.attempt, "step": rollout.stage_label}


def _noted(context: Context, said: Request) -> Context:
    """Keep what was carried out with the attempt that runs: its report tells who let it go on."""
    rollout = context.progressing
    if rollout is None or not said.accepted:
        return context
    return context.with_rollout(requests=(*rollout.requests, said)[-REQUESTS:])


def _refusal(context: Context, request: RequestSeen) -> str | None:
    """Return why a request is not carried out, None when it is."""
    if request.problem or request.at is None or context.now - request.at > context.limits.request_age:
        return request.problem or f"The request is older than {format_duration(context.limits.request_age)}. Ask again."
    match request.action:
        case "promote" | "promote-full":
            return _not_current(context, request) or _frozen(context) or _pinned(context, request)
        case "retry":
            return _nothing_to_retry(context, request) or _refused_spec(context)
        case "rollback":
            return _no_snapshot(context, request) or _outdated(context, request) or _refused_spec(context)
        case "pause" | "resume":
            return _another_attempt(context, request)
        case _:
            return (
                f"Unknown action {request.action[:20]}. Known: promote, promote-full, retry, rollback, pause, resume."
            )


def _nothing_to_retry(context: Context, request: RequestSeen) -> str | None:
    rollout = context.status.rollout
    if rollout is None or rollout.state is not RolloutState.ABORTED or rollout.revision != context.wanted.name:
        return "There is no aborted rollout to retry."
    return _another_attempt(context, request)


def _no_snapshot(context: Context, request: RequestSeen) -> str | None:
    if request.revision in context.seen.snapshots:
        return None
    return f"There is no snapshot {workload(context.seen.name, request.revision)}. `history` lists the revisions."


def _outdated(context: Context, request: RequestSeen) -> str | None:
    """A rollback is about the spec of its time: when the status is lost, an old one must not turn against a newer spec."""
    snapshot = context.seen.child("ControllerRevision", workload(context.seen.name, context.named.name))
    created = snapshot["metadata"].get("creationTimestamp") if snapshot is not None else None
    if created is None or request.at is None or datetime.fromisoformat(created) <= request.at:
        return None
    return "The spec has named another revision since. Ask again."


def _refused_spec(context: Context) -> str | None:
    return "The spec as it stands is refused, so nothing new starts. Correct it first." if context.problems else None


def _another_attempt(context: Context, request: RequestSeen) -> str | None:
    rollout = context.status.rollout
    if rollout is None or (request.revision, request.attempt) == (rollout.revision, rollout.attempt):
        return None
    return f"The last attempt is {rollout.revision}/{rollout.attempt}. Look at its status and ask again."


def _frozen(context: Context) -> str | None:
    return (
        "The operator's freeze is on: nothing advances in this cluster; aborts still work."
        if context.limits.freeze
        else None
    )


def _pinned(context: Context, request: RequestSeen) -> str | None:
    """Return why the ladder refuses it: nobody promotes past the rung that the spec names."""
    rollout = context.progressing
    assert rollout is not None
    full = _full(context)
    following = full if request.action == "promote-full" else next_index(context, *risk_known(rollout.gates))
    return (ceiling(context, following) or None) if following is not None else None


def _not_current(context: Context, request: RequestSeen) -> str | None:
    rollout = context.progressing
    if rollout is None:
        return "No rollout is in progress."
    if (request.revision, request.attempt) != (rollout.revision, rollout.attempt):
        return f"The current attempt is {rollout.revision}/{rollout.attempt}. Look at its status and ask again."
    if request.action == "promote" and request.stage is not None and request.stage != rollout.stage:
        return f"The current stage is {rollout.stage_label}. Look at its status and ask again."
    return None


def _skip(context: Context) -> Context:
    """Go straight to the stage in which the candidate answers everything, unless it is reached."""
    rollout = context.progressing
    assert rollout is not None
    full = _full(context)
    context = context.with_rollout(full=True)
    return enter(context, full) if rollout.stage < full else context


def _full(context: Context) -> int:
    return next(index for index, stage in enumerate(context.stages) if stage.kind is StageKind.FULL)
