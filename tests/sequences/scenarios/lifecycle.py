"""The ModelDeployment itself comes and goes."""

from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import at, begins, installed, phase, scenario, settled, spec


@scenario
async def deleted_in_a_rollout(cluster: Cluster) -> None:
    """Everything goes with it."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    cluster.traffic_ends()
    cluster.person.delete()
    await settled(cluster)


@scenario
async def deleted_and_created_again(cluster: Cluster) -> None:
    """At once, under the same name: the leftovers of the dead one are waited for, never taken over."""
    await installed(cluster)
    cluster.traffic_ends()
    cluster.person.delete()
    cluster.person.apply(spec("2"))
    await cluster.until(phase(cluster, "Ready"))
    await settled(cluster)


@scenario
async def orphaned_and_adopted(cluster: Cluster) -> None:
    """With deletionPolicy orphan everything goes on working without its ModelDeployment, and is taken up again."""
    kept = {"deletionPolicy": "orphan"}
    await installed(cluster, spec("1", **kept))
    cluster.person.delete()
    await cluster.run(60)
    cluster.person.apply(spec("1", **kept))
    await cluster.until(phase(cluster, "Ready"))
    await cluster.run(10)
    cluster.person.apply(spec("2", **kept))
    await cluster.until(at(cluster, "step 1/2"))
    await settled(cluster)


@scenario
async def orphaned_in_a_rollout(cluster: Cluster) -> None:
    """Deleted in the middle of a step: the weights stay, and the rollout goes on when it is back."""
    kept = {"deletionPolicy": "orphan"}
    await installed(cluster, spec("1", **kept))
    cluster.person.apply(spec("2", **kept))
    await cluster.until(at(cluster, "step 2/2"))
    begins(cluster)
    cluster.person.delete()
    await cluster.run(60)
    cluster.person.apply(spec("2", **kept))
    await settled(cluster)
