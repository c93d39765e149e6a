"""What goes on being watched once it is promoted, however often the watcher dies."""

from typing import Any

from modelrollout.domain.conditions import ConditionType, find
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import begins, errors, image, installed, phase, scenario, settled, spec


def watched(version: str) -> dict[str, Any]:
    """Return a spec whose stable revision goes on being watched, by windows and by a change detector."""
    limit = {"max": 0.05, "evidence": "sequential"}
    proven = {"name": "proven", "router": {"signal": "errorRate"}, "threshold": limit}
    analysis = errors()
    return spec(
        version, analysis={**analysis, "metrics": [*analysis["metrics"], proven], "monitor": {"interval": "10s"}}
    )


def drifting(cluster: Cluster, status: str, metrics: int = 0) -> bool:
    """Return whether the condition Drifting says so, of so many metrics."""
    found, monitor = find(cluster.person.status.conditions, ConditionType.DRIFTING), cluster.person.status.monitor
    return found is not None and monitor is not None and found.status == status and len(monitor.drifting) == metrics


@scenario
async def drifts_and_recovers(cluster: Cluster) -> None:
    """The stable version begins to fail a fifth of its requests, and stops; then another one is rolled out and watched."""
    await installed(cluster, watched("1"))
    await cluster.until(lambda: drifting(cluster, "False"))
    cluster.behave(image("1"), Behaviour(errors=0.2))
    await cluster.until(lambda: drifting(cluster, "True", 2))
    await cluster.run(60)
    cluster.behave(image("1"), Behaviour())
    await cluster.until(lambda: drifting(cluster, "False"))
    begins(cluster)
    cluster.person.apply(watched("2"))
    await cluster.until(lambda: cluster.person.status.candidate is not None)
    await cluster.until(phase(cluster, "Ready"), within=1200)
    await cluster.until(lambda: drifting(cluster, "False"))
    await settled(cluster)
