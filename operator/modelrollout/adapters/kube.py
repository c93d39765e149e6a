"""The API server as the operator sees it: plain dicts, server-side apply with one field manager, fenced writes."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any

from modelrollout.adapters.events import EventPoster
from modelrollout.adapters.kinds import kind as kind_of
from modelrollout.adapters.protocols import Object
from modelrollout.adapters.transport import Call, Transport
from modelrollout.domain.plan import Event
from modelrollout.errors import ConflictError, RefusedError
from modelrollout.names import ANNOTATION_NUDGE, FIELD_MANAGER, KIND

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

NO_OBJECT = "1"
"""A resourceVersion that no object can have, because every write makes a larger one. A server-side apply that carries
it creates an absent object and conflicts with any that exists. A POST would do the same but own the fields a second
time, as an update, so that a later apply could remove none of them."""

PAGE = 500


class KubeClient:
    """Implements :class:`modelrollout.adapters.protocols.Kube` and the reads that informers need.

    Args:
        transport: sends calls.
        events: posts Events in the background.
    """

    def __init__(self, transport: Transport, events: EventPoster) -> None:
        self._transport = transport
        self._events = events

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return one object, None when it does not exist."""
        try:
            return await self._transport.json(Call(f"read {kind}", "GET", kind_of(kind).path(namespace, name)))
        except RefusedError as exc:
            if exc.status == 404:
                return None
            raise

    async def apply(self, body: Mapping[str, Any], fence: str | None = None) -> Object:
        """Server-side apply, forced, with our field manager; see the protocol for the fence."""
        return await self._apply(body, fence, dry_run=False)

    async def dry_run(self, body: Mapping[str, Any]) -> None:
        """Ask whether an apply would be accepted."""
        await self._apply(body, None, dry_run=True)

    async def _apply(self, body: Mapping[str, Any], fence: str | None, *, dry_run: bool) -> Object:
        metadata = dict(body["metadata"])
        if fence is not None:
            metadata["resourceVersion"] = fence or NO_OBJECT
        path = kind_of(body["kind"]).path(metadata["namespace"], metadata["name"])
        query: dict[str, str | int] = {"fieldManager": FIELD_MANAGER, "force": "true"}
        if dry_run:
            query["dryRun"] = "All"
        call = Call(f"apply {body['kind']}", "PATCH", path, query, {**body, "metadata": metadata}, APPLY)
        try:
            return await self._write(call)
        except RefusedError as exc:
            # Another object took the name: the server calls its uid an invalid value before it compares versions.
            if exc.status == 422 and "uid" in metadata and "metadata.uid" in str(exc):
                raise ConflictError(str(exc), 409) from exc
            raise

    async def delete(self, kind: str, namespace: str, name: str, uid: str, resource_version: str) -> None:
        """Delete one object in the background; gone already is fine."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid, "resourceVersion": resource_version},
        }
        try:
            await self._write(Call(f"delete {kind}", "DELETE", kind_of(kind).path(namespace, name), body=body))
        except RefusedError as exc:
            if exc.status != 404:
                raise

    async def patch_status(self, namespace: str, name: str, status: Mapping[str, Any], resource_version: str) -> Object:
        """Replace the status in one write, fenced.

        A JSON patch, because a merge patch cannot drop what is absent and a PUT would need the whole object. Replacing
        the resourceVersion instead of testing it makes the server answer 409 and not 422 when it does not hold.
        """
        operations = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version},
            {"op": "add", "path": "/status", "value": dict(status)},
        ]
        path = kind_of(KIND).path(namespace, name) + "/status"
        return await self._write(
            Call("write the status", "PATCH", path, {"fieldManager": FIELD_MANAGER}, operations, JSON_PATCH)
        )

    async def nudge(self, namespace: str, pod: str, value: str) -> None:
        """Set our annotation on a router pod; a pod that is gone is fine."""
        body = {"metadata": {"annotations": {ANNOTATION_NUDGE: value}}}
        call = Call(
            "annotate a router's Pod",
            "PATCH",
            kind_of("Pod").path(namespace, pod),
            {"fieldManager": FIELD_MANAGER},
            body,
            MERGE_PATCH,
            METADATA_ONLY,
        )
        try:
            await self._write(call)
        except RefusedError as exc:
            if exc.status != 404:
                raise

    async def emit(self, regarding: Mapping[str, Any], event: Event) -> None:
        """Hand an Event to the background poster; never waits and never raises."""
        self._events.offer(regarding, event)

    async def put_lease(self, body: Mapping[str, Any]) -> Object:
        """Create a Lease, or replace it when the body carries a resourceVersion.

        Raises:
            ConflictError: somebody else was faster.
        """
        metadata = body["metadata"]
        fenced = "resourceVersion" in metadata
        path = kind_of("Lease").path(metadata["namespace"], metadata["name"] if fenced else "")
        # Never repeated: the elector counts the validity of a lease from the start of one request.
        call = Call("write the Lease", "PUT" if fenced else "POST", path, body=dict(body), again=False)
        return await self._transport.json(call)

    async def list_all(
        self, kind: str, namespace: str, selector: str, *, metadata_only: bool = False
    ) -> tuple[list[Object], str]:
        """Return all objects that a label selector matches, and the resourceVersion from which a watch continues."""
        items: list[Object] = []
        query: dict[str, str | int] = {"labelSelector": selector, "limit": PAGE} if selector else {"limit": PAGE}
        while True:
            accept = METADATA_LIST if metadata_only else "application/json"
            call = Call(f"list {kind}", "GET", kind_of(kind).path(namespace), query, accept=accept)
            page = await self._transport.json(call)
            items += page.get("items") or []
            metadata = page["metadata"]
            if not metadata.get("continue"):
                return items, metadata["resourceVersion"]
            query = {**query, "continue": metadata["continue"]}

    def watch(self, kind: str, namespace: str, selector: str, resource_version: str) -> AsyncGenerator[bytes, None]:
        """Yield the lines of one watch, bookmarks included, until the server ends it."""
        query: dict[str, str | int] = {
            "labelSelector": selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": 290,
        }
        return self._transport.lines(Call(f"watch {kind}", "GET", kind_of(kind).path(namespace), query))

    async def server_version(self) -> tuple[int, int]:
        """Return major and minor version of the API server."""
        answer = await self._transport.json(Call("read the server's version", "GET", "/version"))
        return int(answer["major"]), int("".join(filter(str.isdigit, answer["minor"])))

    async def _write(self, call: Call) -> Object:
        return await self._transport.json(replace(call, fenced_by_lease=True))
