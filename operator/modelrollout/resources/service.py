"""Services of revisions: what the router resolves, and what people preview."""

from typing import Any

from modelrollout.domain.revision import Revision
from modelrollout.names import candidate_service, model_labels, workload
from modelrollout.resources.owner import Owner, child_metadata


def headless(name: str, namespace: str, owner: Owner, revision: Revision) -> dict[str, Any]:
    """Return the headless Service of a revision: its DNS name gives the addresses of the Ready pods. Never re-pointed."""
    metadata = child_metadata(name, namespace, owner, workload(name, revision.name), revision=revision.name)
    port = {"name": "http", "port": revision.port, "protocol": "TCP", "targetPort": revision.port}
    spec = {"clusterIP": "None", "selector": model_labels(name, revision.name), "ports": [port]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def candidate(name: str, namespace: str, owner: Owner, revision: Revision, port: int) -> dict[str, Any]:
    """Return the Service through which people preview the revision on trial, on the port that clients use."""
    metadata = child_metadata(name, namespace, owner, candidate_service(name), revision=revision.name)
    ports = [{"name": "http", "port": port, "protocol": "TCP", "targetPort": revision.port}]
    spec = {"selector": model_labels(name, revision.name), "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
