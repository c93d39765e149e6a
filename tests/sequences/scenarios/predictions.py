"""Rollouts that the predictions decide: both versions answer the same requests, and only stable's answers reach clients."""

from typing import Any

from modelrollout.names import mirror_cluster
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.kinds import Mix
from tests.sequences.scenario import (
    at,
    begins,
    canary,
    image,
    installed,
    phase,
    rollout,
    scenario,
    settled,
    spec,
    template,
)

DARK = "light=dark"
LIGHT = {"name": "light", "header": "x-light", "values": ["dark", "bright"]}
MIX = Mix(parts=((DARK, 0.1), ("light=bright", 0.9)))


def compared(version: str, judge: dict[str, Any] | None = None, hold: str = "20s", **changes: Any) -> dict[str, Any]:
    """Return a spec that shows requests to a shadow first and compares what both versions predict."""
    metric = {"name": "agreement", "predictions": {}, **(judge or {"agreement": {"min": 0.97}})}
    errors = {"name": "errors", "router": {"signal": "errorRate"}, "threshold": {"max": 0.05, "minRequests": 50}}
    return spec(
        version,
        model={"name": "digits", "version": version, "protocol": "kserveV1"},
        canary=canary(25, shadow={"percent": 100, "hold": hold}, bake="20s"),
        analysis={"interval": "5s", "metrics": [metric, errors], **changes},
    )


async def shadowed(
    cluster: Cluster,
    stable: Behaviour,
    candidate: Behaviour,
    asked: dict[str, Any],
    first: dict[str, Any] | None = None,
) -> None:
    """Begin to compare two versions; the routers have their collectors already, unless the first spec is another one."""
    await installed(cluster, first or {**asked, "template": template("1"), "model": {**asked["model"], "version": "1"}})
    cluster.behave(image("1"), stable)
    cluster.behave(image("2"), candidate)
    cluster.person.apply(asked)
    begins(cluster)


async def stopped(cluster: Cluster) -> None:
    """Wait until the candidate has gone home; no client has got an answer of it."""
    await cluster.until(phase(cluster, "Aborted"), within=1800)
    revision = rollout(cluster).revision
    await settled(cluster)
    for envoy in cluster.kubelet.envoys.values():
        envoy.account()
        assert envoy.counts[revision].completed == 0, "the candidate has answered a client"
    assert any(envoy.counts[mirror_cluster(revision)].completed for envoy in cluster.kubelet.envoys.values())


async def promoted(cluster: Cluster) -> None:
    """Wait until the candidate has everything."""
    await cluster.until(at(cluster, "bake"), within=1800)
    await settled(cluster)


@scenario
async def predictions_agree(cluster: Cluster) -> None:
    """An equally good candidate that differs in 1 % is compared in the shadow, and then goes up step by step.

    Collectors come with it: the routers of the first version have none.
    """
    await shadowed(cluster, Behaviour(), Behaviour(differs=0.01), compared("2"), spec("1"))
    await promoted(cluster)


@scenario
async def predictions_are_wrong(cluster: Cluster) -> None:
    """Fast, healthy, and wrong in 30 % of its answers: it never gets to answer anybody."""
    await shadowed(cluster, Behaviour(), Behaviour(differs=0.3), compared("2"))
    await stopped(cluster)


@scenario
async def predictions_are_wrong_in_a_slice(cluster: Cluster) -> None:
    """Good enough on the whole, and wrong in half of the answers to one part of the traffic: the part is named."""
    cluster.traffic.mix = MIX
    asked = compared("2", {"agreement": {"min": 0.9}}, slices=[LIGHT])
    await shadowed(cluster, Behaviour(), Behaviour(differs_in=((DARK, 0.5),)), asked)
    await stopped(cluster)


@scenario
async def a_limit_in_a_slice(cluster: Cluster) -> None:
    """Two windows of one slice in a row are outside a plain limit that all requests together keep.

    A slice holds nothing up before its first window is full, so the hold is long enough for a leader that begins anew.
    """
    cluster.traffic.mix = MIX
    limit = {"threshold": {"min": 0.9, "minRequests": 80, "failures": 2}}
    await shadowed(
        cluster, Behaviour(), Behaviour(differs_in=((DARK, 0.5),)), compared("2", limit, hold="60s", slices=[LIGHT])
    )
    await stopped(cluster)


@scenario
async def predictions_unknown(cluster: Cluster) -> None:
    """No collector answers: the shadow is held, and at the deadline goes home as the spec says."""
    cluster.http.collects = lambda _pod: False
    asked = compared("2", deadline="60s", onInconclusive="rollback")
    await shadowed(cluster, Behaviour(), Behaviour(), asked)
    await stopped(cluster)


@scenario
async def noisy_with_a_baseline(cluster: Cluster) -> None:
    """A model that contradicts itself is held against itself, and so is promoted."""
    noisy = Behaviour(noise=0.05)
    asked = compared("2", {"agreement": {"margin": 0.05}}, predictions={"baseline": {"percent": 100}})
    await shadowed(cluster, noisy, noisy, asked)
    await promoted(cluster)


@scenario
async def noisy_without_a_baseline(cluster: Cluster) -> None:
    """The same model against an absolute bound: nobody can tell noise from a change, so it goes home."""
    noisy = Behaviour(noise=0.05)
    await shadowed(cluster, noisy, noisy, compared("2"))
    await stopped(cluster)
