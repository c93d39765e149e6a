"""Copies of requests alone, then everything."""

from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import at, image, installed, phase, scenario, settled, spec

STRATEGY = {"percent": 20, "hold": "20s", "bake": "20s"}


@scenario
async def shadow(cluster: Cluster) -> None:
    """The move to 100 % waits for a person unless the spec says otherwise."""
    await installed(cluster)
    cluster.person.apply(spec("2", shadow=STRATEGY))
    await cluster.until(phase(cluster, "WaitingForApproval"))
    await cluster.run(5)
    cluster.person.ask("promote")
    await cluster.until(at(cluster, "bake"))
    await settled(cluster)


@scenario
async def shadow_of_a_hanging_model(cluster: Cluster) -> None:
    """A candidate that never answers a copy fails its metric; clients notice nothing."""
    cluster.behave(image("2"), Behaviour(hangs=True))
    await installed(cluster)
    cluster.person.apply(spec("2", shadow=STRATEGY))
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)
