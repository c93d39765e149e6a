"""Where a story ends: the world once nothing is written any more, in lines that people can read and tests can compare."""

import json
from collections.abc import Iterator

from modelrollout.adapters.protocols import Object
from modelrollout.domain.route import RouteAsk
from modelrollout.names import COMPONENT_REPORT, COMPONENT_ROUTER, LABEL_COMPONENT, evidence
from modelrollout.resources.report import JSON
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.workloads import is_ready


def ending(cluster: Cluster, *, history: bool = True) -> list[str]:
    """Return what is there, without serials, counts of attempts and times.

    Args:
        cluster: that is at rest.
        history: with the last rollout, which is known by the status alone.
    """
    lines = (*_status(cluster), *(_rollout(cluster) if history else ()), *_objects(cluster), *_routers(cluster))
    return [cluster.log.plain(line) for line in lines]


def figures(cluster: Cluster) -> str:
    """Return how much was written."""
    status = sum(what.startswith("status") for what in cluster.writes)
    nudges = sum(what.startswith("nudge") for what in cluster.writes)
    return f"{status} writes of status, {len(cluster.writes) - status - nudges} of objects, {nudges} nudges"


def _status(cluster: Cluster) -> Iterator[str]:
    if cluster.person.object is None:
        yield "the ModelDeployment is gone"
        return
    status = cluster.person.status
    yield f"phase {status.phase}, stable {status.stable}"
    if status.target is not None:
        yield f"rolled back to {status.target.revision}"
    if status.paused:
        yield "paused"
    yield ", ".join(f"{item.type} {item.status} ({item.reason})" for item in status.conditions)


def _rollout(cluster: Cluster) -> Iterator[str]:
    rollout = cluster.person.status.rollout
    if rollout is not None:
        cause = f", {rollout.cause.reason}" if rollout.cause else ""
        yield f"rollout of {rollout.revision}: {rollout.state}{cause}"
    for found in cluster.store.all():
        if _is_report(found):
            report = json.loads(found["data"][JSON])
            yield f"report of {report['candidate']['revision']}: {report['outcome']}"


def _is_report(found: Object) -> bool:
    return bool((found["metadata"].get("labels") or {}).get(LABEL_COMPONENT) == COMPONENT_REPORT)


def _objects(cluster: Cluster) -> Iterator[str]:
    for found in sorted(
        cluster.store.all(), key=lambda item: cluster.log.plain(item["kind"] + item["metadata"]["name"])
    ):
        kind, name = found["kind"], found["metadata"]["name"]
        match kind:
            case "Deployment":
                pods = [
                    pod for pod in cluster.store.every("Pod", found["spec"]["selector"]["matchLabels"]) if is_ready(pod)
                ]
                yield f"Deployment {name}: {len(pods)} of {found['spec']['replicas']} pods Ready"
            case "Service":
                yield f"Service {name} for {', '.join(sorted(found['spec']['selector'].values()))}"
            case "ControllerRevision" | "PodDisruptionBudget":
                yield f"{kind} {name}"
            case "ConfigMap" if name == evidence(cluster.person.name):
                yield f"ConfigMap {name}"
            case "ConfigMap" if "ask.json" in found["data"]:
                ask = RouteAsk.model_validate_json(found["data"]["ask.json"])
                yield f"ConfigMap {name}: {cluster.log.ask(ask).partition(' ')[2]}"
            case _:
                pass


def _routers(cluster: Cluster) -> Iterator[str]:
    running = {envoy.routes.version for envoy in cluster.kubelet.envoys.values()}
    pods = list(cluster.store.every("Pod", {LABEL_COMPONENT: COMPONENT_ROUTER}))
    if pods:
        yield f"{len(pods)} routers, which run {'the same' if len(running) == 1 else 'different routes'}"
