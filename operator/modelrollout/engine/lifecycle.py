"""From one attempt to the next: start, supersede, abort, complete. Each function takes a context and returns one."""

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from modelrollout.domain.route import RouteAsk
from modelrollout.domain.stage import Stage, StageKind
from modelrollout.domain.status import Cause, Past, Request, Rollout, RolloutState, Status, Target, Visit
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.context import INSTALL, Context
from modelrollout.engine.edits import edits
from modelrollout.names import LABEL_REVISION, candidate_service, mirror_cluster, workload

INSTALLATION = "install"
"""What stands in the place of a strategy in a first install."""
HISTORY = 10
VISITS = 60
EDITS = 10
DRIFT = "analysis.monitor"
"""Who asks for a rollback that no person asks for."""


def recover(context: Context) -> Context:
    """Re-derive a lost status from the live route, which is left as it is.

    The live route says who answers. Of two revisions the one that the spec names is on trial; it resumes at the last stage
    whose weight it already has, so that no weight falls because a status was wiped.
    """
    status, live = context.status, context.seen.live_route
    if status.stable or status.rollout or status.route or live is None:
        return context
    named = context.named.name
    answering = sorted((arm for arm in live.route.arms if arm.weight), key=lambda arm: (-arm.weight, arm.revision))
    others = [arm.revision for arm in answering if arm.revision != named]
    standing = [
        name
        for name in sorted(context.seen.snapshots)
        if name != named
        and context.seen.child("Deployment", workload(context.seen.name, name)) is not None
        and name in live.clusters
    ]
    context = context.with_status(route=live)
    if not others and not standing and not context.seen.ready_pods(named):
        # It is installed, and never answered anybody.
        return context
    trial = _on_trial(context)
    # A rollback may be what is on trial; then the revision that the spec names is the way home.
    homes = [name for name in (*others, *standing) if name != trial] or (
        [named] if live.route.weight(named) else others
    )
    stable = (homes or [named])[0]
    context = context.with_status(stable=stable)
    if stable == named:
        return context
    superseded = sorted({*(mirror.revision for mirror in live.route.mirrors), *others} - {stable, named})
    if superseded:
        # Its traffic goes home first; it must not keep its share, nor its place, until the next one is ready.
        return abort(start(context, superseded[0]), *_moved_on(context))
    context = start(context, named)
    weight = context.asked_weight
    return _at_stage(context, resume_index(context.stages, weight) if weight else 0)


def _on_trial(context: Context) -> str | None:
    """Return the revision that the preview Service shows: it stands only as long as a rollout."""
    service = context.seen.child("Service", candidate_service(context.seen.name))
    return service["spec"].get("selector", {}).get(LABEL_REVISION) if service is not None else None


def forget_lost(context: Context) -> Context:
    """Take clusters out of the ask whose revision nobody knows.

    The ask is persisted before the snapshot is written. When the operator is killed in between and the spec then names another
    revision, the one before is lost; nothing was ever rendered for it.
    """
    ask = context.status.route
    if ask is None:
        return context
    rollout, home = context.status.rollout, {context.status.stable}
    home |= {rollout.previous} if rollout is not None else set()
    known = {
        cluster
        for cluster in ask.clusters
        if cluster in home or context.revision(cluster.removesuffix(mirror_cluster(""))) is not None
    } | ask.route.clusters()
    if known >= set(ask.clusters):
        return context
    return context.with_status(
        route=RouteAsk(serial=ask.serial + 1, route=ask.route, clusters=tuple(sorted(known & set(ask.clusters))))
    )


def resume_index(stages: tuple[Stage, ...], weight: int) -> int:
    """Return the last stage whose weight is at most the one that is asked for; a pause is nothing to resume at."""
    fitting = [
        index for index, stage in enumerate(stages) if stage.weight <= weight and stage.kind is not StageKind.PAUSE
    ]
    return max(fitting, default=0)


@lru_cache(maxsize=256)
def plan_digest(stages: tuple[Stage, ...]) -> str:
    """Return a fingerprint of the weights and kinds of a list of stages.

    What a stage asks of time and people may change without moving the rollout.
    """
    shape = [
        {key: value for key, value in asdict(stage).items() if key in ("kind", "weight", "mirror", "full_size")}
        for stage in stages
    ]
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:10]


def start(context: Context, revision: str) -> Context:
    """Begin an attempt at a revision."""
    status = context.status
    attempts = [past.attempt for past in status.history if past.revision == revision]
    if status.rollout is not None and status.rollout.revision == revision:
        attempts.append(status.rollout.attempt)
    previous = status.stable
    stages = context.spec.stages() if previous else INSTALL
    context = context.as_first(previous is not None and _only_installed(status))
    rollout = Rollout(
        revision=revision,
        previous=previous,
        attempt=max(attempts, default=0) + 1,
        first=context.first or None,
        strategy=context.spec.strategy.chosen()[0].name if previous else INSTALLATION,
        stages=len(stages),
        stage_label=stages[0].label,
        plan=plan_digest(stages),
        started_at=context.now,
        stage_at=context.now,
        waiting_since=context.now,
        visits=(_visit(context, stages[0]),),
        requests=_begun_by(context, revision),
        analysis=context.analysis,
    )
    return context.with_status(rollout=rollout, candidate=revision, weight=0)


def _only_installed(status: Status) -> bool:
    """Return whether stable was installed and no rollout has been completed since, as far as the history remembers."""
    completed = next((past for past in status.history if past.outcome == "Completed"), None)
    return completed is not None and completed.strategy == INSTALLATION


def _begun_by(context: Context, revision: str) -> tuple[Request, ...]:
    """Return the rollback that an attempt carries out, whoever asked for it."""
    target, request, drift = context.status.target, context.status.request, context.status.reverted
    if target is not None and drift is not None and target.revision == revision == drift.to and drift.at == context.now:
        said = f"{drift.revision} drifts: {drift.message}"[:1024]
        return (Request(id=DRIFT, action="rollback", accepted=True, message=said, at=drift.at, by=DRIFT),)
    if target is None or target.revision != revision or request is None:
        return ()
    return (request,) if request.accepted and request.action == "rollback" else ()


def _visit(context: Context, stage: Stage) -> Visit:
    return Visit(label=stage.label, weight=stage.weight, mirror=stage.mirror, at=context.now)


def accepted(context: Context) -> dict[str, Any]:
    """Return the spec as last accepted, without its template, which the snapshot keeps."""
    return {key: value for key, value in context.seen.spec.items() if key != "template"}


def abort(context: Context, reason: str, message: str) -> Context:
    """Send traffic home. The rollout stays, so that the abort is sticky."""
    # More sentences follow it wherever it is shown.
    sentence = message if message.endswith(".") else f"{message}."
    cause = Cause(reason=reason, message=sentence[:1024], at=context.now)
    return context.with_rollout(
        state=RolloutState.ABORTING, cause=cause, waiting_since=context.now, recommendation=None
    )


def close_abort(context: Context) -> Context:
    """Every router sends everything home again: the attempt is over."""
    rollout = context.status.rollout
    assert rollout is not None
    outcome = "Superseded" if rollout.cause and rollout.cause.reason in ("Superseded", "SpecReverted") else "Aborted"
    context = context.with_rollout(state=RolloutState.ABORTED, waiting_since=None, paused_at=None)
    # A pause was asked for this attempt; the next one must not begin with it.
    return _remember(context, outcome).with_status(candidate=None, paused=False)


def complete(context: Context) -> Context:
    """The roles change."""
    rollout = context.status.rollout
    assert rollout is not None
    context = context.with_rollout(
        state=RolloutState.COMPLETED, waiting_since=None, paused_at=None, recommendation=None
    )
    return _remember(context, "Completed").with_status(stable=rollout.revision, candidate=None)


def _remember(context: Context, outcome: str) -> Context:
    rollout = context.status.rollout
    assert rollout is not None
    revision = context.revision(rollout.revision)
    model = (revision.content.get("model") or {}) if revision else {}
    past = Past(
        revision=rollout.revision,
        attempt=rollout.attempt,
        strategy=rollout.strategy,
        outcome=outcome,
        reason=f"{rollout.cause.reason}: {rollout.cause.message}"[:1024] if rollout.cause else "",
        started_at=rollout.started_at,
        ended_at=context.now,
        model=" ".join(str(model[key]) for key in ("name", "version") if key in model)[:256],
    )
    return context.with_status(history=(past, *context.status.history)[:HISTORY], ended=rollout)


def follow_spec(context: Context) -> Context:
    """Compare what should be stable with what is, and start, supersede or revert accordingly."""
    target = context.status.target
    if target is not None and target.spec_revision != context.named.name:
        context = context.with_status(target=None)
    wanted, rollout = context.wanted.name, context.status.rollout
    if context.problems or (rollout is not None and rollout.state is RolloutState.ABORTING):
        return context
    if rollout is not None and rollout.state is RolloutState.PROGRESSING:
        return context if rollout.revision == wanted else _leave(context, rollout, wanted)
    sticky = rollout is not None and rollout.state is RolloutState.ABORTED and not _moot(rollout)
    if wanted == context.status.stable:
        return _lift(context) if sticky else context
    if sticky and rollout is not None and rollout.revision == wanted:
        return context
    return start(context, wanted)


def _leave(context: Context, rollout: Rollout, wanted: str) -> Context:
    """Another revision is wanted than the one on trial: traffic home first, if there is a home."""
    if rollout.previous is None:
        return start(context.with_status(rollout=None), wanted)
    return abort(context, *_moved_on(context))


def _lift(context: Context) -> Context:
    """The spec went back to stable: from now on the aborted revision may be tried again when the spec names it again."""
    reason, message = _moved_on(context)
    return context.with_rollout(cause=Cause(reason=reason, message=message, at=context.now))


def _moved_on(context: Context) -> tuple[str, str]:
    """Return why the candidate is not wanted any more: reason and words."""
    if context.wanted.name != context.status.stable:
        return "Superseded", "Another revision is wanted."
    if context.status.target is not None:
        return "SpecReverted", "A rollback asks for the stable revision."
    return "SpecReverted", "The spec names the stable revision again."


def _moot(rollout: Rollout) -> bool:
    """An attempt that ended because the spec moved on says nothing against its revision."""
    return rollout.cause is not None and rollout.cause.reason in ("Superseded", "SpecReverted")


def follow_edits(context: Context) -> Context:
    """Remember the accepted spec, and resume at the right stage when the steps were edited in mid-rollout.

    Thresholds, holds and who must approve apply by themselves.
    """
    if context.problems:
        return context
    context = _note_edits(context.with_status(accepted=accepted(context)))
    rollout = context.progressing
    if rollout is None or plan_digest(context.stages) == rollout.plan:
        return context
    weight = context.asked_weight
    index = resume_index(context.stages, weight)
    if weight == 0:
        # Stages without weight that were added after the current one are still to come.
        index = min(rollout.stage, index)
    return _at_stage(context.with_rollout(approved=-1, strategy=context.spec.strategy.chosen()[0].name), index)


def _note_edits(context: Context) -> Context:
    """Keep how the analysis of the running attempt is changed: its report tells it."""
    rollout, analysis = context.progressing, context.analysis
    if rollout is None or rollout.analysis == analysis:
        return context
    # An attempt without any visit was begun by an operator that kept none of this.
    made = edits(rollout.analysis, analysis, context.seen.generation, context.now) if rollout.visits else ()
    return context.with_rollout(analysis=analysis, edits=(*rollout.edits, *made)[-EDITS:])


def _at_stage(context: Context, index: int) -> Context:
    """Enter a stage: its clocks and gates start anew."""
    stage, rollout = context.stages[index], context.status.rollout
    assert rollout is not None
    return context.with_rollout(
        stage=index,
        stages=len(context.stages),
        stage_label=stage.label,
        plan=plan_digest(context.stages),
        stage_at=context.now,
        verified_at=None,
        waiting_since=context.now,
        settled=settle(rollout),
        gates=(),
        gates_at=None,
        watched=(),
        watched_at=None,
        mirrored=None,
        recommendation=None,
        visits=(*rollout.visits, _visit(context, stage))[-VISITS:],
    )


def settle(rollout: Rollout) -> tuple[Gate, ...]:
    """Return the last that each metric has said in this attempt; what said nothing yet leaves what was said before."""
    every = (*rollout.gates, *rollout.watched)
    said = [gate for gate in every if gate.value is not None or gate.verdict is not Verdict.UNDECIDED]
    return tuple({gate.name: gate for gate in (*rollout.settled, *said)}.values())


def enter(context: Context, index: int) -> Context:
    """Go on to a stage."""
    return _at_stage(context, index)


def roll_back_to(context: Context, revision: str) -> Context:
    """Make an earlier revision the wanted one, until the spec names another revision than now."""
    target = None if revision == context.named.name else Target(revision=revision, spec_revision=context.named.name)
    return context.with_status(target=target)
