"""The simulated cluster's API server behind real HTTP: enough of it for the whole operator process, Kopf included.

It runs in a thread of its own, because Kopf ends every task of its loop that it did not know.
"""

import asyncio
import json
import threading
from concurrent.futures import Future
from contextlib import contextmanager

from aiohttp import web

from modelrollout.adapters.kinds import KINDS, Kind
from modelrollout.errors import KubeError
from modelrollout.simulation.apiserver import ApiServer
from modelrollout.simulation.store import Store

VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
KIND_OF = {each.plural: name for name, each in KINDS.items()}


class Frontend:
    """Serves a store.

    Attributes:
        asked: method and path of each request, in order; a watch is WATCH and a list LIST.
        silent: kinds whose watches tell nothing.
        minor: of the Kubernetes version.
        absent: kinds that are not served.
        late: seconds that each read of a Deployment takes.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.server = ApiServer(store, lambda event: None)
        self.asked: list[tuple[str, str]] = []
        self.silent: set[str] = set()
        self.absent: set[str] = set()
        self.minor = "34"
        self.late = 0.0
        self.url = ""
        self._history: list[tuple[int, str, dict]] = []
        self._stirred = asyncio.Event()
        store.watchers.append(self._note)

    # Whatever touches the store happens in the server's thread.

    def do(self, call):
        """Run something in the server's thread; return its result."""
        done: Future = Future()
        self._loop.call_soon_threadsafe(lambda: done.set_result(call()))
        return done.result(5)

    @contextmanager
    def serving(self):
        started = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)))
        thread.start()
        started.wait(5)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._ended.set)
            thread.join(5)

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        await self._ended.wait()
        await runner.cleanup()
        # Connections that were closed just now end in the next turns of the loop.
        await asyncio.sleep(0.05)

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [each for each in self.asked if each[0] in ("POST", "PUT", "PATCH", "DELETE")]

    def lease(self):
        return next(iter(self.store.every("Lease")))

    def _note(self, change, stored, _before) -> None:
        self._history.append((int(stored["metadata"]["resourceVersion"]), str(change), stored))
        self._stirred.set()

    @property
    def _version(self) -> str:
        return str(self._history[-1][0] if self._history else 100)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._route(request)
        except KubeError as exc:
            return web.json_response({"kind": "Status", "message": str(exc)}, status=exc.status)

    async def _route(self, request: web.Request) -> web.StreamResponse:
        known = self._discovery(request.path.strip("/"))
        if known is not None:
            self.asked.append(("GET", request.path))
            return web.json_response(known)
        kind, namespace, name = _place(request.path)
        method = request.method
        if method == "GET" and not name:
            method = "WATCH" if "watch" in request.query else "LIST"
        self.asked.append((method, f"{kind}/{name}" if name else kind))
        if kind in self.absent:
            return _status(404, "the server could not find the requested resource")
        match method:
            case "WATCH":
                return await self._watch(request, kind, namespace)
            case "LIST":
                return self._list(request, kind, namespace)
            case "GET":
                if kind == "Deployment":
                    await asyncio.sleep(self.late)
                found = self.store.get(kind, namespace, name)
                return web.json_response(found) if found else _status(404, "not found")
        return await self._write(request, kind, namespace, name)

    def _discovery(self, path):
        match path.split("/"):
            case ["version"]:
                return {"major": "1", "minor": self.minor}
            case ["api"]:
                return {"versions": ["v1"]}
            case ["apis"]:
                return {"groups": _groups()}
            case ["api", version]:
                return {"resources": _resources(version)}
            case ["apis", group, version]:
                return {"resources": _resources(f"{group}/{version}")}
        return None

    def _list(self, request, kind, namespace):
        metadata_only = "PartialObjectMetadata" in request.headers["Accept"]
        items = [
            {"metadata": each["metadata"]} if metadata_only else each
            for each in self.store.every(kind)
            if _selected(each, request, namespace)
        ]
        metadata = {"resourceVersion": self._version}
        kinds = {"apiVersion": KINDS[kind].api_version, "kind": f"{kind}List"}
        return web.json_response({**kinds, "metadata": metadata, "items": items})

    async def _watch(self, request, kind, namespace):
        response = web.StreamResponse()
        await response.prepare(request)
        told = int(request.query["resourceVersion"])
        while not self._ended.is_set():
            self._stirred.clear()
            for version, change, stored in tuple(self._history):
                if version > told and stored["kind"] == kind and _selected(stored, request, namespace):
                    told = version
                    if kind not in self.silent:
                        await response.write(json.dumps({"type": change, "object": stored}).encode() + b"\n")
            stirred = asyncio.create_task(self._stirred.wait())
            ended = asyncio.create_task(self._ended.wait())
            await asyncio.wait({stirred, ended}, return_when=asyncio.FIRST_COMPLETED)
            stirred.cancel()
            ended.cancel()
        return response

    def _put_lease(self, namespace, body):
        live = self.store.get("Lease", namespace, body["metadata"]["name"])
        if body["metadata"].get("resourceVersion") != (live["metadata"]["resourceVersion"] if live else None):
            return _status(409, "the object has been modified")
        return web.json_response(self.store.put(body))

    async def _write(self, request, kind, namespace, name):
        body = json.loads(await request.text())
        if kind == "Event":
            return web.json_response(body, status=201)
        if kind == "Lease":
            return self._put_lease(namespace, body)
        match request.method, request.content_type:
            case "PATCH", "application/apply-patch+yaml":
                fence = body["metadata"].get("resourceVersion")
                return web.json_response(await self.server.apply(body, "" if fence == "1" else fence))
            case "PATCH", "application/json-patch+json":
                version, status = (operation["value"] for operation in body)
                return web.json_response(await self.server.patch_status(namespace, name, status, version))
            case "PATCH", "application/merge-patch+json":
                ((_, value),) = body["metadata"]["annotations"].items()
                await self.server.nudge(namespace, name, value)
            case "DELETE", _:
                conditions = body["preconditions"]
                await self.server.delete(kind, namespace, name, conditions["uid"], conditions["resourceVersion"])
        return web.json_response({})


def _place(path):
    """Return kind, namespace and name; the last two may be empty."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    return KIND_OF[rest[0]], namespace, rest[1] if len(rest) > 1 else ""


def _status(code, message):
    return web.json_response({"kind": "Status", "message": message}, status=code)


def _selected(raw, request, namespace):
    selector = request.query.get("labelSelector", "")
    labels = raw["metadata"].get("labels") or {}
    return (not selector or selector in labels) and (not namespace or raw["metadata"]["namespace"] == namespace)


def _groups():
    versions = {each.api_version for each in KINDS.values() if "/" in each.api_version}
    pairs = (each.split("/") for each in sorted(versions))
    return [
        {"name": group, "versions": [{"version": version}], "preferredVersion": {"version": version}}
        for group, version in pairs
    ]


def _resources(api_version):
    # Kopf waits until namespaces are served, although it does not look at them.
    served = {**KINDS, "Namespace": Kind("v1", "namespaces")}
    return [
        {"name": each.plural, "kind": name, "singularName": name.lower(), "namespaced": True, "verbs": VERBS}
        for name, each in served.items()
        if each.api_version == api_version
    ]
