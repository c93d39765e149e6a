"""Walking the stages: verify, hold, judge, approve, go on. One station at a time, as far as the facts allow."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelrollout.api.golden import GATE
from modelrollout.api.modeldeployment import Metric
from modelrollout.api.slices import parts_of
from modelrollout.domain.stage import Stage, StageKind
from modelrollout.domain.status import Warned
from modelrollout.domain.verdict import Gate, Mode, Verdict
from modelrollout.engine.advice import advice
from modelrollout.engine.analysis import assess, conclude
from modelrollout.engine.awaiting import await_labels
from modelrollout.engine.context import Context
from modelrollout.engine.golden import failure, golden_gates, unanswered
from modelrollout.engine.ladder import ceiling, needs_person, next_index, promotes_undecided
from modelrollout.engine.lifecycle import abort, complete, enter, settle
from modelrollout.engine.proof import about, proven_at, remaining, risk_known, standing
from modelrollout.engine.ramp import next_rung, why_it_stays
from modelrollout.engine.reference import known as references
from modelrollout.engine.verdicts import Assessed, Panel
from modelrollout.engine.wants import epoch_of, judged
from modelrollout.names import mirror_cluster
from modelrollout.schema import format_duration

MOST_WARNINGS = 64
"""As many as the status has room for: metrics may be renamed in mid-rollout."""


@dataclass(frozen=True)
class Waiting:
    """Why the rollout stands where it stands.

    Attributes:
        reason: one CamelCase word, used as condition reason.
        message: for people: what it waits for.
        until: when this ends by itself, if it does.
    """

    reason: str
    message: str
    until: datetime | None = None


def stop_clocks(context: Context) -> Context:
    """While nothing may advance, clocks stand still: afterwards they are moved by the length of the pause."""
    rollout = context.progressing
    if rollout is None:
        return context
    if context.frozen:
        return context if rollout.paused_at else context.with_rollout(paused_at=context.now)
    since = rollout.paused_at
    if since is None:
        return context
    return context.with_rollout(
        paused_at=None,
        verified_at=_moved(rollout.verified_at, since, context.now),
        waiting_since=_moved(rollout.waiting_since, since, context.now),
    )


def _moved(clock: datetime | None, paused_at: datetime, now: datetime) -> datetime | None:
    """Return a clock after a pause; one that began in the pause stood still only from then on."""
    return clock + (now - max(paused_at, clock)) if clock is not None else None


def judge(context: Context) -> Context:
    """Fold the newest readings into the gates of the current stage."""
    rollout, analysis = context.progressing, context.spec.analysis
    if rollout is None or analysis is None:
        return context
    gates, against = _judged(context, Mode.GATE, rollout.gates)
    after = (*golden_gates(context), *gates)
    if not _worth_writing(context, rollout.gates, after, rollout.gates_at):
        return context
    together = round(against, 4) if against is not None else rollout.against
    return context.with_rollout(gates=after, gates_at=context.now, against=together)


def watch(context: Context) -> Context:
    """Fold the newest readings of the metrics that decide nothing, and note which of those that warn have failed.

    They are kept apart from the gates, each mode with an error rate of its own, so that no rule can come to obey them.
    """
    rollout, analysis = context.progressing, context.spec.analysis
    if rollout is None or analysis is None:
        return context
    after = tuple(gate for mode in (Mode.WARN, Mode.OBSERVE) for gate in _judged(context, mode, rollout.watched).gates)
    known = {one.metric for one in rollout.warnings}
    warnings = tuple(
        Warned(metric=gate.name, message=gate.message, step=rollout.stage_label, at=context.now)
        for gate in after
        if gate.mode is Mode.WARN and gate.verdict is Verdict.FAIL and gate.name not in known
    )
    if not warnings and not _worth_writing(context, rollout.watched, after, rollout.watched_at):
        return context
    return context.with_rollout(
        watched=after, watched_at=context.now, warnings=(*rollout.warnings, *warnings)[-MOST_WARNINGS:]
    )


def _judged(context: Context, mode: Mode, known: tuple[Gate, ...]) -> Assessed:
    """Return what the metrics of one mode say; their gates as they were while nothing is measured."""
    rollout, analysis = context.progressing, context.spec.analysis
    assert rollout is not None
    assert analysis is not None
    epoch, decides = epoch_of(context), mode is Mode.GATE
    shown = None if decides else mode
    if epoch is None:
        return Assessed(tuple(gate for gate in known if gate.name != GATE and gate.mode is shown), None)
    readings = {
        name: reading
        for name, reading in context.seen.readings.items()
        if reading.epoch == epoch and reading.mode is mode
    }
    # On the way to the stage's weight a metric need not say anything, but what it says counts.
    due = rollout.verified_at is not None
    metrics = [
        metric
        for metric in analysis.metrics
        if (metric.mode or Mode.GATE) is mode and judged(context, metric) and (due or metric.name in readings)
    ]
    gates, together = assess(
        [(metric.name, *metric.judge()) for metric in metrics],
        readings,
        {gate.name: gate for gate in known if gate.mode is shown},
        now=context.now,
        interval=analysis.interval,
        # That there is no number is no failure of the candidate, and what decides nothing stands in nobody's way.
        on_no_data=analysis.on_no_data if decides else "hold",
        on_error=analysis.on_error if decides else "hold",
        alpha=analysis.alpha,
        beta=analysis.beta,
        guarded=frozenset(metric.name for metric in metrics if decides and _guarded(metric)),
        panel=_panel(context, mode),
    )
    found = references(context, rollout.previous, [(metric.name, *metric.source()) for metric in metrics])
    # What is stale is judged by nothing: people must not take it for a comparison with what was normal.
    told = {gate.name: f"{found.why[gate.name]}; {gate.message}"[:512] for gate in gates if gate.name in found.stale}
    gates = tuple(
        gate.model_copy(update={"mode": shown, "message": told.get(gate.name, gate.message)})
        if shown or gate.name in told
        else gate
        for gate in gates
    )
    return Assessed(await_labels(context, gates), together)


def _panel(context: Context, mode: Mode) -> Panel:
    """Return who shares α: all metrics of a mode that weigh evidence in any stage of the rollout."""
    rollout, analysis = context.progressing, context.spec.analysis
    assert rollout is not None
    assert analysis is not None
    members = [metric for metric in analysis.metrics if (metric.mode or Mode.GATE) is mode and metric.weighs]
    heard = [metric for metric in members if any(metric.speaks_in(stage) for stage in context.stages)]
    sliced = sum(_is_sliced(metric) for metric in heard)
    settled = rollout.settled if mode is Mode.GATE else ()
    return Panel(len(heard), sliced * len(parts_of(analysis.slices)), settled)


def _is_sliced(metric: Metric) -> bool:
    source, config = metric.source()
    return source.sliced(config)


def _guarded(metric: Metric) -> bool:
    source, config = metric.source()
    return source.errors(config)


def _worth_writing(
    context: Context, before: tuple[Gate, ...], after: tuple[Gate, ...], written: datetime | None
) -> bool:
    """Whether gates changed in what counts, or live values are due again: they are written at most every 30 s."""
    if before == after:
        return False
    if _essence(context, before) != _essence(context, after):
        return True
    return written is None or context.now - written >= context.limits.gate_interval


def _essence(context: Context, gates: tuple[Gate, ...]) -> tuple[object, ...]:
    """Return what of gates decides anything."""
    analysis, rollout = context.spec.analysis, context.progressing
    proof = math.log(1 / analysis.alpha) if analysis is not None else math.inf
    rung = next_rung(context.stages, rollout.stage, *risk_known(gates)) if rollout is not None else None
    return rung, *(_said(gate, proof) for gate in gates)


def _said(gate: Gate, proof: float) -> tuple[object, ...]:
    """Return what of a gate decides anything; of evidence, what ends a step and the bound by which a ramp climbs."""
    slices = tuple((one.slice, one.verdict, one.failures) for one in gate.slices)
    said = gate.name, gate.verdict, gate.state, gate.failures, gate.limit, gate.ignored, slices
    evidence = gate.evidence
    if evidence is None:
        return said
    return (*said, evidence.enough, evidence.high, evidence.worse >= proof)


def obey_verdict(context: Context) -> Context:
    """A failed gate sends traffic home on every rung but ``manual``, where it holds and alarms."""
    rollout = context.progressing
    if rollout is None or rollout.previous is None or context.spec.automation == "manual":
        return context
    verdict, why = conclude(rollout.gates)
    return abort(context, "GateFailed", why) if verdict is Verdict.FAIL else context


def verify(context: Context, *, reached: bool, waiting: str) -> Context:
    """Start the hold's clock when the fact equals the intent; stop waiting; give up when the progress deadline passes."""
    rollout = context.progressing
    if rollout is None:
        return context
    if reached and not waiting:
        if rollout.verified_at is None:
            stage = context.stage
            answers = rollout.answering_since or (context.now if stage is not None and stage.weight else None)
            # What was measured until now was measured at another weight.
            return context.with_rollout(
                verified_at=context.now,
                waiting_since=None,
                settled=settle(rollout),
                gates=(),
                gates_at=None,
                watched=(),
                watched_at=None,
                answering_since=answers,
            )
        return context.with_rollout(waiting_since=None) if rollout.waiting_since else context
    if rollout.waiting_since is None:
        return context.with_rollout(waiting_since=context.now)
    overdue = context.now >= rollout.waiting_since + context.spec.progress_deadline
    if context.frozen or rollout.previous is None or not overdue:
        return context
    limit = format_duration(context.spec.progress_deadline)
    return abort(context, "ProgressDeadlineExceeded", f"No progress for {limit}: {waiting}.")


def held_by_failure(context: Context) -> Waiting | None:
    """Why the candidate may not get its first requests until a person decides; no deadline runs meanwhile."""
    stage, why = context.stage, failure(context)
    rollout = context.progressing
    if stage is None or rollout is None or rollout.verified_at is not None or not why:
        return None
    return _blamed(stage, why)


def advance(context: Context, detail: str = "") -> tuple[Context, Waiting | None]:
    """Leave every stage that is over. Returns why the current one is not, None when no rollout progresses.

    Args:
        context: the pass.
        detail: what the route of the current stage waits for, empty when it is in place.
    """
    while True:
        rollout, stage = context.progressing, context.stage
        if rollout is None or stage is None:
            return context, None
        waiting = _waiting(context, stage, detail)
        following = next_index(context, *risk_known(rollout.gates))
        if waiting is None and following is not None and (above := ceiling(context, following)):
            waiting = Waiting("WeightPinned", f"{stage.label} is over: {above}")
        if waiting is not None:
            context, expired = _expire(context, stage, waiting)
            return _recommend(context, stage, expired), expired
        if following is None:
            context = complete(context)
            continue
        if stage.kind is StageKind.PAUSE:
            context = context.with_rollout(released=stage.weight)
        context = enter(context, following)
        entered = context.stage
        if entered is not None and _same_world(stage, entered):
            context = context.with_rollout(verified_at=context.now, waiting_since=None)


def _same_world(before: Stage, after: Stage) -> bool:
    """Whether a stage needs nothing that the one before did not: then it is verified at once."""
    return (before.weight, before.mirror, before.full_size) == (after.weight, after.mirror, after.full_size) and (
        (after.replicas or 0) <= (before.replicas or 0)
    )


def _waiting(context: Context, stage: Stage, detail: str) -> Waiting | None:
    """Why the stage is not over, None when it is."""
    rollout = context.progressing
    assert rollout is not None
    halted = _halted(context, stage)
    if halted is not None:
        return halted
    # A stage that needs no other route than the one before it has none to wait for when it is entered.
    detail = detail or unanswered(context)
    if rollout.verified_at is None or rollout.waiting_since is not None or detail:
        return Waiting("WaitingForRoute", f"{stage.label}: {detail or 'its route is not in place yet'}")
    if _released(context, stage):
        return None
    hold_ends, proven = rollout.verified_at + stage.hold, proven_at(context, stage)
    if proven is not None and context.now < min(proven, hold_ends):
        words = f"{stage.label} holds, though the evidence is there: the candidate answers for too short a time"
        return Waiting("Holding", words, min(proven, hold_ends))
    if proven is None and context.now < hold_ends:
        return Waiting("Holding", f"{stage.label} holds{_no_copies(context, stage)}", hold_ends)
    undecided = _undecided(context, stage)
    if undecided is not None:
        return undecided
    climbing = why_it_stays(context.stages, rollout.stage, *risk_known(rollout.gates))
    if climbing:
        return Waiting("WaitingForAnalysis", climbing, _deadline(context, stage))
    if needs_person(context, stage):
        why = "" if stage.approval or context.spec.automation != "partial" else ", because no metric passes in it"
        return Waiting(
            "WaitingForApproval",
            f"{stage.label} waits for a person{why}: `kubectl modelrollout promote {context.seen.name}`",
        )
    return None


def _halted(context: Context, stage: Stage) -> Waiting | None:
    """Why nothing may advance at all, whatever the stage."""
    if context.problems:
        return Waiting("InvalidSpec", "The spec as it stands is refused; nothing advances.")
    if context.seen.foreign:
        return Waiting("NameConflict", "Objects of others have our names; nothing advances.")
    if context.paused:
        return Waiting("Paused", f"Paused in {stage.label}. It goes on with `resume`, or when spec.paused is false.")
    if context.limits.freeze:
        return Waiting("Frozen", "The operator's freeze is on: nothing advances in this cluster; aborts still work.")
    return None


def _released(context: Context, stage: Stage) -> bool:
    """Whether a person has let this stage go, at once or by skipping all of them; a pause that is over stays over."""
    rollout = context.progressing
    assert rollout is not None
    if rollout.approved >= rollout.stage or (stage.kind is StageKind.PAUSE and stage.weight <= rollout.released):
        return True
    return rollout.full and stage.kind not in (StageKind.FULL, StageKind.BAKE)


def _undecided(context: Context, stage: Stage) -> Waiting | None:
    rollout, analysis = context.progressing, context.spec.analysis
    assert rollout is not None
    if blame := failure(context):
        return _blamed(stage, blame)
    if analysis is None or stage.kind in (StageKind.PAUSE, StageKind.FULL) or rollout.previous is None:
        return None
    if not any(metric.decides and judged(context, metric) for metric in analysis.metrics):
        return None
    if rollout.gates and all(gate.ignored for gate in rollout.gates):
        return None
    gates = standing(context, stage)
    verdict, why = conclude(gates)
    if gates and verdict is Verdict.PASS:
        return None
    if verdict is Verdict.FAIL:
        # Only with automation manual: every other rung has sent traffic home by now. No deadline may promote it.
        return _blamed(stage, why)
    why = f"{why or 'no numbers yet'}{_no_copies(context, stage)}{_soon(gates)}"
    deadline = _deadline(context, stage)
    # What was foreseen has come true by the deadline, or has not.
    if rollout.forecast and (deadline is None or context.now < deadline):
        why = f"{why.removesuffix('.')}. {rollout.forecast.removesuffix('.')}"
    return Waiting("WaitingForAnalysis", f"{stage.label}: {why}", deadline)


def _blamed(stage: Stage, why: str) -> Waiting:
    return Waiting("GateFailed", f"{stage.label}: {why}. A person decides: `kubectl modelrollout abort` or `promote`")


def _soon(gates: tuple[Gate, ...]) -> str:
    """Say how long the evidence still takes at today's traffic."""
    undecided = [gate.evidence for gate in gates if gate.verdict is Verdict.UNDECIDED and gate.evidence is not None]
    waits = [seconds for evidence in undecided if (seconds := remaining(evidence)) is not None]
    return f" (about {about(timedelta(seconds=max(waits)))} at today's traffic)" if waits else ""


def _no_copies(context: Context, stage: Stage) -> str:
    """Say that a shadow received nothing: it looks like one that does well."""
    rollout = context.progressing
    silent = rollout is not None and stage.mirror > 0 and rollout.mirrored == 0
    return "; no request has been copied to it yet" if silent else ""


def _deadline(context: Context, stage: Stage) -> datetime | None:
    rollout, analysis = context.progressing, context.spec.analysis
    if rollout is None or rollout.verified_at is None or analysis is None or analysis.deadline is None:
        return None
    return rollout.verified_at + stage.hold + analysis.deadline


def _expire(context: Context, stage: Stage, waiting: Waiting) -> tuple[Context, Waiting | None]:
    """The analysis deadline: then what the user said for an inconclusive stage."""
    rollout, analysis, deadline = context.progressing, context.spec.analysis, _deadline(context, stage)
    if waiting.reason != "WaitingForAnalysis" or rollout is None or analysis is None:
        return context, waiting
    if deadline is None or context.now < deadline:
        return context, waiting
    limit = format_duration(analysis.deadline or timedelta())
    why = f"Inconclusive after {limit}: {waiting.message}"
    if analysis.on_inconclusive == "rollback":
        return abort(context, "Inconclusive", why), None
    if analysis.on_inconclusive == "promote" and promotes_undecided(context, stage):
        return advance(context.with_rollout(approved=rollout.stage))
    return context, Waiting("WaitingForApproval", f"{why}. `kubectl modelrollout promote` or `abort` decides")


def _recommend(context: Context, stage: Stage, waiting: Waiting | None) -> Context:
    """Where a person decides between two steps, the operator says what it would do."""
    rollout = context.progressing
    if rollout is None or waiting is None:
        return context
    asks = waiting.reason == "WaitingForApproval" and context.spec.automation in ("assist", "partial")
    said = advice(context, stage) if asks else None
    return context if said == rollout.recommendation else context.with_rollout(recommendation=said)


def count_mirrored(context: Context) -> Context:
    """Write how many requests a shadow received, at most every 30 s: one that receives nothing must be seen."""
    rollout, stage = context.progressing, context.stage
    answers = [report for report in context.seen.routers if report.at is not None and not report.error]
    if rollout is None or stage is None or not stage.mirror or rollout.verified_at is None or not answers:
        return context
    cluster = mirror_cluster(rollout.revision)
    old, total = rollout.mirrored, sum(report.mirrored.get(cluster, 0) for report in answers)
    # A router that starts anew counts from 0.
    total = max(total, old or 0)
    since = rollout.gates_at
    due = since is None or since == context.now or context.now - since >= context.limits.gate_interval
    if old is None or (old == 0 and total > 0) or (due and old != total):
        return context.with_rollout(mirrored=total, gates_at=context.now)
    return context
