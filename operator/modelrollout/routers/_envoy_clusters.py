"""The file of clusters: one per revision, and one more for the copies it gets.

A cluster's text depends on its revision alone, and that of a mirror on whether the spec captures at all, which no rollout
changes. Envoy compares clusters by content, so the ones that stay are not touched by an update, and their connections live on.
"""

from datetime import timedelta
from typing import Any

from modelrollout.domain.revision import Revision
from modelrollout.names import host, mirror_cluster
from modelrollout.routers._base import Setup
from modelrollout.routers._envoy_capture import mirror_filters

LONGEST_MIRROR = timedelta(seconds=60)
"""A copy that takes longer is cut: a hung candidate would otherwise keep its few slots for ever."""

_MANY = {"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 4096, "max_retries": 1024}
_FEW = {"max_connections": 64, "max_pending_requests": 64, "max_requests": 64}
"""What is above is dropped, and counted: a slow candidate costs the router little memory and clients nothing."""

_OPTIONS = "typed_extension_protocol_options"
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def clusters(setup: Setup, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the clusters with these names, each a revision or its mirror, from ``setup.revisions``."""
    known: dict[str, dict[str, Any]] = {}
    for revision in setup.revisions.values():
        mirror = mirror_cluster(revision.name)
        longest = {"max_stream_duration": _seconds(min(revision.timeout, LONGEST_MIRROR))}
        known[revision.name] = _cluster(setup, revision, revision.name, _MANY, {})
        known[mirror] = _cluster(setup, revision, mirror, _FEW, longest)
        if setup.capture is not None:
            known[mirror][_OPTIONS][_HTTP]["http_filters"] = mirror_filters(mirror)
    return [known[name] for name in sorted(names)]


def _cluster(
    setup: Setup, revision: Revision, name: str, limits: dict[str, int], http: dict[str, str]
) -> dict[str, Any]:
    address = {"address": host(setup.name, revision.name, setup.namespace), "port_value": revision.port}
    endpoint = {"endpoint": {"address": {"socket_address": address}}}
    return {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "cluster_type": {
            "name": "envoy.clusters.dns",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster",
                # Not respect_dns_ttl: with the usual TTL of 30 s a new pod would be unknown for as long.
                "dns_refresh_rate": "1s",
                "dns_failure_refresh_rate": {"base_interval": "0.5s", "max_interval": "1s"},
                "dns_lookup_family": "V4_PREFERRED",
            },
        },
        # Long enough for a router that got no processor for a moment: it would take its own pause for a dead pod.
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [limits]},
        "track_cluster_stats": {"per_endpoint_stats": True},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        _OPTIONS: {
            _HTTP: {
                "@type": f"type.googleapis.com/{_HTTP}",
                "explicit_http_config": {"http_protocol_options": {}},
                # Model servers close idle connections (uvicorn after 5 s, gunicorn after 2 s). A request that is sent in that
                # moment is lost and must not be repeated, so the router closes first.
                "common_http_protocol_options": {"idle_timeout": "1.5s", **http},
            }
        },
    }


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g}s"
