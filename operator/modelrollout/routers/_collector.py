"""The container of the collector, beside Envoy in the router's pod: whatever becomes of it, clients are answered.

A pod is Ready only while every one of its containers runs. So a collector that dies would take its router out of the Service,
and the kubelet lets it wait longer each time it dies: with both routers' collectors dead, nobody would answer. Neither a missing
probe nor a sidecar container changes that. Therefore the container's own process is a loop that starts the collector again, and
never ends before the pod does. A container that needs too much memory is killed as a whole, the loop included: so the collector
is bound below the container's limit, and fails by itself first.
"""

from pathlib import PurePosixPath
from typing import Any

from modelrollout.domain.capture import LABELS_HOST, LABELS_PORT, LABELS_TOKEN
from modelrollout.names import labels_host
from modelrollout.routers._base import SecretKey, Setup
from modelrollout.routers._envoy_bootstrap import DIRECTORY
from modelrollout.routers._envoy_capture import COLLECTOR

_LIMIT = 192
BOUND = f"ulimit -d {160 * 1024}"
"""160 MiB of memory that the collector may write to; the rest is for the loop, and for what the kernel counts besides."""

# The shell waits in the background of its own child, so that it hears SIGTERM at once.
LOOP = f"""\
trap 'kill $!; exit 0' TERM
{BOUND}
while true; do
  python3 -m modelrollout.collector &
  wait $!
  sleep 1 & wait $!
done
"""


_TOKEN = PurePosixPath(LABELS_TOKEN)
_VOLUME = "labels"


def collector(setup: Setup) -> dict[str, Any]:
    """Return the container.

    It has no probes: the kubelet would restart it, or take the router out of the Service, for the collector's sake.

    Args:
        setup: the image is the operator's; where labels are taken it has their port and their token.
    """
    container = _container(setup.limits.collector_image)
    if setup.labels is None:
        return container
    return {
        **container,
        "env": [{"name": LABELS_HOST, "value": labels_host(setup.name, setup.namespace)}],
        "ports": [{"name": "labels", "containerPort": LABELS_PORT, "protocol": "TCP"}],
        "volumeMounts": [
            *container["volumeMounts"],
            {"name": _VOLUME, "mountPath": str(_TOKEN.parent), "readOnly": True},
        ],
    }


def token_volume(secret: SecretKey) -> dict[str, Any]:
    """Return the volume with the token of those who send labels.

    It is optional: a Secret that is not there must keep no router from starting. No labels are taken until it is.
    """
    items = [{"key": secret.key, "path": _TOKEN.name}]
    return {"name": _VOLUME, "secret": {"secretName": secret.name, "items": items, "optional": True}}


def _container(image: str) -> dict[str, Any]:
    return {
        "name": COLLECTOR,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", LOOP],
        "resources": {"requests": {"cpu": "25m", "memory": "64Mi"}, "limits": {"memory": f"{_LIMIT}Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "route", "mountPath": DIRECTORY, "readOnly": True}],
    }
