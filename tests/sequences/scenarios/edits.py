"""The spec changes in the middle of a rollout."""

from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import at, begins, canary, errors, installed, phase, scenario, settled, spec


@scenario()
async def superseded(cluster: Cluster) -> None:
    """Another revision: traffic goes home first, then the new one begins."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    cluster.person.apply(spec("3"))
    await cluster.until(phase(cluster, "Ready"))
    await settled(cluster)


@scenario()
async def reverted(cluster: Cluster) -> None:
    """The stable revision again: an abort that leaves nothing to be done."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 2/2"))
    begins(cluster)
    cluster.person.apply(spec("1"))
    await cluster.until(phase(cluster, "Ready"))
    await settled(cluster)


@scenario()
async def edited_steps(cluster: Cluster) -> None:
    """New steps: the rollout goes on at the last one whose weight it has; the weight never falls."""
    await installed(cluster)
    cluster.person.apply(spec("2", canary=canary(10, 50)))
    await cluster.until(at(cluster, "step 2/2"))
    begins(cluster)
    cluster.person.edit("edits the steps", strategy={"canary": canary(5, 20, 40, 60, 80)})
    await cluster.until(at(cluster, "step 4/5"))
    await settled(cluster)


@scenario()
async def edited_threshold(cluster: Cluster) -> None:
    """A stricter limit applies at once."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    limits = errors()
    limits["metrics"] = [
        *limits["metrics"],
        {"name": "slow", "router": {"signal": "latencySeconds", "quantile": 0.5}, "threshold": {"max": 0.001}},
    ]
    begins(cluster)
    cluster.person.edit("adds a metric that it cannot pass", analysis=limits)
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)


@scenario()
async def scaled(cluster: Cluster) -> None:
    """More replicas, then fewer: stable follows at once, the candidate grows and is not shrunk below what it needs."""
    await installed(cluster)
    cluster.person.apply(spec("2", canary=canary(50, hold="40s")))
    await cluster.until(at(cluster, "step 1/1"))
    begins(cluster)
    cluster.person.edit("scales to 8", replicas=8)
    await cluster.run(15)
    cluster.person.edit("scales to 6", replicas=6)
    await settled(cluster)


@scenario()
async def invalid_edit(cluster: Cluster) -> None:
    """A refused spec freezes progress; the rollout is still judged, and goes on when the spec is right again."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    cluster.person.edit("writes weights that fall", strategy={"canary": canary(50, 25)})
    await cluster.run(40)
    cluster.person.edit("corrects the weights", strategy={"canary": canary(25, 50)})
    await settled(cluster)


@scenario(forgets=True)
async def invalid_edit_and_abort(cluster: Cluster) -> None:
    """A person aborts although the spec as it stands is refused."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    cluster.person.edit("writes weights that fall", strategy={"canary": canary(50, 25)})
    await cluster.run(10)
    cluster.person.abort()
    await settled(cluster)


@scenario()
async def superseded_without_room(cluster: Cluster) -> None:
    """The new candidate fits only where the old one stands: it must not be waited for while its place is taken."""
    cluster.kubelet.make_room(6)
    await installed(cluster)
    cluster.person.apply(spec("2", canary=canary(50)))
    await cluster.until(at(cluster, "step 1/1"))
    begins(cluster)
    cluster.person.apply(spec("3", canary=canary(50)))
    await cluster.until(at(cluster, "step 1/1"))
    cluster.person.abort()
    await settled(cluster)
