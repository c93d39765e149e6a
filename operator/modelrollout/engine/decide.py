"""decide: from one observation to one plan. Pure; a chain of rules in the order of their precedence.

    deletion > abort (person, verdict, deadline) > pause > promote > progress

The rules first rewrite the status (what is intended), then the plan's writes follow from that status and the observation
alone. So a crash after the status was written, and before or between the writes, changes nothing: the next pass derives the
same writes again.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from modelrollout.api.validate import parse_spec
from modelrollout.domain.observation import Limits, Observation
from modelrollout.domain.plan import Plan
from modelrollout.domain.route import Route
from modelrollout.domain.status import Rollout, RolloutState, Status
from modelrollout.engine import monitor
from modelrollout.engine.awaiting import awaited_until
from modelrollout.engine.context import Context, contextualize
from modelrollout.engine.events import transitions
from modelrollout.engine.filing import forget_filed
from modelrollout.engine.foresight import foresee
from modelrollout.engine.golden import held_back, note, unanswered
from modelrollout.engine.guards import find_trouble
from modelrollout.engine.ladder import leaves, pin
from modelrollout.engine.lifecycle import abort, close_abort, follow_edits, follow_spec, forget_lost, recover
from modelrollout.engine.progress import (
    Waiting,
    advance,
    count_mirrored,
    held_by_failure,
    judge,
    obey_verdict,
    stop_clocks,
    verify,
    watch,
)
from modelrollout.engine.realize import realize
from modelrollout.engine.report import OVERDUE, Trouble, invalid, refused, report
from modelrollout.engine.requests import answer, obey_abort
from modelrollout.engine.retreat import deserted, retreat, way_home
from modelrollout.engine.safety import violations
from modelrollout.engine.shift import Shift, shift
from modelrollout.engine.sizing import obstacle, sizes, unschedulable
from modelrollout.engine.target import wanted_route
from modelrollout.errors import RenderError
from modelrollout.names import mirror_cluster, workload

FOREIGN = timedelta(seconds=30)
"""How often somebody else's object with one of our names is looked at."""
RULES = (obey_abort, answer, monitor.watch, follow_spec, follow_edits, pin)
"""What should become of the rollout, in order of precedence."""
JUDGING = (obey_abort, stop_clocks, note, judge, watch, obey_verdict, foresee, retreat, count_mirrored)
"""What is known about the stage that the rollout is in; again for each attempt and stage that a pass enters."""


def decide(seen: Observation, limits: Limits, now: datetime) -> Plan:
    """Return what to do now.

    A plan that would break an invariant is never returned: the plan that aborts takes its place, and if that is refused
    too, nothing is changed and the status says which invariant.
    """
    if seen.deleting:
        return Plan(status=seen.status)
    context = contextualize(seen, limits, now)
    if context is None:
        _, problems = parse_spec(seen.spec, {"name": seen.name, "namespace": seen.namespace})
        return _stand_still(seen, refused(seen, invalid(problems), now))
    context = forget_filed(forget_lost(recover(context)))
    lost = _lost_snapshot(context)
    if lost is not None:
        return _stand_still(seen, refused(seen, lost, now))
    try:
        plan = _plan(context)
        broken = violations(plan, seen, context.spec.replicas)
        if broken and context.progressing is not None and context.progressing.previous is not None:
            plan = _plan(abort(context, broken[0].invariant, str(broken[0])))
            broken = broken if violations(plan, seen, context.spec.replicas) else ()
    except RenderError as exc:
        # A snapshot that a route needs is gone, for example. Whatever the data plane has, it keeps.
        return _stand_still(seen, refused(seen, Trouble("RouteNotRendered", str(exc)), now))
    if broken:
        return _stand_still(seen, refused(seen, Trouble(broken[0].invariant, str(broken[0])), now))
    return plan


def _stand_still(seen: Observation, status: Status) -> Plan:
    return Plan(status=status, events=transitions(seen.status, status))


def _lost_snapshot(context: Context) -> Trouble | None:
    """Return what to say when the snapshot of a revision that a router knows is gone: then no route can be rendered."""
    asked = context.status.route
    clusters = asked.clusters if asked is not None else ()
    for name in sorted({cluster.removesuffix(mirror_cluster("")) for cluster in clusters}):
        if context.revision(name) is None:
            lost = workload(context.seen.name, name)
            return Trouble(
                "SnapshotLost",
                f"The ControllerRevision {lost} is gone, and routers still know its revision. Traffic stays as it is and "
                "nothing is changed. Restore it from a backup, or apply the spec that it was made from.",
            )
    return None


def _plan(context: Context) -> Plan:
    before = context.seen.status
    for rule in RULES:
        context = rule(context)
    asked, draining = context.status.route, context.status.draining_since
    while True:
        # However many stages a pass leaves, it takes one step from the route that was asked for before it.
        context = context.with_status(route=asked, draining_since=draining)
        for rule in JUDGING:
            context = rule(context)
        place = _place(context)
        step, detail = _shift(context)
        if step is not None:
            context = context.with_status(route=step.ask, draining_since=step.draining_since)
        context, waiting = _progress(context, step, detail)
        if _place(context) == place:
            break
    context = monitor.attend(context, settled=waiting is None and step is not None and step.reached)
    trouble = find_trouble(context)
    if waiting is not None and waiting.reason == OVERDUE:
        trouble = Trouble(OVERDUE, waiting.message)
    status = report(context, trouble, waiting, verified=step is not None and step.acknowledged)
    happened = transitions(before, status)
    return Plan(
        status=status,
        writes=realize(replace(context, status=status)),
        events=happened,
        due=_due(context, waiting, step),
        notes=tuple(f"{event.reason}: {event.message}" for event in happened),
        sizes=sizes(context),
    )


def _place(context: Context) -> tuple[object, ...] | None:
    rollout = context.status.rollout
    if rollout is None:
        return None
    return rollout.revision, rollout.attempt, rollout.stage, rollout.state, rollout.verified_at


def _shift(context: Context) -> tuple[Shift | None, str]:
    """Take the next step towards the wanted route. Returns it, and what the current stage waits for."""
    wanted = wanted_route(context)
    if wanted is None:
        return None, "no revision yet"
    rollout, stage = context.status.rollout, context.stage
    if rollout is not None and rollout.state is RolloutState.ABORTING:
        step = shift(context, wanted, obstacle=_homeless(context, rollout), urgent=True)
        return step, step.waiting
    if context.progressing is None or rollout is None or stage is None:
        step = shift(context, wanted, obstacle=None, urgent=False)
        return step, step.waiting
    blocked = obstacle(context, stage, rollout.revision) or held_back(context)
    if deserted(context):
        step = shift(context, way_home(context), obstacle=None, urgent=True)
        return step, blocked or step.waiting
    if leaves(context):
        step = shift(context, way_home(context), obstacle=_homeless(context, rollout), urgent=True)
        return step, step.waiting
    held = _held(context, wanted)
    if held is not None:
        step = shift(context, held, obstacle=None, urgent=False)
        return step, step.waiting or "paused before its route"
    step = shift(context, wanted, obstacle=blocked, urgent=False)
    return step, blocked or step.waiting


def _homeless(context: Context, rollout: Rollout) -> str | None:
    """Return why traffic cannot go home, None when it can."""
    if rollout.previous and context.seen.ready_pods(rollout.previous):
        return None
    return "no pod of the stable revision is Ready"


def _held(context: Context, wanted: Route) -> Route | None:
    """While nothing may advance, the route that is asked for stays; None when the wanted route may be asked for."""
    asked = context.status.route
    if not context.frozen or asked is None or asked.route == wanted:
        return None
    return asked.route


def _progress(context: Context, step: Shift | None, detail: str) -> tuple[Context, Waiting | None]:
    rollout = context.status.rollout
    if rollout is not None and rollout.state is RolloutState.ABORTING:
        if step is None or not step.reached:
            return context, _going_home(context, rollout, detail)
        return follow_spec(close_abort(context)), None
    if context.progressing is None:
        return context, _settling(step, detail)
    failed = held_by_failure(context)
    if failed is not None:
        return context.with_rollout(waiting_since=None), failed
    detail = detail or unanswered(context)
    context = verify(context, reached=step is not None and step.reached, waiting=detail)
    if context.progressing is None:
        return context, None
    context, waiting = advance(context, detail)
    if waiting is not None and waiting.reason == "WaitingForRoute":
        asked = held_back(context) or unanswered(context)
        if asked and asked == detail:
            waiting = Waiting("WaitingForGolden", waiting.message)
        waiting = _pods_or_route(context, waiting)
    return context, waiting


def _going_home(context: Context, rollout: Rollout, detail: str) -> Waiting:
    """It never gives up, but when it takes longer than progress may take, a person must know."""
    until = _deadline(context, rollout)
    if until is None or context.now < until:
        return Waiting("Aborting", f"{detail}.", until)
    return Waiting(OVERDUE, f"Traffic is not home yet: {detail}.")


def _settling(step: Shift | None, detail: str) -> Waiting | None:
    """Why the data plane is not at rest although no rollout is on its way."""
    if step is None:
        return None
    if not step.reached:
        return Waiting("WaitingForRoute", f"Route not in place: {detail}.")
    if step.draining_since is not None:
        return Waiting("Draining", "Revisions that left the route finish their last requests.", step.drained_by)
    return None


def _deadline(context: Context, rollout: Rollout) -> datetime | None:
    return rollout.waiting_since + context.spec.progress_deadline if rollout.waiting_since else None


def _pods_or_route(context: Context, waiting: Waiting) -> Waiting:
    """Name the scheduler's refusal, and say until when the rollout waits."""
    rollout: Rollout | None = context.progressing
    assert rollout is not None
    until = _deadline(context, rollout) if rollout.previous else None
    full = unschedulable(context, rollout.revision)
    if full is not None:
        return Waiting("InsufficientCapacity", f"{rollout.stage_label}: {full}", until)
    return Waiting(waiting.reason, waiting.message, until)


def _due(context: Context, waiting: Waiting | None, step: Shift | None) -> datetime | None:
    """When to look again although nothing happens; None while only people and events can change anything."""
    moments = [waiting.until if waiting else None, step.due if step else None, monitor.due(context)]
    rollout, stage = context.status.rollout, context.stage
    if rollout is not None and rollout.paused_at is None:
        moments += [_deadline(context, rollout), awaited_until(context)]
    if rollout is not None and stage is not None and stage.mirror and rollout.verified_at is not None:
        # Copies are counted by the routers, which wakes nobody.
        moments.append((rollout.gates_at or context.now) + context.limits.gate_interval)
    if context.seen.foreign:
        # An object that is not ours is not watched: that it is gone wakes nobody.
        moments.append(context.now + FOREIGN)
    return min((moment for moment in moments if moment is not None and moment > context.now), default=None)
