"""The part of the spec that goes on watching once nobody is on trial any more."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from modelrollout.names import SUBDOMAIN_PATTERN
from modelrollout.schema import ApiModel, Duration, Rule

MOST_METRICS = 64

MonitorInterval = Annotated[
    Duration,
    Rule(
        lambda value: timedelta(seconds=10) <= value <= timedelta(hours=1),
        # Go's durations have no days.
        "!self.contains('d') && duration(self) >= duration('10s') && duration(self) <= duration('1h')",
        "is no time between two polls of a watch that does not end. Write 10s to 1h.",
    ),
]
MetricName = Annotated[str, Field(max_length=63)]


class Reference(ApiModel):
    """What requests and answers were like once, for metrics that compare distributions: exactly one of configMap and learn."""

    config_map: Annotated[str, Field(max_length=253, pattern=SUBDOMAIN_PATTERN)] | None = None
    """Name of a ConfigMap in the same namespace with a reference under the key reference.json; it is read and never written."""
    learn: Annotated[int, Field(ge=100, le=1_000_000)] | None = None
    """It is learnt from so many requests that the stable revision answers while it is watched, and kept in the ConfigMap
    NAME-reference. What a model answers is learnt anew after a promotion. Delete the ConfigMap to have all learnt anew."""
    max_age: Duration = timedelta(days=30)
    """An older reference is stale: it is said to be, and nothing is judged by it."""

    rules = (
        Rule(
            lambda one: (one.config_map is None) != (one.learn is None),
            "has(self.configMap) != has(self.learn)",
            "needs exactly one of configMap and learn. Write {learn: 2000}, or name a ConfigMap.",
        ),
    )


class Monitor(ApiModel):
    """Goes on watching while no rollout is on its way. What drifts sets the condition Drifting, tells an Event and alarms."""

    metrics: Annotated[
        tuple[MetricName, ...],
        Field(max_length=MOST_METRICS, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = ()
    """Names of metrics of this analysis that say something about one version alone: limits, drift, labels. Absent: all such."""
    interval: MonitorInterval = timedelta(seconds=60)
    """Time between two polls. Evidence has 10,000 polls on average, or more, between two false alarms: a week at 60s."""
    reference: Reference | None = None
    """What distributions are held against. Absent: learnt from 2000 requests, where a metric needs one."""
    on_drift: Literal["report", "rollback"] = "report"
    """report: condition, Event and metrics. rollback: with automation full also a rollback to the revision that was stable
    before, once for each revision and as long as that is kept; it goes through the strategy's steps, and an Event says so. Only
    what the version does alone counts: while a metric of inputs drifts, too, nothing is taken back."""
