"""An observation: the world as one pass of the loop saw it. The only input of decide besides the clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from modelrollout import __version__
from modelrollout.domain.golden import Probes
from modelrollout.domain.reading import Reading
from modelrollout.domain.revision import Revision
from modelrollout.domain.route import RouteAsk
from modelrollout.domain.status import Status


@dataclass(frozen=True)
class PodSeen:
    """One pod of ours.

    Attributes:
        name: the pod's name.
        uid: the pod's uid.
        address: its IP, None before it has one.
        revision: the revision it runs; None for a router's pod.
        ready: the Ready condition is true and it is not terminating.
        terminating: it has a deletion timestamp.
        running: some container may still run; only then can it hold or answer requests.
        ready_since: when it became Ready, the last time.
        born: when it was created.
        restarted: one of its containers has been started again.
        problem: why it cannot run, in the words of the scheduler or the kubelet; empty when nothing is known to be wrong.
        unschedulable: the scheduler has no place for it.
        nudge: value of the annotation that makes the kubelet refresh its ConfigMap.
        router: it is a router's.
    """

    name: str
    uid: str
    address: str | None = None
    revision: str | None = None
    ready: bool = False
    terminating: bool = False
    running: bool = True
    ready_since: datetime | None = None
    born: datetime | None = None
    restarted: bool = False
    problem: str = ""
    unschedulable: bool = False
    nudge: str | None = None
    router: bool = False


@dataclass(frozen=True)
class RouterPodSeen:
    """What one router pod says it runs.

    Attributes:
        pod: the pod.
        version: ``<serial>-<hash>`` that both its clusters and its routes carry; None when unknown or not the same.
        members: addresses that each cluster resolves to, by cluster.
        active: requests in flight, by cluster.
        mirrored: requests copied since the start of the pod, by mirror cluster.
        at: when it was asked.
        error: why it could not be asked; such a pod acknowledges nothing.
        tries: requests since the start of the pod, each try counted, by the cluster that was chosen for them.
        retries: those of them that followed another try of the same request.
    """

    pod: PodSeen
    version: str | None = None
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    active: Mapping[str, int] = field(default_factory=dict)
    mirrored: Mapping[str, int] = field(default_factory=dict)
    at: datetime | None = None
    error: str = ""
    tries: Mapping[str, int] = field(default_factory=dict)
    retries: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RequestSeen:
    """A person's request as it stands in the annotation.

    Attributes:
        id: answered once.
        action: promote, promote-full, retry, rollback, pause or resume.
        revision: which revision it speaks of; for a rollback the revision to go back to.
        attempt: which attempt it speaks of.
        stage: which stage, for promote.
        at: when it was made.
        by: who made it, as claimed.
        problem: why it cannot be read; all else is then empty.
    """

    id: str
    action: str = ""
    revision: str = ""
    attempt: int = 0
    stage: int | None = None
    at: datetime | None = None
    by: str | None = None
    problem: str = ""


@dataclass(frozen=True)
class Limits:
    """Operator settings that decide needs; values, so that decide stays pure.

    Attributes:
        drain: preStop sleep for model pods whose spec names none; longer than the cluster's DNS lag.
        timeout: longest request where the spec names none.
        freeze: no rollout advances; aborts still work.
        router_image: image of the built-in router.
        collector_image: image of the collector in the router's pods.
        request_age: a person's request older than this is stale.
        gate_interval: live gate values are written at most this often.
        version: of this operator, which no setting changes.
    """

    drain: timedelta = timedelta(seconds=35)
    timeout: timedelta = timedelta(seconds=60)
    freeze: bool = False
    router_image: str = "modelrollout-router:0.1.0"
    collector_image: str = "modelrollout-operator:0.1.0"
    request_age: timedelta = timedelta(minutes=10)
    gate_interval: timedelta = timedelta(seconds=30)
    version: str = __version__


@dataclass(frozen=True)
class Observation:
    """Everything one pass knows.

    Attributes:
        namespace: of the ModelDeployment.
        name: of the ModelDeployment.
        uid: of the ModelDeployment.
        generation: of its spec.
        resource_version: of the ModelDeployment as read; the status write is fenced by it.
        deleting: it has a deletion timestamp.
        spec: the raw spec.
        status: the status as stored; empty when it was wiped.
        request: a person's request, if there is one.
        abort: ``<revision>/<attempt>`` of the abort annotation, if there is one.
        snapshots: revisions by name, from our ControllerRevisions.
        children: live objects by (kind, name); of the named children only. ``ours`` decided by the reader: see ``foreign``.
        foreign: (kind, name) of objects that carry one of our names and are not ours.
        leftovers: (kind, name) of objects that belong to a dead namesake and are waited for.
        pods: model pods.
        routers: router pods with what they said.
        live_route: the ask that the data plane's own object (ConfigMap or Service) holds now, parsed by the router plugin;
            None when absent.
        readings: newest reading of each metric.
        probes: what the candidate's pods answered to golden examples; None: nothing was asked.
        evidence: what evidence has been gathered in the running attempt, as text; empty when there is none.
        details: what reports show besides numbers, by attempt and metric; known only to the leader that has measured it.
        rejected: the API server refused a child in a dry run or a write: (kind, name) -> its words.
        learnt: what has been learnt for the reference and may not be stored yet, as text; empty when nothing is.
        given: the reference that the spec names, as text; None: it names none, or there is none.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    spec: Mapping[str, Any]
    status: Status = field(default_factory=Status)
    deleting: bool = False
    request: RequestSeen | None = None
    abort: str | None = None
    snapshots: Mapping[str, Revision] = field(default_factory=dict)
    children: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    foreign: frozenset[tuple[str, str]] = frozenset()
    leftovers: frozenset[tuple[str, str]] = frozenset()
    pods: tuple[PodSeen, ...] = ()
    routers: tuple[RouterPodSeen, ...] = ()
    live_route: RouteAsk | None = None
    readings: Mapping[str, Reading] = field(default_factory=dict)
    probes: Probes | None = None
    evidence: str = ""
    details: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    rejected: Mapping[tuple[str, str], str] = field(default_factory=dict)
    learnt: str = ""
    given: str | None = None

    def child(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """Return a live child of ours, or None."""
        return self.children.get((kind, name))

    def ready_pods(self, revision: str) -> tuple[PodSeen, ...]:
        """Return the Ready pods of a revision."""
        return tuple(pod for pod in self.pods if pod.revision == revision and pod.ready)
