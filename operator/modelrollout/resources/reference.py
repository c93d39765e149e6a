"""The reference that was learnt: a ConfigMap, so that it outlives restarts, and people can keep a copy of it."""

from typing import Any

from modelrollout.names import reference
from modelrollout.resources.owner import Owner, child_metadata

REFERENCE = "reference.json"
"""The key; in a ConfigMap that a person gives as well."""


def reference_map(name: str, namespace: str, owner: Owner, text: str) -> dict[str, Any]:
    """Return the ConfigMap that keeps the reference.

    Args:
        name: of the ModelDeployment.
        namespace: of the ModelDeployment.
        owner: ownerReferences.
        text: from :func:`modelrollout.engine.reference.dump`.
    """
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": child_metadata(name, namespace, owner, reference(name)),
        "data": {REFERENCE: text},
    }
