"""A scenario: one ModelDeployment in a namespace of its own on the real cluster, a client that counts losses, plain verbs.

It reads as prose: apply, expect, abort. Every wait has a limit and, when it is over, says what the object looked like.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.cluster import cgroups
from tests.cluster.api import Cluster
from tests.cluster.client import Client
from tests.traffic.binomial import band

MODEL_IMAGE = "localhost/modelrollout-testmodel:dev"
ROOT = Path(__file__).resolve().parents[2]
MDEP = "/apis/modelrollout.dev/v1alpha1"
FALSE_ALARM = 1e-6
"""Chance that a right split is called wrong."""

PATHS = {
    "pods": "/api/v1",
    "services": "/api/v1",
    "configmaps": "/api/v1",
    "events": "/api/v1",
    "deployments": "/apis/apps/v1",
    "controllerrevisions": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "modeldeployments": MDEP,
    "leases": "/apis/coordination.k8s.io/v1",
}
_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 80), 1)"
_POST = """
import http.client, json, sys
address, path, headers = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
connection = http.client.HTTPConnection(address, timeout=10)
connection.request("POST", path, sys.stdin.buffer.read(), headers)
answer = connection.getresponse()
print(json.dumps([answer.status, sorted(answer.getheaders()), answer.read().decode()]))
"""
SYSTEM = ("-n", "modelrollout-system")
OPERATOR = "deployment/modelrollout-operator"
ERRORS = {"name": "errors", "router": {"signal": "errorRate"}, "threshold": {"max": 0.05, "minRequests": 20}}


def model_template(revision: str, **environment: str) -> dict[str, Any]:
    """Return a pod template that runs the scriptable model server; upper-case keywords are its settings."""
    variables = {"REVISION": revision, **environment}
    return {
        "spec": {
            "containers": [
                {
                    "name": "model",
                    "image": MODEL_IMAGE,
                    "imagePullPolicy": "IfNotPresent",
                    "env": [{"name": key, "value": value} for key, value in variables.items()],
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "readinessProbe": {
                        # The processor is shared with everything else that runs here.
                        "timeoutSeconds": 3,
                        "httpGet": {"path": "/ready", "port": 8080},
                        "periodSeconds": 1,
                        "failureThreshold": 1,
                    },
                    "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
            "securityContext": {"runAsUser": 65532, "runAsNonRoot": True},
        }
    }


def model_deployment(template: Mapping[str, Any], strategy: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    """Return a ModelDeployment; keywords are fields of its spec. Its name is given when it is applied."""
    body: dict[str, Any] = {
        "replicas": 2,
        "template": template,
        "service": {"port": 80, "targetPort": 8080, "timeout": "5s", "drain": "3s"},
        "strategy": strategy,
    }
    body.update(spec)
    return {"apiVersion": "modelrollout.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {}, "spec": body}


def canary(*weights: int, hold: str = "2s", **rest: Any) -> dict[str, Any]:
    """Return a canary with these weights, each held for the same time."""
    return {"canary": {"steps": [{"weight": weight, "hold": hold} for weight in weights], **rest}}


def errors_analysis(**analysis: Any) -> dict[str, Any]:
    """Return an analysis with one gate: the share of errors, polled each second."""
    return {"interval": "1s", "metrics": [ERRORS], **analysis}


@dataclass(eq=False)
class Scenario:
    """One object under test."""

    cluster: Cluster
    namespace: str
    scratch: Path
    name: str = "m"
    note: Callable[..., None] = print
    """Adds a row to the table of results."""
    _client: Client = field(init=False)

    def __post_init__(self) -> None:
        """Connect."""
        self._client = Client(self.cluster.paths, self.cluster.port)

    def kubectl(self, *args: str, body: Any = None) -> str:
        """Run kubectl in the scenario's namespace."""
        stdin = json.dumps(body) if body is not None else None
        return self.cluster.kubectl("-n", self.namespace, *args, stdin=stdin)

    def apply(self, body: Mapping[str, Any]) -> str:
        """Apply as a GitOps pipeline would; return the name of the revision that the status shows next."""
        named = {**body, "metadata": {**body["metadata"], "name": self.name}}
        self.kubectl("apply", "--server-side", "--field-manager=pipeline", "--force-conflicts", "-f", "-", body=named)
        generation = self.get()["metadata"]["generation"]
        self.expect("the new generation is observed", lambda status: status.get("observedGeneration", 0) >= generation)
        return str((self.status().get("rollout") or {}).get("revision", ""))

    def read(self, plural: str, name: str = "", query: str = "") -> dict[str, Any] | None:
        """GET an object or a list of the scenario's namespace; None when it does not exist."""
        path = f"{PATHS[plural]}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "") + query
        for _ in range(50):
            code, raw = self._client.get(path, timeout=10)
            if code == 404:
                return None
            if code == 200:
                found: dict[str, Any] = json.loads(raw)
                return found
            time.sleep(0.2)
        raise AssertionError(f"GET {path}: {code}")

    def get(self) -> dict[str, Any]:
        """Return the ModelDeployment as stored."""
        found = self.read("modeldeployments", self.name)
        assert found is not None, f"{self.name} does not exist"
        return found

    def status(self) -> dict[str, Any]:
        """Return its status."""
        found: dict[str, Any] = self.get().get("status", {})
        return found

    def children(self, plural: str, selector: str = "") -> list[dict[str, Any]]:
        """Return objects of a kind that carry our name label, and a further selector."""
        more = f",modelrollout.dev/{selector}" if selector else ""
        found = self.read(plural, query=f"?labelSelector=modelrollout.dev/name={self.name}{more}")
        assert found is not None
        return list(found["items"])

    def models(self, revision: str) -> list[dict[str, Any]]:
        """Return the model pods of a revision."""
        return self.children("pods", f"revision={revision},modelrollout.dev/component=model")

    def routers(self) -> list[dict[str, Any]]:
        """Return the router pods."""
        return self.children("pods", "component=router")

    def expect(self, what: str, holds: Callable[[dict[str, Any]], bool], limit: float = 60) -> dict[str, Any]:
        """Wait until a predicate of the status holds.

        Raises:
            AssertionError: it does not within the limit; with the last status.
        """
        status: dict[str, Any] = {}

        def seen() -> bool:
            nonlocal status
            status = self.status()
            return holds(status)

        self.until(what, seen, limit, lambda: f"Last status:\n{json.dumps(status, indent=1)}")
        return status

    def until(
        self, what: str, holds: Callable[[], bool], limit: float = 60, detail: Callable[[], str] = lambda: ""
    ) -> None:
        """Wait until something holds.

        Raises:
            AssertionError: it does not within the limit.
        """
        end = time.monotonic() + limit
        while not holds():
            assert time.monotonic() < end, f"{what}: not within {limit} s. {detail()}"
            time.sleep(0.1)

    def stable(self, limit: float = 120) -> dict[str, Any]:
        """Wait until Ready is True for the newest generation and nothing is in progress."""
        generation = self.get()["metadata"]["generation"]

        def done(status: dict[str, Any]) -> bool:
            ready = condition(status, "Ready")
            return bool(ready and ready["status"] == "True" and ready["observedGeneration"] >= generation)

        return self.expect("Ready", done, limit)

    def stage(self, label: str, limit: float = 60) -> dict[str, Any]:
        """Wait until a stage's route is verified on every router."""

        def there(status: dict[str, Any]) -> bool:
            rollout = status.get("rollout") or {}
            return bool(
                rollout.get("stageLabel") == label and rollout.get("verifiedAt") and status.get("routeVerified")
            )

        return self.expect(f"verified in {label}", there, limit)

    def aborted(self, reason: str = "", limit: float = 60) -> dict[str, Any]:
        """Wait until the attempt is aborted and traffic is home on every router."""

        def home(status: dict[str, Any]) -> bool:
            rollout = status.get("rollout") or {}
            return bool(rollout.get("state") == "Aborted" and status.get("routeVerified"))

        status = self.expect("aborted", home, limit)
        assert not reason or status["rollout"]["cause"]["reason"] == reason, status["rollout"]["cause"]
        return status

    def gone(self, revision: str, limit: float = 60) -> None:
        """Wait until a revision has no Deployment and no pod any more."""
        workload = f"{self.name}-{revision}"
        self.until(
            f"{workload} is gone",
            lambda: self.read("deployments", workload) is None and not self.models(revision),
            limit,
        )

    def annotate(self, **values: str) -> None:
        """Set annotations with the prefix of the project."""
        words = [f"modelrollout.dev/{key}={value}" for key, value in values.items()]
        self.kubectl("annotate", "--overwrite", "modeldeployment", self.name, *words)

    def request(self, action: str, **extra: Any) -> dict[str, Any]:
        """Ask as the command line does; return the answer."""
        rollout = self.status().get("rollout") or {}
        identity = uuid4().hex[:10]
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")  # noqa: TID251  # a person's clock
        request = {
            "id": identity,
            "action": action,
            "revision": rollout.get("revision", ""),
            "attempt": rollout.get("attempt", 0),
            "at": now,
            **extra,
        }
        self.annotate(request=json.dumps(request))
        status = self.expect(f"{action} answered", lambda status: (status.get("request") or {}).get("id") == identity)
        answer: dict[str, Any] = status["request"]
        return answer

    def report(self, revision: str, attempt: int = 1) -> dict[str, Any]:
        """Wait for the report of a finished attempt."""
        name = f"{self.name}-report-{revision}-{attempt}"
        self.until("the report", lambda: self.read("configmaps", name) is not None)
        filed = self.read("configmaps", name)
        assert filed is not None
        found: dict[str, Any] = json.loads(filed["data"]["report.json"])
        return found

    def events(self, reason: str) -> list[str]:
        """Return what the events of a reason say."""
        found = self.read("events")
        assert found is not None
        return [event.get("note") or event.get("message", "") for event in found["items"] if event["reason"] == reason]

    def abort(self) -> None:
        """Abort the running attempt."""
        rollout = self.status()["rollout"]
        self.annotate(abort=f"{rollout['revision']}/{rollout['attempt']}")

    @contextmanager
    def traffic(
        self,
        rate: float = 200,
        connections: int = 24,
        *,
        host: str = "",
        long_every: int = 50,
        samples: Iterable[Mapping[str, Any]] = (),
        extra: tuple[str, ...] = (),
    ) -> Iterator["Traffic"]:
        """Run the open-loop client inside the cluster's network against the client Service for the length of a block.

        Samples are sent in turn: body, headers and the data that the answer should hold.
        """
        address = host or self.service_address()
        # A Service answers a moment after its pods are Ready: when the node's rules for it are there.
        self.until(
            "the Service answers",
            lambda: self.cluster.run([sys.executable, "-c", _CONNECT, address], capture_output=True).returncode == 0,
        )
        out = self.scratch / f"{uuid4().hex[:6]}.jsonl"
        command = [sys.executable, "-m", "tests.traffic.client", address, "80", "--rate", str(rate)]
        command += ["--connections", str(connections), "--long-every", str(long_every), "--out", str(out), *extra]
        if lines := [json.dumps(sample) + "\n" for sample in samples]:
            file = out.with_suffix(".requests")
            file.write_text("".join(lines))
            command += ["--requests", str(file)]
        process = self.cluster.popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        running = Traffic(process, out)
        try:
            time.sleep(1)
            yield running
        finally:
            running.stop()

    def post(self, body: bytes, **headers: str) -> tuple[int, list[list[str]], str]:
        """Send one request through the client Service; return status, headers and body of the answer."""
        return self.post_to(self.service_address(), "/v2/models/m/infer", body, **headers)

    def post_to(self, host: str, path: str, body: bytes, **headers: str) -> tuple[int, list[list[str]], str]:
        """Send one request to an address inside the cluster's network; return status, headers and body of the answer."""
        sent = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        words = [sys.executable, "-c", _POST, host, path, json.dumps(sent)]
        done = self.cluster.run(words, input=body, capture_output=True, check=True)
        status, found, text = json.loads(done.stdout)
        return status, found, text

    def service_address(self) -> str:
        """Return the address of the client Service."""
        service = self.read("services", self.name)
        assert service is not None
        return str(service["spec"]["clusterIP"])

    def operator_pods(self) -> list[dict[str, Any]]:
        """Return the operator's pods."""
        path = "/api/v1/namespaces/modelrollout-system/pods"
        code, raw = self._client.get(path, timeout=10)
        assert code == 200, code
        return list(json.loads(raw)["items"])

    def leader(self) -> str:
        """Return the name of the pod that holds the Lease, empty when nobody does."""
        code, raw = self._client.get("/apis/coordination.k8s.io/v1/namespaces/modelrollout-system/leases/modelrollout")
        if code != 200:
            return ""
        holder = json.loads(raw)["spec"].get("holderIdentity") or ""
        return str(holder.rpartition("-")[0])


@dataclass
class Traffic:
    """A running client."""

    process: "subprocess.Popen[bytes]"
    out: Path

    def stop(self) -> dict[str, Any]:
        """End the client, which finishes what is in flight; return its sum (``tests.traffic.record.Report``)."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(120)
        found: dict[str, Any] = json.loads(Path(f"{self.out}.summary.json").read_text())
        return found

    def records(self) -> list[dict[str, Any]]:
        """Return each request. The client must have stopped."""
        return [json.loads(line) for line in self.out.read_text().splitlines()]


def condition(status: Mapping[str, Any], kind: str) -> dict[str, Any] | None:
    """Return a condition, None when it is absent."""
    return next((item for item in status.get("conditions", []) if item["type"] == kind), None)


def lost_nothing(report: Mapping[str, Any]) -> None:
    """Assert that no request failed because of us."""
    assert report["requests"] > 200, report
    assert not report["skipped"], "the client itself was frozen: the machine is overloaded"
    assert report["ours"] == 0, json.dumps(report["losses"][:5], indent=1)


def in_band(candidate: int, total: int, weight: int) -> bool:
    """Return whether a split is one that chance can make of a weight."""
    low, high = band(total, weight / 100, FALSE_ALARM)
    return low <= candidate <= high


def moment(text: str) -> float:
    """Return a timestamp of the API as seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


def forget(cluster: Cluster, namespace: str) -> None:
    """Delete a namespace without waiting for its pods' drain."""
    with suppress(Exception):
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def kill_pod(cluster: Cluster, pod: Mapping[str, Any], container: str) -> None:
    """End a container's processes with SIGKILL, as the kernel does when memory runs out."""
    for process in container_processes(cluster, pod, container):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def container_processes(cluster: Cluster, pod: Mapping[str, Any], container: str) -> list[int]:
    """Return the processes of one container of a pod, as this machine numbers them."""
    status = next(each for each in pod["status"]["containerStatuses"] if each["name"] == container)
    identity = status["containerID"].rpartition("/")[2]
    found = []
    # Unlike a search by pattern, a walk does not mind that other pods' groups go away meanwhile.
    for directory, _, files in os.walk(cgroups.tree(cluster.paths.cgroup)):
        if identity in directory and "cgroup.procs" in files:
            with suppress(OSError):
                found += [int(line) for line in (Path(directory) / "cgroup.procs").read_text().split()]
    return found
