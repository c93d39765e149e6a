"""The file of routes: who answers, who gets copies, and which requests are not copied.

Order matters, the first match wins: the readiness probe, people with the preview header, and then everybody.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from modelrollout.domain.route import Mirror, Route
from modelrollout.names import PREVIEW_VALUE, mirror_cluster
from modelrollout.routers._base import Setup
from modelrollout.routers._envoy_bootstrap import PROBE_HEADER, PROBE_PATH, PROBE_VALUE, ROUTE_CONFIG
from modelrollout.routers._envoy_capture import captured, chosen, observed, percent_header, turned_on

REVISION_HEADER = "x-model-revision"
"""Response header that says which revision answered; one that the model sets itself is overwritten."""
SHADOW_HEADER = "x-shadow"
LARGEST_MIRRORED = 1024 * 1024
"""Bytes. A candidate that reads a copy slowly slows down the upload of the client itself, once socket buffers are full."""
NOT_MIRRORED = "notMirrored"
"""Statistics prefix of the route for requests that are not copied although a mirror is asked for."""


def routes(setup: Setup, route: Route, preview_header: str | None, idle: timedelta) -> dict[str, Any]:
    """Return the route configuration.

    Args:
        setup: with every revision that the route names.
        route: checked by ``check_ask``.
        preview_header: name of the header that asks for the candidate, None for none.
        idle: longest silence within one request or answer.
    """
    matches = [_probe()]
    if preview_header and route.preview:
        matches.append(_preview(setup, route.preview, preview_header, idle))
    split = _split(setup, route, idle)
    plain = {"match": {"prefix": "/"}, "route": split, **observed(setup.capture)}
    if route.mirrors:
        matches += _mirrored(setup, route, split)
        matches.append({"name": NOT_MIRRORED, "stat_prefix": NOT_MIRRORED, **plain})
    else:
        matches.append({"name": "split", **plain})
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": ROUTE_CONFIG,
        # Without it a route to a cluster that does not exist would be accepted and answer 503.
        "validate_clusters": True,
        "virtual_hosts": [{"name": ROUTE_CONFIG, "domains": ["*"], "routes": matches}],
    }


def _probe() -> dict[str, Any]:
    """Return the route of the readiness probe: a router that booted without routes has none and must get no clients."""
    header = {"name": PROBE_HEADER, "string_match": {"exact": PROBE_VALUE}}
    return {"name": "probe", "match": {"path": PROBE_PATH, "headers": [header]}, "direct_response": {"status": 200}}


def _preview(setup: Setup, revision: str, header: str, idle: timedelta) -> dict[str, Any]:
    return {
        "name": "preview",
        "match": {"prefix": "/", "headers": [{"name": header, "string_match": {"exact": PREVIEW_VALUE}}]},
        "route": {"cluster": revision, **_forwarding(setup.revisions[revision].timeout, idle)},
        "response_headers_to_add": [_answered_by(revision)],
    }


def _split(setup: Setup, route: Route, idle: timedelta) -> dict[str, Any]:
    arms = sorted(route.arms, key=lambda arm: arm.revision)
    weighted = [
        {"name": arm.revision, "weight": arm.weight, "response_headers_to_add": [_answered_by(arm.revision)]}
        for arm in arms
    ]
    # Envoy has one timeout per route, not per cluster: the shorter one is for the model server to keep.
    longest = max(setup.revisions[arm.revision].timeout for arm in arms)
    return {"weighted_clusters": {"clusters": weighted}, **_forwarding(longest, idle)}


def _mirrored(setup: Setup, route: Route, split: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the route of small requests, and, where answers are captured, another one for those that nobody gets a copy of."""
    small = {"prefix": "/", "headers": [_small()]}
    policies = [_policy(mirror) for mirror in route.mirrors]
    mirrored = {"name": "mirrored", "match": small, "route": {**split, "request_mirror_policies": policies}}
    if setup.capture is None or not captured(setup.capture, route):
        yield {**mirrored, **observed(setup.capture)}
        return
    for policy in policies:
        policy["request_headers_mutations"].append(percent_header(setup.capture))
    some = chosen(route.mirrors)
    yield {**mirrored, "match": {**small, **some}, **turned_on(setup.capture)}
    if some:
        yield {"name": "notChosen", "match": small, "route": split, **observed(setup.capture)}


def _forwarding(timeout: timedelta, idle: timedelta) -> dict[str, Any]:
    return {
        "timeout": f"{timeout.total_seconds():g}s",
        "idle_timeout": f"{idle.total_seconds():g}s",
        # Only where nothing was sent: an inference need not be idempotent, and it may be expensive.
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream,reset-before-request",
            "num_retries": 2,
            "host_selection_retry_max_attempts": 5,
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                    },
                }
            ],
        },
    }


def _policy(mirror: Mirror) -> dict[str, Any]:
    return {
        "cluster": mirror_cluster(mirror.revision),
        "runtime_fraction": {"default_value": {"numerator": mirror.percent, "denominator": "HUNDRED"}},
        "disable_shadow_host_suffix_append": True,
        "request_headers_mutations": [{"append": {"header": {"key": SHADOW_HEADER, "value": "true"}}}],
    }


def _small() -> dict[str, Any]:
    # The end of the range is exclusive. A request without the header does not match.
    return {"name": "content-length", "range_match": {"start": 0, "end": LARGEST_MIRRORED + 1}}


def _answered_by(revision: str) -> dict[str, Any]:
    return {"header": {"key": REVISION_HEADER, "value": revision}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
