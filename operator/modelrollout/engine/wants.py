"""What must be polled for one ModelDeployment: derived from spec and status at each pass, so that nothing idle is ever polled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from modelrollout.api.modeldeployment import Analysis, Metric
from modelrollout.api.watched import reference_of, watched
from modelrollout.domain.capability import Capability
from modelrollout.domain.golden import GoldenWants
from modelrollout.domain.monitoring import Monitoring
from modelrollout.domain.observation import Observation, PodSeen
from modelrollout.domain.stage import Stage
from modelrollout.domain.status import Rollout, RolloutState
from modelrollout.domain.tally import Features, Measure, Tally
from modelrollout.domain.verdict import Mode
from modelrollout.engine.context import Context, contextualize
from modelrollout.engine.golden import golden_wants
from modelrollout.engine.ramp import afforded_to
from modelrollout.engine.reference import known
from modelrollout.judges._base import Judge
from modelrollout.names import evidence, mirror_cluster
from modelrollout.resources.checkpoint import CHECKPOINT
from modelrollout.routers._base import Router
from modelrollout.sources._base import Scope, Source

QUIET = timedelta(minutes=10)
"""How often a watch over a stable revision writes what decides nothing: nobody waits for it."""


@dataclass(frozen=True)
class RouterWants:
    """Ask every router pod what it runs.

    Attributes:
        router: parses the answers.
        fast: an acknowledgement or a drain is awaited: ask ten times a second instead of every two seconds.
    """

    router: Router[Any]
    fast: bool


@dataclass(frozen=True)
class MetricWants:
    """One metric to measure.

    Attributes:
        name: in the spec.
        source: what to fetch and how to read it.
        source_config: of the source.
        judge: says how many requests a window needs.
        judge_config: of the judge.
        mode: what it may do to the rollout.
        least: requests that a window needs, whatever the judge says.
    """

    name: str
    source: Source[Any]
    source_config: Any
    judge: Judge[Any]
    judge_config: Any
    mode: Mode = Mode.GATE
    least: int = 0

    @property
    def decides(self) -> bool:
        """Whether the rollout obeys it."""
        return self.mode is Mode.GATE

    def measured(
        self, grown: Mapping[tuple[str, str], Mapping[str, float]], arm: str | None, part: str = ""
    ) -> Measure | None:
        """Return what one arm did in one slice; None when there was nothing to count.

        Args:
            grown: by how much its counters grew, see :func:`modelrollout.engine.counters.by_arm`.
            arm: which; None: nobody.
            part: which slice.
        """
        return self.source.measure_arm(self.source_config, grown.get((arm, part), {}) if arm is not None else {})


@dataclass(frozen=True)
class Referred:
    """What one metric's distributions are held against.

    Attributes:
        tally: what was counted once.
        mark: tells it from another one: evidence against one says nothing about another.
        until: when it is stale.
    """

    tally: Tally
    mark: str
    until: datetime


class Against(StrEnum):
    """What the candidate is compared with now."""

    STABLE = "stable"
    """Both versions are measured in the same minutes, at a split that every router has acknowledged."""
    PAST = "past"
    """The candidate answers everything: only what stable did before is left."""
    NOTHING = "nothing"
    """The split is changing: what is measured now belongs to neither weight."""


@dataclass(frozen=True)
class Comparison:
    """How evidence is gathered.

    Attributes:
        attempt: whose evidence it is; another attempt begins anew.
        split: which split of the requests; another one cuts the open block.
        against: what the candidate is compared with.
        weight: percent of the answers that the candidate should get, where the routers' counts must show it; None where
            they need not (copies, previews by header, no split).
        alpha: chance of a false rollback, for all metrics together.
        beta: chance of a false promotion.
        checkpoint: evidence as it was last stored; empty: none is.
    """

    attempt: str
    split: str
    against: Against
    weight: int | None
    alpha: float
    beta: float
    checkpoint: str


@dataclass(frozen=True)
class AnalysisWants:
    """Measure the candidate.

    Attributes:
        epoch: which stage of which attempt; another epoch cuts every window.
        interval: between two polls.
        not_before: numbers before it are warm-up and are discarded.
        scope: what is measured.
        comparison: how evidence is gathered.
        router: parses and locates the router pods for sources that read them.
        metrics: what to measure.
        resting: metrics that can say nothing in this stage; what they have gathered is kept.
        references: by metric, what its distributions are held against.
        learning: by metric, how many requests its reference is to be learnt from.
        quiet: how often numbers that decide nothing are told, and evidence is stored; None: as often as in a rollout.
        afforded: on a ramp, see :func:`modelrollout.engine.ramp.afforded_to`.
    """

    epoch: str
    interval: timedelta
    not_before: datetime
    scope: Scope
    comparison: Comparison
    router: Router[Any]
    metrics: tuple[MetricWants, ...]
    resting: tuple[MetricWants, ...] = ()
    references: Mapping[str, Referred] = field(default_factory=dict)
    learning: Mapping[str, int] = field(default_factory=dict)
    quiet: timedelta | None = None
    afforded: float | None = None


@dataclass(frozen=True)
class Wants:
    """Everything to poll for one object; nothing when it is idle."""

    routers: RouterWants | None = None
    analysis: AnalysisWants | None = None
    golden: GoldenWants | None = None


def epoch_of(context: Context) -> str | None:
    """Return the name of the current question, None while nothing is measured.

    A candidate that answers is measured also while its next stage waits for pods, at the weight that it has.
    """
    rollout = context.progressing
    if rollout is None or (rollout.verified_at is None and not context.asked_weight):
        return None
    since = f"at/{rollout.verified_at.isoformat()}" if rollout.verified_at else f"to/{rollout.stage_at.isoformat()}"
    return f"{rollout.revision}/{rollout.attempt}/{rollout.stage}/{since}"


def wants(seen: Observation) -> Wants:
    """Return what to poll after a pass whose new status is in ``seen``."""
    context = contextualize(seen)
    if context is None or seen.deleting:
        return Wants()
    return Wants(_routers(context), _analysis(context) or _monitor(context), golden_wants(context))


def _routers(context: Context) -> RouterWants | None:
    if Capability.VERIFY not in context.router.capabilities or context.status.route is None:
        return None
    rollout = context.status.rollout
    running = rollout is not None and rollout.state in (RolloutState.PROGRESSING, RolloutState.ABORTING)
    unsettled = not context.status.route_verified or context.status.draining_since is not None
    if not running and not unsettled:
        return None
    waiting = rollout is not None and rollout.state is RolloutState.PROGRESSING and rollout.verified_at is None
    return RouterWants(context.router, fast=unsettled or waiting)


def _analysis(context: Context) -> AnalysisWants | None:
    rollout, stage, epoch = context.status.rollout, context.stage, epoch_of(context)
    if rollout is None or stage is None or epoch is None or context.spec.analysis is None:
        return None
    metrics, resting = (
        tuple(
            MetricWants(
                metric.name,
                *metric.source(),
                *metric.judge(),
                mode=metric.mode or Mode.GATE,
                least=labels_needed(context.spec.analysis, metric),
            )
            for metric in context.spec.analysis.metrics
            if judged(context, metric) is wanted
        )
        for wanted in (True, False)
    )
    if not metrics:
        return None
    mirrored_only = stage.weight == 0 and stage.mirror > 0
    return AnalysisWants(
        epoch=epoch,
        interval=context.spec.analysis.interval,
        not_before=_not_before(context, rollout.verified_at or rollout.stage_at),
        scope=Scope(
            namespace=context.seen.namespace,
            name=context.seen.name,
            arm=mirror_cluster(rollout.revision) if mirrored_only else rollout.revision,
            revision=rollout.revision,
            stable=rollout.previous,
            pods=_pods(context, rollout.revision),
            stable_pods=_pods(context, rollout.previous),
            addresses={pod.address: pod.name for pod in context.seen.pods if pod.address},
        ),
        comparison=_comparison(context, stage),
        router=context.router,
        metrics=metrics,
        resting=resting,
        references=_references(context, rollout.previous, metrics),
        afforded=afforded_to(context.stages, rollout.stage),
    )


def _monitor(context: Context) -> AnalysisWants | None:
    """Return what is watched while no rollout is on its way: the stable revision, beside which nobody stands."""
    monitor, analysis = context.status.monitor, context.spec.analysis
    if monitor is None or analysis is None or analysis.monitor is None:
        return None
    metrics = tuple(
        MetricWants(one.name, one.source, one.source_config, one.judge, one.judge_config)
        for one in watched(context.spec)
    )
    epoch, revision = watch_of(monitor), monitor.revision
    return AnalysisWants(
        epoch=epoch,
        interval=analysis.monitor.interval,
        not_before=monitor.since,
        scope=Scope(
            namespace=context.seen.namespace,
            name=context.seen.name,
            arm=revision,
            revision=revision,
            stable=None,
            pods=_pods(context, revision),
            addresses={pod.address: pod.name for pod in context.seen.pods if pod.address},
        ),
        comparison=Comparison(
            attempt=epoch,
            split="all",
            against=Against.PAST,
            weight=None,
            alpha=analysis.alpha,
            beta=analysis.beta,
            checkpoint=stored_evidence(context),
        ),
        router=context.router,
        metrics=metrics,
        references=_references(context, revision, metrics),
        learning=_learning(context, revision, metrics),
        quiet=QUIET,
    )


def _references(context: Context, stable: str | None, metrics: tuple[MetricWants, ...]) -> Mapping[str, Referred]:
    """Return what metrics are held against; how old it is the time of each sample says."""
    asked = reference_of(context.spec)
    if asked is None:
        return {}
    found = known(context, stable, [(one.name, one.source, one.source_config) for one in metrics])
    return {
        name: Referred(entry.features, f"{entry.revision}/{entry.at.isoformat()}", entry.at + asked.max_age)
        for name, entry in found.entries.items()
    }


def _learning(context: Context, stable: str, metrics: tuple[MetricWants, ...]) -> Mapping[str, int]:
    asked = reference_of(context.spec)
    if asked is None or asked.learn is None:
        return {}
    found = known(context, stable, [(one.name, one.source, one.source_config) for one in metrics])
    return dict.fromkeys(sorted(found.missing), asked.learn)


def watch_of(monitor: Monitoring) -> str:
    """Return the name of a watch; its evidence carries it."""
    return f"monitor/{monitor.revision}/{monitor.since.isoformat()}"


def stored_evidence(context: Context) -> str:
    """Return the evidence that was stored last, whatever it is about; empty when there is none."""
    found = context.seen.child("ConfigMap", evidence(context.seen.name)) or {}
    return str((found.get("data") or {}).get(CHECKPOINT, ""))


def _pods(context: Context, revision: str | None) -> tuple[str, ...]:
    return tuple(sorted(pod.name for pod in context.seen.pods if revision and pod.revision == revision))


def _comparison(context: Context, stage: Stage) -> Comparison:
    rollout, ask, analysis = context.progressing, context.status.route, context.spec.analysis
    assert rollout is not None
    assert ask is not None
    assert analysis is not None
    weight, mirrored = ask.route.weight(rollout.revision), ask.route.mirrored(rollout.revision)
    # A route that is not acknowledged by every router is a mixture of two splits, and pooling over those is Simpson's paradox.
    settled = context.status.route_verified or Capability.VERIFY not in context.router.capabilities
    against = Against.NOTHING
    if settled and weight == 100:
        against = Against.PAST
    elif settled and (weight or (mirrored and not stage.weight)):
        against = Against.STABLE
    return Comparison(
        attempt=attempt_of(rollout),
        split=f"{weight}/{mirrored}/{settled}",
        against=against,
        weight=weight
        if against is Against.STABLE and weight and not context.router.previews(context.router_config)
        else None,
        alpha=analysis.alpha,
        beta=analysis.beta,
        checkpoint=stored_evidence(context),
    )


def attempt_of(rollout: Rollout) -> str:
    """Return the name of an attempt; its evidence carries it."""
    return f"{rollout.revision}/{rollout.attempt}/{rollout.started_at.isoformat()}"


def _not_before(context: Context, since: datetime) -> datetime:
    """Return when numbers begin to count: a pod is warm some time after it was Ready, or after its first request."""
    rollout, analysis = context.progressing, context.spec.analysis
    assert rollout is not None
    assert analysis is not None
    # Before the first stage with requests a pod had none, however long it has been Ready.
    first = not any(stage.weight or stage.mirror for stage in context.stages[: rollout.stage])
    ready = [moment for pod in context.seen.ready_pods(rollout.revision) if (moment := _begun(pod, since))]
    warm = [(max(moment, since) if first else moment) + analysis.warm_up for moment in ready]
    return max([since, *warm])


def _begun(pod: PodSeen, since: datetime) -> datetime | None:
    """Return when a pod began to warm up, which it does once.

    A probe that fails now and then, or a container that crashes and comes back, is what the candidate does, and must not keep its
    numbers from being counted for ever.
    """
    if pod.ready_since is not None and (pod.restarted or (pod.born is not None and pod.born <= since)):
        return min(pod.ready_since, since)
    return pod.ready_since


def labels_needed(analysis: Analysis, metric: Metric) -> int:
    """Return how many labels a metric needs in a step; 0 where nobody says so, or it counts something else."""
    source, config = metric.source()
    wait = analysis.labels.wait if analysis.labels is not None else None
    return wait.min if wait is not None and source.late(config) else 0


def judged(context: Context, metric: Metric) -> bool:
    """Return whether a metric can say anything in the current stage."""
    return context.stage is not None and metric.speaks_in(context.stage) and not _is_what_was_left(context, metric)


def _is_what_was_left(context: Context, metric: Metric) -> bool:
    """Return whether a rollout goes home from a drift, which such a metric would take for the world's.

    The version that has drifted still answers beside the one that takes its place, and is as far from the reference as before.
    """
    rollout, reverted = context.progressing, context.status.reverted
    if rollout is None or reverted is None:
        return False
    goes_home = (reverted.revision, reverted.to) == (rollout.previous, rollout.revision)
    source, config = metric.source()
    return goes_home and Features in source.forms(config)
