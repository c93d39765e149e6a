"""The whole process, Kopf included, against an API server on loopback that serves a settled simulated cluster."""

import asyncio
import os
import signal
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from modelrollout.adapters.children import WATCHED
from modelrollout.controller import freshness, run
from modelrollout.names import KIND
from modelrollout.settings import Settings
from modelrollout.simulation.cluster import Cluster
from tests.unit.controller.apiserver import Frontend

SPEC = yaml.safe_load((Path(__file__).parents[3] / "manifests" / "examples" / "canary.yaml").read_text())["spec"]
LEASE = "Lease/modelrollout"
MD = ("default", "digits")


@pytest.fixture
async def cluster():
    """A cluster in which one ModelDeployment is done, and no operator runs."""
    cluster = Cluster()
    cluster.person.apply(SPEC)
    await cluster.until(
        lambda: {each.type: each.status for each in cluster.person.status.conditions}.get("Ready") == "True"
    )
    await cluster.run(60)
    cluster.replica.stop()
    return cluster


@pytest.fixture
def server(cluster):
    with Frontend(cluster.store).serving() as frontend:
        yield frontend


@pytest.fixture
def settings(server, unused_tcp_port, tmp_path, monkeypatch):
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    config = {
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [context],
        "current-context": "c",
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return Settings(http_port=unused_tcp_port, lease_retry=timedelta(seconds=0.05))


class Running:
    def __init__(self, settings, task):
        self.settings, self.task = settings, task

    async def get(self, path):
        return await asyncio.to_thread(_get, f"http://127.0.0.1:{self.settings.http_port}{path}")

    async def metric(self, line):
        """Return the number behind the start of a line of /metrics."""
        _, text = await self.get("/metrics")
        return next((float(each.rsplit(" ", 1)[1]) for each in text.splitlines() if each.startswith(line)), 0.0)

    async def terminate(self):
        os.kill(os.getpid(), signal.SIGTERM)
        return await self.ended()

    async def ended(self):
        async with asyncio.timeout(10):
            return await self.task

    async def until(self, claim, within=10.0):
        async with asyncio.timeout(within):
            while not await claim():
                assert not self.task.done(), self.task
                await asyncio.sleep(0.01)


def _get(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


@asynccontextmanager
async def operator(settings):
    task = asyncio.create_task(run.run(settings))
    running = Running(settings, task)
    try:
        yield running
    finally:
        if not task.done():
            await running.terminate()
        # Connections that were closed just now end in the next turns of the loop.
        await asyncio.sleep(0.01)


async def quiet(running, server):
    """Wait until all is watched and looked at, and nothing happens any more."""
    before = -1.0
    watches = {("WATCH", kind) for kind in (KIND, "Pod", *WATCHED)}

    async def claim():
        nonlocal before
        now = await running.metric('modelrollout_reconciles_total{result="ok"}')
        settled = now == before > 0 and watches <= set(server.asked)
        before = now
        await asyncio.sleep(0.2)
        return settled

    await running.until(claim)


pytestmark = pytest.mark.usefixtures("logging_as_it_was")


@pytest.mark.parametrize("namespaces", [(), ("default", "other")])
async def test_an_operator_that_starts_on_settled_objects_writes_nothing_but_its_lease(
    server, settings, cluster, namespaces
):
    settings = settings.model_copy(update={"namespaces": namespaces})
    async with operator(settings) as running:
        await quiet(running, server)
        assert {path for _, path in server.writes} <= {"Lease", LEASE}
        assert await running.get("/healthz") == (200, "ok")
        assert await running.get("/readyz") == (200, "ok")
        assert await running.metric("modelrollout_leader") == 1
        phase = cluster.person.status.phase
        assert await running.metric(f'modelrollout_modeldeployments{{phase="{phase}"}}') == 1
        code = await running.terminate()
    assert code == 0


async def test_it_starts_in_order(server, settings):
    async with operator(settings) as running:
        await quiet(running, server)
    asked = server.asked
    first = {request: asked.index(request) for request in reversed(asked)}
    reads = min(
        number for number, (method, path) in enumerate(asked) if method == "GET" and path.startswith(f"{KIND}/")
    )
    order = [
        first["GET", "/version"],
        first["LIST", KIND],
        first["GET", LEASE],
        first["POST", "Lease"],
        max(first["LIST", kind] for kind in ("Pod", *WATCHED)),
        reads,
    ]
    assert order == sorted(order), "no pass before all children and pods are known, and nothing before the lease"
    assert first["WATCH", KIND] > first["POST", "Lease"]


async def test_a_steady_state_lists_nothing_and_a_change_is_acted_upon(server, settings):
    async with operator(settings) as running:
        await quiet(running, server)
        before = len(server.asked)
        live = server.store.get(KIND, *MD)
        server.do(lambda: server.store.put({**live, "spec": {**live["spec"], "replicas": 4}}))

        async def scaled():
            return any(each["spec"]["replicas"] == 4 for each in server.store.every("Deployment"))

        await running.until(scaled)
        await asyncio.sleep(0.1)
    after = server.asked[before:]
    assert [each for each in after if each[0] in ("LIST", "WATCH")] == []
    assert after.index(("PATCH", f"{KIND}/digits")) < min(
        number for number, (method, path) in enumerate(after) if method == "PATCH" and path.startswith("Deployment")
    ), "the intent is written first"


async def test_sigterm_lets_passes_end_then_gives_the_lease_up_and_leaves_with_0(server, settings):
    async with operator(settings) as running:
        await quiet(running, server)
        server.late = 0.3
        live = server.store.get(KIND, *MD)
        before = len(server.asked)
        server.do(lambda: server.store.put({**live, "spec": {**live["spec"], "replicas": 4}}))

        async def in_a_pass():
            return any(path.startswith("Deployment/") for _, path in server.asked[before:])

        await running.until(in_a_pass)
        assert await running.terminate() == 0
    assert server.lease()["spec"]["holderIdentity"] == ""
    assert any(each["spec"]["replicas"] == 4 for each in server.store.every("Deployment")), "the pass has ended"
    assert server.writes[-1] == ("PUT", LEASE)


async def test_a_standby_is_ready_watches_nothing_and_takes_over(server, settings):
    other = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "modelrollout", "namespace": "default"},
        "spec": {"holderIdentity": "other", "leaseDurationSeconds": 60, "renewTime": "x", "leaseTransitions": 4},
    }
    server.do(lambda: server.store.put(other))
    async with operator(settings) as running:

        async def ready():
            return (await running.get("/readyz"))[0] == 200

        await running.until(ready)
        await asyncio.sleep(0.2)
        assert await running.metric("modelrollout_leader") == 0
        assert {path for method, path in server.asked if method in ("GET", "LIST", "WATCH")} == {
            "/version",
            KIND,
            LEASE,
        }
        server.do(lambda: server.store.put({**server.lease(), "spec": {**other["spec"], "holderIdentity": ""}}))
        await quiet(running, server)
        assert server.lease()["spec"]["leaseTransitions"] == 5


async def test_a_standby_that_is_stopped_leaves_with_0(server, settings):
    other = {
        "kind": "Lease",
        "metadata": {"name": "modelrollout", "namespace": "default"},
        "spec": {"holderIdentity": "other"},
    }
    server.do(lambda: server.store.put(other))
    async with operator(settings) as running:

        async def waits():
            return ("GET", LEASE) in server.asked

        await running.until(waits)
        assert await running.terminate() == 0
    assert server.lease()["spec"]["holderIdentity"] == "other"


async def test_who_loses_the_lease_ends_at_once_with_an_error(server, settings):
    async with operator(settings) as running:
        await quiet(running, server)
        stolen = {**server.lease()["spec"], "holderIdentity": "other", "renewTime": "now"}
        server.do(lambda: server.store.put({**server.lease(), "spec": stolen}))
        assert await running.ended() == 1
    assert server.lease()["spec"]["holderIdentity"] == "other"


async def test_without_any_way_to_the_api_server_it_says_so_and_ends(unused_tcp_port, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert await run.run(Settings(http_port=unused_tcp_port)) == 1
    assert "set KUBECONFIG" in capsys.readouterr().err


async def test_an_old_kubernetes_is_refused_with_what_to_do(server, settings, capsys):
    server.minor = "29"
    async with operator(settings) as running:
        assert await running.ended() == 1
    assert "Upgrade to 1.30 or newer" in capsys.readouterr().err
    assert server.writes == []


async def test_without_its_crd_it_waits_and_is_not_ready(server, settings):
    server.absent.add(KIND)
    async with operator(settings) as running:

        async def looked():
            return ("LIST", KIND) in server.asked

        await running.until(looked)
        assert (await running.get("/readyz"))[0] == 503
        assert (await running.get("/healthz"))[0] == 200
        assert await running.terminate() == 0
    assert server.writes == []


async def test_a_watcher_that_kopf_lost_makes_it_unhealthy(server, settings, monkeypatch):
    monkeypatch.setattr(run, "BLIND", 0.0)
    async with operator(settings) as running:
        await quiet(running, server)
        assert (await running.get("/healthz"))[0] == 200
        lost = next(task for task in asyncio.all_tasks() if task.get_name().startswith("watcher for services"))
        lost.cancel()

        async def unhealthy():
            return (await running.get("/healthz"))[0] == 503

        await running.until(unhealthy)
        assert "the watch on services in all namespaces has ended" in (await running.get("/healthz"))[1]


async def test_a_watch_that_has_gone_silent_makes_it_unhealthy(server, settings, monkeypatch):
    monkeypatch.setattr(run, "EVERY", 0.2)
    monkeypatch.setattr(freshness, "GRACE", 0.2)
    async with operator(settings) as running:

        async def told():
            return await running.metric(f'modelrollout_last_watch_event_timestamp_seconds{{kind="{KIND}"}}') > 0

        await running.until(told)
        server.silent.add(KIND)
        live = server.store.get(KIND, *MD)
        server.do(lambda: server.store.put({**live, "spec": {**live["spec"], "replicas": 4}}))

        async def unhealthy():
            return (await running.get("/healthz"))[0] == 503

        await running.until(unhealthy)

        # The list that found it out has also had the object looked at.
        async def scaled():
            return any(each["spec"]["replicas"] == 4 for each in server.store.every("Deployment"))

        await running.until(scaled)


async def test_a_port_that_is_taken_is_an_error_and_no_traceback(server, settings, capsys):
    async with operator(settings) as running:

        async def listens():
            return (await running.get("/healthz"))[0] != 0

        await running.until(listens)
        async with asyncio.timeout(10):
            code = await run.run(settings)
    assert code == 1
    assert "MODELROLLOUT_HTTP_PORT" in capsys.readouterr().err
