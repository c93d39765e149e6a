"""Kopf, and nothing but Kopf: it watches, we enqueue. The only file that imports it.

Events only wake a key. Change handlers, timers, daemons, indexes and peering are not used: each of them loses edges,
keeps state of its own or does not scale. That also is why the storages below may store nothing.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import aiohttp
import kopf

from modelrollout.adapters.children import WATCHED, Children
from modelrollout.adapters.connect import Connection
from modelrollout.adapters.kinds import kind
from modelrollout.controller.queue import Key
from modelrollout.names import GROUP, KIND, LABEL_NAME, PLURAL, VERSION

Body = Mapping[str, Any]
Registry = kopf.OperatorRegistry
Wake = Callable[[Key], None]
Saw = Callable[[str, str | None, Body], None]


class _Backoffs:
    """Pauses between attempts of Kopf's own requests: about thirteen minutes, so that a control plane may be upgraded.

    A class and not a generator, because Kopf iterates it anew for each request.
    """

    def __iter__(self) -> Iterator[float]:
        for attempt in range(40):
            yield random.uniform(0.5, 1) * min(30, 2**attempt)  # noqa: S311  # spreads load, protects nothing


class _NoDiffBase(kopf.DiffBaseStorage):
    """Keeps no copy of the last seen object: no change handler needs it, and each copy costs time at every event."""

    def build(self, *, body: kopf.Body, extra_fields: object = None) -> kopf.BodyEssence:  # noqa: ARG002  # Kopf's signature
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002  # Kopf's signature
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


class _NoProgress(kopf.ProgressStorage):
    """Keeps no progress of handlers: event handlers have none."""

    def fetch(self, *, key: Any, body: kopf.Body) -> Any:  # noqa: ANN401, ARG002  # Kopf's signature
        return None

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:  # noqa: ANN401  # Kopf's signature
        """Store nothing."""

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:  # noqa: ANN401  # Kopf's signature
        """Purge nothing."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        """Touch nothing."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def settings() -> kopf.OperatorSettings:
    """Return Kopf's settings. Values that are not obvious carry the failure that they prevent."""
    chosen = kopf.OperatorSettings()
    chosen.peering.standalone = True  # a Lease elects; peering is no lock
    chosen.scanning.disabled = True  # no watch on CRDs and namespaces, and no rights for it
    chosen.posting.enabled = False
    chosen.watching.initial_streaming = False  # a cut during the initial list would lose the rest of it for good
    chosen.watching.chunk_size = 500
    chosen.watching.inactivity_timeout = 70.0
    chosen.watching.server_timeout = 290  # bounded streams: load balancers cut idle ones silently
    chosen.watching.client_timeout = 330
    chosen.watching.connect_timeout = 10
    chosen.watching.reconnect_backoff = 1.0
    chosen.networking.connect_timeout = 10
    chosen.networking.request_timeout = 30
    chosen.networking.error_backoffs = _Backoffs()
    chosen.networking.enforce_retry_after = True
    chosen.queueing.worker_limit = None  # a limit starves: each worker keeps its slot while idle
    chosen.queueing.idle_timeout = 1.0
    chosen.queueing.exit_timeout = 2.0
    chosen.execution.default_backoff = 10
    chosen.process.ultimate_exiting_timeout = 25  # below the pod's grace period
    chosen.persistence.finalizer = f"{GROUP}/kopf"
    chosen.persistence.diffbase_storage = _NoDiffBase()
    chosen.persistence.progress_storage = _NoProgress()
    for name in WATCHED:
        chosen.watching.label_selectors[_resource(name)] = LABEL_NAME
    return chosen


def registry(connection: Connection, children: Children, wake: Wake, saw: Saw) -> kopf.OperatorRegistry:
    """Return handlers that only enqueue.

    Args:
        connection: to the API server.
        children: learns the names of children.
        wake: has a key looked at.
        saw: told kind, type (None in a list) and object of each event.
    """
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: object) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server=connection.server, aiohttp_session=_session(connection))

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers)
    async def modeldeployment(type: str | None, body: kopf.Body, **_: object) -> None:  # noqa: A002  # Kopf passes it by this name
        saw(KIND, type, body)
        wake((body["metadata"]["namespace"], body["metadata"]["name"]))

    for name in WATCHED:
        _watch_children(handlers, name, children, wake, saw)
    return handlers


def _watch_children(handlers: kopf.OperatorRegistry, name: str, children: Children, wake: Wake, saw: Saw) -> None:
    @kopf.on.event(*_resource(name), registry=handlers, id=f"child-{name.lower()}")
    async def child(type: str | None, body: kopf.Body, **_: object) -> None:  # noqa: A002  # Kopf passes it by this name
        saw(name, type, body)
        key = children.remove(name, body) if type == "DELETED" else children.put(name, body)
        if key is not None:
            wake(key)


def _resource(name: str) -> tuple[str, str, str]:
    """Return group, version and plural: with all three Kopf asks no other API group, one of which may be broken."""
    group, _, version = kind(name).api_version.rpartition("/")
    return group, version, kind(name).plural


def _session(connection: Connection) -> aiohttp.ClientSession:
    async def authorize(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        header = await connection.authorization()
        if header is not None:
            request.headers["Authorization"] = header
        return await handler(request)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=connection.tls),
        middlewares=(authorize,),
        trust_env=False,
        headers={"User-Agent": "modelrollout-watch"},
    )


async def watch(
    handlers: kopf.OperatorRegistry,
    namespaces: Collection[str],
    identity: str,
    stop: asyncio.Event,
    ready: asyncio.Event,
) -> None:
    """Watch until stopped. Returns early when a watcher gave up.

    Args:
        handlers: from :func:`registry`.
        namespaces: which ones; empty for the whole cluster.
        identity: of this process; Kopf would otherwise ask for the user's name, which an arbitrary uid does not have.
        stop: ends it.
        ready: set when it watches.
    """
    await kopf.operator(
        registry=handlers,
        settings=settings(),
        clusterwide=not namespaces,
        namespaces=tuple(namespaces),
        standalone=True,
        identity=identity,  # type: ignore[arg-type]  # Kopf's name for a string, which it does not export
        stop_flag=stop,
        ready_flag=ready,
    )


def missing_watchers(namespaces: Collection[str], tasks: Collection[str]) -> tuple[str, ...]:
    """Return watchers that should run and do not.

    Kopf can lose a watcher without ending: it then lives and is blind. Only the names of its tasks show it.

    Args:
        namespaces: which ones are watched; empty for the whole cluster.
        tasks: names of all tasks of the loop.
    """
    running = [name.removeprefix("watcher for ") for name in tasks if name.startswith("watcher for ")]
    return tuple(
        f"the watch on {plural} in {namespace or 'all namespaces'} has ended"
        for plural in (PLURAL, *(kind(name).plural for name in WATCHED))
        for namespace in namespaces or (None,)
        if not any(name.startswith(f"{plural}.") and name.endswith(f"@{namespace}") for name in running)
    )
