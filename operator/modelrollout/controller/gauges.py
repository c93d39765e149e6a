"""What a status says about one rollout, as gauges: where its traffic is, what it waits for, and what its metrics say.

Labels are bounded: names of ModelDeployments, one reason at a time, and the metrics of its spec. What a status does not say any
more is not shown any more.
"""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Gauge

from modelrollout.controller.queue import Key
from modelrollout.domain.conditions import ConditionType, find
from modelrollout.domain.status import RolloutState, Status
from modelrollout.domain.verdict import Verdict

VERDICTS = {Verdict.PASS: 1.0, Verdict.UNDECIDED: 0.0, Verdict.FAIL: -1.0}
_RUNNING = (RolloutState.PROGRESSING, RolloutState.ABORTING)

Reading = tuple[str, tuple[str, ...]]
"""A gauge, and the labels beside namespace and name."""


class RolloutGauges:
    """Gauges of all ModelDeployments.

    Args:
        registry: where they are shown.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        who = ["namespace", "name"]
        self._gauges = {
            "weight": Gauge(
                "modelrollout_weight", "Percent of the answers that come from the candidate.", who, registry=registry
            ),
            "waiting": Gauge(
                "modelrollout_waiting",
                "1 while a ModelDeployment is not Ready, by what it waits for.",
                [*who, "reason"],
                registry=registry,
            ),
            "undecidable": Gauge(
                "modelrollout_undecidable",
                "1 while the evidence cannot be enough by the deadline at today's traffic.",
                who,
                registry=registry,
            ),
            "gate": Gauge(
                "modelrollout_gate",
                "Verdict of a metric of a running rollout: 1 pass, 0 undecided, -1 fail.",
                [*who, "metric"],
                registry=registry,
            ),
            "watched": Gauge(
                "modelrollout_watched",
                "Verdict of a metric of a running rollout that decides nothing: 1 pass, 0 undecided, -1 fail.",
                [*who, "metric", "mode"],
                registry=registry,
            ),
            "evidence": Gauge(
                "modelrollout_evidence",
                "ln E of a metric of a running rollout, that it is beyond its margin or within it.",
                [*who, "metric", "claim"],
                registry=registry,
            ),
            "drifting": Gauge(
                "modelrollout_drifting",
                "1 while a metric of the stable revision drifts, 0 while it is watched and does not.",
                [*who, "metric"],
                registry=registry,
            ),
        }
        self._shown: dict[Key, Mapping[Reading, float]] = {}

    def saw(self, key: Key, status: Status) -> None:
        """Show what a new status says."""
        found = dict(readings(status))
        for name, labels in self._shown.get(key, {}).keys() - found.keys():
            self._gauges[name].remove(*key, *labels)
        for (name, labels), value in found.items():
            self._gauges[name].labels(*key, *labels).set(value)
        self._shown[key] = found

    def forget(self, key: Key) -> None:
        """Show nothing of a ModelDeployment any more."""
        for name, labels in self._shown.pop(key, {}):
            self._gauges[name].remove(*key, *labels)


def readings(status: Status) -> Iterator[tuple[Reading, float]]:
    """Yield what a status says, by gauge and labels."""
    if status.weight is not None:
        yield ("weight", ()), float(status.weight)
    ready = find(status.conditions, ConditionType.READY)
    if ready is not None and ready.status != "True":
        yield ("waiting", (ready.reason,)), 1.0
    if status.monitor is not None:
        drifting = {one.metric for one in status.monitor.drifting}
        for gate in status.monitor.gates:
            yield ("drifting", (gate.name,)), float(gate.name in drifting)
    rollout = status.rollout
    if rollout is None or rollout.state not in _RUNNING:
        return
    yield ("undecidable", ()), float(rollout.forecast is not None)
    for gate in (*rollout.gates, *rollout.watched):
        if gate.mode is None:
            yield ("gate", (gate.name,)), VERDICTS[gate.verdict]
        else:
            yield ("watched", (gate.name, gate.mode)), VERDICTS[gate.verdict]
        if gate.evidence is not None:
            yield ("evidence", (gate.name, "beyond")), gate.evidence.against
            yield ("evidence", (gate.name, "within")), gate.evidence.within
