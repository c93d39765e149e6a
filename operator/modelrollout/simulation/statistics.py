"""The text of a router's status page: Envoy's own names and labels, as ``routers/_envoy_stats.py`` and the sources read them."""

from collections.abc import Iterator

from modelrollout.names import mirror_cluster
from modelrollout.simulation.envoy import Counts, Envoy

BOUNDS = (50, 250, 1000, 5000)
"""Milliseconds."""


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
        yield f'envoy_cluster_endpoint_healthy{{{label},envoy_endpoint_address="{address}:8080"}} 1'
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
    yield from _histogram(counts, "envoy_cluster_upstream_rq_time_bucket", label)
    if not copies:
        yield from _histogram(counts, "envoy_router_ttfb_ms_bucket", f'cluster="{name}"')


def _histogram(counts: Counts, series: str, label: str) -> Iterator[str]:
    if not counts.latencies:
        return
    for bound in (*BOUNDS, float("inf")):
        within = sum(number for seconds, number in counts.latencies.items() if seconds * 1000 <= bound)
        yield f'{series}{{{label},le="{"+Inf" if bound == float("inf") else bound}"}} {int(within)}'
