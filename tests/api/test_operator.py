"""The operator's own process with the rights that the manifests give it, and not one more, against a real API server.

There are no controllers and no nodes: pods never come. What it shows is that it starts, makes everything and tells it, that
nothing was forbidden, and that it leaves the Lease behind for the next one.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.api.test_manifests import PATHS, built, path_of

ROOT = Path(__file__).parents[2]
LIMIT = 40.0
SPEC = {
    "template": {"spec": {"containers": [{"name": "model", "image": "model:1"}]}},
    "service": {"targetPort": 8080},
    "strategy": {"blueGreen": {"hold": "1m"}},
}


@dataclass(frozen=True)
class Install:
    """One way to install."""

    manifests: str
    token: str
    own: str
    serves: str
    settings: dict[str, str]


CLUSTER = Install("manifests/base", "cluster-token", "modelrollout-system", "default", {})
NAMESPACED = Install(
    "manifests/overlays/namespaced", "namespaced-token", "models", "models", {"MODELROLLOUT_NAMESPACES": "models"}
)


def kubeconfig(server, token, directory):
    user = {"name": "operator", "user": {"token": token}}
    address = {"server": f"https://127.0.0.1:{server.port}", "certificate-authority": str(server.ca)}
    context = {"name": "it", "context": {"cluster": "it", "user": "operator"}}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": address}],
        "users": [user],
        "contexts": [context],
        "current-context": "it",
    }
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def eventually(what, holds, log):
    end = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {LIMIT} s.\n{log.read_text()[-3000:]}"
        time.sleep(0.1)


def page(port, path):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        f"http://127.0.0.1:{port}{path}", timeout=5
    ) as answer:
        return answer.read().decode()


@pytest.fixture(params=[CLUSTER, NAMESPACED], ids=["cluster", "namespaced"])
def running(request, server, tmp_path):
    """Install, run the operator with the account's own token, and yield what is needed to look at it."""
    install = request.param
    if install is NAMESPACED:
        server.request("POST", "/api/v1/namespaces", {"metadata": {"name": "models"}})
    for document in built(install.manifests):
        status, answer = server.apply(path_of(document), document, force="true")
        assert status in (200, 201), answer["message"]
    port = free_port()
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("MODELROLLOUT_")},
        **install.settings,
        "KUBECONFIG": str(kubeconfig(server, install.token, tmp_path)),
        "MODELROLLOUT_HTTP_PORT": str(port),
        "MODELROLLOUT_LEASE_NAMESPACE": install.own,
        "PYTHONPATH": str(ROOT / "operator"),
    }
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "modelrollout", "run"], env=environment, stdout=out, stderr=out
        )
    try:
        yield install, server, process, port, log
    finally:
        process.kill()
        process.wait()


def children(server, install, name):
    selector = f"?labelSelector=modelrollout.dev/name={name}"
    kinds = ("ControllerRevision", "Deployment", "Service", "ConfigMap", "PodDisruptionBudget")
    return {kind for kind in kinds if server.request("GET", PATHS[kind].path(install.serves) + selector)[1]["items"]}


def test_it_needs_no_more_than_it_is_given(running):
    install, server, process, port, log = running
    objects = PATHS["ModelDeployment"].path(install.serves)
    eventually("leading", lambda: '"leading"' in log.read_text(), log)
    body = {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "rights"},
        "spec": SPEC,
    }
    status, answer = server.request("POST", objects, body)
    assert status == 201, answer
    everything = {"ControllerRevision", "Deployment", "Service", "ConfigMap", "PodDisruptionBudget"}
    eventually("all children", lambda: children(server, install, "rights") == everything, log)
    eventually(
        "a status",
        lambda: server.request("GET", f"{objects}/rights")[1].get("status", {}).get("phase") == "Installing",
        log,
    )
    events = PATHS["Event"].path(install.serves)
    eventually(
        "an Event",
        lambda: any(each["reason"] == "RolloutStarted" for each in server.request("GET", events)[1]["items"]),
        log,
    )
    assert page(port, "/healthz") == page(port, "/readyz") == "ok"
    metrics = page(port, "/metrics")
    assert re.search(r'modelrollout_api_requests_total\{code="201",method="PATCH"\} [1-9]', metrics)
    assert 'code="403"' not in metrics
    lease = f"{PATHS['Lease'].path(install.own)}/modelrollout"
    assert server.request("GET", lease)[1]["spec"]["holderIdentity"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0, log.read_text()[-3000:]
    assert server.request("GET", lease)[1]["spec"]["holderIdentity"] == ""
    assert "orbidden" not in log.read_text()
