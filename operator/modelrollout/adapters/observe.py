"""The only reader: one ModelDeployment, its named children and its pods become one Observation.

Children are read by name, all at once; nothing is listed. Names come from three places: what the status says, what the
spec says, and what the watches have seen, so that a wiped status hides no child.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from modelrollout.adapters.children import Child, Children, Key, Version, version_of
from modelrollout.adapters.protocols import Kube, Object, Pods
from modelrollout.adapters.reading import (
    Ownership,
    ownership,
    read_abort,
    read_request,
    read_snapshot,
    read_status,
)
from modelrollout.api.modeldeployment import ModelDeploymentSpec, hashed_content, weighs
from modelrollout.api.monitor import Reference
from modelrollout.api.validate import parse_spec
from modelrollout.api.watched import reference_of
from modelrollout.domain.golden import Probes
from modelrollout.domain.observation import Observation, PodSeen, RouterPodSeen
from modelrollout.domain.reading import Reading
from modelrollout.domain.revision import Revision
from modelrollout.domain.route import RouteAsk
from modelrollout.domain.status import Status
from modelrollout.errors import RolloutError
from modelrollout.names import (
    COMPONENT_REPORT,
    KIND,
    LABEL_COMPONENT,
    candidate_service,
    evidence,
    labels_service,
    mirror_cluster,
    reference,
    report,
    revision_name,
    router,
    workload,
)
from modelrollout.resources.reference import REFERENCE

OF_REVISION = ("ControllerRevision", "Deployment", "Service")
NO_TEMPLATE = {"spec": {"containers": [{"name": "none", "image": "none"}]}}
"""Stands where a spec that was accepted had its template, which is kept in the snapshots alone."""


@dataclass(frozen=True)
class Polled:
    """What background polling knows about one ModelDeployment.

    Attributes:
        routers: what each router pod said last, by the pod's uid.
        readings: newest reading of each metric.
        evidence: what evidence has been gathered, as text.
        details: what reports show besides numbers, by attempt and metric.
        probes: what the candidate's pods answered to golden examples.
        learnt: what has been learnt for the reference, as text.
    """

    routers: Mapping[str, RouterPodSeen]
    readings: Mapping[str, Reading]
    evidence: str = ""
    details: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    probes: Probes | None = None
    learnt: str = ""


class Observer:
    """Reads the world.

    Args:
        kube: the API server.
        pods: the pod informer.
        children: names of children that the watches have seen.
    """

    def __init__(self, kube: Kube, pods: Pods, children: Children) -> None:
        self._kube = kube
        self._pods = pods
        self._children = children
        self._lasting: dict[Key, dict[Child, Object]] = {}

    async def observe(self, key: Key, polled: Polled, rejected: Mapping[Child, str]) -> Observation | None:
        """Return what is there now; None when the ModelDeployment is gone.

        Raises:
            KubeError: a read failed: half an observation is none.
            RolloutError: the stored status cannot be read.
        """
        namespace, name = key
        parent = await self._kube.get(KIND, namespace, name)
        if parent is None:
            return None
        metadata = parent["metadata"]
        status = read_status(parent.get("status"))
        if status is None:
            raise RolloutError(
                "Reading the status: it does not have the form this version writes. "
                "Run the version that wrote it, or remove the status: traffic then stays as it is."
            )
        spec = _spec(parent["spec"], status, metadata)
        carrier = _carrier(spec, name)
        found = await self._read(key, _wanted(key, status, spec, self._children.of(namespace, name), carrier))
        whose = {child: ownership(raw, name, metadata["uid"]) for child, raw in found.items()}
        ours = {child: raw for child, raw in found.items() if whose[child] is Ownership.OURS}
        pods = sorted(self._pods.of(namespace, name), key=lambda pod: pod.name)
        annotations = metadata.get("annotations") or {}
        return Observation(
            namespace=namespace,
            name=name,
            uid=metadata["uid"],
            generation=metadata["generation"],
            resource_version=metadata["resourceVersion"],
            spec=parent["spec"],
            status=status,
            deleting="deletionTimestamp" in metadata,
            request=read_request(annotations),
            abort=read_abort(annotations),
            snapshots=_snapshots(ours, name),
            children=ours,
            foreign=frozenset(child for child, owner in whose.items() if owner is Ownership.FOREIGN),
            leftovers=frozenset(child for child, owner in whose.items() if owner is Ownership.LEFTOVER),
            pods=tuple(pod for pod in pods if not pod.router),
            routers=tuple(_router(pod, polled.routers.get(pod.uid)) for pod in pods if pod.router),
            live_route=_live_route(spec, ours.get(carrier) if carrier else None),
            readings=polled.readings,
            evidence=polled.evidence,
            details=polled.details,
            probes=polled.probes,
            rejected=rejected,
            learnt=polled.learnt,
            given=await self._given(namespace, reference_of(spec) if spec is not None else None),
        )

    def forget(self, key: Key) -> None:
        """Drop what is cached about a ModelDeployment that is gone."""
        self._lasting.pop(key, None)

    async def _read(self, key: Key, wanted: frozenset[Child]) -> dict[Child, Object]:
        known, cached = self._children.of(*key), self._lasting.get(key, {})
        order = sorted(wanted)
        objects = await asyncio.gather(
            *(self._one(key[0], child, known.get(child), cached.get(child)) for child in order)
        )
        found: dict[Child, Object] = {}
        for child, raw in zip(order, objects, strict=True):
            if raw is not None:
                found[child] = raw
            elif child in known:
                self._children.forget(key, child, known[child])
        self._lasting[key] = {
            child: raw for child, raw in found.items() if child[0] == "ControllerRevision" or _is_report(raw)
        }
        return found

    async def _given(self, namespace: str, asked: Reference | None) -> str | None:
        """Return the reference that a person gives; it is nobody's child, and only read."""
        if asked is None or asked.config_map is None:
            return None
        found = await self._kube.get("ConfigMap", namespace, asked.config_map)
        return (found.get("data") or {}).get(REFERENCE) if found is not None else None

    async def _one(self, namespace: str, child: Child, known: Version | None, cached: Object | None) -> Object | None:
        """Read one child. What hardly ever changes is read once for each version that the watch has seen."""
        if cached is not None and version_of(cached) == known:
            return cached
        raw = await self._kube.get(child[0], namespace, child[1])
        # What a report says is for people; that it is there is all that matters here, and ten of them would fill memory.
        return {"metadata": raw["metadata"]} if raw is not None and _is_report(raw) else raw


def _spec(raw: Mapping[str, object], status: Status, metadata: Mapping[str, str]) -> ModelDeploymentSpec | None:
    """Return the spec, or the last accepted one for the names in it, or None."""
    named = {"name": metadata["name"], "namespace": metadata["namespace"]}
    spec, _ = parse_spec(raw, named)
    if spec is None and status.accepted is not None:
        spec, _ = parse_spec({**status.accepted, "template": NO_TEMPLATE}, named)
    return spec


def _carrier(spec: ModelDeploymentSpec | None, name: str) -> Child | None:
    if spec is None:
        return None
    return spec.router()[0].carrier(name, spec.service.name or name)


def _live_route(spec: ModelDeploymentSpec | None, carrier: Mapping[str, object] | None) -> RouteAsk | None:
    return spec.router()[0].read(carrier) if spec is not None and carrier is not None else None


def _is_report(raw: Object) -> bool:
    return bool((raw["metadata"].get("labels") or {}).get(LABEL_COMPONENT) == COMPONENT_REPORT)


def _wanted(
    key: Key, status: Status, spec: ModelDeploymentSpec | None, known: Mapping[Child, Version], carrier: Child | None
) -> frozenset[Child]:
    """Return every child worth asking for."""
    name = key[1]
    children = {(kind, workload(name, revision)) for revision in _revisions(status, spec) for kind in OF_REVISION}
    children |= {(kind, router(name)) for kind in ("Deployment", "ConfigMap", "PodDisruptionBudget")}
    if spec is not None and weighs(spec):
        children.add(("ConfigMap", evidence(name)))
    if spec is not None and reference_of(spec) is not None:
        children.add(("ConfigMap", reference(name)))
    children |= {("Service", candidate_service(name)), ("Service", (spec.service.name if spec else None) or name)}
    if spec is not None and spec.analysis is not None and spec.analysis.labels is not None:
        children.add(("Service", labels_service(name)))
    if status.ended is not None:
        children.add(("ConfigMap", report(name, status.ended.revision, status.ended.attempt)))
    return frozenset({*children, *known, *([carrier] if carrier else [])})


def _revisions(status: Status, spec: ModelDeploymentSpec | None) -> frozenset[str]:
    """Return every revision that status or spec names."""
    names = {status.stable, status.candidate}
    if status.rollout is not None:
        names |= {status.rollout.revision, status.rollout.previous}
    if status.target is not None:
        names.add(status.target.revision)
    if status.route is not None:
        names |= status.route.route.revisions()
        names |= {cluster.removesuffix(mirror_cluster("")) for cluster in status.route.clusters}
    if spec is not None:
        names.add(revision_name(hashed_content(spec)))
    return frozenset(name for name in names if name)


def _snapshots(ours: Mapping[Child, Object], name: str) -> dict[str, Revision]:
    revisions = (read_snapshot(raw, name) for (kind, _), raw in ours.items() if kind == "ControllerRevision")
    return {revision.name: revision for revision in revisions if revision is not None}


def _router(pod: PodSeen, said: RouterPodSeen | None) -> RouterPodSeen:
    """Return what a router said of itself; the pod itself is as the informer knows it now."""
    return RouterPodSeen(pod) if said is None else replace(said, pod=pod)
