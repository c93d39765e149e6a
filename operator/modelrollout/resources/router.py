"""What a router with pods of its own needs besides them: Services for clients and for labels, and a budget for evictions."""

from typing import Any

from modelrollout.names import COMPONENT_ROUTER, labels_service, router, router_labels
from modelrollout.resources.owner import Owner, child_metadata


def client_service(  # noqa: PLR0913, PLR0917  # metadata of every child, and the three that make a Service
    name: str, namespace: str, owner: Owner, service: str, port: int, target: int
) -> dict[str, Any]:
    """Return the Service that clients use, selecting the router's pods.

    Args:
        name: of the ModelDeployment.
        namespace: of the ModelDeployment.
        owner: ownerReferences.
        service: name of the Service.
        port: its port.
        target: port of the router's pods.
    """
    ports = [{"name": "http", "port": port, "protocol": "TCP", "targetPort": target}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": child_metadata(name, namespace, owner, service, component=COMPONENT_ROUTER),
        "spec": {"selector": router_labels(name), "ports": ports},
    }


def service_for_labels(name: str, namespace: str, owner: Owner, port: int) -> dict[str, Any]:
    """Return the headless Service at which labels are taken: its DNS name gives the addresses of the Ready routers."""
    ports = [{"name": "labels", "port": port, "protocol": "TCP", "targetPort": port}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": child_metadata(name, namespace, owner, labels_service(name), component=COMPONENT_ROUTER),
        "spec": {"clusterIP": "None", "selector": router_labels(name), "ports": ports},
    }


def disruption_budget(name: str, namespace: str, owner: Owner) -> dict[str, Any]:
    """Return the budget that lets a node drain take one router pod at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": child_metadata(name, namespace, owner, router(name), component=COMPONENT_ROUTER),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": router_labels(name)}},
    }
