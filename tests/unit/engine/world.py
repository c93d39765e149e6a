"""A world in a hundred lines for tests of decide: plans are carried out at once, pods and routers answer as a test says.

No API server, no conflicts and no crashes: those are the sequences' business. Here each step is one pass, and each pass is held
against what must be true of any pass.
"""

import json
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from modelrollout.api.modeldeployment import ModelDeploymentSpec, hashed_content
from modelrollout.api.validate import parse_spec
from modelrollout.domain.conditions import ConditionType, find
from modelrollout.domain.evidence import Evidence
from modelrollout.domain.observation import Limits, Observation, PodSeen, RequestSeen, RouterPodSeen
from modelrollout.domain.plan import Apply, Delete, Event, Plan
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.revision import Revision
from modelrollout.domain.route import Route
from modelrollout.domain.status import Rollout, RolloutState, Status
from modelrollout.engine.decide import decide
from modelrollout.engine.safety import violations
from modelrollout.engine.wants import wants
from modelrollout.names import revision_name, workload
from modelrollout.routers.envoy import CLUSTERS_FILE

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAME = "digits"
TICK = timedelta(milliseconds=100)


def template(version: int | str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "model", "image": f"digits:{version}"}]}}


def spec_of(version: int | str = 1, **fields: Any) -> dict[str, Any]:
    """Return a spec whose template is that version; keywords replace or add fields."""
    spec: dict[str, Any] = {
        "replicas": 4,
        "template": template(version),
        "service": {"port": 80, "targetPort": 8080, "timeout": "5s", "drain": "1s"},
        "strategy": {"canary": {"steps": [{"weight": 25, "hold": "1m"}, {"weight": 50, "hold": "1m"}]}},
    }
    return {key: value for key, value in {**spec, **fields}.items() if value is not None}


def canary(*steps: int | str, **fields: Any) -> dict[str, Any]:
    """Return a strategy: a weight is a step of one minute, anything else a pause."""
    compiled = [{"weight": step, "hold": "1m"} if isinstance(step, int) else {"pause": {}} for step in steps]
    return {"canary": {"steps": compiled, **fields}}


ERRORS = {"name": "errors", "router": {"signal": "errorRate"}, "threshold": {"max": 0.02}}


def analysis(*metrics: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {"interval": "10s", "metrics": list(metrics or (ERRORS,)), **fields}


@dataclass
class World:
    """One ModelDeployment and everything around it.

    Attributes:
        ready: how many pods of a revision get Ready at most; absent: all.
        problem: what the scheduler or kubelet says about pods that are not Ready, by revision.
        deaf: router pods that take over nothing new.
        blind: router pods that resolve no name.
        active: requests in flight, by cluster.
        mirrored: requests copied, by cluster.
        values: what each metric measures: a number, evidence, or a state without one. Absent: nothing yet.
        twice: each pass is asked a second time, and must not change its mind.
    """

    spec: dict[str, Any] = field(default_factory=spec_of)
    limits: Limits = field(default_factory=Limits)
    now: datetime = START
    generation: int = 1
    status: Status = field(default_factory=Status)
    children: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    ready: dict[str, int] = field(default_factory=dict)
    problem: dict[str, str] = field(default_factory=dict)
    unschedulable: set[str] = field(default_factory=set)
    deaf: set[str] = field(default_factory=set)
    blind: set[str] = field(default_factory=set)
    heard: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    active: dict[str, int] = field(default_factory=dict)
    mirrored: dict[str, int] = field(default_factory=dict)
    values: dict[str, float | State | Evidence] = field(default_factory=dict)
    request: RequestSeen | None = None
    abort: str | None = None
    foreign: frozenset[tuple[str, str]] = frozenset()
    leftovers: frozenset[tuple[str, str]] = frozenset()
    rejected: dict[tuple[str, str], str] = field(default_factory=dict)
    deleting: bool = False
    events: list[Event] = field(default_factory=list)
    weights: list[tuple[str, int]] = field(default_factory=list)
    version: int = 0
    requests: int = 0
    parsed: tuple[object, ModelDeploymentSpec | None] = (None, None)
    kept: tuple[Status, Status] = field(default_factory=lambda: (Status(), Status()))
    twice: bool = False
    checks: list[Callable[[Observation, Plan], None]] = field(default_factory=list)

    # What people do

    def apply(self, spec: dict[str, Any] | None = None, **fields: Any) -> None:
        """Change the spec as kubectl apply does."""
        self.spec = {**(spec or self.spec), **fields}
        self.generation += 1

    def ask(self, action: str, **fields: Any) -> None:
        """Make a request for the current attempt."""
        rollout = self.status.rollout
        self.requests += 1
        known: dict[str, Any] = {
            "revision": rollout.revision if rollout else self.status.stable,
            "attempt": rollout.attempt if rollout else 0,
            "at": self.now,
        }
        self.request = RequestSeen(id=f"r{self.requests}", action=action, **{**known, **fields})

    def abort_now(self) -> None:
        rollout = self.rollout
        self.abort = f"{rollout.revision}/{rollout.attempt}"

    # What is there

    def revision(self, spec: Mapping[str, Any]) -> str:
        parsed, problems = parse_spec(spec, {"name": NAME})
        assert parsed is not None, problems
        return revision_name(hashed_content(parsed))

    def name(self, version: int | str) -> str:
        """Return the revision of a version's template under the spec's other fields."""
        parts = {"template": template(version), "service": self.spec["service"], "model": self.spec.get("model")}
        return self.revision(spec_of(**parts))

    @property
    def rollout(self) -> Rollout:
        assert self.status.rollout is not None
        return self.status.rollout

    @property
    def route(self) -> Route:
        assert self.status.route is not None
        return self.status.route.route

    def weight(self, version: int | str) -> int:
        return self.route.weight(self.name(version))

    def size(self, version: int | str) -> int | None:
        deployment = self.children.get(("Deployment", workload(NAME, self.name(version))))
        return None if deployment is None else deployment["spec"]["replicas"]

    def condition(self, kind: str) -> tuple[str, str] | None:
        """Return status and reason of a condition."""
        found = find(self.status.conditions, ConditionType(kind))
        return None if found is None else (found.status, found.reason)

    def reasons(self) -> list[str]:
        return [event.reason for event in self.events]

    def look(self) -> Observation:
        spec = self._parsed()
        live = None
        if spec is not None:
            router, _ = spec.router()
            carrier = self.children.get(router.carrier(NAME, spec.service.name or NAME))
            live = router.read(carrier) if carrier else None
        pods = tuple(self._pods())
        seen = Observation(
            namespace="ml",
            name=NAME,
            uid="uid",
            generation=self.generation,
            resource_version=str(self.version),
            spec=self.spec,
            status=self._stored(self.status),
            deleting=self.deleting,
            request=self.request,
            abort=self.abort,
            snapshots=self._snapshots(),
            children=dict(self.children),
            foreign=self.foreign,
            leftovers=self.leftovers,
            pods=pods,
            routers=tuple(self._routers(pods)),
            live_route=live,
            rejected=self.rejected,
        )
        return replace(seen, readings=self._readings(seen)) if self.values else seen

    def _parsed(self) -> ModelDeploymentSpec | None:
        known, spec = self.parsed
        if known is not self.spec:
            spec, _ = parse_spec(self.spec, {"name": NAME})
            self.parsed = (self.spec, spec)
        return spec

    def _stored(self, status: Status) -> Status:
        """Return a status as it is read back; what hardly any pass changes is written and read once."""
        if status != self.kept[0]:
            self.kept = status, Status.model_validate(json.loads(json.dumps(status.dump())))
        return self.kept[1]

    def _snapshots(self) -> dict[str, Revision]:
        found = [
            Revision.restore(body["data"]) for (kind, _), body in self.children.items() if kind == "ControllerRevision"
        ]
        return {revision.name: revision for revision in found}

    def _pods(self) -> list[PodSeen]:
        pods = []
        for number, ((kind, name), body) in enumerate(sorted(self.children.items())):
            revision = name.removeprefix(f"{NAME}-")
            if kind != "Deployment" or revision == "router":
                continue
            replicas = body["spec"]["replicas"]
            ready = min(replicas, self.ready.get(revision, replicas))
            pods += [
                PodSeen(
                    f"{name}-{index}",
                    f"{name}-{index}",
                    f"10.0.{number}.{index}",
                    revision,
                    ready=index < ready,
                    ready_since=START if index < ready else None,
                    problem="" if index < ready else self.problem.get(revision, ""),
                    unschedulable=index >= ready and revision in self.unschedulable,
                )
                for index in range(replicas)
            ]
        return pods

    def _routers(self, pods: tuple[PodSeen, ...]) -> list[RouterPodSeen]:
        deployment = self.children.get(("Deployment", f"{NAME}-router"))
        files = self.children.get(("ConfigMap", f"{NAME}-router"))
        if deployment is None or files is None:
            return []
        file = json.loads(files["data"][CLUSTERS_FILE])
        newest = (file["version_info"], tuple(cluster["name"] for cluster in file["resources"]))
        reports = []
        for index in range(deployment["spec"]["replicas"]):
            pod = PodSeen(f"router-{index}", f"router-{index}", f"10.1.0.{index}", ready=True)
            if pod.name not in self.deaf:
                self.heard[pod.name] = newest
            version, clusters = self.heard.get(pod.name, (None, ()))
            members = {
                cluster: frozenset(
                    str(one.address)
                    for one in pods
                    if one.ready and one.revision == cluster.removesuffix("-mirror") and pod.name not in self.blind
                )
                for cluster in clusters
            }
            reports.append(RouterPodSeen(pod, version, members, dict(self.active), dict(self.mirrored), self.now))
        return reports

    def _readings(self, seen: Observation) -> dict[str, Reading]:
        wanted = wants(seen).analysis
        if wanted is None:
            return {}
        readings = {}
        for metric in wanted.metrics:
            value = self.values.get(metric.name)
            heard = Reading(metric.name, wanted.epoch, self.now, State.VALUE, mode=metric.mode)
            match value:
                case None:
                    continue
                case Evidence():
                    heard = heard._replace(value=value.candidate, requests=value.requests, evidence=value)
                case State():
                    heard = heard._replace(state=value, missing=3)
                case _:
                    heard = heard._replace(value=value, requests=1000)
            readings[metric.name] = heard
        return readings

    # Time

    def step(self) -> Plan:
        """Run one pass a tick later and carry it out; hold it against what is true of every pass."""
        self.now += TICK
        seen = self.look()
        plan = decide(seen, self.limits, self.now)
        spec = self._parsed()
        if spec is not None:
            assert not violations(plan, seen, spec.replicas)
        self._check(seen, plan)
        for check in self.checks:
            check(seen, plan)
        if plan.status != self.status:
            self.version += 1
        self.status = plan.status
        self.events += plan.events
        self._carry_out(plan)
        return plan

    def _check(self, seen: Observation, plan: Plan) -> None:
        stored = self._stored(plan.status)
        assert stored == plan.status, "the status does not survive its own JSON"
        if plan.status == self.status or not self.twice:
            return
        again = decide(replace(seen, status=stored), self.limits, self.now)
        assert again.status.dump() == plan.status.dump(), "a second look at the same world changes its mind"
        assert not again.events
        assert plan.due is None or plan.due > self.now

    def _carry_out(self, plan: Plan) -> None:
        for write in plan.writes:
            match write:
                case Apply(body, _):
                    self.version += 1
                    old = self.children.get(write.key, {"metadata": {"uid": f"u{self.version}"}})
                    identity = {"uid": old["metadata"]["uid"], "resourceVersion": str(self.version)}
                    self.children[write.key] = {**body, "metadata": {**body["metadata"], **identity}}
                case Delete():
                    self.children.pop(write.key, None)
        if self.status.route is not None:
            rollout = self.status.rollout
            candidate = rollout.revision if rollout else ""
            here = (candidate, self.route.weight(candidate))
            if not self.weights or self.weights[-1] != here:
                self.weights.append(here)

    def settle(self, most: int = 60) -> Plan:
        """Pass after pass until nothing changes any more."""
        for _ in range(most):
            before = self.status
            plan = self.step()
            if plan.status == before and not any(isinstance(write, Apply | Delete) for write in plan.writes):
                return plan
        raise AssertionError(f"does not come to rest: {self.status.message}")

    def wait(self, seconds: float) -> Plan:
        """Let time pass, looking whenever something is due."""
        end = self.now + timedelta(seconds=seconds)
        plan = self.settle()
        while plan.due is not None and plan.due < end:
            self.now = max(self.now, plan.due)
            plan = self.settle()
        self.now = max(self.now, end)
        return self.settle()

    def install(self) -> None:
        """Have the first version become stable; once for each spec, because it always goes the same way."""
        assert not self.children
        key = json.dumps(self.spec, sort_keys=True)
        if key not in _INSTALLED:
            self.wait(5)
            _INSTALLED[key] = self.copy()
        made = _INSTALLED[key]
        self.now, self.status, self.version = made.now, made.status, made.version
        self.children, self.heard = dict(made.children), dict(made.heard)
        self.events, self.weights = list(made.events), list(made.weights)
        assert self.status.stable == self.rollout.revision
        assert self.condition("Ready") == ("True", "Stable")

    def copy(self) -> "World":
        """Return a world that goes on from here by itself."""
        return World(**{one.name: copy(getattr(self, one.name)) for one in fields(World)})

    def run(self, seconds: float = 600) -> None:
        """Let the rollout come to its end."""
        self.wait(seconds)
        assert self.rollout.state is not RolloutState.PROGRESSING, self.status.message


_INSTALLED: dict[str, World] = {}
"""Worlds just after the first install, by spec."""
