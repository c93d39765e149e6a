"""What one rollout costs in writes, and how fast the operator reacts: counts and medians on the real cluster."""

import itertools
import statistics
import time
from collections.abc import Iterator

from tests.bench.audit import ACCOUNT, entries, kinds_of_writes
from tests.e2e.scenario import (
    Scenario,
    canary,
    errors_analysis,
    kill_pod,
    model_deployment,
    model_template,
    moment,
)

Row = tuple[str, str]
ABORTS = 5
CRASHES = 3


def measure(scenario: Scenario) -> Iterator[Row]:
    """Yield one row for each figure."""
    log = scenario.cluster.audit_log
    scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    time.sleep(3)
    yield from _writes(scenario, log.stat().st_size)
    yield from _reactions(scenario)
    yield from _crashes(scenario)


def _writes(scenario: Scenario, offset: int) -> Iterator[Row]:
    with scenario.traffic(100):
        strategy = canary(10, 25, 50, hold="4s")
        old = scenario.status()["stable"]
        scenario.apply(model_deployment(model_template("v2"), strategy, analysis=errors_analysis()))
        scenario.stable()
        scenario.gone(old)
    time.sleep(3)
    counts = kinds_of_writes(entries(scenario.cluster.audit_log, offset), scenario.namespace)
    total = counts["objects"] + counts["status"]
    yield (
        "writes of a rollout with three steps and 100 %",
        f"{total} = {counts['objects']} objects + {counts['status']} status",
    )
    yield "  nudges of router pods, Events", f"{counts['nudges']}, {counts['events']}"
    for name, count in sorted(counts.items()):
        if name.startswith("  "):
            yield name, str(count)
    lists = sum(entry.user == ACCOUNT and entry.verb == "list" for entry in entries(scenario.cluster.audit_log, offset))
    yield "LISTs meanwhile", str(lists)


def _reactions(scenario: Scenario) -> Iterator[Row]:
    first_writes, aborts, homes = [], [], []
    for number in range(ABORTS):
        offset = scenario.cluster.audit_log.stat().st_size
        with scenario.traffic(100) as traffic:
            bad = model_template(f"bad{number}", ERROR_RATE="0.5")
            revision = scenario.apply(model_deployment(bad, canary(50, hold="60s"), analysis=errors_analysis()))
            status = scenario.aborted("GateFailed")
            scenario.gone(revision)
            traffic.stop()
        decided = moment(status["rollout"]["cause"]["at"])
        aborts.append(moment(status["history"][0]["endedAt"]) - decided)
        bad_answers = [record["start"] for record in traffic.records() if record["blame"] == "model"]
        homes.append(
            max(record["start"] for record in traffic.records() if record["revision"] == revision) - min(bad_answers)
        )
        first_writes.append(_first_write(scenario, offset))
    yield (
        "change of the spec → first write, median",
        f"{statistics.median(first_writes) * 1000:.0f} ms of {len(first_writes)}",
    )
    yield (
        "poll that fails the gate → weight 0 verified on every router, median",
        f"{statistics.median(aborts):.2f} s of {len(aborts)}",
    )
    yield (
        "first bad answer → last request to the candidate, median",
        f"{statistics.median(homes):.1f} s (polls each second, 20 requests)",
    )


def _first_write(scenario: Scenario, offset: int) -> float:
    changed = None
    for entry in entries(scenario.cluster.audit_log, offset):
        if entry.namespace != scenario.namespace or not entry.writes:
            continue
        if entry.resource == "modeldeployments" and entry.user != ACCOUNT:
            changed = entry.at
        elif entry.user == ACCOUNT and changed is not None:
            return (entry.at - changed).total_seconds()
    raise AssertionError("the operator wrote nothing")


def _crashes(scenario: Scenario) -> Iterator[Row]:
    took = []
    for number in range(CRASHES):
        leader = scenario.leader()
        pod = next(each for each in scenario.operator_pods() if each["metadata"]["name"] == leader)
        begun = time.time()  # noqa: TID251  # a benchmark owns a clock
        kill_pod(scenario.cluster, pod, "operator")
        scenario.kubectl("annotate", "--overwrite", "modeldeployment", scenario.name, f"bench={number}")
        scenario.kubectl("-n", "modelrollout-system", "delete", "pod", leader, "--force", "--grace-period=0")
        scenario.request("pause")
        scenario.request("resume")
        answered = moment(scenario.status()["request"]["at"])
        took.append(answered - begun)
    yield (
        "leader killed → its successor has answered a request, median",
        f"{statistics.median(took):.1f} s of {len(took)}",
    )
    offset = scenario.cluster.audit_log.stat().st_size
    scenario.kubectl("-n", "modelrollout-system", "rollout", "restart", "deployment", "modelrollout-operator")
    scenario.kubectl(
        "-n", "modelrollout-system", "rollout", "status", "deployment", "modelrollout-operator", "--timeout=120s"
    )
    time.sleep(5)
    writes = [
        entry
        for entry in entries(scenario.cluster.audit_log, offset)
        if entry.user == ACCOUNT
        and entry.writes
        and entry.resource != "leases"
        and entry.namespace == scenario.namespace
    ]
    yield "writes of a restarted operator to an object that is in sync", str(len(writes))
    leases = [
        entry.at
        for entry in entries(scenario.cluster.audit_log, offset)
        if entry.user == ACCOUNT and entry.resource == "leases" and entry.writes
    ]
    gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(leases)]
    yield "longest time without a Lease write in an upgrade", f"{max(gaps):.1f} s"
