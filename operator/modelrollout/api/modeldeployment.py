"""The spec of a ModelDeployment, composed from whatever plugins exist.

Nothing that is hashed into a revision (template, model, targetPort, drain, timeout) may have a default here: the API server
would write it into stored objects, and a new default would then make a new revision of every model in the cluster.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from modelrollout.api.choice import chosen, compose, exactly_one
from modelrollout.api.golden import NOT_OURS, Golden
from modelrollout.api.inputs import Inputs
from modelrollout.api.labels import Labels
from modelrollout.api.monitor import Monitor
from modelrollout.api.predictions import Predictions
from modelrollout.api.slices import FEW_PARTS, FEW_QUESTIONS, MOST_PARTS, Slice
from modelrollout.api.template import TEMPLATE_SCHEMA
from modelrollout.domain.capability import Capability
from modelrollout.domain.capture import Protocol
from modelrollout.domain.stage import Stage, StageKind
from modelrollout.domain.verdict import Mode
from modelrollout.judges._base import Judge
from modelrollout.names import NAME_PATTERN
from modelrollout.registry import discover
from modelrollout.routers._base import Router
from modelrollout.schema import ApiModel, AtLeastASecond, Duration, Rule
from modelrollout.sources._base import Source
from modelrollout.strategies._base import Strategy

ROUTERS: dict[str, Router[Any]] = discover("modelrollout.routers", Router)  # type: ignore[type-abstract]  # instances of subclasses are looked for
STRATEGIES: dict[str, Strategy[Any]] = discover("modelrollout.strategies", Strategy)  # type: ignore[type-abstract]  # as above
SOURCES: dict[str, Source[Any]] = discover("modelrollout.sources", Source)  # type: ignore[type-abstract]  # as above
JUDGES: dict[str, Judge[Any]] = discover("modelrollout.judges", Judge)  # type: ignore[type-abstract]  # as above

DEFAULT_ROUTER = "envoy"
WHOLE = 100
"""Percent."""

Chance = Annotated[float, Field(ge=0.0001, le=0.5)]
Port = Annotated[int, Field(ge=1, le=65535)]
NoData = Literal["hold", "rollback", "ignore"]
Automation = Literal["manual", "shadow", "assist", "partial", "full"]
Preset = Literal["tabular-classification", "regression", "ranking", "vision", "speech", "llm"]


class Model(ApiModel):
    """Which model the pods serve. Shown to people, written on the pods as annotations, and part of the revision."""

    name: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """The model's name."""
    version: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """The model's version."""
    uri: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """Where the model's files are."""
    digest: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Checksum of the model's files, such as sha256:…. A file that changes under the same URI is another model."""
    protocol: Protocol | None = None
    """What the model server speaks. Absent: http, in which nobody knows where a prediction is."""


class Service(ApiModel):
    """How clients reach the model."""

    name: Annotated[str, Field(max_length=63, pattern=NAME_PATTERN)] | None = None
    """Name of the Service that clients use; the ModelDeployment's own name when absent."""
    port: Port = 80
    """Port of that Service."""
    target_port: Port
    """Port on which the model server answers."""
    timeout: AtLeastASecond | None = None
    """Longest request. The router's time-out, the drain deadline and the pods' grace period follow from it.
    Absent: the operator's setting at the time when the revision is made."""
    drain: Duration | None = None
    """How long a model pod that leaves keeps answering (a preStop sleep, for pods whose template has none). It must be
    longer than the time until a deleted pod is gone from the cluster's DNS caches.
    Absent: the operator's setting at the time when the revision is made."""


class Traffic(ApiModel):
    """What splits and mirrors the requests: exactly one router. It cannot be changed to another one later."""

    def chosen(self) -> tuple[Router[Any], Any]:
        """Return the router and its config."""
        return chosen(self, ROUTERS)


class StrategyChoice(ApiModel):
    """The way from version N to N+1: exactly one strategy."""

    def chosen(self) -> tuple[Strategy[Any], Any]:
        """Return the strategy and its config."""
        return chosen(self, STRATEGIES)


class Metric(ApiModel):
    """One number to watch: exactly one source, which says where it comes from, and exactly one judge."""

    name: Annotated[str, Field(max_length=63, pattern=r"^[a-zA-Z0-9]([-_a-zA-Z0-9]*[a-zA-Z0-9])?$"), NOT_OURS]
    """Name of the metric, unique in the list."""
    mode: Mode | None = None
    """gate: it can hold the rollout and send it home, and the rollout waits for it. warn: it only tells when it fails, by an
    Event and a condition. observe: it is measured and shown, and never changes anything. Absent: gate."""

    @property
    def decides(self) -> bool:
        """Whether the rollout obeys it."""
        return self.mode in (None, Mode.GATE)

    def source(self) -> tuple[Source[Any], Any]:
        """Return the source and its config."""
        return chosen(self, SOURCES)

    def judge(self) -> tuple[Judge[Any], Any]:
        """Return the judge and its config."""
        return chosen(self, JUDGES)

    def speaks_in(self, stage: Stage) -> bool:
        """Return whether it can say anything in a stage.

        A stage without traffic has no requests to count, so a metric that counts them would block it for ever; a gauge can
        still be read there. The same holds for what cannot be measured of copies, and the other way round for what only copies
        can show: once the candidate answers clients itself, nobody answers the same request a second time.
        """
        source, config = self.source()
        if source.needs_copies(config):
            return stage.mirror > 0
        return stage.weight > 0 or (stage.mirror > 0 and source.sees_copies(config)) or not source.counts(config)

    def decided_in(self, stage: Stage) -> bool:
        """Return whether it can come to a verdict in a stage that counts: to be compared, both versions need requests."""
        # FULL ends as soon as it is verified.
        if stage.kind is StageKind.FULL or not self.speaks_in(stage):
            return False
        return not self.compares or stage.mirror > 0 or 0 < stage.weight < WHOLE

    @property
    def must_pass(self) -> bool:
        """Whether the rollout waits until it passes; a metric that it does not wait for may still send it home."""
        judge, config = self.judge()
        return self.decides and judge.required(config)

    @property
    def weighs(self) -> bool:
        """Whether evidence is gathered of it."""
        judge, config = self.judge()
        return judge.weighs(config)

    @property
    def compares(self) -> bool:
        """Whether it needs stable beside the candidate."""
        judge, config = self.judge()
        return judge.compares(config)

    @property
    def min_requests(self) -> int:
        """Requests of the candidate that a window, or a pass by evidence, needs; 0 for a gauge."""
        judge, config = self.judge()
        return judge.min_requests(config)


def _same_kind(names: list[str]) -> Rule:
    return Rule(
        # Only the API server knows what was there before.
        lambda _: True,
        " && ".join(f"has(self.{name}) == has(oldSelf.{name})" for name in names),
        "cannot be changed to another router. Make a new ModelDeployment with the other one.",
    )


if TYPE_CHECKING:
    ComposedTraffic = Traffic
    ComposedStrategy = StrategyChoice
    ComposedMetric = Metric
else:
    ComposedTraffic = compose(Traffic, ROUTERS.values(), exactly_one("router", ROUTERS), _same_kind(sorted(ROUTERS)))
    ComposedStrategy = compose(StrategyChoice, STRATEGIES.values(), exactly_one("strategy", STRATEGIES))
    ComposedMetric = compose(
        Metric, [*SOURCES.values(), *JUDGES.values()], exactly_one("source", SOURCES), exactly_one("judge", JUDGES)
    )


def _no_copies() -> Iterator[Rule]:
    """Yield, for each router that cannot copy requests, that no strategy may ask it to."""
    unable = [name for name, plugin in ROUTERS.items() if Capability.MIRROR not in plugin.capabilities]
    for router, (strategy, plugin) in product(unable, STRATEGIES.items()):
        if plugin.mirrors is None:
            continue
        path = f"strategy.{strategy}" + (f".{plugin.mirrors}" if plugin.mirrors else "")
        asked = [path.rsplit(".", end)[0] for end in reversed(range(path.count(".")))]
        yield Rule(
            partial(_allows, router=router, strategy=strategy),
            f"!(has(self.traffic.{router}) && {' && '.join(f'has(self.{part})' for part in asked)})",
            f"needs copies of requests, and traffic.{router} makes none. Use traffic.envoy, or leave the shadow out.",
            path,
        )


def _copies_for_shadow() -> Rule:
    """Return the rule that a candidate that never answers gets copies at least."""
    paths = [
        f"strategy.{name}" + (f".{plugin.mirrors}" if plugin.mirrors else "")
        for name, plugin in STRATEGIES.items()
        if plugin.mirrors is not None
    ]
    asked = [[path.rsplit(".", end)[0] for end in reversed(range(path.count(".")))] for path in paths]
    have = " || ".join("(" + " && ".join(f"has(self.{part})" for part in parts) + ")" for parts in asked)
    return Rule(
        lambda spec: spec.automation != "shadow" or any(stage.mirror for stage in spec.stages()),
        f"!has(self.automation) || self.automation != 'shadow' || {have}",
        "gives the candidate copies of requests and nothing else, and this strategy copies none. Add shadow: {hold: 10m} to it, "
        "or use manual.",
        "automation",
    )


def _no_limit_of_pods() -> Iterator[Rule]:
    """Yield, for each router whose number of pods is the weight, that nothing else may say the number."""
    for router in (name for name, plugin in ROUTERS.items() if not plugin.keeps_size):
        yield Rule(
            partial(_unlimited, router=router),
            f"!(has(self.maxExtraReplicas) && has(self.traffic.{router}))",
            f"cannot be kept with traffic.{router}, where the number of pods is the weight. Leave it out.",
            "maxExtraReplicas",
        )


def _unlimited(spec: "ModelDeploymentSpec", *, router: str) -> bool:
    return spec.max_extra_replicas is None or spec.router()[0].name != router


def _allows(spec: "ModelDeploymentSpec", *, router: str, strategy: str) -> bool:
    mirrors = any(stage.mirror for stage in spec.stages())
    return not (mirrors and spec.router()[0].name == router and spec.strategy.chosen()[0].name == strategy)


class Analysis(ApiModel):
    """What is measured during a rollout, and what becomes of the numbers."""

    interval: AtLeastASecond = timedelta(seconds=10)
    """Time between two polls."""
    warm_up: Duration = timedelta(0)
    """Numbers from before a pod was Ready for so long are discarded."""
    on_no_data: NoData = "hold"
    """What happens when a source works and has no number: hold waits, rollback aborts after three polls in a row,
    ignore lets the other metrics decide."""
    on_error: NoData = "hold"
    """What happens when a source does not answer: hold, rollback or ignore, as in onNoData."""
    deadline: AtLeastASecond | None = None
    """How long a step may wait for its metrics, from the end of its hold; a pause does not count.
    Absent: without end."""
    on_inconclusive: Literal["pause", "rollback", "promote"] = "pause"
    """What happens at the deadline: pause waits for a person."""
    alpha: Chance = 0.05
    """Highest chance, per rollout, that metrics judged by evidence roll back a candidate that is within its margins."""
    beta: Chance = 0.05
    """Highest chance that they promote a candidate that is beyond a margin."""
    min_duration: Duration = timedelta(minutes=5)
    """How long the candidate must have answered requests before evidence may end a hold early."""
    preset: Preset | None = None
    """What kind of model it is: the metrics that such a model is usually judged by are added to yours, as far as they can be
    measured with this router and strategy. A metric of yours takes the place of the preset's one with the same name. The limits
    of the others are stricter in the first rollout after the install. `modelrollout explain` prints all of them."""
    metrics: Annotated[
        tuple[ComposedMetric, ...],
        Field(
            max_length=64,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    """The metrics; at least one, or a preset. A step ends when all of them pass; one that fails takes the candidate back to
    0."""
    predictions: Predictions | None = None
    """How predictions are captured for the metrics that compare them."""
    inputs: Inputs | None = None
    """What is measured of the inputs and outputs of all requests, of each version and also between rollouts. Absent: nothing."""
    labels: Labels | None = None
    """What would have been right, told later by request id, and named events such as clicks. Absent: nobody can send any."""
    golden: Golden | None = None
    """Pinned requests with known answers, which the candidate must answer before it gets any traffic."""
    monitor: Monitor | None = None
    """What goes on being watched while no rollout is on its way. Absent: nothing is measured then."""
    slices: Annotated[
        tuple[Slice, ...],
        Field(
            max_length=MOST_PARTS,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
        FEW_PARTS,
    ] = ()
    """Parts of the traffic, each of which is judged by itself in every metric of predictions: no other source knows what a
    request was. All metrics × (1 + parts) are at most 64."""

    rules = (
        Rule(
            lambda analysis: bool(analysis.metrics) or analysis.preset is not None,
            "has(self.preset) || (has(self.metrics) && self.metrics.size() > 0)",
            "is empty, so nothing would be measured. Write at least one metric, or a preset: tabular-classification.",
            "metrics",
        ),
        FEW_QUESTIONS,
    )


class ModelDeploymentSpec(ApiModel):
    """One model server, and how it goes from one version to the next."""

    replicas: Annotated[int, Field(ge=0, le=1000)] = 1
    """Model pods that carry all requests. An autoscaler scales the ModelDeployment, never a child."""
    model: Model | None = None
    """Which model the pods serve."""
    template: Annotated[dict[str, Any], WithJsonSchema(TEMPLATE_SCHEMA)]
    """The pods, as in a Deployment. A change makes a new revision; the API server checks it by a dry run."""
    service: Service
    """How clients reach the model."""
    traffic: Annotated[ComposedTraffic, Field(json_schema_extra={"default": {DEFAULT_ROUTER: {}}})] = Field(
        default_factory=lambda: ComposedTraffic.model_validate({DEFAULT_ROUTER: {}})
    )
    """What splits and mirrors the requests; the built-in Envoy router when absent. Its kind cannot be changed later."""
    strategy: ComposedStrategy
    """The way from version N to N+1."""
    analysis: Analysis | None = None
    """What is measured during a rollout. Absent: only pods that are not Ready stop it."""
    automation: Automation = "full"
    """How far it goes forward alone. manual: a person moves every step. shadow: copies only, the candidate answers nobody.
    assist: the operator recommends, a person approves. partial: what passes clearly goes on, what is undecided asks a person.
    full: by itself. A failed metric takes the candidate back to 0 (manual: it holds and alarms). It may be changed at any
    time; shadow takes the answers away from a candidate that has some."""
    progress_deadline: AtLeastASecond = timedelta(minutes=10)
    """How long the rollout may wait for pods and for routers before it is aborted. Holds and pauses do not count."""
    paused: bool = False
    """Stop progress. The rollout is still judged and can be aborted."""
    max_extra_replicas: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Most candidate pods while its weight is below 100; fewer than the weight needs, for scarce hardware."""
    revision_history_limit: Annotated[int, Field(ge=0, le=100)] = 10
    """Old revisions to keep for a rollback."""
    deletion_policy: Literal["delete", "orphan"] = "delete"
    """What happens to pods, router and Services when the ModelDeployment is deleted. orphan: they go on working."""

    rules = (*_no_copies(), _copies_for_shadow(), *_no_limit_of_pods())

    def stages(self) -> tuple[Stage, ...]:
        """Return the stations of a rollout."""
        strategy, config = self.strategy.chosen()
        return strategy.stages(config)

    def router(self) -> tuple[Router[Any], Any]:
        """Return the router and its config."""
        return self.traffic.chosen()


def weighs(spec: ModelDeploymentSpec) -> bool:
    """Return whether a rollout gathers evidence, which must outlive a restart."""
    return any(metric.weighs for metric in (spec.analysis.metrics if spec.analysis is not None else ()))


def hashed_content(spec: ModelDeploymentSpec) -> dict[str, Any]:
    """Return what names a revision: only what the user wrote, in canonical form; what is absent stays absent."""
    service = spec.service.dump()
    content = {
        "template": spec.template,
        "model": spec.model.dump() if spec.model else None,
        **{name: service.get(name) for name in ("targetPort", "drain", "timeout")},
    }
    return {name: value for name, value in content.items() if value}
