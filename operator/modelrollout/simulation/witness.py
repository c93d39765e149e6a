"""What must never happen, watched from outside: by what the API server stores and what the routers run.

Written without a look at the engine. Its own invariants bind plans; these bind the world, whoever wrote to it.
"""

from modelrollout.api.modeldeployment import ROUTERS
from modelrollout.domain.route import RouteAsk
from modelrollout.names import COMPONENT_MODEL, KIND, LABEL_COMPONENT, LABEL_REVISION, mirror_cluster
from modelrollout.simulation.envoy import Envoy
from modelrollout.simulation.kubelet import Kubelet
from modelrollout.simulation.store import Change, Object, Store, place_of
from modelrollout.simulation.traffic import Traffic

INVARIANTS = frozenset(
    {
        "WeightsSumTo100",
        "RouteNamesItsClusters",
        "ShadowNeverAnswers",
        "SerialGrows",
        "ClusterBeforeRoute",
        "RouteBeforeCluster",
        "ReadyBeforeWeight",
        "WholeBeforeAll",
        "CapacityStays",
    }
)
"""Names that the engine gives to plans which it refused: as a reason in the status they tell of a mistake in its rules."""


class Witness:
    """Notes what was broken.

    Args:
        store: the objects.
        kubelet: knows what each router runs.
        traffic: knows what clients lost.
        namespace: of the ModelDeployment.
        name: of the ModelDeployment.
    """

    def __init__(self, store: Store, kubelet: Kubelet, traffic: Traffic, namespace: str, name: str) -> None:
        self._store = store
        self._kubelet = kubelet
        self._traffic = traffic
        self._place = (KIND, namespace, name)
        self._asks: dict[str, RouteAsk] = {}
        self._broken: list[str] = []
        self._forgot = False
        store.watchers.append(self._saw)

    @property
    def broken(self) -> tuple[str, ...]:
        """What must never happen and did."""
        self._traffic.settle()
        lost = [f"{number:.1f} requests lost: {why}" for why, number in self._traffic.lost.items()]
        return (*dict.fromkeys(self._broken), *lost)

    def router(self, envoy: Envoy) -> None:
        """Look at what a router runs now."""
        shadows = {mirror.removesuffix(mirror_cluster("")) for mirror in envoy.routes.mirrors}
        if self._answer(shadows, set(envoy.routes.arms)):
            self._broken.append(f"{envoy.pod}: a shadow answers")
        if sum(envoy.routes.arms.values()) != 100:
            self._broken.append(f"{envoy.pod}: the weights sum to {sum(envoy.routes.arms.values())}")

    def _answer(self, shadows: set[str], answering: set[str]) -> bool:
        """Return whether somebody who gets copies also answers; stable may, so that it is compared with itself."""
        stable = ((self._store.get(*self._place) or {}).get("status") or {}).get("stable")
        # A status that was just wiped does not say who that is.
        return len(shadows & answering - {stable}) > (stable is None)

    def _saw(self, change: Change, stored: Object, before: Object | None) -> None:
        kind, labels = stored["kind"], stored["metadata"].get("labels") or {}
        if kind == KIND and change is Change.MODIFIED and before is not None:
            self._status(stored, before)
        if kind in ("ConfigMap", "Service") and change is not Change.DELETED:
            self._carrier(stored)
        if kind == "Deployment" and labels.get(LABEL_COMPONENT) == COMPONENT_MODEL:
            self._workload(change, stored, before)
        if kind == "Service" and LABEL_REVISION in labels and change is Change.DELETED:
            self._unused(stored, "its headless Service was deleted")

    def _status(self, stored: Object, before: Object) -> None:
        was, now = before.get("status", {}).get("route"), stored.get("status", {}).get("route")
        rollout = stored.get("status", {}).get("rollout") or {}
        reasons = {item["reason"] for item in stored.get("status", {}).get("conditions", ())}
        for reason in sorted(INVARIANTS & {*reasons, rollout.get("cause", {}).get("reason")}):
            self._broken.append(f"a plan was refused: {reason}")
        self._forgot |= bool(before.get("status")) and not stored.get("status")
        if was and now and now["serial"] < was["serial"]:
            self._broken.append(f"the status asks for route {now['serial']} after {was['serial']}")

    def _carrier(self, stored: Object) -> None:
        ask = next((ask for router in ROUTERS.values() if (ask := router.read(stored)) is not None), None)
        if ask is None:
            return
        uid = stored["metadata"]["uid"]
        last = self._asks.get(uid)
        self._asks[uid] = ask
        if last is not None and ask != last and ask.serial <= last.serial:
            self._broken.append(f"route {ask.serial} was written after {last.serial}")
        if sum(arm.weight for arm in ask.route.arms) != 100:
            self._broken.append(f"route {ask.serial}: the weights do not sum to 100")
        if self._answer({mirror.revision for mirror in ask.route.mirrors}, {arm.revision for arm in ask.route.arms}):
            self._broken.append(f"route {ask.serial}: a shadow answers")
        if not ask.route.clusters() <= set(ask.clusters):
            self._broken.append(f"route {ask.serial} names a cluster that it does not define")

    def _workload(self, change: Change, stored: Object, before: Object | None) -> None:
        parent = self._store.get(*self._place)
        if parent is None:
            return
        name = stored["metadata"]["name"]
        if change is Change.DELETED:
            self._unused(stored, "its Deployment was deleted")
        elif before is not None:
            was, now = before["spec"].get("replicas", 1), stored["spec"].get("replicas", 1)
            # Where the size is the weight, a step that its route had not reached is gone with the status.
            unreached = self._forgot and "direct" in parent["spec"].get("traffic", {})
            if now < min(was, parent["spec"].get("replicas", 1)) and not unreached:
                self._broken.append(f"{name} was scaled from {was} to {now} pods")

    def _unused(self, stored: Object, what: str) -> None:
        revision = stored["metadata"]["labels"].get(LABEL_REVISION)
        parent = self._store.get(*self._place)
        if revision is None or parent is None or place_of(stored)[2].endswith("-candidate"):
            return
        owners = {owner["uid"] for owner in stored["metadata"].get("ownerReferences", ())}
        if owners and parent["metadata"]["uid"] not in owners:
            return
        for envoy in self._kubelet.envoys.values():
            used = {cluster.removesuffix(mirror_cluster("")) for cluster in envoy.routes.clusters}
            if revision in used:
                self._broken.append(f"{envoy.pod} still sends requests to {revision}: {what}")
