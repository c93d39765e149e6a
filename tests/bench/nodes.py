"""Controllers and nodes for hundreds of objects that do nothing: pods that are Ready at once, and routers that answer.

A real API server without a kubelet needs somebody who says that pods run. The routers' status pages are served on
loopback addresses, one for each ModelDeployment, with what a router that has accepted its files would say.
"""

import asyncio
import itertools
import json
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

from modelrollout.names import LABEL_COMPONENT, LABEL_NAME, LABEL_REVISION
from modelrollout.routers._envoy_bootstrap import CLUSTERS_FILE, ROUTES_FILE, STATUS_PORT

AGENT = "bench"
AT_ONCE = 16
NAMESPACE = "default"
CORE, APPS = f"/api/v1/namespaces/{NAMESPACE}", f"/apis/apps/v1/namespaces/{NAMESPACE}"
MERGE = "application/merge-patch+json"
Object = dict[str, Any]


class Api:
    """A few requests at a time, on kept connections."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def ask(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Object:
        """Send one request; a refusal is an error."""
        data = None if body is None else json.dumps(body)
        async with (
            self._slots,
            self._session.request(method, self._url + path, data=data, headers={"Content-Type": kind}) as answer,
        ):
            found: Object = json.loads(await answer.text())
            if answer.status >= 400 and answer.status != 409:
                raise AssertionError(f"{method} {path}: {found.get('message')}")
            return found

    async def all(self, path: str) -> list[Object]:
        """Return all objects of a list."""
        items: list[Object] = (await self.ask("GET", path))["items"]
        return items


@asynccontextmanager
async def connected(port: int, tls: ssl.SSLContext, token: str) -> AsyncIterator[Api]:
    """Connect to an API server on loopback."""
    headers = {"Authorization": f"Bearer {token}", "User-Agent": AGENT}
    connector = aiohttp.TCPConnector(ssl=tls, limit=AT_ONCE)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        yield Api(session, f"https://127.0.0.1:{port}")


class Nodes:
    """Makes the pods of Deployments, says that they are Ready, and answers for the routers."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._numbers = itertools.count(1)
        self._pages: dict[str, str] = {}
        self._addresses: dict[str, str] = {}

    @asynccontextmanager
    async def routers(self, names: list[str]) -> AsyncIterator[None]:
        """Serve the status pages of these ModelDeployments' routers."""
        self._addresses = {name: f"127.1.{index // 250}.{index % 250 + 1}" for index, name in enumerate(names)}
        app = web.Application()
        app.router.add_get("/{path:.*}", self._page)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        for address in self._addresses.values():
            await web.TCPSite(runner, address, STATUS_PORT).start()
        try:
            yield
        finally:
            await runner.cleanup()

    async def _page(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        address = request.transport.get_extra_info("sockname")[0]
        return web.Response(text=self._pages.get(address, ""), status=200 if address in self._pages else 503)

    async def settle(self) -> None:
        """Make what is missing, once."""
        deployments = await self._api.all(f"{APPS}/deployments")
        pods: dict[str, list[Object]] = defaultdict(list)
        for pod in await self._api.all(f"{CORE}/pods"):
            pods[pod["metadata"]["ownerReferences"][0]["uid"]].append(pod)
        await asyncio.gather(*(self._scale(each, pods[each["metadata"]["uid"]]) for each in deployments))
        maps = await self._api.all(f"{CORE}/configmaps?labelSelector={LABEL_NAME}")
        self._tell(maps, [pod for each in pods.values() for pod in each])

    async def _scale(self, deployment: Object, pods: list[Object]) -> None:
        wanted = deployment["spec"]["replicas"]
        missing, surplus = max(0, wanted - len(pods)), pods[wanted:]
        await asyncio.gather(*(self._create(deployment) for _ in range(missing)))
        for pod in surplus:
            name = pod["metadata"]["name"]
            await self._api.ask("DELETE", f"{CORE}/pods/{name}", {"gracePeriodSeconds": 0})
        generation = deployment["metadata"]["generation"]
        if deployment.get("status", {}).get("observedGeneration") != generation:
            numbers = dict.fromkeys(("replicas", "readyReplicas", "availableReplicas", "updatedReplicas"), wanted)
            status = {"observedGeneration": generation, **numbers}
            path = f"{APPS}/deployments/{deployment['metadata']['name']}/status"
            await self._api.ask("PATCH", path, {"status": status}, MERGE)

    async def _create(self, deployment: Object) -> None:
        template, metadata = deployment["spec"]["template"], deployment["metadata"]
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"], "uid": metadata["uid"]}
        name = f"{metadata['name']}-{next(self._numbers)}"
        described = {
            "labels": template["metadata"].get("labels", {}),
            "annotations": template["metadata"].get("annotations", {}),
            "name": name,
            "ownerReferences": [owner],
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": described, "spec": template["spec"]}
        await self._api.ask("POST", f"{CORE}/pods", pod)
        await self._api.ask("PATCH", f"{CORE}/pods/{name}/status", {"status": self._status(pod)}, MERGE)

    def _status(self, pod: Object) -> Object:
        labels = pod["metadata"]["labels"]
        number = next(self._numbers)
        is_model = labels[LABEL_COMPONENT] == "model"
        address = f"10.1.{number // 250}.{number % 250 + 1}" if is_model else self._addresses[labels[LABEL_NAME]]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251  # a node owns a clock
        return {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": True,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": now}},
                }
                for container in pod["spec"]["containers"]
            ],
        }

    def _tell(self, maps: list[Object], pods: list[Object]) -> None:
        """Have each router say that it runs what its ConfigMap holds now."""
        members: dict[tuple[str, str], list[str]] = defaultdict(list)
        for pod in pods:
            labels = pod["metadata"]["labels"]
            if labels.get(LABEL_COMPONENT) == "model" and "podIP" in pod["status"]:
                members[labels[LABEL_NAME], labels[LABEL_REVISION]].append(pod["status"]["podIP"])
        for each in maps:
            name = each["metadata"]["labels"][LABEL_NAME]
            if CLUSTERS_FILE in each.get("data", {}):
                self._pages[self._addresses[name]] = _status_page(each["data"], name, members)


def _status_page(files: dict[str, str], name: str, members: dict[tuple[str, str], list[str]]) -> str:
    clusters, routes = json.loads(files[CLUSTERS_FILE]), json.loads(files[ROUTES_FILE])
    lines = [
        f'envoy_cluster_manager_cds_version_text{{text_value="{clusters["version_info"]}"}} 0',
        f'envoy_http_rds_version_text{{envoy_rds_route_config="model",text_value="{routes["version_info"]}"}} 0',
        "envoy_cluster_manager_warming_clusters{} 0",
    ]
    for cluster in (each["name"] for each in clusters["resources"]):
        label = f'envoy_cluster_name="{cluster}"'
        addresses = members[name, cluster.removesuffix("-mirror")]
        lines.append(f"envoy_cluster_membership_total{{{label}}} {len(addresses)}")
        lines += [
            f'envoy_cluster_endpoint_healthy{{{label},envoy_endpoint_address="{address}:8080"}} 1'
            for address in addresses
        ]
        lines.append(f"envoy_cluster_upstream_rq_active{{{label}}} 0")
    return "".join(f"{line}\n" for line in lines)
