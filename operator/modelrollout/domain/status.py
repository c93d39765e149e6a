"""Status: all the memory there is, besides the revision snapshots.

Clocks are absolute timestamps and the intent is written here before it is acted on, so that a killed operator continues where
it was. ``phase`` and ``message`` are derived for people and read by nothing.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from modelrollout.domain.conditions import Condition
from modelrollout.domain.golden import GoldenRun
from modelrollout.domain.monitoring import Monitoring, Reverted
from modelrollout.domain.route import RouteAsk
from modelrollout.domain.verdict import Gates
from modelrollout.schema import ApiModel

RevisionName = Annotated[str, Field(max_length=63)]
Text = Annotated[str, Field(max_length=1024)]


class RolloutState(StrEnum):
    """Where an attempt stands as a whole."""

    PROGRESSING = "Progressing"
    """Walking its stages."""
    ABORTING = "Aborting"
    """Traffic goes home; the candidate is kept until nothing uses it any more."""
    ABORTED = "Aborted"
    """Over; the spec still names the candidate."""
    COMPLETED = "Completed"
    """The roles have changed."""


class Cause(ApiModel):
    """Why an attempt was aborted."""

    reason: Annotated[str, Field(max_length=63)]
    """One CamelCase word: Requested, GateFailed, ProgressDeadlineExceeded, Superseded, SpecReverted, Inconclusive."""
    message: Text
    """For people."""
    at: datetime
    """When it was decided."""


class Request(ApiModel):
    """The answer to a request of a person."""

    id: Annotated[str, Field(max_length=63)]
    """The request's own id."""
    action: Annotated[str, Field(max_length=20)]
    """What was asked."""
    accepted: bool
    """Whether it was carried out."""
    message: Text
    """What it did, or why it was refused."""
    at: datetime
    """When it was answered."""
    by: Annotated[str, Field(max_length=256)] | None = None
    """Who asked, as claimed."""
    revision: RevisionName | None = None
    """Of an approval: the candidate that was let go on."""
    attempt: Annotated[int, Field(ge=1)] | None = None
    """Of an approval: which attempt at it."""
    step: Annotated[str, Field(max_length=63)] | None = None
    """Of an approval: the stage that was released."""


class Visit(ApiModel):
    """A stage that was entered."""

    label: Annotated[str, Field(max_length=63)]
    """The stage as people name it."""
    weight: Annotated[int, Field(ge=0, le=100)] = 0
    """Percent of answers from the candidate."""
    mirror: Annotated[int, Field(ge=0, le=100)] = 0
    """Percent of requests copied to it."""
    at: datetime
    """When it was entered."""


class Edit(ApiModel):
    """A setting of the analysis that was changed while an attempt was under way."""

    at: datetime
    """When the change was accepted."""
    generation: int
    """The generation of the spec that brought it."""
    metric: Annotated[str, Field(max_length=63)] = ""
    """The metric; empty: a setting of the whole analysis."""
    setting: Annotated[str, Field(max_length=128)] = ""
    """Which setting, such as threshold.max; empty: the metric as a whole."""
    before: Annotated[str, Field(max_length=256)] = ""
    """What it was, as JSON; empty: absent."""
    after: Annotated[str, Field(max_length=256)] = ""
    """What it became, as JSON; empty: absent."""


class Warned(ApiModel):
    """A metric with ``mode: warn`` that has failed."""

    metric: Annotated[str, Field(max_length=63)]
    """Its name."""
    message: Annotated[str, Field(max_length=512)] = ""
    """What was wrong when it failed first."""
    step: Annotated[str, Field(max_length=63)] = ""
    """The stage in which that was."""
    at: datetime
    """When that was."""


class Rollout(ApiModel):
    """The current attempt to make a revision stable."""

    revision: RevisionName
    """The candidate."""
    previous: RevisionName | None = None
    """The revision to fall back to; absent during a first install."""
    attempt: Annotated[int, Field(ge=1)] = 1
    """Counts the attempts at this revision."""
    first: bool | None = None
    """Whether it is held against the stricter limits that a preset has for the first rollout after an install. It is decided
    when the attempt begins, and absent where no limit comes from a preset."""
    strategy: Annotated[str, Field(max_length=63)]
    """The strategy's name."""
    state: RolloutState = RolloutState.PROGRESSING
    """Where the attempt stands."""
    stage: Annotated[int, Field(ge=0)] = 0
    """Index of the current stage."""
    stages: Annotated[int, Field(ge=1)] = 1
    """Number of stages."""
    stage_label: Annotated[str, Field(max_length=63)] = ""
    """The current stage as people name it."""
    plan: Annotated[str, Field(max_length=63)] = ""
    """Fingerprint of the list of stages: a change of it is an edit in mid-rollout."""
    started_at: datetime
    """When the attempt started."""
    stage_at: datetime
    """When the current stage was entered."""
    waiting_since: datetime | None = None
    """Since when the rollout waits for pods or acknowledgements without progress; absent while it does not wait."""
    verified_at: datetime | None = None
    """When the fact equalled the intent of this stage: its hold counts from here."""
    answering_since: datetime | None = None
    """Since when the candidate answers requests in this attempt."""
    paused_at: datetime | None = None
    """Since when nothing may advance; clocks stand still."""
    approved: Annotated[int, Field(ge=-1)] = -1
    """Index of the last stage that a person promoted."""
    released: Annotated[int, Field(ge=-1)] = -1
    """Weight of the last pause that is over: after an edit of the steps, a pause up to it is not waited in again."""
    full: bool = False
    """A person asked to skip the remaining stages."""
    gates: Gates = ()
    """The gates of the current stage."""
    against: float | None = None
    """ln E against the candidate of all metrics and slices together, which is what a rollback by evidence goes by; absent where
    no metric weighs evidence."""
    gates_at: datetime | None = None
    """When live values were last written."""
    watched: Gates = ()
    """The metrics of the current stage that decide nothing: those with mode observe or warn."""
    watched_at: datetime | None = None
    """When their live values were last written."""
    warnings: Annotated[
        tuple[Warned, ...],
        Field(max_length=64),
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["metric"]}),
    ] = ()
    """The metrics with mode warn that have failed in this attempt, each once."""
    settled: Gates = ()
    """The gates of earlier stages as they were last: what the attempt was let go on by."""
    golden: GoldenRun | None = None
    """How the golden examples were last answered."""
    cause: Cause | None = None
    """Why it was aborted."""
    recommendation: Annotated[str, Field(max_length=512)] | None = None
    """With automation assist, and with partial where it asks: what the operator would do, and the numbers that it rests on."""
    forecast: Annotated[str, Field(max_length=512)] | None = None
    """Set when the evidence cannot be enough by the deadline at today's traffic: how long it would take, and the ways out."""
    mirrored: Annotated[int, Field(ge=0)] | None = None
    """Requests copied to the candidate in this stage, where known."""
    visits: Annotated[tuple[Visit, ...], Field(max_length=60)] = ()
    """The stages that were entered, in order; the last sixty."""
    requests: Annotated[tuple[Request, ...], Field(max_length=20)] = ()
    """What people asked of this attempt and was carried out, in order; the last twenty."""
    analysis: Annotated[dict[str, Any] | None, Field()] = None
    """The analysis as last accepted for this attempt: a report says what it was judged by, whatever the spec says since."""
    edits: Annotated[tuple[Edit, ...], Field(max_length=10)] = ()
    """How that analysis was changed during the attempt, in order; the last ten."""


class Past(ApiModel):
    """One finished attempt."""

    revision: RevisionName
    """The candidate."""
    attempt: int
    """Which attempt."""
    strategy: Annotated[str, Field(max_length=63)]
    """The strategy's name."""
    outcome: Annotated[str, Field(max_length=63)]
    """Completed, Aborted or Superseded."""
    reason: Text = ""
    """Why it was aborted."""
    started_at: datetime
    """When it started."""
    ended_at: datetime
    """When it ended."""
    model: Annotated[str, Field(max_length=256)] = ""
    """Name and version of the model."""


class Target(ApiModel):
    """A person's rollback to an earlier revision; ends when the spec names another revision than it did."""

    revision: RevisionName
    """The revision to run."""
    spec_revision: RevisionName
    """The revision that the spec named when the rollback was asked for."""


class Status(ApiModel):
    """Status of a ModelDeployment."""

    observed_generation: int | None = None
    """The generation of the spec that this status speaks of."""
    phase: Annotated[str, Field(max_length=63)] = ""
    """One word for the columns of kubectl get. Derived; nothing reads it."""
    message: Text = ""
    """What it waits for and until when. Derived; nothing reads it."""
    step: Annotated[str, Field(max_length=63)] = ""
    """The current stage, for the columns. Derived."""
    weight: int | None = None
    """Percent of answers from the candidate that every router has acknowledged. Derived."""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(max_length=16),
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    ] = ()
    """Conditions: Ready, Reconciling, Stalled, Available, TrafficVerified, AnalysisPassed, Warned, Drifting,
    SpecOverridden."""
    stable: RevisionName | None = None
    """The revision that people rely on."""
    candidate: RevisionName | None = None
    """The revision on trial."""
    target: Target | None = None
    """Set by a rollback."""
    paused: bool = False
    """Paused by a person's request."""
    rollout: Rollout | None = None
    """The current or last attempt."""
    ended: Rollout | None = None
    """The attempt that ended last, until its report is written."""
    monitor: Monitoring | None = None
    """The watch over the stable revision; absent while a rollout is on its way, and without analysis.monitor."""
    reverted: Reverted | None = None
    """The last rollback by onDrift: rollback."""
    route: RouteAsk | None = None
    """What the data plane has been asked for."""
    route_verified: bool = False
    """Every router that may still answer has acknowledged the route."""
    draining_since: datetime | None = None
    """Since when revisions that left the route finish their last requests."""
    request: Request | None = None
    """Answer to the last request."""
    accepted: Annotated[dict[str, Any] | None, Field()] = None
    """The last accepted spec without its template: an invalid edit must stop neither judging nor repairs."""
    history: Annotated[tuple[Past, ...], Field(max_length=10)] = ()
    """The last ten rollouts, newest first."""
    replicas: int = 0
    """Model pods of the revisions that answer, for the scale subresource."""
    ready_replicas: int = 0
    """Ready ones among them."""
    selector: Annotated[str, Field(max_length=256)] = ""
    """Label selector of these pods. An autoscaler must see every pod that carries load, and none that idles."""
