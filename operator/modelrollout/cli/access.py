"""The API server as a person's command sees it: read, watch, annotate; every error says what to do next."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from modelrollout.adapters.kinds import kind as kind_of
from modelrollout.adapters.kubeconfig import PersonalConnection, connect_as_person
from modelrollout.adapters.transport import Call, Transport
from modelrollout.cli.options import Where
from modelrollout.errors import ConflictError, KubeError, RefusedError, RolloutError, SourceError, UnavailableError
from modelrollout.names import GROUP, KIND, LABEL_NAME, PLURAL

Object = dict[str, Any]

FIELD_MANAGER = "kubectl-modelrollout"
AGAIN = 1.0
"""Seconds until a broken watch is tried again."""


def now() -> datetime:
    """Return the current time: the command line's clock."""
    return datetime.now(UTC)  # noqa: TID251  # the command line owns a clock


class NotThereError(RolloutError):
    """The ModelDeployment does not exist, or not any more."""


class Access:
    """One namespace of a cluster, as a person.

    Args:
        person: the connection.
        namespace: where the objects are.
    """

    def __init__(self, person: PersonalConnection, namespace: str) -> None:
        self.namespace = namespace
        self._person = person
        self._transport = Transport(person.connection)

    async def read(self, name: str) -> Object:
        """Return a ModelDeployment.

        Raises:
            NotThereError: there is none of that name.
            KubeError: the API server said something else.
        """
        try:
            return await self._json(Call(f"read {KIND} {name}", "GET", kind_of(KIND).path(self.namespace, name)))
        except RefusedError as exc:
            if exc.status != 404:
                raise
            raise NotThereError(await self._absent(name)) from exc

    async def children(self, kind: str, name: str) -> Sequence[Object]:
        """Return the objects of a kind that belong to a ModelDeployment; none where we may not look."""
        query: dict[str, str | int] = {"labelSelector": f"{LABEL_NAME}={name}"}
        call = Call(f"list {kind}s of {name}", "GET", kind_of(kind).path(self.namespace), query)
        try:
            items: Sequence[Object] = (await self._json(call)).get("items") or ()
        except RefusedError:
            return ()
        return items

    async def pods(self, name: str) -> Sequence[Object]:
        """Return the pods that belong to a ModelDeployment.

        Raises:
            KubeError: they could not be read.
        """
        query: dict[str, str | int] = {"labelSelector": f"{LABEL_NAME}={name}"}
        call = Call(f"list Pods of {name}", "GET", kind_of("Pod").path(self.namespace), query)
        try:
            return tuple((await self._transport.json(call)).get("items") or ())
        except RefusedError as exc:
            raise RefusedError(f"{exc}. Ask for a role that may list pods there.", exc.status) from exc

    async def page(self, pod: str, port: int, path: str) -> str:
        """GET a page of a pod through the API server, as ``kubectl proxy`` would.

        Raises:
            SourceError: the pod did not answer.
            RefusedError: we may not ask it.
        """
        where, _, asked = path.partition("?")
        call = Call(
            f"read {where} of a router",
            "GET",
            f"{kind_of('Pod').path(self.namespace, pod)}:{port}/proxy{where}",
            dict(parse_qsl(asked, keep_blank_values=True)),
            accept="*/*",
        )
        try:
            return await self._transport.text(call)
        except RefusedError as exc:
            if exc.status == 403:
                raise RefusedError(f"{exc}. Ask for a role that may get pods/proxy there.", 403) from exc
            raise SourceError(str(exc)) from exc
        except KubeError as exc:
            raise SourceError(str(exc)) from exc

    async def annotate(self, seen: Mapping[str, Any], values: Mapping[str, str], *, fenced: bool) -> Object:
        """Set annotations on the ModelDeployment that was seen, never on a namesake that took its place.

        Args:
            seen: the object as read.
            values: annotations by name.
            fenced: only if nothing has changed since it was read.

        Raises:
            ConflictError: it changed, or it is another object.
        """
        metadata = seen["metadata"]
        fence = {"resourceVersion": metadata["resourceVersion"]} if fenced else {}
        body = {"metadata": {"uid": metadata["uid"], "annotations": dict(values), **fence}}
        path = kind_of(KIND).path(self.namespace, metadata["name"])
        call = Call(
            f"annotate {KIND} {metadata['name']}",
            "PATCH",
            path,
            {"fieldManager": FIELD_MANAGER},
            body,
            "application/merge-patch+json",
        )
        return await self._json(call)

    async def changes(self, name: str) -> AsyncGenerator[Object | None]:
        """Yield the object as it is and after each change, without end; None when the API server does not answer.

        Raises:
            NotThereError: it does not exist, or not any more.
            KubeError: the first read failed.
        """
        found: Object = await self.read(name)
        while True:
            yield found
            try:
                async for event in self._events(name, found["metadata"]["resourceVersion"]):
                    if event["type"] == "DELETED":
                        raise NotThereError(f"{KIND} {name} was deleted.")
                    yield event["object"]
            except UnavailableError:
                yield None
            # Also after a watch that ended well: something on the way may end each one at once.
            await asyncio.sleep(AGAIN)
            found = await self._patient_read(name)

    async def _patient_read(self, name: str) -> Object:
        while True:
            try:
                return await self.read(name)
            except UnavailableError:
                await asyncio.sleep(AGAIN)

    async def _events(self, name: str, version: str) -> AsyncIterator[Object]:
        """Yield the events of one watch until it ends or the server has forgotten where it began."""
        query: dict[str, str | int] = {
            "fieldSelector": f"metadata.name={name}",
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": 290,
        }
        call = Call(f"watch {KIND} {name}", "GET", kind_of(KIND).path(self.namespace), query)
        async for line in self._transport.lines(call):
            event = json.loads(line)
            if event["type"] == "ERROR":
                return
            if event["type"] != "BOOKMARK":
                yield event

    async def whoami(self) -> str:
        """Return who we are to the API server; what the kubeconfig calls us where it does not say."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        call = Call("ask who we are", "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=body)
        try:
            return str((await self._json(call))["status"]["userInfo"]["username"])
        except (KubeError, KeyError, TypeError):
            return self._person.user

    async def _json(self, call: Call) -> Object:
        server = self._person.connection.server
        try:
            return await self._transport.json(call)
        except ConflictError:
            raise
        except UnavailableError as exc:
            raise UnavailableError(_unavailable(call, server, exc), exc.status, exc.retry_after) from exc
        except RefusedError as exc:
            if exc.status == 403:
                remedy = f"Ask for a role that may get, watch and patch {PLURAL}.{GROUP} there."
                raise RefusedError(f"{exc}. {remedy}", exc.status) from exc
            raise

    async def _absent(self, name: str) -> str:
        """Say what there is instead."""
        everywhere = Call(f"list {PLURAL}", "GET", kind_of(KIND).path())
        here = Call(f"list {PLURAL}", "GET", kind_of(KIND).path(self.namespace))
        for call in (everywhere, here):
            try:
                items = (await self._json(call)).get("items") or []
            except RefusedError as exc:
                if exc.status == 404:
                    return "The cluster knows no ModelDeployments. Install modelrollout: `kubectl apply -k manifests/`."
                continue
            return absent(
                name, self.namespace, [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items]
            )
        return f"There is no ModelDeployment {name} in the namespace {self.namespace}."


def absent(name: str, namespace: str, known: Sequence[tuple[str, str]]) -> str:
    """Return the words for a name that does not exist.

    Args:
        name: what was asked for.
        namespace: where it was looked for.
        known: namespace and name of every ModelDeployment that we may see.
    """
    missing = f"There is no ModelDeployment {name} in the namespace {namespace}."
    elsewhere = sorted(place for place, other in known if other == name)
    if elsewhere:
        return f"{missing} It is in {', '.join(elsewhere)}: say -n {elsewhere[0]}."
    here = sorted(other for place, other in known if place == namespace)
    if here:
        return f"{missing} There are: {', '.join(here)}."
    others = sorted({place for place, _ in known})
    if others:
        return f"{missing} There is none at all; these namespaces have some: {', '.join(others)}. Choose one with -n."
    return f"{missing} There is none at all. Make one with `kubectl apply -f`."


def _unavailable(call: Call, server: str, exc: UnavailableError) -> str:
    if exc.status == 401:
        return f"{server} does not accept who you say you are. Log in again, or choose another context with --context."
    if exc.status:
        return f"{exc}. The API server at {server} is in trouble; try again."
    detail = str(exc.__cause__ or "").strip() or type(exc.__cause__).__name__
    return (
        f"{server} does not answer, trying to {call.what}: {detail}. "
        "Check that the cluster runs, and which one --context and --kubeconfig choose."
    )


@asynccontextmanager
async def access(where: Where) -> AsyncIterator[Access]:
    """Open the cluster that the options choose.

    Raises:
        KubeError: the kubeconfig cannot be used.
    """
    person = await connect_as_person(where.kubeconfig, where.context)
    try:
        yield Access(person, where.namespace or person.namespace)
    finally:
        await person.connection.close()
