"""The API server as the operator sees it: server-side apply, fences, preconditions, the status subresource.

It refuses what the real one refuses: a stale resourceVersion, another uid, a change of what is immutable.
"""

from collections.abc import Callable, Mapping
from typing import Any

from modelrollout.domain.plan import Event
from modelrollout.errors import ConflictError, RefusedError
from modelrollout.names import ANNOTATION_NUDGE, FIELD_MANAGER, KIND
from modelrollout.simulation.ownership import Fields, merge, owned, take_over, union
from modelrollout.simulation.store import Object, Store, place_of

Refuse = Callable[[Mapping[str, Any]], str | None]
"""Admission: why an object is refused, None when it is not."""


class ApiServer:
    """Implements :class:`modelrollout.adapters.protocols.Kube` on a store.

    Args:
        store: keeps the objects.
        tell: told each Event.
    """

    def __init__(self, store: Store, tell: Callable[[Event], None]) -> None:
        self._store = store
        self._tell = tell
        self.refuse: Refuse = lambda _body: None

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return one object, None when it does not exist."""
        return self._store.get(kind, namespace, name)

    async def apply(self, body: Mapping[str, Any], fence: str | None = None) -> Object:
        """Server-side apply, forced, with our field manager."""
        return self.apply_as(FIELD_MANAGER, body, fence)

    async def dry_run(self, body: Mapping[str, Any]) -> None:
        """Ask whether an apply would be accepted."""
        self._admit(body, self._store.get(*place_of(body)))

    async def delete(self, kind: str, namespace: str, name: str, uid: str, resource_version: str) -> None:
        """Delete one object; gone already is fine."""
        live = self._store.get(kind, namespace, name)
        if live is None:
            return
        metadata = live["metadata"]
        if (metadata["uid"], metadata["resourceVersion"]) != (uid, resource_version):
            raise ConflictError(f"delete {kind}: a precondition does not hold", 409)
        self._store.remove(live)

    async def patch_status(self, namespace: str, name: str, status: Mapping[str, Any], resource_version: str) -> Object:
        """Replace the status of a ModelDeployment, fenced by the resourceVersion."""
        live = self._store.get(KIND, namespace, name)
        if live is None:
            raise RefusedError("write the status: not found", 404)
        if live["metadata"]["resourceVersion"] != resource_version:
            raise ConflictError("write the status: the object has been modified", 409)
        return self._store.put({**live, "status": dict(status)})

    async def nudge(self, namespace: str, pod: str, value: str) -> None:
        """Set our annotation on a router pod; a pod that is gone is fine."""
        live = self._store.get("Pod", namespace, pod)
        if live is None:
            return
        annotations = {**live["metadata"].get("annotations", {}), ANNOTATION_NUDGE: value}
        self._store.put({**live, "metadata": {**live["metadata"], "annotations": annotations}})

    async def emit(self, regarding: Mapping[str, Any], event: Event) -> None:  # noqa: ARG002  # one ModelDeployment is looked at
        """Post an Event."""
        self._tell(event)

    def apply_as(self, manager: str, body: Mapping[str, Any], fence: str | None = None) -> Object:
        """Server-side apply, forced.

        Raises:
            ConflictError: the fence, or the uid in the body, does not hold.
            RefusedError: the object is refused.
        """
        live = self._store.get(*place_of(body))
        self._check_fence(body, live, fence)
        self._admit(body, live)
        managed = _managed(live)
        ours = owned(body)
        before: Fields = managed.pop(manager, {})
        others: Fields = {}
        for fields in managed.values():
            others = union(others, fields)
        merged = merge(live or {"metadata": {}}, body, before, others)
        left = {name: take_over(fields, ours, live or {}, merged) for name, fields in managed.items()}
        metadata = {key: value for key, value in merged["metadata"].items() if key != "resourceVersion"}
        metadata["managedFields"] = [
            {"manager": name, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields}
            for name, fields in sorted({**left, manager: ours}.items())
            if fields
        ]
        return self._store.put({**merged, "metadata": metadata})

    def _check_fence(self, body: Mapping[str, Any], live: Object | None, fence: str | None) -> None:
        what = f"apply {body['kind']}"
        if live is None:
            if "uid" in body["metadata"]:
                raise ConflictError(f"{what}: no object has this uid any more", 409)
            return
        metadata = live["metadata"]
        if fence is not None and metadata["resourceVersion"] != fence:
            raise ConflictError(f"{what}: the object has been modified", 409)
        if body["metadata"].get("uid", metadata["uid"]) != metadata["uid"]:
            raise ConflictError(f"{what}: another object has this name", 409)

    def _admit(self, body: Mapping[str, Any], live: Object | None) -> None:
        words = self.refuse(body) or (_immutable(body, live) if live is not None else None)
        if words is not None:
            raise RefusedError(words, 422)


def _managed(live: Object | None) -> dict[str, Fields]:
    entries = live["metadata"].get("managedFields", ()) if live is not None else ()
    return {entry["manager"]: entry["fieldsV1"] for entry in entries}


def _immutable(body: Mapping[str, Any], live: Object) -> str | None:
    kind = body["kind"]
    if kind == "ControllerRevision" and "data" in body and body["data"] != live["data"]:
        return "data: Forbidden: field is immutable"
    if kind == "Deployment" and "selector" in body["spec"] and body["spec"]["selector"] != live["spec"]["selector"]:
        return "spec.selector: Invalid value: field is immutable"
    return None
