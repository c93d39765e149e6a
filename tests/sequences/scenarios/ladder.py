"""The automation ladder: rungs that hold a rollout back, and rungs that are changed in the middle of one."""

from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import (
    approving,
    at,
    begins,
    canary,
    errors,
    image,
    installed,
    phase,
    scenario,
    settled,
    spec,
)


@scenario
async def pinned_to_copies(cluster: Cluster) -> None:
    """On the rung shadow a rollout stops before the first answer, a promotion is refused, and a higher rung lets it go on."""
    strategy = canary(50, shadow={"hold": "20s"})
    await installed(cluster)
    cluster.person.apply(spec("2", canary=strategy, automation="shadow"))
    await cluster.until(phase(cluster, "Pinned"))
    begins(cluster)
    cluster.person.ask("promote")
    await cluster.run(30)
    cluster.person.edit("raises automation", automation="full")
    await settled(cluster)


@scenario
async def lowered_to_copies(cluster: Cluster) -> None:
    """Lowered to shadow in mid-rollout, traffic goes home at once; the attempt stays, and climbs again when it is raised."""
    strategy = canary(25, 50, shadow={"hold": "20s"})
    await installed(cluster)
    cluster.person.apply(spec("2", canary=strategy))
    await cluster.until(at(cluster, "step 2/2"))
    begins(cluster)
    cluster.person.edit("lowers automation", automation="shadow")
    await cluster.until(phase(cluster, "Pinned"))
    await cluster.run(30)
    cluster.person.edit("raises automation", automation="full")
    await settled(cluster)


@scenario
async def asked_when_undecided(cluster: Cluster) -> None:
    """On the rung partial what passes goes on, and what is undecided at the deadline asks a person."""
    measured = errors(deadline="30s", onInconclusive="promote")
    await installed(cluster)
    cluster.person.apply(spec("2", automation="partial", analysis=measured))
    await cluster.until(at(cluster, "step 2/2"))
    begins(cluster)
    cluster.load(0.5)
    with approving(cluster):
        await settled(cluster)


@scenario
async def failed_on_the_rung_partial(cluster: Cluster) -> None:
    """A clear failure goes home without asking anybody."""
    cluster.behave(image("2"), Behaviour(errors=0.5))
    await installed(cluster)
    begins(cluster)
    cluster.person.apply(spec("2", automation="partial"))
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)
