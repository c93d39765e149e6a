"""Weights in steps, to a good end."""

from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import at, begins, canary, errors, installed, phase, scenario, settled, spec


@scenario
async def first_install(cluster: Cluster) -> None:
    cluster.person.apply(spec("1"))
    await cluster.until(phase(cluster, "Ready"))
    await settled(cluster)


@scenario
async def canary_with_everything(cluster: Cluster) -> None:
    """Copies first, steps with a pause, a person for the last move, and a bake."""
    steps = [{"weight": 10, "hold": "20s"}, {"pause": {}}, {"weight": 50, "hold": "20s"}]
    strategy = {"shadow": {"percent": 50, "hold": "20s"}, "steps": steps, "promotion": "manual", "bake": "30s"}
    await installed(cluster)
    cluster.person.apply(spec("2", canary=strategy, analysis=errors(warmUp="5s")))
    await cluster.until(at(cluster, "pause 2/3"))
    await cluster.run(10)
    cluster.person.ask("promote")
    await cluster.until(at(cluster, "step 3/3"))
    await cluster.until(phase(cluster, "WaitingForApproval"))
    await cluster.run(10)
    cluster.person.ask("promote")
    await cluster.until(at(cluster, "bake"))
    await settled(cluster)


@scenario
async def promoted_at_once(cluster: Cluster) -> None:
    """A person skips the steps; the bake follows all the same."""
    await installed(cluster)
    cluster.person.apply(spec("2", canary=canary(bake="20s")))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    cluster.person.ask("promote-full")
    await cluster.until(at(cluster, "bake"))
    await settled(cluster)


@scenario
async def back_to_back(cluster: Cluster) -> None:
    """A second rollout begins in the moment in which the first ends: nothing of the first leaks into it."""
    await installed(cluster)
    first = cluster.person.status.stable
    cluster.person.apply(spec("2"))
    await cluster.until(lambda: cluster.person.status.stable not in (first, None))
    begins(cluster)
    cluster.person.apply(spec("3"))
    await cluster.until(at(cluster, "step 1/2"))
    await settled(cluster)
