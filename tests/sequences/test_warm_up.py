"""The operator's own loop with a candidate whose containers end again and again: it warms up once, and is measured then."""

from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.kubelet import image_of
from tests.sequences.scenario import canary, image, installed, phase, rollout, spec

EVERY = 12.0
"""Seconds until the next container ends, of one pod after the other."""
ANALYSIS = {
    "interval": "5s",
    "warmUp": "60s",
    "metrics": [{"name": "errors", "router": {"signal": "errorRate"}, "compare": {}}],
}
"""It takes longer to warm up than a container lives."""


def end_containers(cluster: Cluster, turn: int = 0) -> None:
    pods = [pod for pod in cluster.store.every("Pod") if image_of(pod) == image("2")]
    cluster.kubelet.restart(pods[turn % len(pods)])
    cluster.agenda.after(EVERY, lambda: end_containers(cluster, turn + 1))


async def test_a_candidate_that_crashes_faster_than_it_warms_up_is_judged_all_the_same() -> None:
    cluster = Cluster()
    asked = {"canary": canary(50, hold="10m"), "analysis": ANALYSIS}
    await installed(cluster, spec("1", **asked))
    cluster.behave(image("2"), Behaviour(errors=0.2))
    cluster.person.apply(spec("2", **asked))
    cluster.agenda.after(40, lambda: end_containers(cluster))
    await cluster.until(phase(cluster, "Aborted", "Aborting"), within=600)
    cause = rollout(cluster).cause
    assert cause is not None
    assert "errors" in cause.message
