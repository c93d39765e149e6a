"""The context of one pass: what follows from the observation before anything is decided."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from modelrollout.api.modeldeployment import ModelDeploymentSpec, hashed_content
from modelrollout.api.presets import expanded
from modelrollout.api.validate import parse_spec
from modelrollout.domain.observation import Limits, Observation
from modelrollout.domain.problem import Problem
from modelrollout.domain.revision import Revision
from modelrollout.domain.stage import Stage, StageKind
from modelrollout.domain.status import Rollout, RolloutState, Status
from modelrollout.resources.revision import build_revision
from modelrollout.routers._base import Router

_NEVER = datetime.min.replace(tzinfo=UTC)
INSTALL = (Stage(StageKind.FULL, "install", weight=100, full_size=True),)
"""The stages of a first install: there is nothing to fall back to, so there is nothing to compare and no step."""


@dataclass(frozen=True)
class Context:
    """Everything that the rules of one pass read. ``status`` is the working copy that they replace.

    Attributes:
        seen: the observation.
        status: the status as decided so far.
        spec: the accepted spec.
        named: the revision that the spec names: its snapshot if there is one, so that injected parts never change.
        problems: why the spec as it stands is not accepted.
        limits: operator settings.
        now: the time of this pass.
        first: the metrics of a preset have the limits of the first rollout after an install.
    """

    seen: Observation
    status: Status
    spec: ModelDeploymentSpec
    named: Revision
    problems: tuple[Problem, ...]
    limits: Limits
    now: datetime
    first: bool = False

    def with_status(self, **changes: Any) -> "Context":  # noqa: ANN401  # field values of Status, checked by pydantic
        """Return the context with some fields of the status replaced."""
        return replace(self, status=self.status.model_copy(update=changes))

    def with_rollout(self, **changes: Any) -> "Context":  # noqa: ANN401  # field values of Rollout
        """Return the context with some fields of the rollout replaced."""
        assert self.status.rollout is not None
        return self.with_status(rollout=self.status.rollout.model_copy(update=changes))

    @cached_property
    def router(self) -> Router[Any]:
        """The router that the spec chose."""
        return self.spec.router()[0]

    @cached_property
    def router_config(self) -> Any:  # noqa: ANN401  # the router's own config type
        """The chosen router's config."""
        return self.spec.router()[1]

    @property
    def wanted(self) -> Revision:
        """The revision that should become stable: what the spec names, unless a person rolled back."""
        target = self.status.target
        if target is not None and target.spec_revision == self.named.name and target.revision in self.seen.snapshots:
            return self.seen.snapshots[target.revision]
        return self.named

    @property
    def analysis(self) -> dict[str, Any] | None:
        """The analysis of the accepted spec as the user wrote it, with the metrics of its preset written out."""
        written = ((self.status.accepted or {}) if self.problems else self.seen.spec).get("analysis")
        return expanded(written, self.spec, first=self.first) if written is not None else None

    def as_first(self, first: bool) -> "Context":  # noqa: FBT001  # it says it itself
        """Return the context with the limits of the first rollout after an install, or with the usual ones.

        They differ only in what comes from a preset.
        """
        if first == self.first or self.spec.analysis is None or self.spec.analysis.preset is None:
            return self
        changed = replace(self, first=first)
        raw = (self.status.accepted or {}) if self.problems else self.seen.spec
        raw = {**raw, "template": self.named.content["template"], "analysis": changed.analysis}
        spec, problems = parse_spec(raw, {"name": self.seen.name, "namespace": self.seen.namespace})
        assert spec is not None, problems
        return replace(changed, spec=self.spec.model_copy(update={"analysis": spec.analysis}))

    def revision(self, name: str) -> Revision | None:
        """Return a revision by name, from the snapshots or as the spec names it now."""
        return self.seen.snapshots.get(name) or (self.named if self.named.name == name else None)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The stations of the current rollout."""
        rollout = self.status.rollout
        if rollout is not None and rollout.previous is None:
            return INSTALL
        return self.spec.stages()

    @property
    def stage(self) -> Stage | None:
        """The current station, None when no rollout progresses.

        An edit may resume at a station with less weight than the candidate has: the weight then stays, and a candidate that
        answers gets no copies. With automation shadow no weight stays.
        """
        rollout = self.progressing
        if rollout is None:
            return None
        stage = self.stages[min(rollout.stage, len(self.stages) - 1)]
        weight = self.asked_weight
        if weight <= stage.weight or (self.spec.automation == "shadow" and rollout.previous is not None):
            return stage
        return replace(stage, weight=weight, mirror=0)

    @property
    def asked_weight(self) -> int:
        """Percent of answers that the data plane was last asked to take from the candidate."""
        rollout, ask = self.status.rollout, self.status.route
        return ask.route.weight(rollout.revision) if rollout is not None and ask is not None else 0

    @property
    def progressing(self) -> Rollout | None:
        """The rollout, if it walks its stages."""
        rollout = self.status.rollout
        return rollout if rollout is not None and rollout.state is RolloutState.PROGRESSING else None

    @property
    def paused(self) -> bool:
        """Whether progress is paused, by the spec or by a person's request."""
        return self.status.paused or self.spec.paused

    @property
    def frozen(self) -> bool:
        """Whether nothing may advance: paused, the operator's freeze, a refused spec, or a name that is taken."""
        return self.paused or self.limits.freeze or bool(self.problems or self.seen.foreign)


def contextualize(seen: Observation, limits: Limits | None = None, now: datetime | None = None) -> Context | None:
    """Read the spec; None when there is none to work with.

    The last accepted spec takes the place of a refused one: a rollout must still be judged, and what stands be repaired.
    """
    limits = limits or Limits()
    spec, problems = parse_spec(seen.spec, {"name": seen.name, "namespace": seen.namespace})
    if spec is not None:
        built = build_revision(hashed_content(spec), limits)
        named = seen.snapshots.get(built.name, built)
    else:
        last = _last_named(seen)
        spec = _last_accepted(seen, last) if last is not None else None
        if last is None or spec is None:
            return None
        named = last
    rollout = seen.status.rollout
    under_way = rollout is not None and rollout.state in (RolloutState.PROGRESSING, RolloutState.ABORTING)
    return Context(seen, seen.status, spec, named, problems, limits, now or _NEVER).as_first(
        under_way and rollout is not None and rollout.first is True
    )


def _last_named(seen: Observation) -> Revision | None:
    """Return the revision that the last accepted spec named: that of the last rollout, unless a person rolled back."""
    rollout, target = seen.status.rollout, seen.status.target
    name = target.spec_revision if target is not None else rollout.revision if rollout is not None else ""
    return seen.snapshots.get(name)


def _last_accepted(seen: Observation, named: Revision) -> ModelDeploymentSpec | None:
    """Return the last accepted spec.

    Outside a rollout it is scaled as the refused one says: an autoscaler must not be stopped by a mistake elsewhere, such as
    steps that other replicas cannot express.
    """
    if seen.status.accepted is None:
        return None
    raw = {**seen.status.accepted, "template": named.content["template"]}
    spec, _ = parse_spec(raw, {"name": seen.name, "namespace": seen.namespace})
    rollout, replicas = seen.status.rollout, seen.spec.get("replicas")
    idle = rollout is None or rollout.state in (RolloutState.COMPLETED, RolloutState.ABORTED)
    if spec is not None and idle and type(replicas) is int and replicas >= 0:
        return spec.model_copy(update={"replicas": replicas})
    return spec
