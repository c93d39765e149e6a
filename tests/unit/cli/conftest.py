"""An API server on loopback that keeps one ModelDeployment, and an operator that answers with the engine's own rules."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from aiohttp import web
from click.testing import CliRunner, Result

from modelrollout.adapters import transport
from modelrollout.adapters.reading import read_abort, read_request, read_snapshot, read_status
from modelrollout.cli import access, cli
from modelrollout.domain.observation import Limits, Observation
from modelrollout.engine.context import contextualize
from modelrollout.engine.requests import answer, obey_abort
from tests.unit.cli.states import DEPLOYMENTS, SNAPSHOTS

OBJECT = "/apis/modelrollout.dev/v1alpha1/namespaces/{namespace}/modeldeployments/{name}"
CollectionHandler = Callable[[web.Request], Any]


def refusal(status: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "message": message}, status=status)


def obey(raw: dict[str, Any]) -> dict[str, Any] | None:
    """The operator's answer: the new status, None when there is nothing to do."""
    metadata = raw["metadata"]
    status = read_status(raw.get("status"))
    assert status is not None
    snapshots = {one.name: one for item in SNAPSHOTS if (one := read_snapshot(item, "digits"))}
    seen = Observation(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata["generation"],
        resource_version=metadata["resourceVersion"],
        spec=raw["spec"],
        status=status,
        request=read_request(metadata["annotations"]),
        abort=read_abort(metadata["annotations"]),
        snapshots=snapshots,
    )
    context = contextualize(seen, Limits(), datetime.now(UTC))  # noqa: TID251  # requests carry the real time
    assert context is not None
    after = answer(obey_abort(context)).status
    return None if after == status else after.dump()


@dataclass
class World:
    """What the API server holds and does."""

    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    operator: Callable[[dict[str, Any]], dict[str, Any] | None] | None = obey
    before_patch: list[Callable[["World"], None]] = field(default_factory=list)
    """Done once each, just before a patch is looked at."""
    patches: list[dict[str, Any]] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    refuse: dict[str, int] = field(default_factory=dict)
    """Answers with an error, by the end of the path."""
    drop_watches: int = 0
    """So many watches are cut at once."""
    watched: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a watch is not cut."""
    user: str | None = "ann@example.org"
    maps: list[dict[str, Any]] = field(default_factory=list)
    """ConfigMaps of the ModelDeployment."""
    pods: list[dict[str, Any]] = field(default_factory=list)
    page: Callable[[str, str], str] | None = None
    """What a pod answers through the API server, by its name with the port, and path."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    version: int = 1000

    def put(self, raw: dict[str, Any]) -> None:
        self.version += 1
        raw["metadata"]["resourceVersion"] = str(self.version)
        self.objects[raw["metadata"]["namespace"], raw["metadata"]["name"]] = raw
        self.changed.set()
        self.changed = asyncio.Event()

    def set_status(self, status: dict[str, Any]) -> None:
        self.put({**self.only, "metadata": dict(self.only["metadata"]), "status": status})

    @property
    def only(self) -> dict[str, Any]:
        (raw,) = self.objects.values()
        return raw

    def remove(self) -> None:
        self.objects.clear()
        self.changed.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.agents.add(request.headers["User-Agent"])
        for end, status in self.refuse.items():
            if request.path.endswith(end):
                return refusal(status, f"refused {end}")
        parts = request.path.strip("/").split("/")
        match request.method, parts:
            case "POST", [*_, "selfsubjectreviews"]:
                if self.user is None:
                    return refusal(404, "the server could not find the requested resource")
                return web.json_response({"status": {"userInfo": {"username": self.user}}})
            case "GET", [*_, "modeldeployments"] if "watch" in request.query:
                return await self._watch(request)
            case "GET", ["apis", _, _, "modeldeployments"]:
                return web.json_response({"items": list(self.objects.values())})
            case "GET", ["apis", _, _, "namespaces", namespace, "modeldeployments"]:
                return web.json_response({"items": [one for key, one in self.objects.items() if key[0] == namespace]})
            case method, [*_, "namespaces", namespace, "modeldeployments", name]:
                raw = self.objects.get((namespace, name))
                if raw is None:
                    return refusal(404, f'modeldeployments.modelrollout.dev "{name}" not found')
                return web.json_response(raw) if method == "GET" else await self._patch(request, raw)
            case "GET", ["api", "v1", "namespaces", _, *rest]:
                return self._core(request, rest)
            case "GET", [*_, ("deployments" | "controllerrevisions") as plural]:
                assert request.query["labelSelector"] == "modelrollout.dev/name=digits"
                children = {"deployments": DEPLOYMENTS, "controllerrevisions": SNAPSHOTS}
                return web.json_response({"items": children[plural]})
        raise AssertionError(request.path)

    def _core(self, request: web.Request, parts: list[str]) -> web.Response:
        match parts:
            case ["pods", pod, "proxy", *path]:
                assert self.page is not None
                return web.Response(text=self.page(pod, "/".join(path)))
            case ["pods" | "configmaps" as plural]:
                assert request.query["labelSelector"] == "modelrollout.dev/name=digits"
                return web.json_response({"items": self.pods if plural == "pods" else self.maps})
        raise AssertionError(request.path)

    async def _patch(self, request: web.Request, raw: dict[str, Any]) -> web.Response:
        assert request.content_type == "application/merge-patch+json"
        assert request.query["fieldManager"] == "kubectl-modelrollout"
        body = await request.json()
        assert body.keys() == {"metadata"}
        if self.before_patch:
            self.before_patch.pop()(self)
            raw = self.only
        metadata, written = raw["metadata"], body["metadata"]
        if any(written[key] != metadata[key] for key in ("uid", "resourceVersion") if key in written):
            return refusal(409, "the object has been modified")
        self.patches.append(written)
        annotations = {**metadata["annotations"], **written["annotations"]}
        self.put({**raw, "metadata": {**metadata, "annotations": annotations}})
        found = self.only
        if self.operator is not None and (status := self.operator(found)) is not None:
            self.set_status(status)
        return web.json_response(found)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if self.drop_watches:
            self.drop_watches -= 1
            assert request.transport is not None
            request.transport.abort()
            return response
        self.watched.set()
        sent = request.query["resourceVersion"]
        await _send(response, {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": sent}}})
        name = request.query["fieldSelector"].removeprefix("metadata.name=")
        key = (request.path.split("/")[5], name)
        while True:
            changed = self.changed
            raw = self.objects.get(key)
            if raw is None:
                await _send(response, {"type": "DELETED", "object": {}})
                return response
            if raw["metadata"]["resourceVersion"] != sent:
                sent = raw["metadata"]["resourceVersion"]
                await _send(response, {"type": "MODIFIED", "object": raw})
            await changed.wait()


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(json.dumps(event).encode() + b"\n")


@dataclass
class Cluster:
    """The world, its address, and the command line pointed at it."""

    world: World
    url: str
    kubeconfig: str

    async def run(self, *words: str) -> Result:
        """Run a command as a process would: on a loop of its own."""
        return await asyncio.to_thread(CliRunner().invoke, cli, [*words, "--kubeconfig", self.kubeconfig])


def kubeconfig_of(url: str, **context: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "ann", "user": {"token": "t"}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "ann", "namespace": "team"}},
            {"name": "other", "context": {"cluster": "c", "user": "ann", **context}},
        ],
    }


@pytest.fixture
async def cluster(tmp_path, monkeypatch) -> AsyncIterator[Cluster]:
    monkeypatch.setattr(transport, "PAUSES", (0.001, 0.001))
    monkeypatch.setattr(access, "AGAIN", 0.001)
    world = World()
    app = web.Application()

    async def handle(request: web.Request) -> web.StreamResponse:
        return await world.handle(request)

    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(kubeconfig_of(url)))
    yield Cluster(world, url, str(path))
    await runner.cleanup()
