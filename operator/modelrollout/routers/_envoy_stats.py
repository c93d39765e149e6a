"""What a router pod says about itself, in one GET of Envoy's own statistics.

Only ``version_text`` proves an update: it is the version of the last file that Envoy *accepted*. The file on disk, or a route
that tells a version, say "new" while Envoy still runs the old one.
"""

from collections import defaultdict
from urllib.parse import quote

from modelrollout.domain.exposition import parse_exposition
from modelrollout.routers._base import Report
from modelrollout.routers._envoy_capture import COLLECTOR

_WANTED = (
    r"version_text$",
    r"^cluster_manager\.warming_clusters$",
    r"^cluster\.[^.]+\.membership_total$",
    r"^cluster\.[^.]+\.endpoint\..*\.(healthy|rq_total|rq_error|rq_active)$",
    r"^cluster\.[^.]+\.upstream_rq_(active|total|retry|completed|timeout|time|[1-5]xx|max_duration_reached|pending_active)$",
    r"^cluster\.[^.]+\.upstream_rq_(pending_overflow|active_overflow|pending_failure_eject)$",
    r"^router\.ttfb_ms",
    r"^vhost\.model\.route\.notMirrored\.upstream_rq_(total|completed)$",
)
STATUS_PATH = f"/stats/prometheus?text_readouts&filter={quote('|'.join(_WANTED), safe='')}"
_STATIC = frozenset({"admin", "clock", COLLECTOR})
_TRIES = frozenset(
    f"envoy_cluster_upstream_rq_{what}"
    for what in ("total", "pending_failure_eject", "pending_overflow", "active_overflow")
)
"""What becomes of each try: a connection took it, none could be made, or limits were reached."""


def parse_status(text: str) -> Report:
    """Read the answer of STATUS_PATH.

    The version is None while a cluster warms: Envoy has accepted it then, and rejects a route that names it.

    Raises:
        SourceError: the page is no exposition, or was cut off.
    """
    versions: dict[str, str] = {}
    warming = 0.0
    members: dict[str, set[str]] = defaultdict(set)
    active: dict[str, int] = defaultdict(int)
    mirrored: dict[str, int] = {}
    tries: dict[str, int] = defaultdict(int)
    retries: dict[str, int] = {}
    for name, labels, value in parse_exposition(text):
        cluster = labels.get("envoy_cluster_name", "")
        if cluster in _STATIC:
            continue
        if name in _TRIES:
            tries[cluster] += int(value)
        match name:
            case "envoy_cluster_manager_cds_version_text":
                versions["cds"] = labels["text_value"]
            case "envoy_http_rds_version_text" if labels.get("envoy_rds_route_config") == "model":
                versions["rds"] = labels["text_value"]
            case "envoy_cluster_manager_warming_clusters":
                warming = value
            case "envoy_cluster_membership_total":
                members[cluster].update(())
            case "envoy_cluster_endpoint_healthy":
                members[cluster].add(_host(labels["envoy_endpoint_address"]))
            case "envoy_cluster_upstream_rq_active" | "envoy_cluster_upstream_rq_pending_active":
                # A request that waits for a connection is in flight as well.
                active[cluster] += int(value)
            case "envoy_cluster_upstream_rq_total" if cluster.endswith("-mirror"):
                mirrored[cluster] = int(value)
            case "envoy_cluster_upstream_rq_retry":
                retries[cluster] = int(value)
            case _:
                pass
    agreed = len(versions) == 2 and len(set(versions.values())) == 1 and not warming
    return Report(
        version=versions["cds"] if agreed else None,
        members={cluster: frozenset(addresses) for cluster, addresses in members.items()},
        active=dict(active),
        mirrored=mirrored,
        tries=dict(tries),
        retries=retries,
    )


def _host(address: str) -> str:
    """Return the IP of ``10.0.0.1:8080`` or ``[fd00::1]:8080``."""
    return address.rpartition(":")[0].strip("[]")
