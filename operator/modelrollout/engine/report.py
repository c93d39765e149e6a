"""What people and tools see: conditions, phase, message and columns, all derived from what was decided."""

from dataclasses import dataclass
from datetime import datetime

from modelrollout.domain.capability import Capability
from modelrollout.domain.conditions import Condition, ConditionType, merge
from modelrollout.domain.observation import Observation
from modelrollout.domain.problem import Problem
from modelrollout.domain.stage import StageKind
from modelrollout.domain.status import Rollout, RolloutState, Status
from modelrollout.domain.verdict import Verdict
from modelrollout.engine.analysis import conclude
from modelrollout.engine.context import Context
from modelrollout.engine.monitor import condition_words
from modelrollout.engine.progress import Waiting
from modelrollout.names import LABEL_REVISION, model_labels

OVERDUE = "AbortOverdue"
"""Reason: traffic is on its way home for longer than progress may take."""


@dataclass(frozen=True)
class Trouble:
    """Why nothing new can be done until somebody acts.

    Attributes:
        reason: one CamelCase word; a heading of the runbook.
        message: for people, with the remedy.
    """

    reason: str
    message: str


def invalid(problems: tuple[Problem, ...]) -> Trouble:
    """Return the trouble of a refused spec, in the same words as ``validate``."""
    return Trouble("InvalidSpec", " ".join(str(problem) for problem in problems)[:1024])


def report(context: Context, trouble: Trouble | None, waiting: Waiting | None, *, verified: bool) -> Status:
    """Return the status with everything derived filled in.

    Args:
        context: with everything that was decided.
        trouble: what stands in the way.
        waiting: why the rollout stands where it stands.
        verified: every router runs the route that ``context.status`` asks for.
    """
    status, seen = context.status, context.seen
    rollout, route = status.rollout, status.route.route if status.route else None
    running = rollout is not None and rollout.state in (RolloutState.PROGRESSING, RolloutState.ABORTING)
    weight = route.weight(rollout.revision) if route and rollout and verified else status.weight
    answering = sorted({arm.revision for arm in route.arms if arm.weight}) if route else []
    return status.model_copy(
        update={
            "observed_generation": seen.generation,
            "route_verified": verified,
            "phase": phase(context, trouble, waiting),
            "message": _message(context, trouble, waiting)[:1024],
            "step": rollout.stage_label if rollout is not None and running else "",
            "weight": weight if running else None,
            "conditions": merge(status.conditions, _conditions(context, trouble, waiting, verified=verified)),
            "replicas": sum(pod.revision in answering and not pod.terminating for pod in seen.pods),
            "ready_replicas": sum(len(seen.ready_pods(revision)) for revision in answering),
            "selector": _selector(seen.name, answering),
        }
    )


def _selector(name: str, answering: list[str]) -> str:
    """Return the label selector of the pods that carry the requests.

    Of all that answer, so that an autoscaler sees the whole load while two revisions share it; and of none that idles or only
    gets copies, so that it does not scale by those.
    """
    if not answering:
        return ""
    labels = model_labels(name, answering[0])
    if len(answering) > 1:
        del labels[LABEL_REVISION]
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def refused(seen: Observation, trouble: Trouble, now: datetime) -> Status:
    """Return the status when there is nothing to work with: everything stays as it is, and says why."""

    def condition(kind: ConditionType, status: str) -> Condition:
        return Condition(
            type=kind,
            status=status,
            reason=trouble.reason,
            message=trouble.message[:1024],
            observed_generation=seen.generation,
            last_transition_time=now.replace(microsecond=0),
        )

    kept = [
        item
        for item in seen.status.conditions
        if item.type not in (ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED)
    ]
    fresh = [condition(ConditionType.READY, "False"), condition(ConditionType.STALLED, "True")]
    return seen.status.model_copy(
        update={
            "observed_generation": seen.generation,
            "phase": "Stalled",
            "message": trouble.message[:1024],
            "conditions": merge(seen.status.conditions, fresh + kept),
        }
    )


def phase(context: Context, trouble: Trouble | None, waiting: Waiting | None) -> str:
    """Return one word for the columns."""
    rollout, stage = context.status.rollout, context.stage
    if rollout is not None and rollout.state is RolloutState.ABORTING:
        return "Aborting"
    if trouble is not None:
        return "Aborted" if trouble.reason == "RolloutAborted" else "Stalled"
    if rollout is not None and stage is not None and context.progressing:
        words = {
            "Paused": "Paused",
            "Frozen": "Paused",
            "WaitingForApproval": "WaitingForApproval",
            "WeightPinned": "Pinned",
        }
        if waiting is not None and waiting.reason in words:
            return words[waiting.reason]
        if rollout.previous is None:
            return "Installing"
        return {StageKind.FULL: "Promoting", StageKind.BAKE: "Baking"}.get(stage.kind, "Progressing")
    if context.status.stable is None:
        return "Installing"
    return "Ready" if waiting is None else "Progressing"


def _message(context: Context, trouble: Trouble | None, waiting: Waiting | None) -> str:
    rollout = context.status.rollout
    if rollout is not None and rollout.state is RolloutState.ABORTING and rollout.cause is not None:
        return f"Aborting: {rollout.cause.message} {waiting.message if waiting else ''}".strip()
    if trouble is not None:
        return trouble.message
    if waiting is not None:
        until = _until(waiting, context.now)
        return f"{waiting.message.removesuffix('.')}{until}" if until else waiting.message
    if not context.status.stable:
        return ""
    drifts = condition_words(context)
    told = f" Drifting: {drifts[2]}" if drifts is not None and drifts[0] == "True" else ""
    return f"{context.status.stable} is stable.{told}"


def _until(waiting: Waiting, now: datetime) -> str:
    if waiting.until is None:
        return ""
    day = "" if waiting.until.date() == now.date() else f"{waiting.until:%Y-%m-%d} "
    return f", until {day}{waiting.until:%H:%M:%S} UTC"


def _conditions(
    context: Context, trouble: Trouble | None, waiting: Waiting | None, *, verified: bool
) -> list[Condition]:
    def condition(kind: ConditionType, status: str, reason: str, message: str = "") -> Condition:
        return Condition(
            type=kind,
            status=status,
            reason=reason,
            message=message[:1024],
            observed_generation=context.seen.generation,
            last_transition_time=context.now.replace(microsecond=0),
        )

    rollout = context.status.rollout
    running = rollout is not None and rollout.state in (RolloutState.PROGRESSING, RolloutState.ABORTING)
    message = _message(context, trouble, waiting)
    result: list[Condition] = []
    aborting = rollout is not None and rollout.state is RolloutState.ABORTING
    if trouble is not None and (not aborting or trouble.reason == OVERDUE):
        result.append(condition(ConditionType.READY, "False", trouble.reason, message))
        result.append(condition(ConditionType.STALLED, "True", trouble.reason, message))
    elif running or waiting is not None:
        reason = waiting.reason if waiting else ("Aborting" if rollout and rollout.cause else "Progressing")
        result.append(condition(ConditionType.READY, "False", reason, message))
        result.append(condition(ConditionType.RECONCILING, "True", reason, message))
    else:
        result.append(condition(ConditionType.READY, "True", "Stable", message))
    served = _served(context)
    result.append(
        condition(
            ConditionType.AVAILABLE, "False" if served else "True", "NotServed" if served else "Served", served or ""
        )
    )
    result.append(_traffic(context, condition, verified=verified))
    gates = rollout.gates if rollout is not None and context.progressing else ()
    if gates:
        verdict, why = conclude(gates)
        state = {Verdict.PASS: "True", Verdict.FAIL: "False", Verdict.UNDECIDED: "Unknown"}[verdict]
        result.append(condition(ConditionType.ANALYSIS_PASSED, state, verdict.value, why))
    elif rollout is not None and rollout.cause is not None and rollout.cause.reason == "GateFailed":
        result.append(condition(ConditionType.ANALYSIS_PASSED, "False", "Fail", rollout.cause.message))
    if rollout is not None and running and rollout.warnings:
        result.append(condition(ConditionType.WARNED, "True", "MetricWarns", _warned(rollout)))
    if context.status.target is not None:
        reverted = context.status.reverted
        why = " after a drift" if reverted is not None and reverted.to == context.status.target.revision else ""
        text = (
            f"A rollback{why} runs {context.status.target.revision} instead of {context.named.name}, "
            "until the spec names another revision."
        )
        result.append(condition(ConditionType.SPEC_OVERRIDDEN, "True", "RolledBack", text))
    drifts = condition_words(context)
    if drifts is not None:
        result.append(condition(ConditionType.DRIFTING, *drifts))
    return result


def _warned(rollout: Rollout) -> str:
    return "; ".join(f"{one.metric}: {one.message} (in {one.step})" for one in rollout.warnings)


def _traffic(context: Context, condition: object, *, verified: bool) -> Condition:
    assert callable(condition)
    if Capability.VERIFY not in context.router.capabilities:
        made = condition(
            ConditionType.TRAFFIC_VERIFIED,
            "Unknown",
            "CannotTell",
            "This router cannot say what it runs; a weight is a weight of connections.",
        )
    elif verified:
        made = condition(ConditionType.TRAFFIC_VERIFIED, "True", "Acknowledged")
    else:
        made = condition(ConditionType.TRAFFIC_VERIFIED, "False", "NotAcknowledged")
    assert isinstance(made, Condition)
    return made


def _served(context: Context) -> str | None:
    """Return why clients are not served, None when they are."""
    route = context.status.route
    if route is None:
        return "No route yet."
    rollout = context.progressing
    if rollout is not None and rollout.previous is None:
        return "The first revision is not in place yet."
    if not all(context.seen.ready_pods(arm.revision) for arm in route.route.arms if arm.weight):
        return "A revision that answers has no Ready pod."
    if Capability.VERIFY in context.router.capabilities and not any(
        report.pod.ready for report in context.seen.routers
    ):
        return "No router is Ready."
    return None
