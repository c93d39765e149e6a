"""The whole world at one moment, without serials and times: of two equal ones a story makes the same."""

import json
import re
from typing import Any

from modelrollout.adapters.protocols import Object
from modelrollout.names import COMPONENT_REPORT, LABEL_COMPONENT
from modelrollout.simulation.cluster import Cluster

_COUNTED = frozenset({"uid", "resourceVersion", "generation", "observedGeneration", "serial", "podIP"})
"""What only counts, or says which of several equal things."""
_MEASURED = frozenset({"value", "requests", "message", "mirrored"})
"""What depends, in a status, on the moment at which somebody looked."""
_VARIES = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)|\b\d+-[0-9a-f]{10}\b|serial\W+\d+|uid-\d+")


def world(cluster: Cluster) -> str:
    """Return everything that a story and the operator can tell two worlds by."""
    objects = sorted(json.dumps(_lasting(_told(found)), sort_keys=True, default=str) for found in cluster.store.all())
    routers = sorted(
        f"{pod}: {dict(envoy.routes.arms)} {dict(envoy.routes.mirrors)} {envoy.routes.preview} "
        f"{sorted(envoy.clusters.names)} {envoy.serves} {envoy.routes.version == envoy.clusters.version}"
        for pod, envoy in cluster.facts().items()
    )
    moment = f"rate {cluster.traffic.rate}, {'an' if cluster.replica.alive else 'no'} operator"
    return _VARIES.sub("*", "\n".join([*objects, *routers, moment]))


def _told(found: Object) -> Object:
    """A report tells times and counts, and nothing is decided by it."""
    is_report = (found["metadata"].get("labels") or {}).get(LABEL_COMPONENT) == COMPONENT_REPORT
    return {key: value for key, value in found.items() if key != "data"} if is_report else found


def _lasting(found: Any, hidden: frozenset[str] = _COUNTED) -> Any:
    if isinstance(found, dict):
        below = {key: hidden | _MEASURED if key == "status" else hidden for key in found}
        return {key: _lasting(value, below[key]) for key, value in found.items() if key not in hidden}
    return [_lasting(value, hidden) for value in found] if isinstance(found, list) else found
