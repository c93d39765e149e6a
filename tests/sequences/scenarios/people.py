"""What people ask for in the middle of a rollout."""

from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import at, begins, canary, image, installed, phase, rollout, scenario, settled, spec


@scenario
async def aborted_by_a_person(cluster: Cluster) -> None:
    """The abort is sticky until the spec names another revision."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 2/2"))
    begins(cluster)
    cluster.person.abort()
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)


@scenario
async def retried(cluster: Cluster) -> None:
    """A model that failed because of something else is tried again, by request."""
    cluster.behave(image("2"), Behaviour(errors=0.5))
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(phase(cluster, "Aborted"))
    await cluster.run(10)
    # Without its status it is tried once more, and fails again.
    await cluster.until(phase(cluster, "Aborted"))
    begins(cluster)
    cluster.behave(image("2"), Behaviour())
    cluster.person.ask("retry")
    await cluster.until(lambda: rollout(cluster).attempt == 2 or phase(cluster, "Ready")())
    await settled(cluster)


@scenario
async def rolled_back(cluster: Cluster) -> None:
    """After a finished rollout a person goes back to the revision before, until the spec names another one."""
    await installed(cluster)
    first = cluster.person.status.stable or ""
    cluster.person.apply(spec("2"))
    await cluster.until(phase(cluster, "Ready"))
    await cluster.run(30)
    begins(cluster)
    cluster.person.ask("rollback", revision=first)
    await cluster.until(lambda: cluster.person.status.stable == first)
    await cluster.run(30)
    cluster.person.apply(spec("3"))
    await cluster.until(at(cluster, "step 1/2"))
    await settled(cluster)


@scenario
async def paused_and_resumed(cluster: Cluster) -> None:
    """Clocks stand still in a pause: the hold goes on where it was."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    await cluster.run(5)
    cluster.person.ask("pause")
    await cluster.run(40)
    cluster.person.ask("resume")
    await settled(cluster)


@scenario
async def paused_by_the_spec(cluster: Cluster) -> None:
    """A paused rollout is still aborted when a person says so."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    cluster.person.edit("sets paused", paused=True)
    await cluster.run(40)
    cluster.person.abort()
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)


@scenario
async def stale_request(cluster: Cluster) -> None:
    """A request about another stage than the current one is refused."""
    await installed(cluster)
    cluster.person.apply(spec("2", canary=canary(25)))
    await cluster.until(at(cluster, "step 1/1"))
    begins(cluster)
    cluster.person.ask("rollback", revision="0123456789")
    await cluster.run(5)
    cluster.person.ask("retry")
    await settled(cluster)


@scenario
async def assisted(cluster: Cluster) -> None:
    """The operator recommends with its numbers, a person approves each step."""
    await installed(cluster)
    cluster.person.apply(spec("2", canary=canary(25, bake="10s"), automation="assist"))
    await cluster.until(phase(cluster, "WaitingForApproval"))
    begins(cluster)
    await cluster.run(5)
    cluster.person.ask("promote")
    await settled(cluster)


@scenario
async def manual_with_a_failing_metric(cluster: Cluster) -> None:
    """With automation manual a failed metric holds and alarms, and a person takes it home."""
    cluster.behave(image("2"), Behaviour(errors=0.5))
    await installed(cluster)
    cluster.person.apply(spec("2", automation="manual"))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    await cluster.run(40)
    cluster.person.abort()
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)
