"""The checkpoint of a running rollout's evidence: a ConfigMap, so that a restart costs a minute of evidence and not all of it."""

from typing import Any

from modelrollout.names import evidence
from modelrollout.resources.owner import Owner, child_metadata

CHECKPOINT = "evidence.json"


def checkpoint(name: str, namespace: str, owner: Owner, text: str) -> dict[str, Any]:
    """Return the ConfigMap that keeps the evidence.

    Args:
        name: of the ModelDeployment.
        namespace: of the ModelDeployment.
        owner: ownerReferences.
        text: from :func:`modelrollout.engine.books.dump`.
    """
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": child_metadata(name, namespace, owner, evidence(name)),
        "data": {CHECKPOINT: text},
    }
