"""Full size beside stable, then one switch."""

from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import at, begins, installed, phase, scenario, settled, spec

STRATEGY = {"hold": "20s", "promotion": "manual", "bake": "30s"}


@scenario
async def blue_green(cluster: Cluster) -> None:
    await installed(cluster)
    cluster.person.apply(spec("2", blueGreen=STRATEGY))
    await cluster.until(phase(cluster, "WaitingForApproval"))
    await cluster.run(5)
    cluster.person.ask("promote")
    await cluster.until(at(cluster, "bake"))
    await settled(cluster)


@scenario
async def blue_green_and_back(cluster: Cluster) -> None:
    """A person aborts during the bake: everything switches back, while stable still stands whole."""
    await installed(cluster)
    cluster.person.apply(spec("2", blueGreen={**STRATEGY, "promotion": "automatic"}))
    await cluster.until(at(cluster, "bake"))
    await cluster.run(5)
    begins(cluster)
    cluster.person.abort()
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)
