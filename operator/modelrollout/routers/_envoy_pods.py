"""The router's Deployment: Envoy pods that lose no request when they start, roll or leave.

Nothing here depends on the route: a change of weight never restarts a router.
"""

import json
import math
from datetime import timedelta
from typing import Any

from modelrollout.names import COMPONENT_ROUTER, LABEL_COLLECTOR, router, router_labels
from modelrollout.resources.owner import child_metadata
from modelrollout.routers._base import Setup
from modelrollout.routers._collector import collector, token_volume
from modelrollout.routers._envoy_bootstrap import (
    DIRECTORY,
    DRAIN_PATH,
    HTTP_PORT,
    LEAST_DRAIN,
    PROBE_HEADER,
    PROBE_PATH,
    PROBE_VALUE,
    STARTED_PATH,
    STATUS_PORT,
    bootstrap,
)

WORKERS = 2
"""Threads. Left to itself Envoy starts one for each core of the node."""
USUAL_DRAIN = timedelta(seconds=65)
"""A pod that leaves goes as soon as nothing is in flight; this bounds it. Only requests that may take more than a minute make it
longer: so a candidate with another timeout rarely rolls the routers, and nobody who deletes a namespace waits for an hour."""
_AFTER_DRAIN = timedelta(seconds=10)
"""Between the end of the drain and SIGKILL."""


def router_deployment(setup: Setup, replicas: int) -> dict[str, Any]:
    """Return the Deployment of the router's pods.

    Args:
        setup: names, owner and image; requests of its revisions that may take very long make the drain longer.
        replicas: number of pods.
    """
    name, labels = router(setup.name), router_labels(setup.name)
    # Whoever reads what collectors count finds the routers that have one.
    more = {LABEL_COLLECTOR: "true"} if setup.capture is not None else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": child_metadata(setup.name, setup.namespace, setup.owner, name, component=COMPONENT_ROUTER),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 1,
            "selector": {"matchLabels": labels},
            # One at a time, and a new one first: a router must be Ready before another may leave.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": {**labels, **more}}, "spec": _pod(setup, name, labels)},
        },
    }


def _drain(setup: Setup) -> timedelta:
    longest = max((revision.timeout for revision in setup.revisions.values()), default=setup.limits.timeout)
    return max(USUAL_DRAIN, longest + LEAST_DRAIN)


def _pod(setup: Setup, name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": math.ceil((_drain(setup) + _AFTER_DRAIN) / timedelta(seconds=1)),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels},
            }
        ],
        "containers": [_envoy(setup)] if setup.capture is None else [_envoy(setup), collector(setup)],
        "volumes": [
            {"name": "route", "configMap": {"name": name}},
            *([token_volume(setup.labels)] if setup.labels is not None else []),
        ],
    }


def _envoy(setup: Setup) -> dict[str, Any]:
    config = json.dumps(
        bootstrap(_drain(setup), captures=setup.capture is not None), sort_keys=True, separators=(",", ":")
    )
    probe = {"name": PROBE_HEADER, "value": PROBE_VALUE}
    return {
        "name": "envoy",
        "image": setup.limits.router_image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            *("--config-yaml", config),
            *("--concurrency", str(WORKERS)),
            "--disable-hot-restart",
            # A misspelt field would otherwise be ignored, and the route would not be what was asked for.
            "--reject-unknown-dynamic-fields",
            *("--log-level", "warning"),
            *("--drain-time-s", "4"),
            *("--drain-strategy", "immediate"),
        ],
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "status", "containerPort": STATUS_PORT, "protocol": "TCP"},
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "384Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # Through a route of the route file: a router that booted without routes is alive and answers 404 to everybody.
        "readinessProbe": {
            "httpGet": {"path": PROBE_PATH, "port": HTTP_PORT, "scheme": "HTTP", "httpHeaders": [probe]},
            "periodSeconds": 1,
            "failureThreshold": 2,
        },
        # Readiness begins with its first success. What gives up is far above what is waited for: a new container would not help.
        "startupProbe": {
            "httpGet": {"path": STARTED_PATH, "port": STATUS_PORT, "scheme": "HTTP"},
            "periodSeconds": 1,
            "failureThreshold": 300,
        },
        "lifecycle": {"preStop": {"httpGet": {"path": DRAIN_PATH, "port": STATUS_PORT, "scheme": "HTTP"}}},
        "volumeMounts": [{"name": "route", "mountPath": DIRECTORY, "readOnly": True}],
    }
