"""What the operator costs while nothing happens: hundreds of settled objects on a real API server, and the real process.

    python -m tests.bench.idle [NUMBER OF OBJECTS]

There is no kubelet and there are no controllers: ``nodes.py`` stands in for them.
"""

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from modelrollout.api.crd import crd
from tests.api.apiserver import ACCOUNTS, TOKEN, ApiServer, start
from tests.bench.audit import ACCOUNT, Entry, entries
from tests.bench.nodes import MERGE, NAMESPACE, Api, Nodes, connected

Row = tuple[str, str]
OBJECTS = 200
IDLE = 30.0
"""Seconds that the operator is watched doing nothing."""
CHANGES = 21
GROUP = f"/apis/modelrollout.dev/v1alpha1/namespaces/{NAMESPACE}/modeldeployments"
EXAMPLE = Path(__file__).parents[2] / "manifests" / "examples" / "canary.yaml"
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata"}],
}
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "bench"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": ACCOUNT}],
}


class Operator:
    """One process of the operator.

    Attributes:
        offset: up to where the audit log has been read.
    """

    def __init__(self, server: ApiServer, directory: Path, log: Path) -> None:
        self._port = 18080
        self.offset = log.stat().st_size
        self._audit = log
        variables = {name: value for name, value in os.environ.items() if name != "KUBERNETES_SERVICE_HOST"}
        variables |= {
            "KUBECONFIG": str(_kubeconfig(server, directory)),
            "MODELROLLOUT_HTTP_PORT": str(self._port),
            "MODELROLLOUT_LEASE_NAMESPACE": NAMESPACE,
        }
        with (directory / "operator.log").open("ab") as output:
            self._process = subprocess.Popen(
                [Path(sys.executable).with_name("modelrollout"), "run"], env=variables, stdout=output, stderr=output
            )

    def stop(self) -> int:
        """End it as a kubelet does; return its exit code."""
        self._process.terminate()
        return self._process.wait(30)

    @property
    def memory(self) -> float:
        """Resident memory in MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    @property
    def cpu(self) -> float:
        """Seconds of CPU time so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def metric(self, name: str) -> float:
        """Sum of all series of a metric."""
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
            return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)
        return 0.0

    def asked(self) -> list[Entry]:
        """Return what it has asked since it started, or since this was called before."""
        end = self._audit.stat().st_size
        found = [entry for entry in entries(self._audit, self.offset) if entry.user == ACCOUNT]
        self.offset = end
        return found

    async def rests(self) -> None:
        """Wait until it has done no pass for two seconds."""
        passes, before = 0.0, -1.0
        while passes == 0 or passes != before:
            await asyncio.sleep(2)
            assert self._process.poll() is None, "the operator has ended"
            before, passes = passes, self.metric("modelrollout_reconciles_total")


def _kubeconfig(server: ApiServer, directory: Path) -> Path:
    token = next(token for token, account in ACCOUNTS.items() if account == ACCOUNT)
    cluster = {"server": f"https://127.0.0.1:{server.port}", "certificate-authority": str(server.ca)}
    path = directory / "kubeconfig"
    config = {
        "clusters": [{"name": "bench", "cluster": cluster}],
        "users": [{"name": "operator", "user": {"token": token}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "operator"}}],
        "current-context": "bench",
    }
    path.write_text(yaml.safe_dump(config))
    return path


def measure(count: int = OBJECTS) -> Iterator[Row]:
    """Yield one row for each figure."""
    with tempfile.TemporaryDirectory(prefix="modelrollout-bench-") as scratch:
        directory = Path(scratch)
        policy, log = directory / "policy.yaml", directory / "audit.log"
        policy.write_text(yaml.safe_dump(POLICY))
        log.touch()
        with start(directory, f"--audit-policy-file={policy}", f"--audit-log-path={log}") as server:
            yield from asyncio.run(_collect(server, directory, log, count))


async def _collect(server: ApiServer, directory: Path, log: Path, count: int) -> list[Row]:
    async with connected(server.port, server.tls, TOKEN) as api:
        return [row async for row in _measure(api, server, directory, log, count)]


async def _measure(api: Api, server: ApiServer, directory: Path, log: Path, count: int) -> AsyncIterator[Row]:
    await api.ask("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", BINDING)
    await _define(api)
    names = [f"model-{number}" for number in range(count)]
    nodes = Nodes(api)
    async with nodes.routers(names):
        operator = Operator(server, directory, log)
        try:
            await asyncio.gather(*(api.ask("POST", GROUP, _model(name)) for name in names))
            await _until_ready(api, nodes, count)
            yield (
                f"objects: {count}; writes to install one",
                f"{sum(entry.writes for entry in operator.asked()) / count:.1f}",
            )
            await operator.rests()
            async for row in _idle(operator):
                yield row
        finally:
            code = operator.stop()
        yield "exit code after SIGTERM", str(code)
        operator = Operator(server, directory, log)
        try:
            await operator.rests()
            async for row in _restart(operator):
                yield row
            yield await _reaction(api, names[:CHANGES], log, operator.offset)
        finally:
            operator.stop()


async def _define(api: Api) -> None:
    await api.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd())
    while True:
        # The definition is accepted before its resource is served.
        with contextlib.suppress(AssertionError, ValueError):
            await api.ask("GET", GROUP)
            return
        await asyncio.sleep(0.1)


def _model(name: str) -> dict[str, Any]:
    example: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    return {**example, "metadata": {"name": name}, "spec": {**example["spec"], "replicas": 1}}


async def _until_ready(api: Api, nodes: Nodes, count: int) -> None:
    end = time.monotonic() + 600
    while True:
        await nodes.settle()
        conditions = [each.get("status", {}).get("conditions", ()) for each in await api.all(GROUP)]
        ready = sum(any(one["type"] == "Ready" and one["status"] == "True" for one in each) for each in conditions)
        if ready == count:
            return
        assert time.monotonic() < end, f"{ready} of {count} are Ready"
        await asyncio.sleep(0.5)


async def _idle(operator: Operator) -> AsyncIterator[Row]:
    operator.asked()
    cpu, begun = operator.cpu, time.monotonic()
    await asyncio.sleep(IDLE)
    share = (operator.cpu - cpu) / (time.monotonic() - begun)
    yield "resident memory", f"{operator.memory:.0f} MiB"
    yield f"CPU while idle, over {IDLE:.0f} s", f"{share:.2%} of a core"
    verbs = Counter(f"{entry.verb} {entry.resource}" for entry in operator.asked())
    yield "requests meanwhile", ", ".join(f"{number} {what}" for what, number in sorted(verbs.items()))
    yield "LISTs meanwhile", str(sum(number for what, number in verbs.items() if what.startswith("list ")))


async def _restart(operator: Operator) -> AsyncIterator[Row]:
    asked = operator.asked()
    others = [f"{entry.verb} {entry.resource}" for entry in asked if entry.writes and entry.resource != "leases"]
    yield "writes of an operator that starts, but its Lease", str(len(others))
    for what, number in Counter(others).items():
        yield f"  {what}", str(number)
    reads = Counter(entry.verb for entry in asked if not entry.writes)
    yield "reads of an operator that starts", ", ".join(f"{number} {verb}" for verb, number in sorted(reads.items()))


async def _reaction(api: Api, names: list[str], log: Path, offset: int) -> Row:
    for name in names:
        await api.ask("PATCH", f"{GROUP}/{name}", {"spec": {"model": {"version": "3"}}}, MERGE)
        await asyncio.sleep(1)
    changed, took = {}, []
    for entry in entries(log, offset):
        if entry.resource == "modeldeployments" and entry.user != ACCOUNT and entry.writes:
            changed[entry.name] = entry.at
        elif entry.user == ACCOUNT and entry.resource == "modeldeployments/status" and entry.name in changed:
            took.append((entry.at - changed.pop(entry.name)) / timedelta(milliseconds=1))
    what = f"change of the spec → first write has been made, median of {len(took)}"
    return what, f"{statistics.median(took):.0f} ms (from {min(took):.0f} to {max(took):.0f})"


if __name__ == "__main__":
    for title, value in measure(int(sys.argv[1]) if len(sys.argv) > 1 else OBJECTS):
        print(f"{title:<75} {value}", flush=True)
