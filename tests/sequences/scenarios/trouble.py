"""The world is not as it should be."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import FORGOT, at, begins, canary, image, installed, phase, scenario, settled, spec


@scenario
async def never_ready(cluster: Cluster) -> None:
    """The candidate's pods never become Ready: the progress deadline sends it home."""
    cluster.behave(image("2"), Behaviour(never_ready=True))
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)


@scenario
async def first_install_never_ready(cluster: Cluster) -> None:
    """A first revision that crashes is replaced by one that does not; there is nothing to fall back to.

    That the first one never answered is known by the status alone. When that is lost while both stand, the one that has the
    route is taken for stable, which a crash of a stable one would look like. So the other one is a canary, which waits for
    numbers: nobody calls a model that was never Available, and a person skips the steps.
    """
    cluster.behave(image("1"), Behaviour(problem="CrashLoopBackOff"))
    cluster.person.apply(spec("1"))
    await cluster.until(phase(cluster, "Stalled"))
    await cluster.run(10)
    cluster.person.apply(spec("2"))
    waits = at(cluster, "step 1/2")
    await cluster.until(lambda: waits() or phase(cluster, "Ready")())
    if waits():
        assert cluster in FORGOT
        await cluster.run(300)
        assert waits()
        assert cluster.traffic.rate == 0
        cluster.person.ask("promote-full")
        await cluster.until(phase(cluster, "Ready"))
    await settled(cluster)


@scenario
async def insufficient_capacity(cluster: Cluster) -> None:
    """The candidate has no place; when there is some, the rollout goes on. Stable stays untouched."""
    cluster.kubelet.make_room(6)
    await installed(cluster)
    cluster.person.apply(spec("2", canary=canary(50), progressDeadline="5m"))
    await cluster.until(at(cluster, "step 1/1"))
    begins(cluster)
    await cluster.until(lambda: "no place" in _message(cluster) or "Insufficient" in _message(cluster))
    await cluster.run(20)
    cluster.log.say("cluster", "a node is added")
    cluster.kubelet.make_room(8)
    await settled(cluster)


@scenario
async def name_conflict(cluster: Cluster) -> None:
    """Somebody else's object has one of our names: nothing is touched until it is gone."""
    somebody: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "digits", "namespace": "default"},
        "spec": {"selector": {"app": "somebody"}},
    }
    cluster.server.apply_as("kubectl", somebody)
    cluster.person.apply(spec("1"))
    await cluster.until(phase(cluster, "Stalled"))
    await cluster.run(20)
    cluster.log.say("person", "deletes the other Service")
    found = cluster.store.get("Service", "default", "digits")
    assert found is not None
    assert found["spec"]["selector"] == {"app": "somebody"}
    cluster.store.remove(found)
    await cluster.until(phase(cluster, "Ready"))
    await settled(cluster)


@scenario
async def quota(cluster: Cluster) -> None:
    """The API server refuses the candidate's Deployment, in its own words; later it does not."""
    await installed(cluster)
    cluster.server.refuse = _no_second_model
    cluster.person.apply(spec("2", progressDeadline="5m"))
    await cluster.until(phase(cluster, "Stalled"))
    await cluster.run(40)
    cluster.log.say("cluster", "the quota is raised")
    cluster.server.refuse = lambda _body: None
    await cluster.until(phase(cluster, "Ready"))
    await settled(cluster)


@scenario
async def status_lost(cluster: Cluster) -> None:
    """The status is removed in the middle of a step: traffic stays as it is, and the rollout goes on there."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 2/2"))
    await cluster.run(5)
    begins(cluster)
    cluster.person.lose_status()
    await settled(cluster)


@scenario
async def operator_upgraded(cluster: Cluster) -> None:
    """Other settings and another router image in the middle of a step: no new revision, no model pod restarted."""
    await installed(cluster)
    cluster.person.apply(spec("2", service={"targetPort": 8080}))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    limits = cluster.limits
    cluster.upgrade(
        replace(limits, router_image="modelrollout-router:9", drain=limits.drain * 2, timeout=limits.timeout * 2)
    )
    await settled(cluster)


@scenario
async def frozen_by_its_operator(cluster: Cluster) -> None:
    """The setting freeze stops every advance and keeps clocks; without it the rollout goes on where it was."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    cluster.upgrade(replace(cluster.limits, freeze=True))
    await cluster.run(40)
    cluster.upgrade(replace(cluster.limits, freeze=False))
    await settled(cluster)


@scenario
async def router_pod_lost(cluster: Cluster) -> None:
    """A router's pod is deleted in the middle of a step: its successor must run the route before the clock goes on."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    cluster.delete_pod("digits-router-1")
    await cluster.until(at(cluster, "step 2/2"))
    cluster.delete_pod("digits-router-2")
    await settled(cluster)


@scenario
async def router_unreachable(cluster: Cluster) -> None:
    """A router cannot be asked: it has acknowledged nothing, and no weight moves until it says so."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    cluster.http.silent.add("digits-router-2")
    cluster.log.say("cluster", "digits-router-2 cannot be reached")
    await cluster.run(45)
    cluster.http.silent.clear()
    cluster.log.say("cluster", "digits-router-2 can be reached")
    await settled(cluster)


@scenario
async def model_pods_lost(cluster: Cluster) -> None:
    """Model pods are deleted while they have weight; each has its time to leave, and is replaced."""
    await installed(cluster)
    cluster.person.apply(spec("2", canary=canary(50)))
    await cluster.until(at(cluster, "step 1/1"))
    await cluster.run(5)
    begins(cluster)
    cluster.delete_pods(image("2"), 1)
    cluster.delete_pods(image("1"), 1)
    await settled(cluster)


def _no_second_model(body: Mapping[str, Any]) -> str | None:
    if body["kind"] != "Deployment" or body["spec"]["template"]["spec"]["containers"][0]["image"] != image("2"):
        return None
    return "exceeded quota: models, requested: pods=1, used: pods=4, limited: pods=4"


def _message(cluster: Cluster) -> str:
    return cluster.person.status.message
