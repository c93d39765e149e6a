"""What must be true of every rollout that compares predictions, whatever becomes of the collectors on its way."""

import json
from typing import Any

import pytest

from modelrollout.names import mirror_cluster
from modelrollout.resources.report import JSON
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.envoy import Envoy
from modelrollout.simulation.person import NAMESPACE
from tests.sequences.ending import ending
from tests.sequences.scenario import at, phase, rollout
from tests.sequences.scenarios.predictions import compared, predictions_are_wrong, shadowed


def report(cluster: Cluster) -> dict[str, Any]:
    name = f"digits-report-{rollout(cluster).revision}-{rollout(cluster).attempt}"
    found = cluster.store.get("ConfigMap", NAMESPACE, name)
    assert found is not None
    return json.loads(found["data"][JSON])


async def test_the_report_shows_the_confusion_and_ten_requests() -> None:
    cluster = Cluster()
    await predictions_are_wrong(cluster)
    shown = report(cluster)["predictions"]["agreement"]
    cells = {(stable, candidate): number for stable, candidate, number in shown["confusion"]}
    assert cells.keys() == {(one, two) for one in ("positive", "negative") for two in ("positive", "negative")}
    assert len(shown["examples"]) == 10
    assert len({example["id"] for example in shown["examples"]}) == 10


async def test_a_new_leader_files_the_report_without_what_it_has_not_seen() -> None:
    cluster = Cluster()

    def crash(_number: int) -> None:
        if phase(cluster, "Aborting")() and not crashed:
            crashed.append(cluster.agenda.elapsed)
            cluster.crash()

    crashed: list[float] = []
    cluster.on_write = crash
    await predictions_are_wrong(cluster)
    assert crashed
    told = report(cluster)
    assert told["outcome"] == "Aborted"
    assert "predictions" not in told


class Copies:
    """Counts the copies of all routers, those that are gone included."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._seen: dict[str, Envoy] = {}

    def made(self, revision: str) -> float:
        self._seen |= self._cluster.facts()
        self._cluster.traffic.settle()
        return sum(envoy.counts[mirror_cluster(revision)].completed for envoy in self._seen.values())


@pytest.mark.parametrize("dies", ["collector", "collectors", "router", "operator"])
async def test_whatever_dies_no_pair_counts_twice_and_it_is_decided_in_the_end(dies: str) -> None:
    cluster = Cluster(rate=20)
    copies = Copies(cluster)
    await shadowed(cluster, Behaviour(), Behaviour(differs=0.02), compared("2", {"agreement": {"min": 0.95}}))
    await cluster.until(at(cluster, "shadow"))
    revision = rollout(cluster).revision
    await cluster.run(12)
    first, *_ = cluster.facts()
    match dies:
        case "collector":
            cluster.http.collects = lambda pod: pod != first
        case "collectors":
            cluster.http.collects = lambda _pod: False
        case "router":
            cluster.delete_pod(first)
        case _:
            cluster.crash()
    for _ in range(6):
        await cluster.run(5)
        seen = {gate.name: gate.evidence for gate in rollout(cluster).gates}.get("agreement")
        assert seen is None or seen.requests <= copies.made(revision)
    cluster.http.collects = lambda _pod: True
    await cluster.until(at(cluster, "bake"), within=1800)
    assert cluster.witness.broken == ()
    await cluster.until(phase(cluster, "Ready"))
    assert any("Completed" in line for line in ending(cluster))


async def test_while_no_collector_answers_the_shadow_is_never_left() -> None:
    cluster = Cluster()
    cluster.http.collects = lambda _pod: False
    await shadowed(cluster, Behaviour(), Behaviour(), compared("2"))
    await cluster.until(at(cluster, "shadow"))
    for _ in range(60):
        await cluster.run(60)
        assert rollout(cluster).stage_label == "shadow"
    cluster.http.collects = lambda _pod: True
    await cluster.until(at(cluster, "bake"), within=600)
