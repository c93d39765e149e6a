"""What is known of a stable revision that goes on being watched: the gates of its metrics, and which of them drift."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from modelrollout.domain.verdict import Gates
from modelrollout.schema import ApiModel

Name = Annotated[str, Field(max_length=63)]


class Drift(ApiModel):
    """A metric that is not as it should be, or as it was."""

    metric: Name
    """Its name."""
    message: Annotated[str, Field(max_length=512)]
    """What has changed, with the numbers of the moment at which it was found."""
    since: datetime
    """When it was found."""
    passing_since: datetime | None = None
    """Since when it passes again; absent while it does not. After ten polls it drifts no more."""


class Monitoring(ApiModel):
    """The watch over the stable revision while no rollout is on its way."""

    revision: Name
    """The revision that is watched."""
    since: datetime
    """Since when. A rollout ends the watch, and another one begins after it."""
    gates: Gates = ()
    """The metrics that are watched. Values are written when a verdict changes, and otherwise every ten minutes."""
    gates_at: datetime | None = None
    """When values were last written."""
    drifting: Annotated[
        tuple[Drift, ...],
        Field(max_length=64),
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["metric"]}),
    ] = ()
    """The metrics that drift."""
    stale: Annotated[tuple[Name, ...], Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"})] = ()
    """The metrics whose reference is older than maxAge; nothing is judged by it."""
    concept_drift: Literal["unknown", "measured"] = "unknown"
    """Whether anybody can tell that right answers are other ones than they were: only labels can. unknown: no metric of labels
    has a value, and nothing else says that there is no such drift."""


class Reverted(ApiModel):
    """A rollback that nobody asked for but ``onDrift: rollback``."""

    revision: Name
    """The revision that drifted. It is not taken back by itself a second time."""
    to: Name
    """The revision that was stable before it."""
    message: Annotated[str, Field(max_length=1024)]
    """What had drifted."""
    at: datetime
    """When it was decided."""
