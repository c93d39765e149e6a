"""Scheduler and kubelet in one: pods find a place, start, become Ready, and leave when their preStop hook has ended.

A ConfigMap that is mounted in a router's pod is read when the pod starts, when the pod itself changes (an annotation is
enough), and otherwise about once a minute. That is why the operator nudges.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from modelrollout.names import ANNOTATION_NUDGE, COMPONENT_ROUTER, LABEL_COMPONENT
from modelrollout.simulation.agenda import Agenda
from modelrollout.simulation.behaviour import Behaviour, Behaviours
from modelrollout.simulation.envoy import Envoy
from modelrollout.simulation.store import Change, Object, Store

START = 0.5
"""Seconds from the creation of a pod to the start of its containers."""
ROUTER_READY = 1.0
ROUTER_DRAIN = 6.0
REFRESH = 0.1
BETWEEN = 1.0
"""A pod is synchronized at most about once a second."""
PERIODIC = 60.0
NO_ROOM = "0/1 nodes are available: 1 Insufficient cpu."


class Kubelet:
    """Runs all pods.

    Args:
        agenda: virtual time.
        store: the objects.
        behaviours: of the models' images.
        boot: makes the proxy of a router's pod.
    """

    def __init__(self, agenda: Agenda, store: Store, behaviours: Behaviours, boot: Callable[[Object], Envoy]) -> None:
        self._agenda = agenda
        self._store = store
        self._behaviours = behaviours
        self._boot = boot
        self._addresses = count(1)
        self._synced: dict[str, datetime] = {}
        self._restarts: dict[str, int] = defaultdict(int)
        self.envoys: dict[str, Envoy] = {}
        self.room: int | None = None
        store.watchers.append(self._saw)

    def make_room(self, room: int | None) -> None:
        """Have place for so many model pods; None for any number."""
        self.room = room
        self._schedule_waiting()

    def restart(self, pod: Object) -> None:
        """End the containers of a pod; they start again."""
        uid = pod["metadata"]["uid"]
        self.envoys.pop(uid, None)
        self._restarts[uid] += 1
        self._update(uid, status={**pod["status"], "conditions": _conditions(self._agenda.now, ready=False)})
        self._agenda.after(START, partial(self._start, uid))

    def _saw(self, change: Change, stored: Object, before: Object | None) -> None:
        if stored["kind"] != "Pod":
            return
        uid = stored["metadata"]["uid"]
        match change:
            case Change.ADDED:
                self._agenda.after(START / 2, partial(self._schedule, uid))
            case Change.DELETED:
                self.envoys.pop(uid, None)
                self._agenda.after(START / 2, self._schedule_waiting)
            case Change.MODIFIED:
                assert before is not None
                if "deletionTimestamp" in stored["metadata"] and "deletionTimestamp" not in before["metadata"]:
                    self._agenda.after(_leaves_after(stored), partial(self._store.remove, stored))
                if _nudge(stored) != _nudge(before):
                    self._agenda.at(self._next_sync(uid), partial(self._refresh, uid))

    def _schedule_waiting(self) -> None:
        for pod in self._store.every("Pod"):
            if "podIP" not in pod["status"]:
                self._schedule(pod["metadata"]["uid"])

    def _schedule(self, uid: str) -> None:
        pod = self._find(uid)
        if pod is None or "podIP" in pod["status"]:
            return
        placed = sum(1 for other in self._store.every("Pod") if "podIP" in other["status"] and not _is_router(other))
        if self.room is not None and placed >= self.room and not _is_router(pod):
            refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_ROOM}
            self._update(uid, status={"phase": "Pending", "conditions": [refused]})
            return
        status = {"phase": "Pending", "podIP": f"10.0.0.{next(self._addresses)}", "conditions": [_SCHEDULED]}
        self._update(uid, status=status)
        self._agenda.after(START / 2, partial(self._start, uid))

    def _start(self, uid: str) -> None:
        pod = self._find(uid)
        if pod is None:
            return
        if _is_router(pod):
            self._start_router(pod)
            return
        behaviour = self._behaviours.of(image_of(pod))
        if behaviour.problem:
            self._update(uid, status={**pod["status"], "containerStatuses": [_broken(pod, behaviour)]})
            return
        self._run(pod)
        if not behaviour.never_ready:
            self._agenda.after(behaviour.ready_after, partial(self._ready, uid))

    def _start_router(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        files = self._files(pod)
        if files is None:
            # The volume cannot be mounted; the kubelet tries again and again.
            self._agenda.after(1, partial(self._start, uid))
            return
        self.envoys[uid] = self._boot(pod)
        self._run(pod)
        self.envoys[uid].load(files)
        self._synced[uid] = self._agenda.now
        self._agenda.after(ROUTER_READY, partial(self._ready, uid))
        self._agenda.after(PERIODIC, partial(self._refresh_periodically, uid))

    def _run(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        running = [
            {
                "name": item["name"],
                "image": item["image"],
                "state": {"running": {}},
                "restartCount": self._restarts[uid],
            }
            for item in _containers(pod)
        ]
        self._update(uid, status={**pod["status"], "phase": "Running", "containerStatuses": running})

    def _ready(self, uid: str) -> None:
        pod = self._find(uid)
        if pod is not None and pod["status"]["phase"] == "Running":
            self._update(uid, status={**pod["status"], "conditions": _conditions(self._agenda.now, ready=True)})

    def _next_sync(self, uid: str) -> datetime:
        soon = self._agenda.now + timedelta(seconds=REFRESH)
        last = self._synced.get(uid)
        return soon if last is None else max(soon, last + timedelta(seconds=BETWEEN))

    def _refresh_periodically(self, uid: str) -> None:
        if uid in self.envoys:
            self._refresh(uid)
            self._agenda.after(PERIODIC, partial(self._refresh_periodically, uid))

    def _refresh(self, uid: str) -> None:
        pod, envoy = self._find(uid), self.envoys.get(uid)
        if pod is None or envoy is None:
            return
        self._synced[uid] = self._agenda.now
        files = self._files(pod)
        if files is not None:
            envoy.load(files)

    def _files(self, pod: Object) -> dict[str, str] | None:
        name = next(volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume)
        found = self._store.get("ConfigMap", pod["metadata"]["namespace"], name)
        return found["data"] if found is not None else None

    def _find(self, uid: str) -> Object | None:
        return next((pod for pod in self._store.every("Pod") if pod["metadata"]["uid"] == uid), None)

    def _update(self, uid: str, *, status: dict[str, Any]) -> None:
        pod = self._find(uid)
        if pod is not None:
            self._store.put({**pod, "status": status})


_SCHEDULED = {"type": "PodScheduled", "status": "True"}


def _conditions(now: datetime, *, ready: bool) -> list[dict[str, str]]:
    return [
        _SCHEDULED,
        {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now.isoformat()},
    ]


def image_of(pod: Object) -> str:
    """Return the image of a pod's first container: what the simulation knows a model by."""
    return str(_containers(pod)[0]["image"])


def _containers(pod: Object) -> list[dict[str, Any]]:
    containers: list[dict[str, Any]] = pod["spec"]["containers"]
    return containers


def _is_router(pod: Object) -> bool:
    return bool(pod["metadata"]["labels"].get(LABEL_COMPONENT) == COMPONENT_ROUTER)


def _nudge(pod: Object) -> str | None:
    return (pod["metadata"].get("annotations") or {}).get(ANNOTATION_NUDGE)


def _leaves_after(pod: Object) -> float:
    """Return how many seconds a pod that is deleted goes on running."""
    if pod["status"]["phase"] != "Running":
        return START
    if _is_router(pod):
        return ROUTER_DRAIN
    hooks = [item.get("lifecycle", {}).get("preStop", {}).get("sleep", {}) for item in _containers(pod)]
    return float(max((hook.get("seconds", 0) for hook in hooks), default=0)) + START


def _broken(pod: Object, behaviour: Behaviour) -> dict[str, Any]:
    container = _containers(pod)[0]
    status: dict[str, Any] = {
        "name": container["name"],
        "image": container["image"],
        "state": {"waiting": {"reason": behaviour.problem}},
    }
    if behaviour.problem == "CrashLoopBackOff":
        status["lastState"] = {"terminated": {"reason": "Error", "exitCode": 1}}
    return status
