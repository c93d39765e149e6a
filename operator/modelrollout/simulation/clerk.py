"""The clerk of a trial: reads what the operator writes and tells, and says when a rollout is decided.

Nothing is judged here: the decision is what the status says, and the words are the operator's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from modelrollout.domain import verdict as gates
from modelrollout.domain.status import RolloutState
from modelrollout.names import KIND, mirror_cluster
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.envoy import Envoy
from modelrollout.simulation.store import Change, Object
from modelrollout.simulation.tape import Tape

INCONCLUSIVE = "Inconclusive"
"""Reason, and first word of what the operator says when a deadline came before a verdict."""
READS = 1.0
"""Seconds until a person has read what waits for a person, and approved it."""


class Decision(StrEnum):
    """How a rollout ended."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolledBack"
    INCONCLUSIVE = "inconclusive"
    """The deadline came first: a person must decide, or the candidate was taken back. ``onInconclusive: promote`` goes on."""
    UNDECIDED = "undecided"
    """The trial ended first."""


@dataclass(frozen=True)
class Moment:
    """What the status said at one time.

    Attributes:
        at: seconds since the new version was applied.
        weight: percent of answers from it that every router has acknowledged.
        gates: as they are written there.
        evidence: of them: ln E against the candidate, and for it being within the margin, by metric.
        together: ln E against the candidate of all metrics and slices, which is what decides.
    """

    at: float
    weight: int
    gates: Sequence[Mapping[str, Any]]
    evidence: Mapping[str, tuple[float, float]]
    together: float


@dataclass(frozen=True)
class Forecast:
    """What a metric said early about the requests that it would need.

    Attributes:
        metric: its name.
        at: when it first could say, as seconds since the new version was applied.
        expected: requests of the candidate after which a pass was to be expected.
        passed: requests of the candidate that it rested on when it passed first; None: it never did.
    """

    metric: str
    at: float
    expected: int
    passed: int | None = None


@dataclass(frozen=True)
class Told:
    """One Event.

    Attributes:
        at: seconds since the new version was applied.
        reason: one CamelCase word.
        message: for people.
        warning: whether it is one.
    """

    at: float
    reason: str
    message: str
    warning: bool


@dataclass(frozen=True)
class Verdict:
    """What was decided.

    Attributes:
        decision: promoted, rolled back or inconclusive.
        at: seconds since the new version was applied.
        stage: where it was decided.
        reason: one CamelCase word; empty: none is needed.
        message: the operator's own words.
    """

    decision: Decision
    at: float
    stage: str
    reason: str = ""
    message: str = ""


class Clerk:
    """Follows the rollout of one revision.

    Args:
        cluster: where it happens, just before the new version is applied.
        revision: the candidate.

    Attributes:
        verdict: what was decided; None: nothing yet.
        stage: where the rollout stands.
        message: what it waits for, in the operator's words.
        first_request: when the candidate got its first request, as seconds since it was applied; None: it got none yet.
        on_first_request: called then.
    """

    def __init__(self, cluster: Cluster, revision: str) -> None:
        self._cluster = cluster
        self._revision = revision
        self._begin = cluster.agenda.elapsed
        self._told = len(cluster.log.events)
        self._forecasts: dict[str, Forecast] = {}
        self._waiting = False
        self.stage = ""
        self.message = ""
        self.tape = Tape()
        self.moments: list[Moment] = []
        self.verdict: Verdict | None = None
        self.first_request: float | None = None
        self.on_first_request: Callable[[], None] = lambda: None
        cluster.store.watchers.append(self._saw)
        cluster.on_route = self._routed

    @property
    def now(self) -> float:
        """Seconds since the new version was applied."""
        return self._cluster.agenda.elapsed - self._begin

    @property
    def forecasts(self) -> tuple[Forecast, ...]:
        """What each metric said first about the requests that it needs."""
        return tuple(self._forecasts.values())

    @property
    def events(self) -> tuple[Told, ...]:
        """What the operator told."""
        log = self._cluster.log
        return tuple(
            Told(at - self._begin, event.reason, log.plain(event.message), event.warning)
            for at, event in log.events[self._told :]
        )

    def count(self, cluster: str, requests: int, bad: int) -> None:
        """Note requests that a router sent to a cluster."""
        copies = cluster == mirror_cluster(self._revision)
        if cluster.endswith(mirror_cluster("")) and not copies:
            # What stable answers twice is one answer for clients.
            return
        arm = "copies" if copies else "candidate" if cluster == self._revision else "stable"
        self.tape.add(arm, self.now, requests, bad)

    def _routed(self, envoy: Envoy) -> None:
        getting = {*envoy.routes.mirrors, *(name for name, weight in envoy.routes.arms.items() if weight)}
        if self.first_request is None and getting & {self._revision, mirror_cluster(self._revision)}:
            self.first_request = self.now
            self.on_first_request()

    def _saw(self, change: Change, stored: Object, _before: Object | None) -> None:
        status = stored.get("status") or {}
        rollout = status.get("rollout") or {}
        if stored["kind"] != KIND or change is not Change.MODIFIED or rollout.get("revision") != self._revision:
            return
        if self.verdict is None:
            self._look(rollout)
            self.stage, self.message = rollout.get("stageLabel", ""), self._cluster.log.plain(status.get("message", ""))
            self.verdict = self._read(status, rollout)
        weight, gates = _weight(status, rollout), rollout.get("gates", ())
        evidence = _evidence(gates)
        if not self.moments or (weight, evidence) != (self.moments[-1].weight, self.moments[-1].evidence):
            self.moments.append(Moment(self.now, weight, gates, evidence, rollout.get("against", 0.0)))

    def _read(self, status: Mapping[str, Any], rollout: Mapping[str, Any]) -> Verdict | None:
        at, stage, message = self.now, self.stage, self.message
        match rollout["state"]:
            case RolloutState.COMPLETED:
                return Verdict(Decision.PROMOTED, at, stage)
            case RolloutState.ABORTING | RolloutState.ABORTED:
                reason, words = rollout["cause"]["reason"], self._cluster.log.plain(rollout["cause"]["message"])
                decision = Decision.INCONCLUSIVE if reason == INCONCLUSIVE else Decision.ROLLED_BACK
                return Verdict(decision, at, stage, reason, words)
            case _ if status.get("phase") == "WaitingForApproval" and message.startswith(INCONCLUSIVE):
                return Verdict(Decision.INCONCLUSIVE, at, stage, INCONCLUSIVE, message)
            case _ if status.get("phase") == "Pinned":
                return Verdict(Decision.UNDECIDED, at, stage, message=message)
            case _:
                self._approve(waits=status.get("phase") == "WaitingForApproval")
                return None

    def _approve(self, *, waits: bool) -> None:
        """Have a person approve what waits for one, once for each stage."""
        if waits and not self._waiting:
            self._cluster.agenda.after(READS, lambda: self._cluster.person.ask("promote"))
        self._waiting = waits

    def _look(self, rollout: Mapping[str, Any]) -> None:
        """Keep what a metric says first about the requests that it needs, and when it passes."""
        for gate in rollout.get("gates", ()):
            name, said = gate["name"], gate.get("evidence") or {}
            if said.get("needed") and name not in self._forecasts:
                self._forecasts[name] = Forecast(name, self.now, said["requests"] + said["needed"])
            first = self._forecasts.get(name)
            if first is not None and first.passed is None and gate["verdict"] == gates.Verdict.PASS:
                self._forecasts[name] = replace(first, passed=said.get("requests", 0))


def _evidence(gates: Iterable[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    return {
        gate["name"]: (gate["evidence"]["against"], gate["evidence"]["within"])
        for gate in gates
        if gate.get("evidence")
    }


def _weight(status: Mapping[str, Any], rollout: Mapping[str, Any]) -> int:
    """Return the candidate's weight; the status tells it only while the rollout is running."""
    ended = 100 if rollout["state"] == RolloutState.COMPLETED else 0
    return int(status.get("weight", ended))
