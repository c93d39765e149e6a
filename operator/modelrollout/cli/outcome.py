"""What simulated rollouts came to: values for JSON, and the same as text. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from statistics import fmean, median

import click

from modelrollout.cli.table import span, table
from modelrollout.evidence.wilson import wilson as interval
from modelrollout.schema import ApiModel
from modelrollout.simulation.clerk import Decision
from modelrollout.simulation.trial import Outcome


class Arm(ApiModel):
    """What one version was asked."""

    requests: int
    """Requests that it got."""
    bad: int
    """Those that failed."""


class ForecastView(ApiModel):
    """What a metric said early about the requests that it would need, and what it took."""

    metric: str
    """Its name."""
    at_seconds: float
    """When it could say so, counted from the moment when the new version was applied."""
    forecast: int
    """Requests of the candidate after which a pass was to be expected."""
    passed: int | None = None
    """Requests of the candidate after which it passed; absent when it never did."""


class EventView(ApiModel):
    """One Event."""

    at_seconds: float
    """When, counted from the moment when the new version was applied."""
    reason: str
    """One CamelCase word."""
    message: str
    """For people."""
    warning: bool
    """Whether it is one."""


class Result(ApiModel):
    """One simulated rollout."""

    seed: int
    """Of its chance."""
    decision: Decision
    """promoted, rolledBack, inconclusive, or undecided: the simulation ended first."""
    reason: str = ""
    """One CamelCase word; empty when the decision says it all."""
    message: str = ""
    """The operator's own words."""
    stage: str = ""
    """Where it was decided."""
    seconds: float
    """From the moment when the new version was applied."""
    first_request_seconds: float | None = None
    """When the new version got its first request."""
    stable: Arm
    """What the old version was asked in that time."""
    candidate: Arm
    """What the new version was asked by clients."""
    copies: Arm
    """Copies of requests that it got; their answers reached nobody."""
    lost: float = 0.0
    """Requests that no pod answered."""
    drifting_seconds: float | None = None
    """When a drift was reported after the promotion, counted from the moment when the new version was applied."""
    forecasts: tuple[ForecastView, ...] = ()
    """What was said early about the requests that it takes."""
    events: tuple[EventView, ...] = ()
    """What the operator told; left out of many runs."""


class Rate(ApiModel):
    """How often one decision was made."""

    count: int
    """Number of runs."""
    rate: float
    """Share of all runs."""
    low: float
    """Lower end of its 95 % interval (Wilson)."""
    high: float
    """Upper end."""


class Rates(ApiModel):
    """How often each decision was made."""

    promote: Rate
    rollback: Rate
    inconclusive: Rate
    undecided: Rate


class Report(ApiModel):
    """Everything about the simulated rollouts of one file."""

    name: str
    """Of the ModelDeployment."""
    traffic: str
    """What clients sent, in words."""
    stable: str
    """What the old version did, in words."""
    candidate: str
    """What the new version did, in words."""
    rates: Rates
    """How often each decision was made."""
    median_seconds: float | None = None
    """Time to the decision; half of the decided runs took longer."""
    mean_bad_requests: float
    """Bad requests of the candidate that clients got."""
    notes: tuple[str, ...] = ()
    """What the simulation could not know."""
    results: tuple[Result, ...]
    """Each run, in the order of the seeds."""


def result(outcome: Outcome, *, events: bool) -> Result:
    """Return what one trial came to."""
    arms = {arm: Arm(requests=total, bad=bad) for arm in ARMS for total, bad in [outcome.tape.sums(arm)]}
    verdict = outcome.verdict
    return Result(
        seed=outcome.seed,
        decision=verdict.decision,
        reason=verdict.reason,
        message=verdict.message,
        stage=verdict.stage,
        seconds=round(verdict.at, 2),
        first_request_seconds=None if outcome.first_request is None else round(outcome.first_request, 2),
        **arms,
        lost=round(outcome.lost, 1),
        drifting_seconds=next((round(told.at, 2) for told in outcome.events if told.reason == _DRIFTING), None),
        forecasts=tuple(
            ForecastView(
                metric=item.metric,
                at_seconds=round(item.at, 2),
                forecast=item.expected,
                passed=item.passed,
            )
            for item in outcome.forecasts
        ),
        events=tuple(
            EventView(at_seconds=round(told.at, 2), reason=told.reason, message=told.message, warning=told.warning)
            for told in outcome.events
        )
        if events
        else (),
    )


_DRIFTING = "Drifting"
ARMS = ("stable", "candidate", "copies")


def report(
    name: str, traffic: str, versions: tuple[str, str], results: Sequence[Result], notes: Iterable[str] = ()
) -> Report:
    """Return everything about some runs; at least one."""
    count = len(results)
    rates = {word: wilson(sum(one.decision is decision for one in results), count) for word, decision in _WORDS.items()}
    decided = [one.seconds for one in results if one.decision is not Decision.UNDECIDED]
    return Report(
        name=name,
        traffic=traffic,
        stable=versions[0],
        candidate=versions[1],
        rates=Rates(**rates),
        median_seconds=round(median(decided), 2) if decided else None,
        mean_bad_requests=round(fmean(one.candidate.bad for one in results), 3),
        notes=tuple(notes),
        results=tuple(results),
    )


_WORDS = {
    "promote": Decision.PROMOTED,
    "rollback": Decision.ROLLED_BACK,
    "inconclusive": Decision.INCONCLUSIVE,
    "undecided": Decision.UNDECIDED,
}


def wilson(count: int, runs: int) -> Rate:
    """Return a share with its 95 % interval."""
    low, high = interval(count, runs)
    # At the ends the sum of the two is 0 or 1, but for the last digit of a float.
    low = 0.0 if count == 0 else round(low, 6)
    high = 1.0 if count == runs else round(high, 6)
    return Rate(count=count, rate=round(count / runs, 6), low=low, high=high)


def text(found: Report) -> str:
    """Return a report as text."""
    lines = list(_one(found.name, found.results[0])) if len(found.results) == 1 else list(_many(found))
    world = [
        f"{found.traffic}.",
        f"The stable version {found.stable}.",
        f"The candidate {found.candidate}.",
        *found.notes,
    ]
    return "\n".join([lines[0], "", *world, *lines[1:]])


_STYLES = {
    Decision.PROMOTED: ("promoted", "green"),
    Decision.ROLLED_BACK: ("rolled back", "red"),
    Decision.INCONCLUSIVE: ("inconclusive", "yellow"),
    Decision.UNDECIDED: ("not decided", "yellow"),
}


def _one(name: str, one: Result) -> Iterator[str]:
    word, colour = _STYLES[one.decision]
    where = f" in {one.stage}" if one.stage and one.decision is not Decision.PROMOTED else ""
    spent = _span(one.seconds)
    yield f"{click.style(name, bold=True)}: {click.style(word, fg=colour, bold=True)}{where} after {spent} (seed {one.seed})"
    if one.message:
        yield ""
        yield f"{one.reason}: {one.message}" if one.reason else one.message
    rows = [
        (title, str(arm.requests), str(arm.bad), f"{arm.bad / arm.requests * 100:.3g} %" if arm.requests else "-")
        for title, arm in (("stable", one.stable), ("candidate", one.candidate), ("copies to it", one.copies))
        if arm.requests or title != "copies to it"
    ]
    yield ""
    yield from table(("", "REQUESTS", "BAD", "RATE"), rows)
    if one.lost:
        yield f"{one.lost:g} requests reached no pod."
    if one.forecasts:
        yield ""
        yield from (
            f"{item.metric}: after {_span(item.at_seconds)} a pass was to be expected at {item.forecast} requests of the "
            f"candidate; it {f'passed at {item.passed}' if item.passed else 'never passed'}."
            for item in one.forecasts
        )
    yield ""
    told = [(_span(item.at_seconds), _shown(item), item.message) for item in one.events]
    yield from table(("AFTER", "EVENT", ""), told)


def _shown(item: EventView) -> str:
    return click.style(item.reason, fg="yellow") if item.warning else item.reason


def _many(found: Report) -> Iterator[str]:
    seeds = [one.seed for one in found.results]
    yield f"{click.style(found.name, bold=True)}: {len(seeds)} runs (seeds {min(seeds)} to {max(seeds)})"
    rows = []
    for decision, rate in zip(_WORDS.values(), (getattr(found.rates, word) for word in _WORDS), strict=True):
        word, colour = _STYLES[decision]
        interval = f"{rate.low * 100:.1f} to {rate.high * 100:.1f} %"
        rows.append((click.style(word, fg=colour), str(rate.count), f"{rate.rate * 100:.1f} %", interval))
    yield ""
    yield from table(("", "RUNS", "RATE", "95 % INTERVAL"), rows)
    yield ""
    if found.median_seconds is not None:
        yield f"Half of the decisions were made within {_span(found.median_seconds)}."
    drifting = [one.drifting_seconds for one in found.results if one.drifting_seconds is not None]
    if drifting:
        yield f"In {len(drifting)} runs a drift was reported, in half of them within {_span(median(drifting))}."
    yield f"Clients got {found.mean_bad_requests:.4g} bad answers from the candidate on average."


def _span(seconds: float) -> str:
    return span(timedelta(seconds=seconds))
