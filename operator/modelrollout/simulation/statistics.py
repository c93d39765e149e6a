"""The text of a router's status page: Envoy's own names and labels, as ``routers/_envoy_stats.py`` and the sources read them."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import accumulate

from modelrollout.names import mirror_cluster
from modelrollout.routers._envoy_bootstrap import BUCKETS
from modelrollout.simulation.counts import Counts
from modelrollout.simulation.envoy import Envoy

BOUNDS = (50, 250, 1000, 5000)
"""Milliseconds; enough where all answers of an image take the same time."""
TIME = "envoy_cluster_upstream_rq_time_bucket"
FIRST_BYTE = "envoy_router_ttfb_ms_bucket"


def render(envoy: Envoy) -> str:
    """Return the page."""
    envoy.account()
    return "".join(f"{line}\n" for line in _lines(envoy))


def _lines(envoy: Envoy) -> Iterator[str]:
    yield f'envoy_cluster_manager_cds_version_text{{text_value="{envoy.clusters.version}"}} 0'
    yield f'envoy_http_rds_version_text{{envoy_rds_route_config="model",text_value="{envoy.routes.version}"}} 0'
    warming = sum(envoy.warming(name) for name in envoy.clusters.names)
    yield f"envoy_cluster_manager_warming_clusters{{}} {warming}"
    for name in sorted(envoy.clusters.names):
        yield from _cluster(envoy, name)


def _cluster(envoy: Envoy, name: str) -> Iterator[str]:
    members, counts = envoy.members(name), envoy.counts[name]
    label = f'envoy_cluster_name="{name}"'
    yield f"envoy_cluster_membership_total{{{label}}} {len(members)}"
    for address in sorted(members):
        endpoint = f'{label},envoy_endpoint_address="{address}:8080"'
        yield f"envoy_cluster_endpoint_healthy{{{endpoint}}} 1"
        yield f"envoy_cluster_endpoint_rq_total{{{endpoint}}} {int(counts.members[address].total)}"
        yield f"envoy_cluster_endpoint_rq_error{{{endpoint}}} {int(counts.members[address].failed)}"
    yield f"envoy_cluster_upstream_rq_active{{{label}}} {envoy.active(name)}"
    yield f"envoy_cluster_upstream_rq_pending_active{{{label}}} 0"
    completed = int(counts.completed)
    yield f"envoy_cluster_upstream_rq_total{{{label}}} {completed}"
    slow, failed = int(counts.slow), int(counts.failed)
    copies = name.endswith(mirror_cluster(""))
    yield f"envoy_cluster_upstream_rq_max_duration_reached{{{label}}} {slow if copies else 0}"
    yield f"envoy_cluster_upstream_rq_timeout{{{label}}} {0 if copies else slow}"
    yield f"envoy_cluster_upstream_rq_completed{{{label}}} {completed - slow if copies else completed}"
    yield f'envoy_cluster_upstream_rq_xx{{{label},envoy_response_code_class="5"}} {failed - slow if copies else failed}'
    times, first_bytes = (TIME, label), (FIRST_BYTE, f'cluster="{name}"')
    if counts.latencies:
        within = [int(number) for number in _within(counts)]
        for series in (times,) if copies else (times, first_bytes):
            yield from map("{} {}".format, _heads(*series, BOUNDS), within)
    if any(counts.times):
        yield from map("{} {}".format, _heads(*times, BUCKETS), accumulate(counts.times))
        if not copies:
            yield from map("{} {}".format, _heads(*first_bytes, BUCKETS), accumulate(counts.first_bytes))


def _within(counts: Counts) -> Iterable[float]:
    for bound in (*BOUNDS, float("inf")):
        yield sum(number for seconds, number in counts.latencies.items() if seconds * 1000 <= bound)


@lru_cache(maxsize=256)
def _heads(series: str, label: str, bounds: tuple[int, ...]) -> tuple[str, ...]:
    """Return what stands before the numbers of a histogram."""
    return tuple(f'{series}{{{label},le="{bound}"}}' for bound in (*bounds, "+Inf"))
