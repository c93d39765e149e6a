"""A view as text. Pure: colours are always in it, and taken out where the output is no terminal."""

from collections.abc import Iterator
from datetime import datetime

import click

from modelrollout.cli.drift import drift_lines
from modelrollout.cli.evidence import evidence_lines
from modelrollout.cli.table import ago, clock, span, table
from modelrollout.cli.view import Pods, RevisionView, StageView, View, current_stage, held
from modelrollout.domain.conditions import Condition, ConditionType
from modelrollout.domain.reading import State
from modelrollout.domain.status import RolloutState
from modelrollout.domain.verdict import Gate, Verdict

_PHASES = {"Ready": "green", "Stalled": "red", "Aborted": "red", "Aborting": "red"}
_PEOPLE = {"Paused": "yellow", "WaitingForApproval": "yellow", "Pinned": "yellow"}
_VERDICTS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.UNDECIDED: "yellow"}

_WRONG = {
    ConditionType.STALLED: ("True",),
    ConditionType.AVAILABLE: ("False",),
    ConditionType.TRAFFIC_VERIFIED: ("False", "Unknown"),
    ConditionType.ANALYSIS_PASSED: ("False",),
    ConditionType.WARNED: ("True",),
    ConditionType.SPEC_OVERRIDDEN: ("True",),
}
"""Which conditions are shown: those that say that something is not as it should be."""


def picture(view: View, now: datetime) -> str:
    """Return the whole picture of a ModelDeployment."""
    blocks = [
        list(_headline(view)),
        list(_facts(view, now)),
        _revisions(view),
        _gates(view, now),
        evidence_lines(view),
        _watched(view, now),
        _conditions(view),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _headline(view: View) -> Iterator[str]:
    phase = view.phase or "Unknown"
    colour = {**_PHASES, **_PEOPLE}.get(phase, "cyan")
    yield f"{click.style(view.name, bold=True)} in {view.namespace}: {click.style(phase, fg=colour, bold=True)}"
    if view.message:
        yield view.message
    if not view.phase:
        yield "The operator has not looked at it yet. If that stays so: does the operator run?"
    elif not view.seen:
        yield click.style("The operator has not seen the newest spec yet; this speaks of the one before.", fg="yellow")


def _facts(view: View, now: datetime) -> Iterator[str]:
    rows = [*_rollout_facts(view, now), *_watch_facts(view, now), *_drift_facts(view)]
    if view.paused_by_spec or view.paused_by_request:
        by = " and ".join(
            words
            for words, on in (("spec.paused", view.paused_by_spec), ("a person's request", view.paused_by_request))
            if on
        )
        rows.append(("Paused", f"by {by}"))
    if view.routers is not None:
        rows.append(("Routers", f"{_pods(view.routers)} Ready"))
    if view.request is not None:
        request = view.request
        verdict = click.style("accepted", fg="green") if request.accepted else click.style("refused", fg="red")
        by = f" by {request.by}" if request.by else ""
        rows.append(("Last request", f"{request.action}{by}, {ago(request.at, now)}: {verdict}. {request.message}"))
    for name, text in rows:
        yield f"{name:<14}{text}"


def _rollout_facts(view: View, now: datetime) -> Iterator[tuple[str, str]]:
    rollout = view.rollout
    if rollout is None:
        return
    what = "first install" if rollout.previous is None else rollout.strategy
    attempt = f", attempt {rollout.attempt}" if rollout.attempt > 1 else ""
    begun = f"started {clock(rollout.started_at, now)}, {ago(rollout.started_at, now)}"
    yield "Rollout", f"{what} of {rollout.revision}{attempt}: {rollout.state}, {begun}"
    if rollout.cause is not None and rollout.state is not RolloutState.COMPLETED:
        cause = rollout.cause
        yield "Cause", f"{click.style(cause.reason, fg='red')}, {clock(cause.at, now)}: {cause.message}"
    if not view.running:
        return
    if rollout.state is RolloutState.PROGRESSING:
        yield "Stage", f"{rollout.stage} of {rollout.of}: {rollout.label}"
        if len(rollout.stages) > 1:
            yield "", "  ".join(_mark(stage, rollout.stage) for stage in rollout.stages)
    yield "Weight", weight(view)
    current = current_stage(rollout)
    if current is not None and current.mirror:
        copies = "" if rollout.mirrored is None else f", {rollout.mirrored} so far"
        nothing = click.style(" (it receives nothing)", fg="red") if rollout.mirrored == 0 else ""
        yield "Copies", f"{current.mirror} % of requests{copies}{nothing}"
    hold = held(rollout, now)
    if hold is not None:
        passed, whole = hold
        over = "over" if passed >= whole else f"{span(passed)} of {span(whole)}, {span(whole - passed)} left"
        stopped = ", its clock stands still" if rollout.paused_at else ""
        yield "Hold", f"{over}{stopped}"
    if rollout.recommendation:
        yield "Advice", rollout.recommendation
    if rollout.forecast:
        yield "Forecast", click.style(rollout.forecast, fg="yellow")


def _watch_facts(view: View, now: datetime) -> Iterator[tuple[str, str]]:
    monitor = view.monitor
    if monitor is None:
        return
    begun = f"{monitor.revision} since {clock(monitor.since, now)}, {ago(monitor.since, now)}"
    yield "Watched", f"{begun}; conceptDrift: {monitor.concept_drift}"
    for drift in monitor.drifting:
        passes = f", passes again since {clock(drift.passing_since, now)}" if drift.passing_since is not None else ""
        text = f"{drift.metric} since {clock(drift.since, now)}, {ago(drift.since, now)}{passes}: {drift.message}"
        yield "Drifting", click.style(text, fg="red")


def _drift_facts(view: View) -> Iterator[tuple[str, str]]:
    """Yield what distributions do, as far as their table has gates."""
    rollout, monitor = view.rollout, view.monitor
    judged = rollout is not None and rollout.state is not RolloutState.COMPLETED
    gates = (*rollout.gates, *rollout.watched) if rollout is not None and judged else ()
    for text, moved in drift_lines((*gates, *(monitor.gates if monitor is not None else ()))):
        yield "Drift", click.style(text, fg="yellow" if moved else None)


def weight(view: View) -> str:
    """Return the weight that was asked for and the one that is proven."""
    asked = "nothing asked yet" if view.weight_asked is None else f"{view.weight_asked} % asked"
    if view.route_verified:
        return f"{asked}, verified on every router"
    known = "" if view.weight_verified is None else f", last verified {view.weight_verified} %"
    return f"{asked}, {click.style('not verified yet', fg='yellow')}{known}"


def _mark(stage: StageView, current: int) -> str:
    share = f" {stage.weight}%" if stage.kind == "Step" else ""
    text = f"{stage.label}{share}"
    if stage.number < current:
        return click.style(f"✓ {text}", fg="green")
    return click.style(f"▶ {text}", bold=True) if stage.number == current else click.style(f"· {text}", dim=True)


def _pods(pods: Pods | None) -> str:
    if pods is None:
        return ""
    return click.style(f"{pods.ready}/{pods.wanted}", fg="yellow" if pods.ready < pods.wanted else None)


def _revisions(view: View) -> list[str]:
    def row(revision: RevisionView) -> tuple[str, ...]:
        copies = f"{revision.mirror} %" if revision.mirror else ""
        role = revision.role or "leaving"
        return (revision.revision, role, revision.model, _pods(revision.pods), f"{revision.weight} %", copies)

    return table(("REVISION", "ROLE", "MODEL", "READY", "WEIGHT", "COPIES"), [row(one) for one in view.revisions])


def _gates(view: View, now: datetime) -> list[str]:
    rollout = view.rollout
    if rollout is None or rollout.state is RolloutState.COMPLETED:
        return []
    lines = table(
        ("GATE", "VERDICT", "VALUE", "LIMIT", "REQUESTS", "FAILED", "WHY"),
        [gate_cells(gate) for gate in (*rollout.gates, *rollout.watched)],
    )
    if rollout.gates and rollout.gates_at is not None and view.running:
        lines.append(click.style(f"Values of {ago(rollout.gates_at, now)}; verdicts are always current.", dim=True))
    if rollout.watched and rollout.watched_at is not None and view.running:
        words = f"(observe) and (warn) decide nothing; they are shown as of {ago(rollout.watched_at, now)}."
        lines.append(click.style(words, dim=True))
    return lines


def _watched(view: View, now: datetime) -> list[str]:
    monitor = view.monitor
    if monitor is None or not monitor.gates:
        return []
    lines = table(
        ("WATCHED", "VERDICT", "VALUE", "LIMIT", "REQUESTS", "FAILED", "WHY"),
        [gate_cells(gate) for gate in monitor.gates],
    )
    if monitor.gates_at is not None:
        lines.append(click.style(f"Values of {ago(monitor.gates_at, now)}; verdicts are always current.", dim=True))
    return lines


def gate_cells(gate: Gate) -> tuple[str, ...]:
    """Return a gate as cells: name, verdict, value, limit, requests, failed windows, reason."""
    verdict = "ignored" if gate.ignored else click.style(str(gate.verdict), fg=_VERDICTS[gate.verdict])
    verdict += f" ({gate.mode})" if gate.mode is not None else ""
    value = f"{gate.value:.6g}" if gate.value is not None else (gate.state if gate.state != State.VALUE else "")
    requests = "" if gate.requests is None else str(gate.requests)
    failed = f"{gate.failures} in a row" if gate.failures else ""
    return (gate.name, verdict, value, gate.limit, requests, failed, "; ".join(filter(None, (gate.message, gate.note))))


def _conditions(view: View) -> list[str]:
    return [_condition(one, view) for one in view.conditions if one.status in _WRONG.get(ConditionType(one.type), ())]


def _condition(condition: Condition, view: View) -> str:
    # Stalled says what the headline says already.
    text = "" if condition.message == view.message else f": {condition.message}"
    mild = condition.type in (ConditionType.WARNED, ConditionType.SPEC_OVERRIDDEN)
    words = click.style(f"{condition.type}={condition.status}", fg="yellow" if mild else "red")
    return f"{words} ({condition.reason}){text}".rstrip(": ")
