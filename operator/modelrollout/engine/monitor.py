"""After a promotion: what goes on being watched, when that is a drift, and what becomes of it.

A watch lasts as long as no rollout is on its way and one revision is stable; a rollout ends it. A metric drifts when its judge
fails it: a limit that was broken in so many windows in a row, or a change detector that speaks. It drifts until it has passed
for ten polls without a break; a poll without a number is a break, because silence is no recovery.

A drift is a fact for people: a condition, an Event, a gauge. Only ``onDrift: rollback`` acts on it, only on the rung ``full``,
and only where it is the version's own doing (``culprit.py``): it asks for the revision that was stable before, as a person
would, and says so.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from modelrollout.api.monitor import Monitor
from modelrollout.api.watched import Watched, watched
from modelrollout.domain.monitoring import Drift, Monitoring, Reverted
from modelrollout.domain.reading import State
from modelrollout.domain.status import RolloutState
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.analysis import age, judge_alone
from modelrollout.engine.context import Context
from modelrollout.engine.culprit import Culprit, culprit
from modelrollout.engine.lifecycle import roll_back_to
from modelrollout.engine.reference import known
from modelrollout.engine.wants import QUIET, watch_of
from modelrollout.judges._base import Weigher

PASSES = 10
"""Polls without a break in which a metric passes before it drifts no more."""
LABELS = "labels"
"""The source that knows what the right answer was."""


def settings(context: Context) -> Monitor | None:
    """Return what the spec says of it."""
    return context.spec.analysis.monitor if context.spec.analysis is not None else None


def watch(context: Context) -> Context:
    """Fold the newest readings into the gates of the watch, and act on a drift as the spec says."""
    monitor, asked = context.status.monitor, settings(context)
    if monitor is None or asked is None or monitor.revision != context.status.stable:
        return context
    found = known(
        context, monitor.revision, [(one.name, one.source, one.source_config) for one in watched(context.spec)]
    )
    gates = tuple(_explained(gate, found.why.get(gate.name, "")) for gate in _gates(context, monitor, asked))
    drifting = tuple(_drifting(context, monitor, asked, gates))
    stale = tuple(sorted(found.stale))
    if stale != monitor.stale or _worth_writing(context, monitor, gates, drifting):
        changes = {
            "stale": stale,
            "gates": gates,
            "gates_at": context.now,
            "drifting": drifting,
            "concept_drift": _concept(context, gates),
        }
        context = context.with_status(monitor=monitor.model_copy(update=changes))
    return _revert(context)


def attend(context: Context, *, settled: bool) -> Context:
    """Begin a watch where there should be one, and end it where there should be none.

    Args:
        context: with everything that was decided.
        settled: every router runs the route that was asked for, and nothing is left to do.
    """
    rollout, stable, monitor = context.status.rollout, context.status.stable, context.status.monitor
    idle = rollout is None or rollout.state in (RolloutState.COMPLETED, RolloutState.ABORTED)
    if not idle or stable is None or settings(context) is None:
        return context.with_status(monitor=None) if monitor is not None else context
    if monitor is not None and monitor.revision == stable:
        return context
    return context.with_status(monitor=Monitoring(revision=stable, since=context.now) if settled else None)


def due(context: Context) -> datetime | None:
    """Return when a metric will have passed for long enough, or drifted for long enough to be acted on; None: never."""
    monitor, asked = context.status.monitor, settings(context)
    if monitor is None or asked is None:
        return None
    ends = [one.passing_since + patience(asked) for one in monitor.drifting if one.passing_since is not None]
    if monitor.drifting and not _why_not(context, asked) and (until := _culprit(context, monitor, asked).until):
        ends.append(until)
    return min(ends, default=None)


def patience(asked: Monitor) -> timedelta:
    """Return for how long a metric must pass before it drifts no more."""
    return PASSES * asked.interval


def condition_words(context: Context) -> tuple[str, str, str] | None:
    """Return status, reason and message of the condition ``Drifting``; None where nothing is watched.

    The message names no number that changes: each would be a write of the status.
    """
    monitor, asked = context.status.monitor, settings(context)
    if monitor is None or asked is None:
        return None
    concept = f"conceptDrift: {monitor.concept_drift}"
    if monitor.concept_drift == "unknown":
        concept += ", no metric of labels has a value"
    reason = "Drifted" if monitor.drifting else "Watched"
    if not monitor.drifting:
        names = ", ".join(one.name for one in watched(context.spec))
        return "False", reason, f"Nothing drifts in {names}. {_stale_words(monitor)}{concept}."
    told = "; ".join(f"{one.metric}: {one.message}" for one in monitor.drifting)
    why = _why_not(context, asked) or _culprit(context, monitor, asked).excuse
    only = f" onDrift: rollback does nothing: {why}." if asked.on_drift == "rollback" and why else ""
    return "True", reason, f"{told}.{only} {_stale_words(monitor)}{concept}."


def _stale_words(monitor: Monitoring) -> str:
    told = {gate.name: gate.message for gate in monitor.gates}
    return "".join(f"{name}: {told.get(name, '')}. " for name in monitor.stale)


def _explained(gate: Gate, why: str) -> Gate:
    """Return a gate that tells why there is nothing to hold it against; then it is no pass."""
    if not why:
        return gate
    verdict = Verdict.UNDECIDED if gate.verdict is Verdict.PASS else gate.verdict
    return gate.model_copy(update={"verdict": verdict, "message": why[:512]})


def _gates(context: Context, monitor: Monitoring, asked: Monitor) -> Iterator[Gate]:
    before = {gate.name: gate for gate in monitor.gates}
    epoch, analysis = watch_of(monitor), context.spec.analysis
    assert analysis is not None
    for one in watched(context.spec):
        known = context.seen.readings.get(one.name)
        if known is None or known.epoch != epoch:
            # After a restart nothing is known yet, and what was said stands until it is.
            yield before.get(one.name) or Gate(
                name=one.name, verdict=Verdict.UNDECIDED, state=State.VALUE, message="No numbers yet."
            )
            continue
        reading = age(known, context.now, asked.interval)
        gate = judge_alone(one.judge, one.judge_config, reading, before.get(one.name), analysis.beta)
        yield _by_detector(one, gate, analysis.alpha) if one.judge.weighs(one.judge_config) else gate


def _by_detector(one: Watched, gate: Gate, alpha: float) -> Gate:
    """Return what a detector says: it fails while it speaks and passes while it does not.

    That a version is proven to be good is no part of it, so no chance of an error is either.
    """
    if gate.evidence is None or gate.state != State.VALUE:
        return gate
    assert isinstance(one.judge, Weigher)
    loud = [part for part in (gate.evidence, *gate.slices) if part.alarm or part.moved is not None]
    if not loud:
        verdict = Verdict.PASS if gate.value is not None else Verdict.UNDECIDED
        return gate.model_copy(update={"verdict": verdict, "ignored": False})
    first = loud[0]
    place = f"slice {first.slice}: " if first.slice else ""
    told = f"{place}{one.judge.blame_words(one.judge_config, first, alpha)}"
    return gate.model_copy(update={"verdict": Verdict.FAIL, "ignored": False, "message": told[:512]})


def _drifting(context: Context, monitor: Monitoring, asked: Monitor, gates: tuple[Gate, ...]) -> Iterator[Drift]:
    before = {one.metric: one for one in monitor.drifting}
    for gate in gates:
        known = before.get(gate.name)
        if gate.verdict is Verdict.FAIL:
            if known is None:
                yield Drift(metric=gate.name, message=gate.message.removesuffix("."), since=context.now)
            else:
                yield known.model_copy(update={"passing_since": None})
        elif known is not None:
            since = (known.passing_since or context.now) if gate.verdict is Verdict.PASS else None
            if since is None or context.now - since < patience(asked):
                yield known.model_copy(update={"passing_since": since})


def _concept(context: Context, gates: tuple[Gate, ...]) -> str:
    labelled = {one.name for one in watched(context.spec) if one.source.name == LABELS}
    return "measured" if any(gate.name in labelled and gate.value is not None for gate in gates) else "unknown"


def _worth_writing(context: Context, before: Monitoring, gates: tuple[Gate, ...], drifting: tuple[Drift, ...]) -> bool:
    """Whether something changed that counts, or values are due again: every ten minutes, as nobody waits for them."""
    if (gates, drifting) == (before.gates, before.drifting):
        return False
    if drifting != before.drifting or [_essence(gate) for gate in gates] != [_essence(gate) for gate in before.gates]:
        return True
    pause = max(context.limits.gate_interval, QUIET)
    return before.gates_at is None or context.now - before.gates_at >= pause


def _essence(gate: Gate) -> tuple[object, ...]:
    return gate.name, gate.verdict, gate.state, gate.failures, gate.limit


def _revert(context: Context) -> Context:
    """Ask for the revision that was stable before, where the spec and the rung let a drift do that."""
    monitor, asked = context.status.monitor, settings(context)
    if monitor is None or asked is None or not monitor.drifting or asked.on_drift != "rollback":
        return context
    home = _before(context)
    if home is None or _why_not(context, asked) or _culprit(context, monitor, asked).excuse:
        return context
    told = "; ".join(f"{one.metric}: {one.message}" for one in monitor.drifting)
    reverted = Reverted(revision=monitor.revision, to=home, message=told[:1024], at=context.now)
    return roll_back_to(context.with_status(reverted=reverted), home)


def _why_not(context: Context, asked: Monitor) -> str:
    """Return why a drift of the stable revision is only reported; empty when it takes traffic back."""
    status, home = context.status, _before(context)
    if asked.on_drift != "rollback":
        return "onDrift is report"
    if context.spec.automation != "full":
        return f"automation is {context.spec.automation}, so a person decides"
    if context.frozen:
        return "nothing new may start now"
    if status.reverted is not None and status.reverted.revision == status.stable:
        return f"{status.stable} was taken back once and is stable again, so a person decides"
    if status.target is not None:
        return "a rollback stands already"
    if home is None:
        return "no revision was stable before"
    if home not in context.seen.snapshots:
        return f"{home}, which was stable before, is not kept (revisionHistoryLimit)"
    if home == context.named.name:
        return f"{home}, which was stable before, is what the spec names, and its last attempt was aborted"
    return ""


def _culprit(context: Context, monitor: Monitoring, asked: Monitor) -> Culprit:
    return culprit(watched(context.spec), monitor, context.now, patience(asked))


def _before(context: Context) -> str | None:
    """Return the revision that was stable before this one, as the history tells."""
    completed = [past.revision for past in context.status.history if past.outcome == "Completed"]
    if context.status.stable not in completed:
        return None
    older = completed[completed.index(context.status.stable) + 1 :]
    return next((revision for revision in older if revision != context.status.stable), None)
