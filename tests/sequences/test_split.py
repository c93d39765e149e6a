"""Routers that send another share of the requests than they say: no metric may promote what it saw then, wherever it looks."""

from dataclasses import replace
from typing import Any

import pytest

from modelrollout.domain.verdict import Verdict
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.http import Answer
from tests.sequences.scenario import at, canary, image, installed, phase, rollout, spec
from tests.unit.sources.instant import Vector, evaluate

PROMETHEUS = {"counters": {"bad": 'failed_total{pod=~"$pods"}', "total": 'requests_total{pod=~"$pods"}'}}
SOURCES = {"prometheus": {"prometheus": PROMETHEUS}, "router": {"router": {"signal": "errorRate"}}}


def compared(version: str, source: str) -> dict[str, Any]:
    """Return a spec of one step whose only metric is compared."""
    metric = {"name": "errors", **SOURCES[source], "compare": {"margin": {"absolute": 0.05}}}
    analysis = {"interval": "5s", "deadline": "1h", "metrics": [metric]}
    return spec(version, canary=canary(20, hold="1m", bake="1m"), analysis=analysis)


def scraped(cluster: Cluster) -> Vector:
    """Return what the models' pods have counted themselves."""
    cluster.traffic.settle()
    names = {pod["status"].get("podIP"): pod["metadata"]["name"] for pod in cluster.store.every("Pod")}
    sums: dict[tuple[str, str], float] = {}
    for envoy in cluster.facts().values():
        for counts in envoy.counts.values():
            for address, member in counts.members.items():
                for name, number in (("requests_total", member.total), ("failed_total", member.failed)):
                    key = name, names.get(address, address)
                    sums[key] = sums.get(key, 0.0) + number
    return [({"__name__": name, "pod": pod}, number) for (name, pod), number in sums.items()]


async def stepped(source: str, candidate: Behaviour) -> Cluster:
    """Return a cluster whose candidate has just begun to answer a fifth of the requests."""

    def answer(query: str) -> Answer:
        return [(labels, number) for labels, number in evaluate(query, scraped(cluster))]

    cluster = Cluster(rate=100)
    cluster.http.query = answer
    await installed(cluster, compared("1", source))
    cluster.behave(image("2"), candidate)
    cluster.person.apply(compared("2", source))
    await cluster.until(at(cluster, "step 1/1"))
    return cluster


def misroute(cluster: Cluster, percent: int) -> None:
    """Have every router send another share to the candidate than its file says."""
    cluster.traffic.settle()
    one, other = rollout(cluster).revision, rollout(cluster).previous
    assert other is not None
    for envoy in cluster.facts().values():
        envoy.routes = replace(envoy.routes, arms={one: percent, other: 100 - percent})


@pytest.mark.parametrize("source", SOURCES)
async def test_a_split_as_asked_promotes(source: str) -> None:
    cluster = await stepped(source, Behaviour())
    await cluster.until(phase(cluster, "Ready"), within=3000)
    assert cluster.person.status.history[0].outcome == "Completed"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("percent", [10, 35])
async def test_another_split_than_asked_waits_and_says_why(source: str, percent: int) -> None:
    cluster = await stepped(source, Behaviour())
    misroute(cluster, percent)
    await cluster.run(1200)
    (gate,) = rollout(cluster).gates
    assert rollout(cluster).stage_label == "step 1/1"
    assert (gate.verdict, gate.state, gate.value) == (Verdict.UNDECIDED, "TrafficSplitMismatch", None)
    assert f"The candidate should get 20 % and gets {percent}." in gate.message
    assert gate.evidence is not None
    assert gate.evidence.within > 10, "what was counted would promote"


@pytest.mark.parametrize("source", SOURCES)
async def test_a_bad_candidate_goes_home_all_the_same(source: str) -> None:
    cluster = await stepped(source, Behaviour(errors=0.1))
    misroute(cluster, 35)
    await cluster.until(lambda: rollout(cluster).gates[0].state == "TrafficSplitMismatch")
    await cluster.until(phase(cluster, "Aborted"))
    cause = rollout(cluster).cause
    assert cause is not None
    assert cause.message.startswith("errors: worse than the margin")
