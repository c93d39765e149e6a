"""Events and log lines: the difference between two statuses, in words. Only transitions speak; ten lines tell a rollout."""

from modelrollout.api.golden import GATE
from modelrollout.domain.conditions import ConditionType, find
from modelrollout.domain.plan import Event
from modelrollout.domain.status import Rollout, RolloutState, Status
from modelrollout.domain.verdict import Verdict


def transitions(before: Status, after: Status) -> tuple[Event, ...]:
    """Return what happened between two statuses, in order."""
    found: list[Event] = []
    old, new = before.rollout, after.rollout
    if new is not None and (old is None or (old.revision, old.attempt) != (new.revision, new.attempt)):
        found.append(Event("RolloutStarted", _started(new)))
        old = None
    if new is not None:
        found += _stage(old, new)
        found += _outcome(old, new)
    if old is not None and new is not None:
        found += _retreat(before, after, new)
    if new is not None and new.forecast and (old is None or not old.forecast):
        found.append(Event("UndecidedByDeadline", new.forecast, warning=True))
    found += _drifts(before, after)
    found += _stalled(before, after)
    if after.request is not None and after.request != before.request:
        request = after.request
        verb = "accepted" if request.accepted else "refused"
        found.append(
            Event(f"Request{verb.capitalize()}", f"{request.action}: {request.message}", warning=not request.accepted)
        )
    return tuple(found)


def _retreat(before: Status, after: Status, rollout: Rollout) -> list[Event]:
    """Say that the candidate answers nobody any more although nobody aborted it."""
    if rollout.state is not RolloutState.PROGRESSING or before.route is None or after.route is None:
        return []
    if not before.route.route.weight(rollout.revision) or after.route.route.weight(rollout.revision):
        return []
    if (after.accepted or {}).get("automation") == "shadow":
        return [Event("WeightPinned", f"automation: shadow; {rollout.previous} answers everything.")]
    words = f"No pod of {rollout.revision} is Ready; {rollout.previous} answers everything until one is."
    return [Event("CandidateNotReady", words, warning=True)]


def _drifts(before: Status, after: Status) -> list[Event]:
    """Say what drifts, what drifts no more, and what became of it; each once."""
    old = {one.metric: one for one in before.monitor.drifting} if before.monitor is not None else {}
    new = {one.metric: one for one in after.monitor.drifting} if after.monitor is not None else {}
    found = [Event("Drifting", f"{name}: {one.message}.", warning=True) for name, one in new.items() if name not in old]
    if after.monitor is not None:
        found += [Event("DriftEnded", f"{name} passes again.") for name in old if name not in new]
    fresh = set(after.monitor.stale if after.monitor else ()) - set(before.monitor.stale if before.monitor else ())
    if after.monitor is not None:
        found += [
            Event("ReferenceStale", f"{gate.name}: {gate.message}.", warning=True)
            for gate in after.monitor.gates
            if gate.name in fresh
        ]
    reverted = after.reverted
    if reverted is not None and reverted != before.reverted:
        words = f"{reverted.revision} drifts ({reverted.message}). Rolling back to {reverted.to} (onDrift: rollback)."
        found.append(Event("DriftRollback", words[:1024], warning=True))
    return found


def _stalled(before: Status, after: Status) -> list[Event]:
    """Say what stands in the way, once. An abort has said so itself."""
    was, now = (find(status.conditions, ConditionType.STALLED) for status in (before, after))
    if now is None or now.reason == "RolloutAborted" or (was is not None and was.reason == now.reason):
        return []
    return [Event(now.reason, now.message, warning=True)]


def _started(rollout: Rollout) -> str:
    if rollout.previous is None:
        return f"Installing {rollout.revision}."
    return f"Rollout of {rollout.revision} (attempt {rollout.attempt}) by {rollout.strategy}; {rollout.previous} is stable."


def _stage(old: Rollout | None, new: Rollout) -> list[Event]:
    found: list[Event] = []
    if new.state is RolloutState.PROGRESSING and old is not None and old.stage != new.stage:
        found.append(Event("StageEntered", f"{new.stage_label} ({new.stage + 1} of {new.stages})."))
    failing = {gate.name for gate in old.gates if gate.verdict is Verdict.FAIL} if old else set()
    found += [
        Event("GateFailed", f"{gate.name}: {gate.message}", warning=True)
        for gate in new.gates
        if gate.verdict is Verdict.FAIL and gate.name not in failing and gate.name != GATE
    ]
    warned = {one.metric for one in old.warnings} if old else set()
    found += [
        Event("MetricWarns", f"{one.metric}: {one.message}", warning=True)
        for one in new.warnings
        if one.metric not in warned
    ]
    run = new.golden
    if run is not None and not run.passed and (old is None or old.golden != run):
        # A first install may be over in the same moment, and then has no gates any more.
        found.append(Event("GateFailed", f"{GATE}: {run.blame()}", warning=True))
    if new.recommendation and (old is None or _act(old) != _act(new)):
        found.append(Event("Recommendation", new.recommendation))
    return found


def _act(rollout: Rollout) -> str:
    """Return what is recommended without the numbers, which change all the time."""
    return (rollout.recommendation or "").partition(":")[0]


def _outcome(old: Rollout | None, new: Rollout) -> list[Event]:
    was = old.state if old else RolloutState.PROGRESSING
    if was is new.state:
        return []
    match new.state:
        case RolloutState.ABORTING:
            why = f"{new.cause.reason}: {new.cause.message}" if new.cause else ""
            return [Event("RolloutAborting", f"Traffic goes home. {why}".strip(), warning=True)]
        case RolloutState.ABORTED:
            why = f"{new.cause.reason}: {new.cause.message} " if new.cause else ""
            return [Event("RolloutAborted", f"{why}All traffic is at {new.previous} again.", warning=True)]
        case RolloutState.COMPLETED:
            return [Event("RolloutCompleted", f"{new.revision} is stable.")]
        case RolloutState.PROGRESSING:
            return []
