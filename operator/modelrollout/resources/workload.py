"""The Deployment of a revision: its template is written once, afterwards only its size changes."""

from typing import Any

from modelrollout.domain.revision import Revision
from modelrollout.names import COMPONENT_MODEL, model_labels, workload
from modelrollout.resources.owner import Owner, child_metadata


def deployment(name: str, namespace: str, owner: Owner, revision: Revision, size: int) -> dict[str, Any]:
    """Return the Deployment of a revision.

    Args:
        name: of the ModelDeployment.
        namespace: of the ModelDeployment.
        owner: ownerReferences.
        revision: what its pods run.
        size: number of pods.
    """
    labels = model_labels(name, revision.name)
    written = revision.pod_template.get("metadata") or {}
    template = {
        **revision.pod_template,
        "metadata": {**written, "labels": {**(written.get("labels") or {}), **labels}},
    }
    metadata = child_metadata(
        name, namespace, owner, workload(name, revision.name), revision=revision.name, component=COMPONENT_MODEL
    )
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        # The template never changes, so there is no older ReplicaSet to go back to.
        "spec": {
            "replicas": size,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": labels},
            "template": template,
        },
    }
