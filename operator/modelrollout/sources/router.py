"""Requests, errors and latencies per revision, from the router's own statistics.

Neither Prometheus nor anything in the model server is needed.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from modelrollout.domain.capability import Capability
from modelrollout.domain.exposition import Point, parse_exposition
from modelrollout.domain.reading import Key, Sample, State
from modelrollout.errors import SourceError
from modelrollout.names import mirror_cluster
from modelrollout.schema import ApiModel, Rule
from modelrollout.sources._base import Fetch, Measured, Origin, Scope, Source
from modelrollout.sources._histogram import quantile

DEFAULT_QUANTILE = 0.99
_MIRROR = mirror_cluster("")


class Signal(StrEnum):
    """What can be measured."""

    ERROR_RATE = "errorRate"
    LATENCY = "latencySeconds"
    FIRST_BYTE = "timeToFirstByteSeconds"
    REQUESTS = "requestsPerSecond"
    DROPPED = "dropped"


_COUNTERS = {
    "envoy_cluster_upstream_rq_completed": "completed",
    "envoy_cluster_upstream_rq_xx": "failed",
    "envoy_cluster_upstream_rq_max_duration_reached": "cut",
    "envoy_cluster_upstream_rq_timeout": "timedOut",
    "envoy_cluster_upstream_rq_pending_overflow": "refused",
    "envoy_cluster_upstream_rq_active_overflow": "refused",
}
_HISTOGRAMS = {
    Signal.LATENCY: "envoy_cluster_upstream_rq_time_bucket",
    Signal.FIRST_BYTE: "envoy_router_ttfb_ms_bucket",
}


class RouterConfig(ApiModel):
    """A signal that the router measures by itself, for the candidate's share of the requests."""

    signal: Signal
    """errorRate: share of requests that ended with 5xx, a reset, a time-out or no connection, as a fraction of 1.
    latencySeconds: time to the end of the answer.
    timeToFirstByteSeconds: time to its first byte; answered requests only, not copies.
    requestsPerSecond: requests that ended, per second.
    dropped: share of requests that the router did not send because limits were reached, as a fraction of 1."""
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Which quantile of latencySeconds and timeToFirstByteSeconds, between 0 and 1.
    0.99 is the 99th percentile, and what is taken when it is absent."""

    rules = (
        Rule(
            lambda config: config.quantile is None or config.signal in _HISTOGRAMS,
            f"!has(self.quantile) || self.signal in {list(map(str, _HISTOGRAMS))}",
            f"stands beside a signal that has no quantiles. Leave it out, or measure {' or '.join(_HISTOGRAMS)}.",
            "quantile",
        ),
    )


class RouterSource(Source[RouterConfig]):
    """Reads the counters that every router pod keeps per revision.

    The series are raw counters of Envoy, so that each only ever grows:

    ========== ===================================================================================================
    completed  requests that ended with a status, refused and timed-out ones included (as 503 and 504)
    failed     those of them with 5xx
    cut        copies that ran into the longest duration; Envoy counts them in no class and not as completed
    refused    requests that the router did not send because limits were reached; clients got them as 503
    dropped    the same for copies: the router's doing, which says nothing about the candidate
    timedOut   requests that ran into the time-out; Envoy's histogram does not hold them
    le=0.25    requests that took at most so many seconds
    ========== ===================================================================================================

    A client that leaves before the answer is in none of them.
    """

    name = "router"
    config = RouterConfig
    needs = frozenset({Capability.SIGNALS})

    def counted(self, config: RouterConfig) -> bool:
        """A rate per second is one of few requests or many; it needs no number of them."""
        return config.signal is not Signal.REQUESTS

    def fraction(self, config: RouterConfig) -> bool:
        """Error rate and dropped are shares."""
        return config.signal in (Signal.ERROR_RATE, Signal.DROPPED)

    def sees_copies(self, config: RouterConfig) -> bool:
        """Envoy tells the time to the first byte only for requests that a client waits for."""
        return config.signal is not Signal.FIRST_BYTE

    def fetch(self, config: RouterConfig, scope: Scope) -> Fetch:  # noqa: ARG002  # the page holds everything
        """Return what to get."""
        return Fetch(Origin.ROUTERS)

    def parse(self, config: RouterConfig, scope: Scope, answers: Mapping[str, Any], at: datetime) -> Sample:
        """Read the status page of each router pod; all arms are kept, only the candidate's must be there."""
        revisions = [scope.revision, *([scope.stable] if scope.stable else [])]
        arms = frozenset((*revisions, *map(mirror_cluster, revisions)))
        counters: dict[Key, float] = defaultdict(float)
        for pod, page in answers.items():
            for point in parse_exposition(page):
                arm, series = _series(point, _HISTOGRAMS.get(config.signal))
                if series and arm in arms:
                    if not 0 <= point.value < math.inf:
                        raise SourceError(
                            f"Reading a router's statistics: {point.name} is {point.value}, which no counter can be."
                        )
                    counters[Key(arm, pod, series)] += point.value
        if not any(key.arm == scope.arm for key in counters):
            return Sample(at, state=State.NO_METRIC, message="No router knows the candidate yet.")
        if scope.arm.endswith(_MIRROR) and not self.sees_copies(config):
            return Sample(
                at, state=State.NO_METRIC, message="The time to the first byte is not measured for copies of requests."
            )
        return Sample(at, dict(counters))

    def measure(self, config: RouterConfig, increments: Mapping[str, float], seconds: float) -> Measured:
        """Turn a window into its value."""
        grown = defaultdict(float, increments)
        ended = grown["completed"] + grown["cut"]
        # Counters of one page are read one after the other, so a request may be in one and not yet in the other.
        received = max(ended - grown["dropped"], 0.0)
        match config.signal:
            case Signal.ERROR_RATE:
                bad = min(max(grown["failed"] + grown["cut"] - grown["dropped"], 0.0), received)
                return _measured(bad, received, received)
            case Signal.DROPPED:
                return _measured(min(grown["dropped"] + grown["refused"], ended), ended, ended)
            case Signal.REQUESTS:
                return _measured(received, seconds if received else 0.0, received)
            case Signal.LATENCY | Signal.FIRST_BYTE:
                buckets = {float(series[3:]): value for series, value in increments.items() if series.startswith("le=")}
                # Who never got an answer waited longer than anybody who did.
                buckets[math.inf] = buckets.get(math.inf, 0.0) + grown["timedOut"] + grown["cut"]
                return Measured(quantile(buckets, config.quantile or DEFAULT_QUANTILE), round(buckets[math.inf]))


def _measured(part: float, whole: float, requests: float) -> Measured:
    return Measured(part / whole if whole > 0 else None, round(requests))


def _series(point: Point, histogram: str | None) -> tuple[str, str]:
    """Return arm and series of a line, an empty series when it is none of ours."""
    labels = point.labels
    arm = labels.get("envoy_cluster_name", "")
    if point.name == histogram:
        # Envoy counts milliseconds; the access logger that knows the first byte names the cluster its own way.
        return arm or labels.get("cluster", ""), f"le={float(labels['le']) / 1000:g}"
    series = _COUNTERS.get(point.name, "")
    if series == "failed" and labels.get("envoy_response_code_class") != "5":
        series = ""
    if series == "refused" and arm.endswith(_MIRROR):
        series = "dropped"
    return arm, series


PLUGIN = RouterSource()
