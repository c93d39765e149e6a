"""Rollouts that evidence decides, however often its keeper dies."""

from typing import Any

from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import at, begins, canary, image, installed, phase, scenario, settled, spec

LONG = "1h"


def compared(**changes: Any) -> dict[str, Any]:
    """Return an analysis that compares the error rate with stable's."""
    metric = {"name": "errors", "router": {"signal": "errorRate"}, "compare": {}}
    return {"interval": "5s", "minDuration": "60s", "metrics": [metric], **changes}


async def decided(cluster: Cluster, failing: float, end: str) -> None:
    """Play a canary with long holds, of a candidate that fails so often beside a stable version that fails 0.5 %."""
    cluster.rate = 40
    await installed(cluster)
    cluster.behave(image("1"), Behaviour(errors=0.005))
    cluster.behave(image("2"), Behaviour(errors=failing))
    cluster.person.apply(spec("2", canary=canary(25, 50, hold=LONG), analysis=compared()))
    begins(cluster)
    await cluster.until(phase(cluster, end), within=1800)
    await settled(cluster)


@scenario
async def proven_within_the_margin(cluster: Cluster) -> None:
    """An equal candidate is promoted long before its holds are over; a checkpoint is written each minute."""
    await decided(cluster, failing=0.005, end="Ready")


@scenario
async def proven_beyond_the_margin(cluster: Cluster) -> None:
    """A candidate that fails ten times as often as stable goes home."""
    await decided(cluster, failing=0.05, end="Aborted")


@scenario
async def ramped_up(cluster: Cluster) -> None:
    """Each weight is what the evidence can afford; no step is gone back."""
    cluster.rate = 100
    await installed(cluster)
    cluster.person.apply(spec("2", canary={"ramp": {"budget": 30, "max": 50}, "bake": "20s"}, analysis=compared()))
    begins(cluster)
    await cluster.until(at(cluster, "bake"), within=1800)
    await settled(cluster)
