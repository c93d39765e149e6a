"""The snapshot of a revision: a ControllerRevision, as Deployments of Kubernetes' own StatefulSets and DaemonSets keep theirs."""

from typing import Any

from modelrollout.domain.revision import Revision
from modelrollout.names import workload
from modelrollout.resources.owner import Owner, child_metadata


def controller_revision(name: str, namespace: str, owner: Owner, revision: Revision, number: int) -> dict[str, Any]:
    """Return the snapshot of a revision.

    Args:
        name: of the ModelDeployment.
        namespace: of the ModelDeployment.
        owner: ownerReferences.
        revision: what to keep.
        number: grows with every new revision; the order of the history.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": child_metadata(name, namespace, owner, workload(name, revision.name), revision=revision.name),
        "revision": number,
        "data": revision.snapshot(),
    }
