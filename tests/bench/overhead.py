"""What the router adds to a request: against a direct call of the same pods, in alternating blocks of one run."""

import statistics
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import cgroups
from tests.e2e.scenario import Scenario, canary, model_deployment, model_template

Row = tuple[str, str]
BLOCKS = 4
SECONDS = 6
RATE = 200


def measure(scenario: Scenario) -> Iterator[Row]:
    """Yield one row for each figure."""
    scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    direct = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "direct"},
        "spec": {"selector": {"modelrollout.dev/component": "model"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    scenario.kubectl("apply", "-f", "-", body=direct)
    service = scenario.read("services", "direct")
    assert service is not None
    addresses = {"direct": service["spec"]["clusterIP"], "through the router": scenario.service_address()}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in addresses}
    cpu: dict[str, float] = dict.fromkeys(addresses, 0.0)
    for _ in range(BLOCKS):
        for name, address in addresses.items():
            before = _cpu_seconds(scenario)
            with scenario.traffic(RATE, host=address, long_every=0, extra=("--duration", str(SECONDS))) as traffic:
                traffic.process.wait(60)
            found[name].append(traffic.stop())
            cpu[name] += _cpu_seconds(scenario) - before
    for quantile in ("p50_ms", "p99_ms"):
        plain, routed = (statistics.median(each[quantile] for each in found[name]) for name in addresses)
        yield (
            f"{quantile[:3]} direct, through the router",
            f"{plain:.2f} ms, {routed:.2f} ms: +{routed - plain:.2f} ms, factor {routed / plain:.2f}",
        )
    requests = sum(each["requests"] for each in found["through the router"])
    used = cpu["through the router"] - cpu["direct"]
    yield "router CPU per request", f"{used / requests * 1e6:.0f} µs ({requests} requests at {RATE}/s)"
    yield "lost", str(sum(each["ours"] for each in found["through the router"]))


def _cpu_seconds(scenario: Scenario) -> float:
    total = 0.0
    for pod in scenario.routers():
        identity = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
        total += sum(_read(path) for path in cgroups.ROOT.rglob(f"*{identity}*/") if path.is_dir())
    return total


def _read(group: Path) -> float:
    usage = group / "cpuacct.usage"
    if usage.exists():
        return int(usage.read_text()) / 1e9
    stat = group / "cpu.stat"
    if cgroups.version() == 2 and stat.exists():
        return int(stat.read_text().split()[1]) / 1e6
    return 0.0
