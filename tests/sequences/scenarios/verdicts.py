"""Rollouts that numbers decide, or do not."""

from modelrollout.errors import SourceError
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import at, begins, errors, image, installed, phase, scenario, settled, spec


@scenario
async def aborted_by_a_threshold(cluster: Cluster) -> None:
    """The model begins to fail in the second step."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 2/2"))
    await cluster.run(7)
    begins(cluster)
    cluster.behave(image("2"), Behaviour(errors=0.2))
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)


@scenario
async def inconclusive_rolled_back(cluster: Cluster) -> None:
    """Too few requests for a verdict in time, and the spec says what to do then."""
    cluster.rate = 0.5
    await installed(cluster)
    cluster.person.apply(spec("2", analysis=errors(deadline="60s", onInconclusive="rollback")))
    begins(cluster)
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)


@scenario
async def inconclusive_left_to_a_person(cluster: Cluster) -> None:
    """Too few requests for a verdict in time: a person decides."""
    cluster.rate = 0.5
    await installed(cluster)
    cluster.person.apply(spec("2", analysis=errors(deadline="30s")))
    begins(cluster)
    for step in ("step 1/2", "step 2/2"):
        await cluster.until(at(cluster, step))
        await cluster.until(phase(cluster, "WaitingForApproval"))
        cluster.person.ask("promote")
    await settled(cluster)


@scenario
async def no_prometheus(cluster: Cluster) -> None:
    """Prometheus does not answer: the step waits, and goes on when it is back. A value above the limit then aborts."""
    metric = {"name": "gpu", "prometheus": {"query": 'avg(gpu{pod=~"$pods"})'}, "threshold": {"max": 95}}
    cluster.http.query = lambda _query: SourceError("Asking Prometheus: no answer within 5 s.")
    await installed(cluster)
    cluster.person.apply(spec("2", analysis={"interval": "5s", "metrics": [metric]}))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    await cluster.run(40)
    cluster.log.say("cluster", "Prometheus is back")
    cluster.http.query = lambda _query: 40.0
    await cluster.until(at(cluster, "step 2/2"))
    cluster.log.say("cluster", "the GPU is too hot")
    cluster.http.query = lambda _query: 99.0
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)
