"""What evidence means for the walk through the stages: which gates hold a stage up, and how long it still takes.

Between two steps nothing need be proven: the candidate must have been seen enough and must not be worse. Before 100 % it must
be: a pass says that it is within the margin, with the chance β of being wrong. While baking there is nothing to compare with
any more, and a change detector watches. Only a limit needs no stable: one that no stage before could hold the candidate against
is proven in the bake, or β would hold for nothing.
"""

import math
from datetime import datetime, timedelta
from itertools import takewhile

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import State
from modelrollout.domain.stage import Stage, StageKind
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.context import Context

LONGEST = 365 * 86400.0
"""Seconds; whatever needs longer never ends."""
HOLDING = ("world", "inputs")
"""What has moved without anybody to blame: it holds at every step, and in the bake."""


def standing(context: Context, stage: Stage) -> tuple[Gate, ...]:
    """Return the gates as the end of this stage sees them: what need not be proven here, and is not worse, passes."""
    rollout, owing = context.progressing, due(context, stage)
    # Once the candidate has all requests nothing more can be compared: what was proven before, and a watch, must do.
    baking = stage.kind is StageKind.BAKE
    return tuple(
        gate if gate.name in owing else _lenient(context, gate, baking=baking)
        for gate in (rollout.gates if rollout is not None else ())
    )


def due(context: Context, stage: Stage) -> frozenset[str]:
    """Return the metrics that must be proven to be within their margins here: there is no later chance before 100 %.

    For most that is the last step. What only copies can show is due in the last stage with copies; a limit that no stage before
    100 % could be held to, in the bake.
    """
    rollout, analysis = context.progressing, context.spec.analysis
    if rollout is None or analysis is None or stage.kind is StageKind.FULL:
        return frozenset()
    if stage.kind is StageKind.BAKE:
        before = takewhile(lambda earlier: earlier.kind is not StageKind.FULL, context.stages)
        trial = [earlier for earlier in before if earlier.kind is not StageKind.PAUSE]
        return frozenset(
            metric.name
            for metric in analysis.metrics
            if metric.speaks_in(stage) and not metric.compares and not any(metric.speaks_in(one) for one in trial)
        )
    rest = takewhile(lambda later: later.kind is not StageKind.FULL, context.stages[rollout.stage + 1 :])
    following = [later for later in rest if later.kind is not StageKind.PAUSE]
    chances = {metric.name: any(metric.speaks_in(later) for later in following) for metric in analysis.metrics}
    return frozenset(name for name, again in chances.items() if not again)


def _lenient(context: Context, gate: Gate, *, baking: bool) -> Gate:
    if gate.evidence is None or gate.verdict is not Verdict.UNDECIDED or gate.state != State.VALUE or gate.ignored:
        return gate
    if any(one.moved in HOLDING for one in (gate.evidence, *gate.slices)):
        return gate
    if not gate.evidence.enough and not baking:
        words = f"{gate.evidence.requests} requests are too few for the next step: {gate.message}"
        return gate.model_copy(update={"message": words[:512]})
    analysis = context.spec.analysis
    if analysis is not None and gate.evidence.worse >= math.log(1 / analysis.alpha):
        words = f"it is worse than stable, and by how much is not decided yet, so the weight stays: {gate.message}"
        return gate.model_copy(update={"message": words[:512]})
    return gate.model_copy(update={"verdict": Verdict.PASS})


def proven_at(context: Context, stage: Stage) -> datetime | None:
    """Return when evidence ends the hold of this stage; None while it does not.

    It cuts holds and no steps: each weight is still asked for and acknowledged by every router.
    """
    rollout, analysis = context.progressing, context.spec.analysis
    if rollout is None or analysis is None or stage.kind is not StageKind.STEP or rollout.answering_since is None:
        return None
    counted = [gate for gate in rollout.gates if not gate.ignored]
    if not any(gate.evidence is not None for gate in counted):
        return None
    if any(gate.verdict is not Verdict.PASS or gate.state != State.VALUE for gate in counted):
        return None
    return rollout.answering_since + analysis.min_duration


def remaining(evidence: Evidence, weight: int | None = None) -> float | None:
    """Return the seconds until a pass is to be expected, at a weight or as things are; None when nobody can tell."""
    both = evidence.both_per_second
    rate = evidence.per_second if weight is None else both * weight / 100 if both is not None else None
    return min(evidence.needed / rate, LONGEST) if rate and evidence.needed is not None else None


def risk_known(gates: tuple[Gate, ...]) -> tuple[float | None, float | None]:
    """Return how much more often than stable the candidate may at most be bad, and the requests per second of both.

    The worst of the rates that are compared counts; None where nothing is known.
    """
    found = [gate.evidence for gate in gates if gate.evidence is not None]
    bounds = [evidence.high for evidence in found if evidence.high is not None]
    rates = [evidence.both_per_second for evidence in found if evidence.both_per_second is not None]
    return max(bounds, default=None), max(rates, default=None)


def about(wait: timedelta) -> str:
    """Return a time span as people say it: two digits are enough."""
    seconds = wait / timedelta(seconds=1)
    for unit, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
