"""A scenario: a story about one ModelDeployment, told by what people and the world do. The operator's part is recorded."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from modelrollout.domain.status import Rollout
from modelrollout.simulation.cluster import Cluster

Play = Callable[[Cluster], Awaitable[None]]

SCENARIOS: dict[str, "Scenario"] = {}
ON_BEGIN: WeakKeyDictionary[Cluster, Callable[[], None]] = WeakKeyDictionary()
"""Called where a story says that its own part begins."""
FORGOT: WeakKeyDictionary[Cluster, int] = WeakKeyDictionary()
"""How many writes there were when the status was lost, where it was."""


@dataclass(frozen=True)
class Scenario:
    """One story.

    Attributes:
        name: also of its golden log.
        play: what people and the world do.
    """

    name: str
    play: Play


def scenario(play: Play) -> Play:
    """Register a story under its function's name."""
    SCENARIOS[play.__name__] = Scenario(play.__name__, play)
    return play


def template(version: str) -> dict[str, Any]:
    """Return the pods of one version of the model."""
    return {"spec": {"containers": [{"name": "model", "image": image(version)}]}}


def image(version: str) -> str:
    """Return the image of a version, by which the simulation knows its behaviour."""
    return f"digits:{version}"


def spec(version: str, **strategy_and_changes: Any) -> dict[str, Any]:
    """Return a spec: a short canary unless another strategy is given; keywords are fields."""
    fields = dict(strategy_and_changes)
    chosen = {name: fields.pop(name) for name in ("canary", "blueGreen", "shadow") if name in fields}
    body: dict[str, Any] = {
        "replicas": 4,
        "model": {"name": "digits", "version": version},
        "template": template(version),
        "service": {"targetPort": 8080, "timeout": "10s", "drain": "5s"},
        "strategy": chosen or {"canary": canary()},
        "analysis": errors(),
        "progressDeadline": "60s",
    }
    body.update(fields)
    return {name: value for name, value in body.items() if value is not None}


def canary(*steps: int, hold: str = "20s", **more: Any) -> dict[str, Any]:
    """Return a canary with these weights."""
    return {"steps": [{"weight": weight, "hold": hold} for weight in steps or (25, 50)], **more}


def errors(**changes: Any) -> dict[str, Any]:
    """Return an analysis of the error rate."""
    limit = {"max": 0.05, "minRequests": 50, "failures": 2}
    metric = {"name": "errors", "router": {"signal": "errorRate"}, "threshold": limit}
    return {"interval": "5s", "metrics": [metric], **changes}


def rollout(cluster: Cluster) -> Rollout:
    """Return the current rollout."""
    found = cluster.person.status.rollout
    assert found is not None
    return found


def phase(cluster: Cluster, *names: str) -> Callable[[], bool]:
    """Return the claim that the phase is one of these, said about the spec as it is."""

    def holds() -> bool:
        status = cluster.person.status
        found = cluster.person.object
        return (
            found is not None
            and status.observed_generation == found["metadata"]["generation"]
            and status.phase in names
        )

    return holds


def at(cluster: Cluster, label: str) -> Callable[[], bool]:
    """Return the claim that a stage stands: its route is verified everywhere."""

    def holds() -> bool:
        parent, status = cluster.person.object, cluster.person.status
        if parent is None or status.observed_generation != parent["metadata"]["generation"] or status.rollout is None:
            return False
        found = status.rollout
        return found.state == "Progressing" and found.stage_label == label and found.verified_at is not None

    return holds


async def installed(cluster: Cluster, first: dict[str, Any] | None = None) -> None:
    """Have version 1 installed and stable: where most stories begin."""
    cluster.person.apply(first or spec("1"))
    await cluster.until(phase(cluster, "Ready"))
    await cluster.run(5)
    begins(cluster)


def begins(cluster: Cluster) -> None:
    """Say that a part of the story that is its own begins.

    Before it every write is broken, too. But a fault that has left no trace in the world until here is followed no further:
    how such a world goes on is what the story without a fault tells.
    """
    ON_BEGIN.get(cluster, lambda: None)()


def forget(cluster: Cluster) -> None:
    """Have the status lost, and remember it: where more is lost with it than can be found again, a story has to say so."""
    FORGOT[cluster] = len(cluster.writes)
    cluster.person.lose_status()


async def settled(cluster: Cluster, quiet: float = 30) -> None:
    """Let time pass until nothing is written and nothing is waited for any more.

    Raises:
        AssertionError: that is not so after an hour.
    """
    for _ in range(round(3600 / quiet)):
        before = len(cluster.writes)
        await cluster.run(quiet)
        at_rest = cluster.person.object is None or phase(cluster, "Ready", "Aborted", "Stalled")()
        if at_rest and len(cluster.writes) == before and cluster.replica.alive:
            return
    raise AssertionError(f"it is not at rest after an hour: {cluster.person.status.message}")


@contextlib.contextmanager
def approving(cluster: Cluster, after: float = 45) -> Iterator[None]:
    """Have a patient person promote whatever waits for a person for so long.

    A fault can make a stage wait for a second approval; a story says each of them once.
    """
    waiting_since: list[float] = []
    ends: list[bool] = []

    def look() -> None:
        if ends:
            return
        if cluster.person.object is not None and phase(cluster, "WaitingForApproval")():
            waiting_since.append(cluster.agenda.elapsed)
            if cluster.agenda.elapsed - waiting_since[0] >= after:
                cluster.person.ask("promote")
                waiting_since.clear()
        else:
            waiting_since.clear()
        cluster.agenda.after(5, look)

    look()
    yield
    ends.append(True)
