"""What is foreseen: which metric cannot be decided by the deadline at today's traffic, and what would help.

Everything that holds the current stage up is asked how long it still takes there, and while steps go on, what must be proven in
the last of them. Where nobody can tell how long it takes, that is said when the deadline is near.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from modelrollout.api.modeldeployment import Analysis
from modelrollout.domain.reading import State
from modelrollout.domain.stage import Stage, StageKind
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.context import Context
from modelrollout.engine.proof import HOLDING, about, due, remaining, standing
from modelrollout.schema import format_duration

KNOWN = 200
"""Requests of stable from which on a forecast is worth saying; of the candidate, where no stable is looked at."""
HOPE = 1.5
"""A forecast is taken back only when the evidence would be enough in so many times less than the time there is."""
NEAR = 0.2
"""Share of the deadline that is left when a wait that nobody can foresee is told."""


@dataclass(frozen=True)
class Wait:
    """How long a metric still holds the rollout up.

    Attributes:
        metric: its name.
        stage: in which it is held up.
        needs: who needs how much, for people.
        has: how much time there is, for people.
        takes: how long it takes; None: nobody can tell, and the deadline is near.
        there_is: how long it may take.
        few: it waits for its first requests, and not for a proof.
    """

    metric: str
    stage: Stage
    needs: str
    has: str
    takes: timedelta | None
    there_is: timedelta
    few: bool = False


def foresee(context: Context) -> Context:
    """Say at once when the evidence cannot be enough by the deadline at today's traffic."""
    rollout, analysis, stage = context.progressing, context.spec.analysis, context.stage
    if rollout is None or analysis is None or stage is None or rollout.verified_at is None or context.frozen:
        return context
    if rollout.previous is None or stage.kind in (StageKind.PAUSE, StageKind.FULL):
        return context
    waits = tuple(_waits(context, stage))
    if analysis.deadline is None or _passes(rollout.gates):
        return context if rollout.forecast is None else context.with_rollout(forecast=None)
    if not waits:
        return context
    if rollout.forecast is not None:
        hope = all(wait.takes is not None and wait.takes * HOPE < wait.there_is for wait in waits)
        return context.with_rollout(forecast=None) if hope else context
    late = [wait for wait in waits if wait.takes is None or wait.takes > wait.there_is]
    if not late:
        return context
    longest = max(late, key=lambda wait: wait.takes or timedelta())
    comes = f"it is likely to be inconclusive ({analysis.on_inconclusive}), unless a person decides before."
    if longest.takes is not None:
        comes = likely(analysis, longest.metric, longest.stage, few=longest.few)
    words = f"{longest.needs}, and {longest.stage.label} has {longest.has}: {comes}"
    return context.with_rollout(forecast=words[:512])


def likely(analysis: Analysis, metric: str, stage: Stage, *, few: bool) -> str:
    """Return what comes of a metric that takes longer in a stage than there is time, and the ways out, for people.

    Args:
        analysis: of the spec.
        metric: its name.
        stage: where it holds the rollout up.
        few: it waits for its first requests, and not for a proof.
    """
    return (
        f"it is likely to be inconclusive ({analysis.on_inconclusive}). {_ways_out(analysis, metric, stage, few=few)}"
    )


def _ways_out(analysis: Analysis, name: str, stage: Stage, *, few: bool) -> str:
    """Return what would help where it stands; nothing gets the candidate more requests once all of them are its own."""
    metric = next((one for one in analysis.metrics if one.name == name), None)
    bound = "a wider margin" if metric is not None and metric.compares else "another limit"
    bound = "fewer minRequests" if few else bound
    match stage.kind:
        case StageKind.STEP:
            return f"Give it more weight, {bound}, a later deadline or a shadow before; or a person promotes."
        case StageKind.SHADOW:
            return f"Give it more copies, {bound} or a later deadline; or a person promotes."
        case _:
            return f"Give it {bound} or a later deadline; or a person promotes."


def _passes(gates: tuple[Gate, ...]) -> bool:
    return bool(gates) and all(gate.verdict is Verdict.PASS or gate.ignored for gate in gates)


def _waits(context: Context, stage: Stage) -> Iterator[Wait]:
    yield from _here(context, stage)
    last = next((later for later in reversed(context.stages) if later.kind is StageKind.STEP), None)
    if stage.kind is StageKind.STEP and last is not None and last is not stage:
        yield from _before_full(context, last)


def _here(context: Context, stage: Stage) -> Iterator[Wait]:
    """Yield how long everything that holds the current stage up still takes in it."""
    rollout, analysis = context.progressing, context.spec.analysis
    if rollout is None or rollout.verified_at is None or analysis is None or analysis.deadline is None:
        return
    left = rollout.verified_at + stage.hold + analysis.deadline - context.now
    if left <= timedelta():
        return
    owing, passed = due(context, stage), context.now - rollout.verified_at
    where = f"at {stage.weight} % of today's traffic" if stage.weight else "at today's traffic"
    for gate in standing(context, stage):
        if gate.verdict is not Verdict.UNDECIDED or gate.ignored:
            continue
        # What need not be proven here waits for its first requests alone, unless it is known to be worse.
        few = gate.evidence is not None and not gate.evidence.enough and gate.name not in owing
        takes = _first_requests(context, gate, stage, passed) if few else _proof(gate, stage)
        if takes is not None:
            needs = f"{gate.name} needs about {about(takes)} {where}{' for its first requests' if few else ''}"
            yield Wait(gate.name, stage, needs, f"{about(left)} left", takes, left, few)
        elif left < analysis.deadline * NEAR:
            needs = f"{gate.name}: nobody can tell how long it still takes"
            yield Wait(gate.name, stage, needs, f"{about(left)} left", None, left)


def _before_full(context: Context, last: Stage) -> Iterator[Wait]:
    """Yield how long what must be proven in the last step would take there."""
    rollout, analysis = context.progressing, context.spec.analysis
    if rollout is None or analysis is None or analysis.deadline is None:
        return
    there_is = last.hold + analysis.deadline
    for gate in rollout.gates:
        takes = _proof(gate, last) if gate.verdict is Verdict.UNDECIDED and not gate.ignored else None
        if takes is not None:
            needs = f"{gate.name} needs about {about(takes)} at {last.weight} % of today's traffic"
            yield Wait(gate.name, last, needs, format_duration(there_is), takes, there_is)


def _proof(gate: Gate, stage: Stage) -> timedelta | None:
    """Return how long a pass takes in a stage; None while nobody can tell."""
    evidence = gate.evidence
    if evidence is None or gate.state != State.VALUE or evidence.moved in HOLDING:
        return None
    if (evidence.stable_requests or evidence.requests) < KNOWN:
        return None
    return _span(remaining(evidence, _weight(stage)))


def _first_requests(context: Context, gate: Gate, stage: Stage, passed: timedelta) -> timedelta | None:
    """Return how long the requests take that a step asks for; None until it is known how many arrive."""
    evidence, analysis = gate.evidence, context.spec.analysis
    metric = next((one for one in analysis.metrics if one.name == gate.name), None) if analysis is not None else None
    if evidence is None or evidence.both_per_second is None or metric is None:
        return None
    if evidence.both_per_second * (passed / timedelta(seconds=1)) < KNOWN:
        return None
    missing = max(0, metric.min_requests - evidence.requests)
    return _span(remaining(evidence.model_copy(update={"needed": missing}), _weight(stage)))


def _weight(stage: Stage) -> int | None:
    """Return the weight at which requests come to be counted; copies come as they come."""
    return stage.weight or None


def _span(seconds: float | None) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds is not None else None
