"""Without a router: the number of pods is the weight."""

from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import at, canary, installed, phase, scenario, settled, spec

DIRECT = {"traffic": {"direct": {}}, "analysis": None, "replicas": 3}


@scenario
async def direct_canary(cluster: Cluster) -> None:
    await installed(cluster, spec("1", **DIRECT, canary=canary(25, 50)))
    cluster.person.apply(spec("2", **DIRECT, canary=canary(25, 50, bake="20s")))
    await cluster.until(at(cluster, "step 2/2"))
    await settled(cluster)


@scenario
async def direct_canary_aborted(cluster: Cluster) -> None:
    await installed(cluster, spec("1", **DIRECT, canary=canary(25, 50)))
    cluster.person.apply(spec("2", **DIRECT, canary=canary(25, 50)))
    await cluster.until(at(cluster, "step 2/2"))
    cluster.person.abort()
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)


@scenario
async def direct_blue_green(cluster: Cluster) -> None:
    """Promoted by a person, and the next one switched back during its bake."""
    strategy = {"hold": "10s", "promotion": "manual", "bake": "30s"}
    await installed(cluster, spec("1", **DIRECT, blueGreen=strategy))
    cluster.person.apply(spec("2", **DIRECT, blueGreen=strategy))
    await cluster.until(phase(cluster, "WaitingForApproval"))
    cluster.person.ask("promote")
    await cluster.until(phase(cluster, "Ready"))
    await cluster.run(20)
    cluster.person.apply(spec("3", **DIRECT, blueGreen={**strategy, "promotion": "automatic"}))
    await cluster.until(at(cluster, "bake"))
    cluster.person.abort()
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)
