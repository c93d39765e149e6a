"""Labels are late by nature: a step waits for them as long as the spec says, and not for ever.

What has enough labels is judged like everything else. What lacks them holds its step, or the bake, until ``wait.maxAge`` after
the route was in place; then it is ignored, in words, and never a pass. It goes on being measured: labels that come later fail
their metric in the stage that they come in, so a step that was let go may still end in a rollback inside the bake.
"""

from datetime import datetime

from modelrollout.domain.reading import State
from modelrollout.domain.stage import StageKind
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.context import Context
from modelrollout.engine.wants import labels_needed

_SILENT = frozenset({State.NO_TRAFFIC, State.NO_METRIC, State.NAN})
_WAITING = frozenset({StageKind.STEP, StageKind.BAKE})
_LONGEST = 512
"""Characters of a gate's message."""


def await_labels(context: Context, gates: tuple[Gate, ...]) -> tuple[Gate, ...]:
    """Return the gates as they count: those that lack labels hold for a while, and are ignored afterwards."""
    ends = awaited_until(context)
    analysis, stage = context.spec.analysis, context.stage
    if ends is None or analysis is None or stage is None:
        return gates
    needed = {metric.name: least for metric in analysis.metrics if (least := labels_needed(analysis, metric))}
    baking, over = stage.kind is StageKind.BAKE, context.now >= ends
    return tuple(
        _without(gate, needed[gate.name], over=over, baking=baking)
        if gate.name in needed and _lacks(gate, needed[gate.name])
        else gate
        for gate in gates
    )


def awaited_until(context: Context) -> datetime | None:
    """Return how long the current stage waits for labels; None where it waits for none."""
    rollout, analysis, stage = context.progressing, context.spec.analysis, context.stage
    wait = analysis.labels.wait if analysis is not None and analysis.labels is not None else None
    if wait is None or rollout is None or rollout.verified_at is None or stage is None or stage.kind not in _WAITING:
        return None
    return rollout.verified_at + wait.max_age


def _lacks(gate: Gate, least: int) -> bool:
    """Return whether it is labels that a gate lacks: not a source that answers, and not the will to judge."""
    if gate.verdict is Verdict.FAIL:
        return False
    if gate.state in _SILENT:
        return True
    if gate.state != State.VALUE:
        return False
    if gate.evidence is not None:
        return gate.evidence.requests < least
    return gate.verdict is Verdict.UNDECIDED and gate.at is None


def _without(gate: Gate, least: int, *, over: bool, baking: bool) -> Gate:
    number = gate.evidence.requests if gate.evidence is not None else gate.requests or 0
    if not over:
        words = f"{number} of {least} labels yet; {gate.message}" if gate.message else f"{number} of {least} labels yet"
        return gate.model_copy(update={"verdict": Verdict.UNDECIDED, "message": words[:_LONGEST]})
    some = f"only {number} of {least} labels came" if number else "no labels yet"
    words = (
        f"{some}; nothing is known of what they would have said" if baking else f"{some}; they are awaited in the bake"
    )
    return gate.model_copy(update={"verdict": Verdict.UNDECIDED, "ignored": True, "message": words})
