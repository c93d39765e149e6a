"""The built-in router: Envoy pods that read clusters and routes from one ConfigMap.

There is no control plane that could be down: a router that restarts boots with the current route, whoever else is alive.
Both files carry one version, and what an Envoy says it has accepted is the only proof of a change.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field, ValidationError

from modelrollout.domain.capability import Capability
from modelrollout.domain.capture import CAPTURE_FILE, LABELS_PORT
from modelrollout.domain.problem import Problem
from modelrollout.domain.route import RouteAsk
from modelrollout.domain.stage import Stage
from modelrollout.names import COMPONENT_ROUTER, router
from modelrollout.resources.owner import child_metadata
from modelrollout.resources.router import client_service, disruption_budget, service_for_labels
from modelrollout.routers._base import Report, Router, Setup
from modelrollout.routers._checks import check_ask
from modelrollout.routers._envoy_bootstrap import CLUSTERS_FILE, HTTP_PORT, ROUTES_FILE, STATUS_PORT
from modelrollout.routers._envoy_clusters import clusters
from modelrollout.routers._envoy_pods import router_deployment
from modelrollout.routers._envoy_routes import routes
from modelrollout.routers._envoy_stats import STATUS_PATH, parse_status
from modelrollout.schema import ApiModel, Duration

ASK_KEY = "ask.json"
"""Key of the ConfigMap that holds the ask itself: from it a lost status is derived again."""


class EnvoyConfig(ApiModel):
    """The built-in router: Envoy pods in front of the model, always in the path. It verifies each weight on every pod."""

    replicas: Annotated[int, Field(ge=1, le=100)] = 2
    """Router pods."""
    preview_header: (
        Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] | None
    ) = None
    """Name of a request header, in lower case, such as x-model-version: a request that has it with the value
    `candidate` is answered by the candidate, whatever its weight. Absent: nobody can choose."""
    stream_idle_timeout: Duration | None = None
    """Longest silence within one request or answer, for streams. Absent: the longest request."""


class EnvoyRouter(Router[EnvoyConfig]):
    """Exact weights per request, copies of requests, and statistics per revision without Prometheus."""

    name = "envoy"
    config = EnvoyConfig
    capabilities = frozenset(Capability)
    status_port = STATUS_PORT
    status_path = STATUS_PATH

    def problems(self, config: EnvoyConfig, replicas: int, stages: tuple[Stage, ...]) -> tuple[Problem, ...]:  # noqa: ARG002  # it can do all of them
        """Return nothing: every stage can be honoured."""
        return ()

    def previews(self, config: EnvoyConfig) -> bool:
        """Return whether a preview header is set."""
        return config.preview_header is not None

    def candidate_size(self, config: EnvoyConfig, replicas: int, stage: Stage) -> int:  # noqa: ARG002  # the router's own pods do not matter
        """Return as many pods as the candidate's share of the requests needs, and at least one."""
        if stage.full_size:
            return max(replicas, stage.replicas or 0)
        return max(1, math.ceil(replicas * max(stage.weight, stage.mirror) / 100), stage.replicas or 0)

    def objects(self, config: EnvoyConfig, setup: Setup, ask: RouteAsk) -> tuple[dict[str, Any], ...]:
        """Return client Service, budget, Service for labels, Deployment and, last, the ConfigMap that holds the route."""
        check_ask(setup, ask)
        named = (setup.name, setup.namespace, setup.owner)
        return (
            client_service(*named, setup.service_name, setup.service_port, HTTP_PORT),
            disruption_budget(*named),
            *([service_for_labels(*named, LABELS_PORT)] if setup.labels is not None else []),
            *_routing(config, _read(setup), ask),
        )

    def carrier(self, name: str, service_name: str) -> tuple[str, str]:  # noqa: ARG002  # the Service only selects the routers
        """Return the ConfigMap."""
        return "ConfigMap", router(name)

    def version(self, config: EnvoyConfig, setup: Setup, ask: RouteAsk) -> str:
        """Return the serial and a hash of the files."""
        return _version(config, _read(setup), ask)

    def read(self, carrier: Mapping[str, Any]) -> RouteAsk | None:
        """Read the ask back from the ConfigMap."""
        try:
            return RouteAsk.model_validate_json((carrier.get("data") or {})[ASK_KEY])
        except (KeyError, ValidationError):
            return None

    def parse(self, text: str) -> Report:
        """Read Envoy's statistics."""
        return parse_status(text)


@dataclass(frozen=True)
class _Read:
    """A setup, equal to every other that looks the same to this router, so that nothing is rendered twice."""

    looks: tuple[object, ...]
    setup: Setup = field(compare=False)


def _read(setup: Setup) -> _Read:
    revisions = ((revision.name, revision.port, revision.timeout) for revision in setup.revisions.values())
    owner = json.dumps(setup.owner, sort_keys=True)
    return _Read(
        (setup.name, setup.namespace, owner, tuple(revisions), setup.limits, setup.capture, setup.labels), setup
    )


@lru_cache(maxsize=64)
def _routing(config: EnvoyConfig, read: _Read, ask: RouteAsk) -> tuple[dict[str, Any], ...]:
    """Return what every pass renders and hardly any changes: the Deployment, and the ConfigMap."""
    setup, version = read.setup, _version(config, read, ask)
    files = {
        CLUSTERS_FILE: {"version_info": version, "resources": clusters(setup, ask.clusters)},
        ROUTES_FILE: {"version_info": version, "resources": [_routes(config, setup, ask)]},
        ASK_KEY: ask.dump(),
        **({CAPTURE_FILE: setup.capture.dump()} if setup.capture is not None else {}),
    }
    name = router(setup.name)
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": child_metadata(setup.name, setup.namespace, setup.owner, name, component=COMPONENT_ROUTER),
        # JSON is YAML, and Envoy decides by the file's name.
        "data": {key: json.dumps(content, indent=1, sort_keys=True) for key, content in files.items()},
    }
    return router_deployment(setup, config.replicas), config_map


@lru_cache(maxsize=64)
def _version(config: EnvoyConfig, read: _Read, ask: RouteAsk) -> str:
    setup = read.setup
    # The collector reads its file at the same moment: what a router has accepted, its collector obeys.
    captured = [setup.capture.dump()] if setup.capture is not None else []
    content = json.dumps([clusters(setup, ask.clusters), _routes(config, setup, ask), *captured], sort_keys=True)
    return f"{ask.serial}-{hashlib.sha256(content.encode()).hexdigest()[:10]}"


def _routes(config: EnvoyConfig, setup: Setup, ask: RouteAsk) -> dict[str, Any]:
    longest = max((revision.timeout for revision in setup.revisions.values()), default=setup.limits.timeout)
    idle: timedelta = config.stream_idle_timeout or longest
    return routes(setup, ask.route, config.preview_header, idle)


PLUGIN = EnvoyRouter()
