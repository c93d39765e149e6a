"""Requests, errors and latencies per revision, from the router's own statistics.

Neither Prometheus nor anything in the model server is needed.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from operator import itemgetter
from typing import Annotated, Any

from pydantic import Field

from modelrollout.domain.capability import Capability
from modelrollout.domain.exposition import numbers, read_series
from modelrollout.domain.reading import Key, Sample, State
from modelrollout.domain.tally import Histogram, Measure, Rate
from modelrollout.errors import SourceError
from modelrollout.names import mirror_cluster
from modelrollout.schema import ApiModel, Rule
from modelrollout.sources._base import Fetch, Measured, Origin, Scope, Source
from modelrollout.sources._histogram import DEFAULT_QUANTILE, quantile

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
_ENDPOINTS = {"envoy_cluster_endpoint_rq_total": "total", "envoy_cluster_endpoint_rq_error": "bad"}
_HISTOGRAMS = {
    Signal.LATENCY: "envoy_cluster_upstream_rq_time_bucket",
    Signal.FIRST_BYTE: "envoy_router_ttfb_ms_bucket",
}
BOUNDS = (
    *(1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 600, 800),
    *(1000, 1200, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 8000, 10000, 12000, 15000, 20000, 25000, 30000, 40000),
    *(50000, 60000, 120000, 300000),
)
"""Milliseconds: the bounds that the router's histograms have, whether or not a value was counted below them."""
_SERIES = itemgetter(0)
_KNOWN = frozenset((*_COUNTERS, *_ENDPOINTS, *_HISTOGRAMS.values()))


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

    For the error rate the same is kept of each pod, by its address: ``endpoint/10.0.0.1/total`` are tries sent to it, and
    ``endpoint/10.0.0.1/bad`` those that it answered with 5xx, and those for which the router made a 503 or 504 itself
    because the pod took no connection, reset it or ran into the time-out; a try is in it too when the next one went well.
    They tell how much pods differ, and are no error rate.
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

    def forms(self, config: RouterConfig) -> frozenset[type]:
        """Requests per second follow the weight, so they are not compared."""
        match config.signal:
            case Signal.ERROR_RATE | Signal.DROPPED:
                return frozenset({Rate})
            case Signal.LATENCY | Signal.FIRST_BYTE:
                return frozenset({Histogram})
            case Signal.REQUESTS:
                return frozenset()

    def errors(self, config: RouterConfig) -> bool:
        """What the router did not send says nothing about the candidate."""
        return config.signal is Signal.ERROR_RATE

    def of_inputs(self, config: RouterConfig) -> bool:
        """How much is asked is the clients' doing."""
        return config.signal is Signal.REQUESTS

    def quantile(self, config: RouterConfig) -> float | None:
        """Latencies are shown by one."""
        return (config.quantile or DEFAULT_QUANTILE) if config.signal in _HISTOGRAMS else None

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
            lines = _numbers(page)
            for place, key in _places(tuple(map(_SERIES, lines)), config.signal, pod, arms):
                series, value = lines[place]
                if not 0 <= value < math.inf:
                    raise SourceError(f"Reading a router's statistics: {series} is {value}, which no counter can be.")
                counters[key] += value
        if not any(key.arm == scope.arm for key in counters):
            return Sample(at, state=State.NO_METRIC, message="No router knows the candidate yet.")
        if scope.arm.endswith(_MIRROR) and not self.sees_copies(config):
            return Sample(
                at, state=State.NO_METRIC, message="The time to the first byte is not measured for copies of requests."
            )
        return Sample(at, dict(counters))

    def measure(self, config: RouterConfig, increments: Mapping[str, float], seconds: float) -> Measured:
        """Turn a window into its value."""
        match config.signal:
            case Signal.ERROR_RATE:
                found = _errors(increments)
                return _measured(found.bad, found.total, found.total)
            case Signal.DROPPED:
                found = _dropped(increments)
                return _measured(found.bad, found.total, found.total)
            case Signal.REQUESTS:
                received = _errors(increments).total
                return _measured(received, seconds if received else 0.0, received)
            case Signal.LATENCY | Signal.FIRST_BYTE:
                buckets = _buckets(increments)
                return Measured(quantile(buckets, config.quantile or DEFAULT_QUANTILE), round(buckets[math.inf]))

    def measure_arm(self, config: RouterConfig, increments: Mapping[str, float]) -> Measure | None:
        """Turn what one arm did into a tally."""
        match config.signal:
            case Signal.ERROR_RATE:
                found, pods = _errors(increments), _pods(increments)
                return Measure(found, pods) if found.total > 0 else None
            case Signal.DROPPED:
                found = _dropped(increments)
                return Measure(found) if found.total > 0 else None
            case Signal.LATENCY | Signal.FIRST_BYTE:
                histogram = _histogram(_buckets(increments))
                return Measure(histogram) if histogram.total > 0 else None
            case Signal.REQUESTS:
                return None


def _errors(increments: Mapping[str, float]) -> Rate:
    grown = increments.get
    cut, dropped = grown("cut", 0.0), grown("dropped", 0.0)
    # Counters of one page are read one after the other, so a request may be in one and not yet in the other.
    received = max(grown("completed", 0.0) + cut - dropped, 0.0)
    return Rate(min(max(grown("failed", 0.0) + cut - dropped, 0.0), received), received)


def _dropped(increments: Mapping[str, float]) -> Rate:
    grown = defaultdict(float, increments)
    ended = grown["completed"] + grown["cut"]
    return Rate(min(grown["dropped"] + grown["refused"], ended), ended)


def _pods(increments: Mapping[str, float]) -> dict[str, Rate]:
    totals: dict[str, float] = {}
    bad: dict[str, float] = {}
    for series, value in increments.items():
        if (endpoint := _endpoint(series)) is not None:
            address, kind = endpoint
            (totals if kind == "total" else bad)[address] = value
    found = {}
    for address in sorted(totals.keys() | bad.keys()):
        failed = bad.get(address, 0.0)
        # A pod that takes no connection fails requests that were never sent to it.
        total = max(totals.get(address, 0.0), failed)
        if total > 0:
            found[address] = Rate(failed, total)
    return found


@lru_cache(maxsize=4096)
def _endpoint(series: str) -> tuple[str, str] | None:
    """Return whose counter a series is, and which; None: not that of one pod."""
    if not series.startswith("endpoint/"):
        return None
    _, address, kind = series.split("/")
    return address, kind


def _buckets(increments: Mapping[str, float]) -> dict[float, float]:
    grown = defaultdict(float, increments)
    buckets = {float(series[3:]): value for series, value in increments.items() if series.startswith("le=")}
    # Who never got an answer waited longer than anybody who did.
    buckets[math.inf] = buckets.get(math.inf, 0.0) + grown["timedOut"] + grown["cut"]
    return buckets


def _histogram(buckets: Mapping[float, float]) -> Histogram:
    """Return rising counts at all bounds that the router has, of which those below the lowest value did not grow."""
    counts = []
    below = 0.0
    for bound in sorted({bound / 1000 for bound in BOUNDS} | buckets.keys()):
        # Routers merge their workers' buckets one by one, so a count may lag behind that of the bucket below it.
        below = max(below, buckets.get(bound, 0.0))
        counts.append((bound, below))
    return Histogram(tuple(counts))


def _measured(part: float, whole: float, requests: float) -> Measured:
    return Measured(part / whole if whole > 0 else None, round(requests))


@lru_cache(maxsize=8)
def _numbers(page: str) -> tuple[tuple[str, float], ...]:
    """Return the lines of a page; the metrics of one poll all read the same pages."""
    return tuple(numbers(page))


@lru_cache(maxsize=512)
def _places(page: tuple[str, ...], signal: Signal, pod: str, arms: frozenset[str]) -> tuple[tuple[int, Key], ...]:
    """Return which lines of a pod's page are the signal's, and where each is counted; a page rarely gets other lines."""
    found = ((place, _key(series, signal, pod)) for place, series in enumerate(page))
    return tuple((place, key) for place, key in found if key is not None and key.arm in arms)


def _key(text: str, signal: Signal, pod: str) -> Key | None:
    name, labels = read_series(text)
    arm, series = _series(name, labels, signal) if name in _KNOWN else ("", "")
    return Key(arm, _keeper(pod, series), series) if series else None


def _keeper(pod: str, series: str) -> str:
    """Return who keeps a counter: Envoy counts for an endpoint anew whenever the pod behind it has been away."""
    return f"{pod}/{series.split('/')[1]}" if series.startswith("endpoint/") else pod


def _series(name: str, labels: Mapping[str, str], signal: Signal) -> tuple[str, str]:
    """Return arm and series of a line, an empty series when it is none of ours."""
    arm = labels.get("envoy_cluster_name", "")
    if name == _HISTOGRAMS.get(signal):
        # Envoy counts milliseconds; the access logger that knows the first byte names the cluster its own way.
        return arm or labels.get("cluster", ""), f"le={float(labels['le']) / 1000:g}"
    if name in _ENDPOINTS:
        host = labels.get("envoy_endpoint_address", "").rpartition(":")[0].strip("[]")
        wanted = signal is Signal.ERROR_RATE and host
        return arm, f"endpoint/{host}/{_ENDPOINTS[name]}" if wanted else ""
    series = _COUNTERS.get(name, "")
    if series == "failed" and labels.get("envoy_response_code_class") != "5":
        series = ""
    if series == "refused" and arm.endswith(_MIRROR):
        series = "dropped"
    return arm, series


PLUGIN = RouterSource()
