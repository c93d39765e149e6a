"""From what the user wrote to a revision: the pod template with everything that makes its pods leave without a loss."""

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from modelrollout.domain.observation import Limits
from modelrollout.domain.revision import Revision
from modelrollout.names import GROUP, revision_name
from modelrollout.schema import parse_duration

_KUBERNETES_GRACE = 30
"""Seconds of terminationGracePeriodSeconds where a template names none."""


def build_revision(content: Mapping[str, Any], limits: Limits) -> Revision:
    """Return a revision.

    Args:
        content: what is hashed: template, and where given model, targetPort, drain and timeout.
        limits: fill in what the user did not say; recorded in the snapshot, never hashed.
    """
    drain = parse_duration(content["drain"]) if "drain" in content else limits.drain
    timeout = parse_duration(content["timeout"]) if "timeout" in content else limits.timeout
    return Revision(
        name=revision_name(content),
        content=content,
        pod_template=_template(content["template"], content.get("model") or {}, drain, timeout),
        port=int(content["targetPort"]),
        timeout=timeout,
        drain=drain,
    )


def _template(
    written: Mapping[str, Any], model: Mapping[str, Any], drain: timedelta, timeout: timedelta
) -> dict[str, Any]:
    spec = dict(written["spec"])
    leave = math.ceil(drain / timedelta(seconds=1))
    # The grace period counts from the beginning of the preStop hook, so it must hold both.
    needed = leave + math.ceil(timeout / timedelta(seconds=1))
    spec["terminationGracePeriodSeconds"] = max(
        int(spec.get("terminationGracePeriodSeconds") or _KUBERNETES_GRACE), needed
    )
    if leave:
        # Every container: a sidecar that leaves first may take the model's requests with it.
        spec["containers"] = [_sleeping(container, leave) for container in spec["containers"]]
    metadata = dict(written.get("metadata") or {})
    identity = {f"{GROUP}/model-{key}": str(value) for key, value in sorted(model.items())}
    if identity:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **identity}
    return {"metadata": metadata, "spec": spec} if metadata else {"spec": spec}


def _sleeping(container: Mapping[str, Any], seconds: int) -> dict[str, Any]:
    """Return a container that goes on answering while DNS still names its pod, unless its template says how it stops."""
    lifecycle = container.get("lifecycle") or {}
    if "preStop" in lifecycle:
        return dict(container)
    return {**container, "lifecycle": {**lifecycle, "preStop": {"sleep": {"seconds": seconds}}}}
