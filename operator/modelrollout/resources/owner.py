"""Owner references and the metadata that all of our objects share."""

from collections.abc import Mapping
from typing import Any

from modelrollout.names import API_VERSION, KIND, LABEL_NAME

Owner = tuple[Mapping[str, Any], ...]
"""ownerReferences of an object; empty: it outlives the ModelDeployment."""


def owner_references(name: str, uid: str, *, orphan: bool) -> Owner:
    """Return the ownerReferences of every child.

    Args:
        name: of the ModelDeployment.
        uid: of the ModelDeployment.
        orphan: children outlive the ModelDeployment, so nothing may own them.
    """
    if orphan:
        return ()
    # blockOwnerDeletion would need a right on finalizers, and nobody waits for our children in the foreground.
    return ({"apiVersion": API_VERSION, "kind": KIND, "name": name, "uid": uid, "controller": True},)


def child_metadata(parent: str, namespace: str, owner: Owner, name: str, **labels: str) -> dict[str, Any]:
    """Return the metadata of a child.

    Args:
        parent: name of the ModelDeployment.
        namespace: of both.
        owner: ownerReferences.
        name: of the child.
        labels: further labels, by the last part of their key after ``modelrollout.dev/``.
    """
    group = LABEL_NAME.partition("/")[0]
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "labels": {LABEL_NAME: parent, **{f"{group}/{key}": value for key, value in labels.items()}},
    }
    if owner:
        metadata["ownerReferences"] = [dict(reference) for reference in owner]
    return metadata
