"""What there is to say about a ModelDeployment, as values: ``status`` and ``watch`` draw them, ``-o json`` prints them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from modelrollout.adapters.reading import read_snapshot, read_status
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.validate import parse_spec
from modelrollout.domain.conditions import Condition, ConditionType, find
from modelrollout.domain.monitoring import Monitoring
from modelrollout.domain.stage import Stage
from modelrollout.domain.status import Cause, Past, Request, Rollout, RolloutState, Status, Target, Warned
from modelrollout.domain.verdict import Gate
from modelrollout.engine.context import INSTALL
from modelrollout.errors import RolloutError
from modelrollout.names import router, workload
from modelrollout.schema import ApiModel, Duration

RUNNING = (RolloutState.PROGRESSING, RolloutState.ABORTING)


class Pods(ApiModel):
    """Pods of one Deployment."""

    ready: int
    """Ready ones."""
    wanted: int
    """How many there should be."""


class RevisionView(ApiModel):
    """One revision that is in use."""

    revision: str
    """Its name."""
    role: str
    """stable, candidate, or empty for one that is leaving."""
    model: str = ""
    """Name and version of the model."""
    pods: Pods | None = None
    """Its pods; absent where we may not look."""
    weight: int = 0
    """Percent of answers that the data plane was asked to take from it."""
    mirror: int = 0
    """Percent of requests copied to it."""


class StageView(ApiModel):
    """One station of the rollout."""

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


class RolloutView(ApiModel):
    """The current or last attempt."""

    revision: str
    """The candidate."""
    previous: str | None = None
    """What to fall back to; absent during a first install."""
    attempt: int
    """Which attempt at this revision."""
    strategy: str
    """The strategy's name."""
    state: RolloutState
    """Where it stands as a whole."""
    started_at: datetime
    """When it started."""
    stage: int
    """The current station, counted from 1."""
    of: int
    """How many there are."""
    label: str
    """The current station as people name it."""
    stages: tuple[StageView, ...] = ()
    """All stations; empty when the spec cannot be read."""
    verified_at: datetime | None = None
    """Since when every router runs this station's route."""
    hold_until: datetime | None = None
    """When the hold ends; absent before the route is verified and while it is paused."""
    paused_at: datetime | None = None
    """Since when its clocks stand still."""
    gates: tuple[Gate, ...] = ()
    """The metrics of this station."""
    gates_at: datetime | None = None
    """When their values were written; live values follow every 30 s."""
    watched: tuple[Gate, ...] = ()
    """The metrics of this station that decide nothing."""
    watched_at: datetime | None = None
    """When their values were written."""
    warnings: tuple[Warned, ...] = ()
    """The metrics with mode warn that have failed in this attempt."""
    fractions: tuple[str, ...] = ()
    """The metrics whose values are fractions of 1."""
    alpha: float = 0.05
    """Highest chance of a false rollback, of all metrics together: their evidence is measured against it."""
    beta: float = 0.05
    """Highest chance of a false promotion."""
    together: float | None = None
    """ln E of all metrics together that the candidate is beyond its margins; absent without evidence."""
    mirrored: int | None = None
    """Requests copied in this station."""
    recommendation: str | None = None
    """What the operator would do, with automation assist, and with partial where it asks."""
    forecast: str | None = None
    """Why the evidence will not be enough by the deadline, and the ways out."""
    cause: Cause | None = None
    """Why it was aborted."""


class View(ApiModel):
    """Everything that ``status`` shows."""

    name: str
    """Of the ModelDeployment."""
    namespace: str
    """Of the ModelDeployment."""
    phase: str
    """One word."""
    message: str
    """What it waits for, and until when."""
    seen: bool
    """The operator has seen the spec as it stands."""
    weight_asked: int | None = None
    """Percent of answers that the data plane was asked to take from the candidate."""
    weight_verified: int | None = None
    """Percent that every router has acknowledged."""
    route_verified: bool
    """Every router runs the route that was asked for."""
    revisions: tuple[RevisionView, ...] = ()
    """Those in use, candidate first."""
    routers: Pods | None = None
    """The router's pods; absent without one."""
    rollout: RolloutView | None = None
    """The current or last attempt."""
    monitor: Monitoring | None = None
    """The watch over the stable revision; absent while a rollout is on its way, and without analysis.monitor."""
    paused_by_spec: bool = False
    """spec.paused is true."""
    paused_by_request: bool = False
    """A person asked for it."""
    target: Target | None = None
    """A rollback that stands against the spec."""
    request: Request | None = None
    """The answer to the last request."""
    conditions: tuple[Condition, ...] = ()
    """All conditions."""
    history: tuple[Past, ...] = ()
    """The last ten rollouts, newest first."""

    @property
    def running(self) -> bool:
        """Whether a rollout is on its way, forward or home."""
        return self.rollout is not None and self.rollout.state in RUNNING

    def settled(self) -> str | None:
        """Return Ready or Stalled when the spec as it stands has come to an end, None while it is on its way."""
        for kind in (ConditionType.STALLED, ConditionType.READY):
            condition = find(self.conditions, kind)
            if self.seen and condition is not None and condition.status == "True":
                return str(kind)
        return None


def status_of(raw: Mapping[str, Any]) -> Status:
    """Read the status of an object.

    Raises:
        RolloutError: a newer operator wrote it.
    """
    status = read_status(raw.get("status"))
    if status is None:
        name = raw["metadata"]["name"]
        raise RolloutError(
            f"The status of {name} cannot be read: the operator is of another version than this command. "
            "Install the command of the operator's version; `kubectl describe modeldeployment` shows the status as it is."
        )
    return status


def view(
    raw: Mapping[str, Any], deployments: Iterable[Mapping[str, Any]], snapshots: Iterable[Mapping[str, Any]]
) -> View:
    """Gather everything there is to say.

    Args:
        raw: the ModelDeployment.
        deployments: those that belong to it.
        snapshots: its ControllerRevisions.

    Raises:
        RolloutError: the status cannot be read.
    """
    metadata, status = raw["metadata"], status_of(raw)
    name = metadata["name"]
    pods = {item["metadata"]["name"]: _pods(item) for item in deployments}
    models = models_of(name, snapshots, status)
    rollout, route = status.rollout, status.route.route if status.route else None
    running = rollout is not None and rollout.state in RUNNING
    return View(
        name=name,
        namespace=metadata["namespace"],
        phase=status.phase,
        message=status.message,
        seen=status.observed_generation == metadata.get("generation"),
        weight_asked=route.weight(rollout.revision) if route and rollout and running else None,
        weight_verified=status.weight if running else None,
        route_verified=status.route_verified,
        revisions=_revisions(name, status, pods, models),
        routers=pods.get(router(name)),
        rollout=_rollout(rollout, spec_of(raw, status)) if rollout else None,
        monitor=status.monitor,
        paused_by_spec=bool(raw.get("spec", {}).get("paused")),
        paused_by_request=status.paused,
        target=status.target,
        request=status.request,
        conditions=status.conditions,
        history=status.history,
    )


def models_of(name: str, snapshots: Iterable[Mapping[str, Any]], status: Status) -> dict[str, str]:
    """Return name and version of the model of each known revision."""
    models = {past.revision: past.model for past in reversed(status.history)}
    for raw in snapshots:
        revision = read_snapshot(raw, name)
        if revision is not None:
            model = revision.content.get("model") or {}
            models[revision.name] = " ".join(str(model[key]) for key in ("name", "version") if key in model)
    return models


def spec_of(raw: Mapping[str, Any], status: Status) -> ModelDeploymentSpec | None:
    """Return the spec that a rollout follows: as it stands, or as last accepted when it is refused now."""
    metadata, spec = raw["metadata"], raw.get("spec", {})
    for candidate in (spec, {**(status.accepted or {}), "template": spec.get("template")}):
        parsed, _ = parse_spec(candidate, metadata)
        if parsed is not None:
            return parsed
    return None


def _stages(rollout: Rollout, spec: ModelDeploymentSpec | None) -> Sequence[Stage]:
    """Return the stations of a rollout; none when its spec cannot be read."""
    if rollout.previous is None:
        return INSTALL
    return spec.stages() if spec else ()


def current_stage(rollout: RolloutView) -> StageView | None:
    """Return the current station, None when the spec cannot be read."""
    return rollout.stages[rollout.stage - 1] if rollout.stage <= len(rollout.stages) else None


def _fractions(spec: ModelDeploymentSpec | None) -> tuple[str, ...]:
    metrics = spec.analysis.metrics if spec is not None and spec.analysis is not None else ()
    sources = {metric.name: metric.source() for metric in metrics}
    return tuple(name for name, (source, config) in sources.items() if source.fraction(config))


def _rollout(rollout: Rollout, spec: ModelDeploymentSpec | None) -> RolloutView:
    stages, analysis = _stages(rollout, spec), spec.analysis if spec is not None else None
    chances = {"alpha": analysis.alpha, "beta": analysis.beta} if analysis is not None else {}
    holds = rollout.state is RolloutState.PROGRESSING and rollout.stage < len(stages) and rollout.paused_at is None
    until = rollout.verified_at + stages[rollout.stage].hold if rollout.verified_at and holds else None
    return RolloutView(
        revision=rollout.revision,
        previous=rollout.previous,
        attempt=rollout.attempt,
        strategy=rollout.strategy,
        state=rollout.state,
        started_at=rollout.started_at,
        stage=rollout.stage + 1,
        of=rollout.stages,
        label=rollout.stage_label,
        stages=tuple(
            StageView(
                number=number,
                label=stage.label,
                kind=stage.kind,
                weight=stage.weight,
                mirror=stage.mirror,
                hold=stage.hold,
            )
            for number, stage in enumerate(stages, start=1)
        ),
        verified_at=rollout.verified_at,
        hold_until=until,
        paused_at=rollout.paused_at,
        gates=rollout.gates,
        gates_at=rollout.gates_at,
        watched=rollout.watched,
        watched_at=rollout.watched_at,
        warnings=rollout.warnings,
        fractions=_fractions(spec),
        together=rollout.against if any(gate.evidence is not None for gate in rollout.gates) else None,
        **chances,
        mirrored=rollout.mirrored,
        recommendation=rollout.recommendation,
        forecast=rollout.forecast,
        cause=rollout.cause,
    )


def held(rollout: RolloutView, now: datetime) -> tuple[timedelta, timedelta] | None:
    """Return how much of the hold has passed and how long it is, None where no hold runs."""
    if (
        rollout.verified_at is None
        or rollout.state is not RolloutState.PROGRESSING
        or rollout.stage > len(rollout.stages)
    ):
        return None
    whole = rollout.stages[rollout.stage - 1].hold
    # While it is paused the clock stands still.
    passed = (rollout.paused_at or now) - rollout.verified_at
    return (min(max(passed, timedelta()), whole), whole) if whole else None


def _revisions(
    name: str, status: Status, pods: Mapping[str, Pods], models: Mapping[str, str]
) -> tuple[RevisionView, ...]:
    route = status.route.route if status.route else None
    roles = {status.candidate: "candidate", status.stable: "stable"}
    used = [status.candidate, status.stable, *sorted(route.revisions() if route else ())]
    # A revision that has left the route still drains for a while.
    used += sorted(revision for revision in models if workload(name, revision) in pods)
    return tuple(
        RevisionView(
            revision=revision,
            role=roles.get(revision, ""),
            model=models.get(revision, ""),
            pods=pods.get(workload(name, revision)),
            weight=route.weight(revision) if route else 0,
            mirror=route.mirrored(revision) if route else 0,
        )
        for revision in dict.fromkeys(used)
        if revision
    )


def _pods(deployment: Mapping[str, Any]) -> Pods:
    ready = int(deployment.get("status", {}).get("readyReplicas") or 0)
    return Pods(ready=ready, wanted=int(deployment["spec"].get("replicas", 1)))
