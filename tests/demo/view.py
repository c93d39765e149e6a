"""What the demo reads from a ModelDeployment, and how it tells what has happened between two readings.

Only fields that anybody can see with `kubectl get -o json`: the demo knows nothing about the operator that a user does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class View:
    """One reading; an object without a status yet reads as an empty one."""

    version: str = ""
    """The model that the spec names."""
    current: bool = False
    """The status speaks of this spec and not of the one before."""
    ready: bool = False
    phase: str = ""
    message: str = ""
    stable: str = ""
    candidate: str = ""
    """Revision of the running or last rollout."""
    strategy: str = ""
    stage: str = ""
    state: str = ""
    """Progressing, Aborting, Aborted or Completed."""
    reason: str = ""
    cause: str = ""
    mirrored: int = 0
    """Requests that were copied to the candidate in this stage."""
    shares: Mapping[str, int] = field(default_factory=dict)
    """By revision: percent of the answers that the routers were asked for."""
    copies: Mapping[str, int] = field(default_factory=dict)
    """By revision: percent of the requests that are copied to it."""
    verified: bool = False
    """Every router runs that route."""
    gates: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, thing: Mapping[str, Any]) -> View:
        """Read an object as stored."""
        status: Mapping[str, Any] = thing.get("status") or {}
        rollout: Mapping[str, Any] = status.get("rollout") or {}
        route: Mapping[str, Any] = (status.get("route") or {}).get("route") or {}
        cause: Mapping[str, Any] = rollout.get("cause") or {}
        conditions = {item["type"]: item["status"] for item in status.get("conditions", [])}
        return cls(
            version=str((thing["spec"].get("model") or {}).get("version", "")),
            current=status.get("observedGeneration") == thing["metadata"]["generation"],
            ready=conditions.get("Ready") == "True",
            phase=status.get("phase", ""),
            message=status.get("message", ""),
            stable=status.get("stable", ""),
            candidate=rollout.get("revision", ""),
            strategy=rollout.get("strategy", ""),
            stage=rollout.get("stageLabel", ""),
            state=rollout.get("state", ""),
            reason=cause.get("reason", ""),
            cause=cause.get("message", ""),
            mirrored=rollout.get("mirrored") or 0,
            shares={arm["revision"]: arm["weight"] for arm in route.get("arms", [])},
            copies={mirror["revision"]: mirror["percent"] for mirror in route.get("mirrors", [])},
            verified=bool(status.get("routeVerified")),
            gates=tuple(rollout.get("gates", ())),
        )

    @property
    def weight(self) -> int:
        """Percent of the answers that were asked of the candidate."""
        return self.shares.get(self.candidate, 0)

    @property
    def running(self) -> bool:
        return self.state in ("Progressing", "Aborting")


def changes(before: View, after: View, names: Mapping[str, str]) -> Iterator[str]:
    """Say what has happened to the rollout in between, in the words of the demo.

    Args:
        before: an earlier reading.
        after: a later one.
        names: revision to version.
    """
    new, old = names.get(after.candidate, after.candidate), names.get(after.stable, after.stable)
    state = before.state if before.candidate == after.candidate else ""
    if state == after.state:
        return
    match after.state:
        case "Aborting" if after.reason != "Requested":
            yield f"{new} is rolled back: {after.cause}"
        case "Aborted":
            yield f"{new} is out; {old} answers everything, as before"
        case "Completed":
            yield f"{new} is stable now"


def traffic(after: View, names: Mapping[str, str]) -> Iterator[str]:
    """Say what a route that every router has confirmed gives to the candidate."""
    new = names.get(after.candidate, after.candidate)
    if after.copies.get(after.candidate):
        yield f"{new} gets copies of {after.copies[after.candidate]} % of the requests; its answers reach nobody"
    if after.state == "Progressing" and after.weight and after.stable:
        yield f"{new} answers {after.weight} % of the requests"
