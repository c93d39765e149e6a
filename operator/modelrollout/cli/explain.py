"""``modelrollout explain``: what will happen, step by step, said before anything is applied and without a cluster.

Sizes, stages and which metric is judged where come from the operator's own code, asked about each stage in turn.
"""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import click
import yaml

from modelrollout.api.golden import Golden
from modelrollout.api.labels import Labels
from modelrollout.api.modeldeployment import Analysis, Metric, ModelDeploymentSpec
from modelrollout.api.monitor import Monitor
from modelrollout.api.predictions import Predictions
from modelrollout.api.presets import expanded, first_limits, left_out
from modelrollout.api.validate import parse_object
from modelrollout.api.watched import watched
from modelrollout.cli.documents import read_documents
from modelrollout.cli.options import say
from modelrollout.cli.table import table
from modelrollout.cli.taken_back import taken_back
from modelrollout.domain.capability import Capability
from modelrollout.domain.observation import Limits, Observation
from modelrollout.domain.stage import Stage, StageKind
from modelrollout.domain.status import Rollout
from modelrollout.domain.verdict import Mode
from modelrollout.engine.context import Context, contextualize
from modelrollout.engine.foresight import likely
from modelrollout.engine.monitor import patience
from modelrollout.engine.proof import about, due
from modelrollout.engine.ramp import ends_when, first_rung_risk
from modelrollout.engine.sizing import needed
from modelrollout.engine.wants import judged
from modelrollout.errors import RolloutError
from modelrollout.judges._base import Weigher
from modelrollout.judges._watch import DETECTOR
from modelrollout.routers.envoy import EnvoyConfig
from modelrollout.schema import ApiModel, Duration, format_duration

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""No stage depends on when it is explained."""
RATES = (0.001, 0.005, 0.02)
"""Shares of bad requests for which is said what a proof takes."""
LONGEST_WAIT = 365 * 86400.0
"""Seconds."""
LONGEST = 60
"""Characters of a source in the table."""


class StagePlan(ApiModel):
    """One station, as it will be."""

    number: int
    """Counted from 1."""
    label: str
    """As people name it."""
    kind: str
    """What it is for."""
    weight: int
    """Percent of answers from the candidate."""
    mirror: int
    """Percent of requests copied to it."""
    hold: Duration
    """How long it stands at least."""
    candidate_pods: int
    """Pods of the candidate."""
    judged: tuple[str, ...]
    """Metrics of which one that fails ends the rollout here."""
    watched: tuple[str, ...] = ()
    """Metrics that are measured here and decide nothing."""
    must_pass: bool
    """The stage ends only when all of them pass."""
    approval: bool
    """It ends only when a person promotes."""
    ends: str
    """When it ends, in words."""


class MetricPlan(ApiModel):
    """One metric, as it will be judged."""

    name: str
    """Its name."""
    source: str
    """Where its numbers come from."""
    judge: str
    """What turns them into a verdict."""
    mode: Mode = Mode.GATE
    """What it may do to the rollout."""
    min_requests: int = 0
    """Requests of the candidate that one window needs; 0 for a gauge."""
    client_requests: dict[str, int]
    """About how many requests of clients that takes, by stage."""


class Forecast(ApiModel):
    """What a proof takes."""

    metric: str
    """Its name."""
    rate: float
    """Share of bad requests, of both versions alike; of predictions the share in which they differ."""
    requests: int | None
    """Requests of the candidate, or pairs of predictions, until a pass is to be expected; None: none would do."""
    wait: Duration | None
    """How long that takes; None: unknown, or longer than a year."""
    copies: bool = False
    """It rests on copied requests."""
    stage: str
    """Where it must pass."""


class PresetPlan(ApiModel):
    """What a preset stands for here."""

    name: str
    """Of the preset."""
    metrics: tuple[dict[str, Any], ...]
    """All metrics, the user's own first, as they can be written instead of the preset."""
    own: tuple[str, ...]
    """Names of those that the user wrote."""
    first: tuple[str, ...]
    """Limits that are stricter in the first rollout after the install."""
    left_out: dict[str, str]
    """Metrics that the preset has and that are not measured here, with the reason."""


class Explanation(ApiModel):
    """What will happen to one ModelDeployment."""

    name: str
    """Of the ModelDeployment."""
    strategy: str
    """Its strategy."""
    traffic: str
    """Its router."""
    automation: str
    """How far it goes alone."""
    replicas: int
    """Model pods of a revision in full size."""
    router_pods: int
    """Pods of the router."""
    most_model_pods: int
    """Model pods of both revisions together, at most."""
    least: Duration
    """No rollout is faster: holds as far as no proof ends them."""
    holds: Duration
    """Sum of all holds: as long as it takes when no proof ends one early."""
    approvals: int
    """How often a person must promote."""
    stages: tuple[StagePlan, ...]
    """In order."""
    metrics: tuple[MetricPlan, ...]
    """What is measured."""
    preset: PresetPlan | None = None
    """What the preset stands for; absent without one."""
    forecasts: tuple[Forecast, ...]
    """What the proof of each metric takes."""
    late: tuple[str, ...] = ()
    """What takes longer than the deadline lets it, at so many requests per second, with the ways out."""
    rps: float | None = None
    """Requests per second of all clients, as assumed."""
    notes: tuple[str, ...]
    """Deadlines, and what happens when something goes wrong."""
    limits: tuple[str, ...]
    """What cannot be promised."""


def explain(file: str, *, as_json: bool, rps: float | None = None) -> int:
    """Explain every ModelDeployment in a file; return 0, or 1 when one of them is not valid.

    Args:
        file: with ModelDeployments.
        as_json: answer in JSON.
        rps: requests per second of all clients; None: unknown.

    Raises:
        RolloutError: the file holds none, or cannot be read.
    """
    documents = list(read_documents(file))
    if not documents:
        raise RolloutError(f"{file}: no ModelDeployment in it")
    found, problems = [], []
    for document in documents:
        _, wrong = parse_object(document)
        if wrong:
            problems += [f"{file}: {problem}" for problem in wrong]
        else:
            found.append(explanation(document, rps))
    if as_json:
        say(json.dumps([one.dump() for one in found], indent=2, ensure_ascii=False))
    else:
        say("\n\n".join(text(one) for one in found)) if found else None
    for problem in problems:
        say(problem, err=True)
    return 1 if problems else 0


def explanation(document: Mapping[str, Any], rps: float | None = None) -> Explanation:
    """Return what will happen to a valid ModelDeployment."""
    metadata = document["metadata"]
    seen = Observation(
        namespace=metadata.get("namespace", "default"),
        name=metadata["name"],
        uid="",
        generation=1,
        resource_version="",
        spec=document["spec"],
    )
    context = contextualize(seen, Limits(), _EPOCH)
    assert context is not None
    spec = context.spec
    stages = tuple(_plans(context))
    metrics = spec.analysis.metrics if spec.analysis else ()
    forecasts = tuple(_forecasts(context, rps))
    return Explanation(
        name=seen.name,
        strategy=spec.strategy.chosen()[0].name,
        traffic=context.router.name,
        automation=spec.automation,
        replicas=spec.replicas,
        router_pods=getattr(context.router_config, "replicas", 0),
        most_model_pods=spec.replicas + max(stage.candidate_pods for stage in stages),
        least=_least(context),
        holds=sum((stage.hold for stage in stages), timedelta()),
        approvals=sum(stage.approval for stage in stages),
        stages=stages,
        metrics=tuple(_metric(metric, stages) for metric in metrics),
        preset=_preset(document["spec"].get("analysis") or {}, spec),
        forecasts=forecasts,
        late=tuple(_late(context, forecasts, rps)),
        rps=rps,
        notes=tuple(_notes(context, rps)),
        limits=tuple(_limits(context)),
    )


def _least(context: Context) -> timedelta:
    """Return how long the holds take if every proof is there as soon as it may end one."""
    passed, answering, analysis = timedelta(), timedelta(), context.spec.analysis
    for index, stage in enumerate(context.stages):
        ends = passed + stage.hold
        if analysis is not None and stage.kind is StageKind.STEP and _weighed(_at(context, index)):
            ends = min(ends, passed + max(analysis.min_duration - answering, timedelta()))
        answering += ends - passed if stage.weight else timedelta()
        passed = ends
    return passed


def _weighed(context: Context) -> bool:
    """Return whether evidence is gathered in the stage by anything that decides: only that ends a hold early."""
    analysis = context.spec.analysis
    return any(
        metric.decides and judged(context, metric) and metric.weighs
        for metric in (analysis.metrics if analysis is not None else ())
    )


def _preset(analysis: Mapping[str, Any], spec: ModelDeploymentSpec) -> PresetPlan | None:
    if spec.analysis is None or spec.analysis.preset is None:
        return None
    own = tuple(metric["name"] for metric in analysis.get("metrics") or ())
    return PresetPlan(
        name=spec.analysis.preset,
        metrics=tuple(expanded(analysis, spec)["metrics"]),
        own=own,
        first=first_limits(analysis, spec),
        left_out={one.name: one.reason for one in left_out(spec, frozenset(own))},
    )


def _plans(context: Context) -> Iterator[StagePlan]:
    spec, size = context.spec, 0
    metrics = spec.analysis.metrics if spec.analysis else ()
    for index, stage in enumerate(spec.stages()):
        here = _at(context, index)
        pods = needed(here, stage)
        # Where more pods do no harm, the candidate is never made smaller in a rollout.
        size = max(size, pods) if context.router.keeps_size else pods
        # FULL ends as soon as it is verified, so nothing is measured in it.
        speaking = [metric for metric in metrics if stage.kind is not StageKind.FULL and judged(here, metric)]
        names = tuple(metric.name for metric in speaking if metric.decides)
        required = tuple(metric.name for metric in speaking if metric.must_pass)
        rung = ends_when(spec.stages(), index)
        must_pass = bool(required) and stage.kind is not StageKind.PAUSE and not rung
        approval = stage.kind is not StageKind.FULL and (stage.approval or _asks(spec, stage, names))
        yield StagePlan(
            number=index + 1,
            label=stage.label,
            kind=stage.kind,
            weight=stage.weight,
            mirror=stage.mirror,
            hold=stage.hold,
            candidate_pods=size,
            judged=names,
            watched=tuple(metric.name for metric in speaking if not metric.decides),
            must_pass=must_pass,
            approval=approval,
            ends=_ends(stage, required if must_pass else (), _unproven(here, stage), rung, approval=approval),
        )


def _asks(spec: ModelDeploymentSpec, stage: Stage, judged_here: tuple[str, ...]) -> bool:
    """Return whether the rung of the automation ladder asks a person at the end of a stage, whatever is measured."""
    if stage.kind is StageKind.BAKE or spec.automation in ("full", "shadow"):
        return False
    return spec.automation != "partial" or not judged_here


def _at(context: Context, index: int) -> Context:
    """Return the context of a rollout that stands in a stage."""
    return context.with_status(
        stable="stable",
        rollout=Rollout(
            revision=context.named.name,
            previous="stable",
            strategy=context.spec.strategy.chosen()[0].name,
            stage=index,
            started_at=_EPOCH,
            stage_at=_EPOCH,
        ),
    )


def _unproven(context: Context, stage: Stage) -> frozenset[str]:
    """Return the metrics that need prove nothing here: it is enough that the candidate is not shown to be worse."""
    metrics = context.spec.analysis.metrics if context.spec.analysis is not None else ()
    return frozenset(metric.name for metric in metrics if metric.weighs) - due(context, stage)


def _ends(stage: Stage, must_pass: tuple[str, ...], unproven: frozenset[str], rung: str, *, approval: bool) -> str:
    if stage.kind is StageKind.FULL:
        return "at once"
    parts = [f"after {format_duration(stage.hold)}"] if stage.hold else []
    if rung:
        parts.append(rung)
    proven = tuple(name for name in must_pass if name not in unproven)
    if proven:
        parts.append(f"when {_and(proven)} {'pass' if len(proven) > 1 else 'passes'}")
    if len(proven) < len(must_pass):
        parts.append(f"unless {' or '.join(name for name in must_pass if name in unproven)} is shown to be worse")
    if approval:
        parts.append("when a person promotes")
    return _and(tuple(parts)) if parts else "at once"


def _and(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _metric(metric: Metric, stages: tuple[StagePlan, ...]) -> MetricPlan:
    source, source_config = metric.source()
    judge, judge_config = metric.judge()
    least = metric.min_requests
    shares = {
        stage.label: max(stage.weight, stage.mirror) for stage in stages if metric.name in stage.judged + stage.watched
    }
    return MetricPlan(
        name=metric.name,
        source=f"{source.name} {_settings(source_config)}".rstrip(),
        judge=f"{judge.name} {_settings(judge_config)}".rstrip(),
        mode=metric.mode or Mode.GATE,
        min_requests=least,
        # Rounded up: a request that is missing keeps the window open.
        client_requests={label: -(-least * 100 // share) for label, share in shares.items() if least and share},
    )


def _forecasts(context: Context, rps: float | None) -> Iterator[Forecast]:
    """Yield what a pass takes, for services that fail, or models that differ, rarely and often."""
    analysis = context.spec.analysis
    if analysis is None:
        return
    for metric in analysis.metrics:
        (source, source_config), (judge, judge_config) = metric.source(), metric.judge()
        if not metric.decides or not isinstance(judge, Weigher) or not judge.weighs(judge_config):
            continue
        stage = _where_due(context, metric)
        share = _share(context.spec, metric, stage) if stage is not None else 0.0
        if stage is None or not share:
            continue
        # Beside copies stable answers everything, too.
        split = share if stage.weight else share / (1 + share)
        for form, rate in product(source.forms(source_config), RATES):
            requests = judge.needed(judge_config, form, rate, split, analysis.beta)
            seconds = requests / (rps * share) if requests is not None and rps else None
            wait = timedelta(seconds=round(seconds)) if seconds is not None and seconds < LONGEST_WAIT else None
            yield Forecast(
                metric=metric.name,
                rate=rate,
                requests=requests,
                wait=wait,
                copies=source.needs_copies(source_config),
                stage=stage.label,
            )


def _where_due(context: Context, metric: Metric) -> Stage | None:
    """Return the stage in which a metric must pass at last; None where it need not."""
    for index, stage in reversed(tuple(enumerate(context.stages))):
        here = _at(context, index)
        if stage.kind is not StageKind.PAUSE and judged(here, metric) and metric.name in due(here, stage):
            return stage
    return None


def _share(spec: ModelDeploymentSpec, metric: Metric, stage: Stage) -> float:
    """Return the fraction of clients' requests that a metric rests on in a stage.

    What needs copies looks at those that are captured, or of these only at the ones that stable answers twice.
    """
    (source, source_config), (judge, judge_config) = metric.source(), metric.judge()
    if not source.needs_copies(source_config):
        return (stage.weight or stage.mirror) / 100
    capture = (spec.analysis.predictions if spec.analysis is not None else None) or Predictions()
    twice = judge.needs_baseline(judge_config) and capture.baseline is not None
    again = capture.baseline.percent / 100 if twice and capture.baseline is not None else 1.0
    return stage.mirror / 100 * capture.percent / 100 * again


def _late(context: Context, forecasts: tuple[Forecast, ...], rps: float | None) -> Iterator[str]:
    """Yield what takes longer than the deadline lets it, with the ways out, in the words of a running rollout."""
    analysis = context.spec.analysis
    if analysis is None or analysis.deadline is None or not rps:
        return
    for metric in analysis.metrics:
        if not metric.must_pass:
            continue
        for index, stage in enumerate(context.stages):
            share, there_is = _share(context.spec, metric, stage), stage.hold + analysis.deadline
            if stage.kind in (StageKind.PAUSE, StageKind.FULL) or not share or not judged(_at(context, index), metric):
                continue
            has = f"{stage.label} has {format_duration(there_is)}"
            seen = _seen(context, metric, index, rps)
            told = []
            for one in forecasts:
                if (one.metric, one.stage) == (metric.name, stage.label) and one.requests is not None:
                    takes = _takes_yet(one.requests - seen, rps * share)
                    told += [f"{about(takes)} at {one.rate:.1%} {_bad(one)}"] if takes > there_is else []
            first = _takes_yet(metric.min_requests - seen, rps * share)
            if not told and first > there_is:
                told = [f"{about(first)} for its first requests"]
            if told:
                comes = likely(analysis, metric.name, stage, few=first > there_is)
                yield f"{metric.name} needs about {_and(tuple(told))}, and {has}: {comes}"


def _seen(context: Context, metric: Metric, index: int, rps: float) -> float:
    """Return how many requests the holds of the stages before one bring; only evidence is carried over."""
    if not metric.weighs:
        return 0.0
    return math.fsum(
        rps * _share(context.spec, metric, stage) * (stage.hold / timedelta(seconds=1))
        for earlier, stage in enumerate(context.stages[:index])
        if stage.kind is not StageKind.FULL and judged(_at(context, earlier), metric)
    )


def _takes_yet(requests: float, rate: float) -> timedelta:
    return timedelta(seconds=min(max(requests, 0.0) / rate, LONGEST_WAIT))


def _bad(forecast: Forecast) -> str:
    return "different" if forecast.copies else "bad"


def _settings(config: ApiModel) -> str:
    """Return what the user wrote of a plugin's settings."""
    written = config.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    return ", ".join(f"{key} {_value(value)}" for key, value in written.items())


def _value(value: object) -> str:
    match value:
        case float():
            return f"{value:.12g}"
        case dict():
            return f"{{{', '.join(f'{key}: {_value(part)}' for key, part in value.items())}}}"
        case _:
            return str(value)


def _notes(context: Context, rps: float | None) -> Iterator[str]:
    spec = context.spec
    analysis, stages = spec.analysis, spec.stages()
    yield "The first revision is installed without steps: it gets all requests as soon as its pods are Ready."
    if at_first := first_rung_risk(stages):
        yield at_first
    if analysis is None:
        yield "Nothing is measured: only pods that do not become Ready stop a rollout. spec.analysis adds metrics."
    elif not _decided(analysis):
        yield "No metric decides anything: a step ends with its hold, and only pods that do not become Ready stop a rollout."
    elif spec.automation == "manual":
        yield "A metric that fails holds the rollout and alarms; to abort is up to a person (automation: manual)."
    else:
        yield "A metric that fails sends all traffic home to stable at once, and so does `kubectl modelrollout abort`."
    yield from _modes(analysis)
    yield from _rung(spec)
    if analysis is not None and analysis.golden is not None:
        yield _golden(analysis.golden)
    limit = format_duration(spec.progress_deadline)
    yield f"Pods or routers that are not ready within {limit} abort it (progressDeadline); holds and pauses do not count."
    if analysis is not None and _decided(analysis):
        yield _deadline(analysis.deadline, analysis.on_inconclusive)
        for field, words, policy in (
            ("onNoData", "no number", analysis.on_no_data),
            ("onError", "no answer from a source", analysis.on_error),
        ):
            effect = {
                "hold": "the step waits",
                "ignore": "the other metrics decide",
                "rollback": "after three polls in a row it is aborted",
            }[policy]
            yield f"With {words} {effect} ({field}: {policy}). It is never taken for a pass."
    if analysis is not None and analysis.labels is not None:
        yield _labels(context, analysis, analysis.labels, rps)
    if analysis is not None and analysis.monitor is not None:
        yield from _monitor(spec, analysis.monitor)
    yield from _never_judged(spec)
    if not any(stage.kind is StageKind.BAKE for stage in stages):
        yield "There is no bake: stable is taken away right after the switch to 100 %. To go back is then a new rollout."
    else:
        yield "Until the bake passes stable stands whole, and every abort goes home to it. Then the roles change."


def _decided(analysis: Analysis) -> bool:
    """Return whether anything that is measured can stop a rollout."""
    return analysis.golden is not None or any(metric.decides for metric in analysis.metrics)


def _modes(analysis: Analysis | None) -> Iterator[str]:
    """Yield what metrics that decide nothing are good for."""
    metrics = analysis.metrics if analysis is not None else ()
    for mode, words in (
        (Mode.WARN, "A failure makes an Event and the condition Warned, and the rollout goes on as without it"),
        (Mode.OBSERVE, "It is measured and shown, and the rollout goes on as without it"),
    ):
        if names := tuple(metric.name for metric in metrics if metric.mode is mode):
            yield f"{_and(names)}: mode {mode}. {words}."


def _rung(spec: ModelDeploymentSpec) -> Iterator[str]:
    """Yield what a rung of the automation ladder adds that the table of stages does not say."""
    if spec.automation == "shadow":
        last = next(stage.label for stage in reversed(spec.stages()) if not stage.weight)
        yield (
            f"It stops at the end of {last}: automation: shadow gives the candidate copies of requests and no answers, also when "
            "a person promotes. Raise it to assist, partial or full to go on."
        )
    elif spec.automation == "partial":
        yield (
            "What passes clearly goes on and what fails goes home. What is undecided at the deadline, and a stage in which no "
            "metric passes, waits for a person (automation: partial); onInconclusive: promote is left to that person."
        )


def _labels(context: Context, analysis: Analysis, labels: Labels, rps: float | None) -> str:
    """Return how far back a label finds its request."""
    _, router = context.spec.router()
    # No other router is accepted with labels.
    routers, kept = router.replicas if isinstance(router, EnvoyConfig) else 1, labels.kept
    percent = (
        analysis.inputs.percent if analysis.inputs is not None else (analysis.predictions or Predictions()).percent
    )
    reach = "with --rps also how far back that is"
    if rps:
        reach = f"at {rps:g} requests/s that is {about(timedelta(seconds=kept * routers / (rps * percent / 100)))}"
    return (
        f"Labels: {percent} % of the requests are looked at, and each of {routers} routers remembers the last {kept:,} of its "
        f"own; {reach}. A label that comes later is counted as forgotten."
    )


def _monitor(spec: ModelDeploymentSpec, monitor: Monitor) -> Iterator[str]:
    """Yield what goes on being watched after a promotion, and how often that is wrong."""
    metrics = watched(spec)
    names = _and(tuple(one.name for one in metrics))
    then = "it is reported (onDrift: report)"
    if monitor.on_drift == "rollback":
        alone = spec.automation == "full"
        then = (
            "it is reported, and the revision that was stable before is rolled out again, once (onDrift: rollback)"
            if alone
            else f"it is reported, and a person decides (automation: {spec.automation})"
        )
    every = format_duration(monitor.interval)
    go = "go" if len(metrics) > 1 else "goes"
    yield f"While no rollout is on its way {names} {go} on being watched every {every}. If one drifts, {then}."
    if monitor.on_drift == "rollback" and spec.automation == "full":
        yield from taken_back(metrics, patience(monitor))
    detectors = tuple(one.name for one in metrics if one.judge.weighs(one.judge_config))
    if detectors:
        quiet = about(round(DETECTOR.arl) * monitor.interval)
        each = ", each" if len(detectors) > 1 else ""
        yield (
            f"{_and(detectors)}{each}: a change detector, with {DETECTOR.arl:,.0f} polls between two false alarms on average, or "
            f"more, as long as the value is within its limit: {quiet}."
        )
    plain = tuple(one.name for one in metrics if not one.judge.weighs(one.judge_config))
    if plain:
        yield f"{_and(plain)}: plain windows, for which nobody can say how often chance alone breaks them."


def _never_judged(spec: ModelDeploymentSpec) -> Iterator[str]:
    """Yield what says nothing in any rollout: of such metrics only those are accepted that are watched afterwards."""
    metrics = spec.analysis.metrics if spec.analysis is not None else ()
    names = tuple(one.name for one in metrics if not any(one.decided_in(stage) for stage in spec.stages()))
    if names:
        yield (
            f"{_and(names)}: judged in no stage, because none before the last has requests of clients to measure "
            f"{'them' if len(names) > 1 else 'it'} by. A bake has."
        )


def _golden(golden: Golden) -> str:
    more = f"more than {golden.failures} wrong answers count" if golden.failures else "a wrong answer counts"
    warm = f", and each pod is warmed by at most {golden.warm_up.requests} of these requests" if golden.warm_up else ""
    return (
        f"The golden examples in the ConfigMap {golden.config_map} are sent to the candidate's pods before it gets any traffic, "
        f"and again in each stage; {more} as a metric that fails{warm}. They never hold up a first install."
    )


def _deadline(deadline: timedelta | None, then: str) -> str:
    if deadline is None:
        return "A step waits for its metrics without end; analysis.deadline limits that."
    effect = {"pause": "a person decides", "rollback": "it is aborted", "promote": "it goes on"}[then]
    limit = format_duration(deadline)
    return f"A step whose metrics do not pass within {limit} after its hold: {effect} (onInconclusive: {then})."


def _limits(context: Context) -> Iterator[str]:
    if Capability.VERIFY in context.router.capabilities:
        yield (
            "A router that is killed (SIGKILL, loss of a node) loses the requests in it: 3 to 6 were measured at 240 requests/s."
        )
        yield "Requests in a model server that crashes are lost, and so are those that take longer than service.timeout."
        return
    yield (
        "A weight is a weight of connections, not of requests. Clients that keep a connection stay with the old pods until "
        "these end."
    )
    yield (
        "Old pods that close their connections without saying `connection: close` lose the requests of that moment: 0 to 1 of "
        "about 2,300 in each of six rollouts of MLServer. A server that says it for some seconds before it exits lost none."
    )
    yield (
        "Nobody can say what clients really get, so TrafficVerified stays Unknown, and metrics come from prometheus only. "
        "traffic.envoy has none of these limits."
    )


def text(plan: Explanation) -> str:
    """Return an explanation as text."""
    routers = f", {plan.router_pods} router pods" if plan.router_pods else ""
    how = f"{plan.strategy} through traffic.{plan.traffic}, automation {plan.automation}"
    rows = [
        (
            str(stage.number),
            stage.label,
            f"{stage.weight} %",
            f"{stage.mirror} %" if stage.mirror else "",
            f"{plan.replicas} + {stage.candidate_pods}",
            ", ".join(stage.judged) or "-",
            stage.ends,
        )
        for stage in plan.stages
    ]
    often = {1: "once", 2: "twice"}.get(plan.approvals, f"{plan.approvals} times")
    promotes = f", and a person who promotes {often}" if plan.approvals else ""
    lines = [
        f"{click.style(plan.name, bold=True)}: {how}; {plan.replicas} model pods{routers}",
        "",
        "A new revision goes through these stages (pods: stable + candidate):",
        *table(("", "STAGE", "WEIGHT", "COPIES", "PODS", "JUDGED", "ENDS"), rows),
        "",
        f"It takes at least {format_duration(plan.least)}{_early(plan)}{promotes}, plus the time that pods need to become Ready.",
        f"It needs at most {plan.most_model_pods} model pods at once.",
    ]
    if plan.metrics:
        lines += ["", "Metrics:"]
        heads = ("NAME", "MODE", "SOURCE", "JUDGE", "NEEDS AT LEAST")
        lines += table(heads, [_metric_row(metric) for metric in plan.metrics])
    if plan.forecasts:
        lines += ["", *_forecast_lines(plan)]
    if plan.late:
        lines += ["", "What the deadline leaves too little time for:", *(f"  - {item}" for item in plan.late)]
    if plan.preset is not None:
        lines += ["", *_preset_lines(plan.preset)]
    for title, items in (("Good to know:", plan.notes), ("What cannot be promised:", plan.limits)):
        lines += ["", title, *(f"  - {item}" for item in items)]
    return "\n".join(lines)


def _early(plan: Explanation) -> str:
    return "" if plan.least == plan.holds else f" ({format_duration(plan.holds)} where no proof ends a hold early)"


def _preset_lines(preset: PresetPlan) -> Iterator[str]:
    yours = f" ({_and(preset.own)} as you wrote {'it' if len(preset.own) == 1 else 'them'})" if preset.own else ""
    yield f"preset: {preset.name} stands for these metrics{yours}:"
    yield "metrics:"
    for metric in preset.metrics:
        yield f"  - {_flow({'name': metric['name']})[1:-1]}"
        yield from (f"    {key}: {_flow(value)}" for key, value in metric.items() if key != "name")
    if preset.first:
        yield from ("", "In the first rollout after the install, and in no other, its limits are stricter:")
        yield from (f"  - {line}" for line in preset.first)
    if preset.left_out:
        yield from ("", "It leaves out what cannot be measured here:")
        for reason in dict.fromkeys(preset.left_out.values()):
            names = tuple(name for name, why in preset.left_out.items() if why == reason)
            yield f"  - {_and(names)}: {reason}"


def _flow(value: object) -> str:
    """Return a value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=math.inf, allow_unicode=True).strip()


def _forecast_lines(plan: Explanation) -> Iterator[str]:
    when = f" at {plan.rps:g} requests/s" if plan.rps else "; with --rps also how long that takes"
    copies = " (of predictions: of the copies)" if any(forecast.copies for forecast in plan.forecasts) else ""
    elsewhere = tuple(
        dict.fromkeys(one.stage for one in plan.forecasts if not one.copies and not _is_step(plan, one.stage))
    )
    where = _and(elsewhere) if elsewhere else "the last step"
    yield f"What a proof takes in {where}{copies}, if both versions are equally good{when}:"
    word = "BAD OR DIFFERENT" if copies else "BAD"
    names = dict.fromkeys(forecast.metric for forecast in plan.forecasts)
    rows = [(name, *(_takes(forecast) for forecast in plan.forecasts if forecast.metric == name)) for name in names]
    yield from table(("NAME", *(f"{rate:.1%} {word}" for rate in RATES)), rows)


def _is_step(plan: Explanation, label: str) -> bool:
    return any(stage.label == label and stage.kind == StageKind.STEP for stage in plan.stages)


def _takes(forecast: Forecast) -> str:
    if forecast.requests is None:
        return "unknown"
    wait = f" ({about(forecast.wait)})" if forecast.wait is not None else ""
    return f"{forecast.requests:,} requests{wait}"


def _metric_row(metric: MetricPlan) -> tuple[str, ...]:
    slowest = max(metric.client_requests.items(), key=lambda item: item[1], default=None)
    needs = f"{metric.min_requests} requests of the candidate" if metric.min_requests else ""
    if slowest is not None:
        needs += f", of about {slowest[1]} in {slowest[0]}"
    # A query can be longer than any terminal is wide; it stands in the file, and whole in the JSON.
    source = metric.source if len(metric.source) <= LONGEST else f"{metric.source[: LONGEST - 1]}…"
    mode = "" if metric.mode is Mode.GATE else str(metric.mode)
    return (metric.name, mode, source, metric.judge, needs)
