"""The kinds that we read or write, and where the API server keeps them. Nothing outside this table can be touched."""

from dataclasses import dataclass

from modelrollout.errors import RolloutError
from modelrollout.names import API_VERSION, KIND, PLURAL


@dataclass(frozen=True)
class Kind:
    """Where a kind lives.

    Attributes:
        api_version: ``v1`` or ``group/version``.
        plural: resource name in paths.
    """

    api_version: str
    plural: str

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the path of one object, of a collection in a namespace, or of all of them."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        inside = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{inside}/{self.plural}" + (f"/{name}" if name else "")


KINDS = {
    KIND: Kind(API_VERSION, PLURAL),
    "Deployment": Kind("apps/v1", "deployments"),
    "ControllerRevision": Kind("apps/v1", "controllerrevisions"),
    "Service": Kind("v1", "services"),
    "ConfigMap": Kind("v1", "configmaps"),
    "Pod": Kind("v1", "pods"),
    "Event": Kind("v1", "events"),
    "PodDisruptionBudget": Kind("policy/v1", "poddisruptionbudgets"),
    "Lease": Kind("coordination.k8s.io/v1", "leases"),
}


def kind(name: str) -> Kind:
    """Return where a kind lives.

    Raises:
        RolloutError: a kind that is not in the table.
    """
    if name not in KINDS:
        raise RolloutError(
            f"{name} is no kind that the operator touches. Add it to adapters/kinds.py and to the ClusterRole."
        )
    return KINDS[name]
