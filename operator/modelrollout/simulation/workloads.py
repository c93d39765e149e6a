"""The controller of Deployments: it makes and deletes pods, and rolls them when the template changes.

Pods belong to their Deployment directly; ReplicaSets would add nothing that anybody here looks at.
"""

import hashlib
import json
from functools import partial
from itertools import count
from typing import Any

from modelrollout.simulation.agenda import Agenda
from modelrollout.simulation.garbage import terminate
from modelrollout.simulation.store import Change, Object, Store, place_of

DELAY = 0.1
"""Seconds between a change and the controller's answer."""
LABEL_TEMPLATE = "pod-template-hash"


class DeploymentController:
    """Keeps as many pods of the current template as each Deployment asks for: never fewer Ready, at most one more.

    Args:
        agenda: virtual time.
        store: the objects.
    """

    def __init__(self, agenda: Agenda, store: Store) -> None:
        self._agenda = agenda
        self._store = store
        self._numbers: dict[str, count[int]] = {}
        self._planned: set[tuple[str, str, str]] = set()
        store.watchers.append(self._saw)

    def _saw(self, change: Change, stored: Object, _before: Object | None) -> None:
        if stored["kind"] == "Deployment" and change is not Change.DELETED:
            self._plan(place_of(stored))
        elif stored["kind"] == "Pod":
            for owner in stored["metadata"].get("ownerReferences", ()):
                self._plan(("Deployment", stored["metadata"]["namespace"], owner["name"]))

    def _plan(self, place: tuple[str, str, str]) -> None:
        if place not in self._planned:
            self._planned.add(place)
            self._agenda.after(DELAY, partial(self._sync, place))

    def _sync(self, place: tuple[str, str, str]) -> None:
        self._planned.discard(place)
        deployment = self._store.get(*place)
        if deployment is None:
            return
        wanted = int(deployment["spec"].get("replicas", 1))
        hashed = template_hash(deployment)
        pods = sorted(self._pods(deployment), key=lambda pod: (is_ready(pod), pod["metadata"]["name"]))
        current = [pod for pod in pods if pod["metadata"]["labels"][LABEL_TEMPLATE] == hashed]
        old = [pod for pod in pods if pod not in current]
        room = wanted + (1 if old else 0) - len(pods)
        for _ in range(min(room, wanted - len(current))):
            self._create(deployment, hashed)
        surplus = current[: max(0, len(current) - wanted)]
        spare = sum(map(is_ready, pods)) - wanted
        for pod in old:
            if not is_ready(pod) or spare > 0:
                spare -= is_ready(pod)
                surplus.append(pod)
        for pod in surplus:
            terminate(self._store, pod, self._agenda)
        self._report(deployment)

    def _pods(self, deployment: Object) -> list[Object]:
        uid = deployment["metadata"]["uid"]
        return [
            pod
            for pod in self._store.every("Pod", deployment["spec"]["selector"]["matchLabels"])
            if "deletionTimestamp" not in pod["metadata"]
            and any(owner["uid"] == uid for owner in pod["metadata"].get("ownerReferences", ()))
        ]

    def _create(self, deployment: Object, hashed: str) -> None:
        metadata, template = deployment["metadata"], deployment["spec"]["template"]
        number = next(self._numbers.setdefault(metadata["name"], count(1)))
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"], "uid": metadata["uid"]}
        self._store.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    **template["metadata"],
                    "name": f"{metadata['name']}-{number}",
                    "namespace": metadata["namespace"],
                    "labels": {**template["metadata"]["labels"], LABEL_TEMPLATE: hashed},
                    "ownerReferences": [owner],
                },
                "spec": template["spec"],
                "status": {"phase": "Pending"},
            }
        )

    def _report(self, deployment: Object) -> None:
        live = self._store.get(*place_of(deployment))
        if live is None:
            return
        pods = self._pods(live)
        ready = sum(map(is_ready, pods))
        status: dict[str, Any] = {
            "observedGeneration": live["metadata"]["generation"],
            "replicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        self._store.put({**live, "status": status})


def template_hash(deployment: Object) -> str:
    """Return the hash of a Deployment's pod template."""
    text = json.dumps(deployment["spec"]["template"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def is_ready(pod: Object) -> bool:
    """Return whether a pod's Ready condition is true."""
    conditions = pod["status"].get("conditions", ())
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
