"""Words that change may wait a moment: while pods start, every one of them would otherwise cost a write of the status.

What decides anything is written at once. Only texts for people, counts of pods and gates that have no opinion yet are held
back, and never for long.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from modelrollout.controller.queue import Key
from modelrollout.domain.conditions import ConditionType
from modelrollout.domain.status import Status
from modelrollout.domain.verdict import Gate, Verdict

LONGEST = timedelta(seconds=5)


class Calm:
    """Remembers since when a text waits to be written. Losing it costs one early write."""

    def __init__(self) -> None:
        self._since: dict[Key, datetime] = {}

    def until(self, key: Key, stored: Status, wanted: Status, now: datetime) -> datetime | None:
        """Return until when the write of a status may wait; None: it may not.

        Args:
            key: the ModelDeployment.
            stored: what the API server has.
            wanted: what was decided.
            now: the time of this pass.
        """
        if stored == wanted or _essence(stored) != _essence(wanted):
            self.forget(key)
            return None
        due = self._since.setdefault(key, now) + LONGEST
        if now < due:
            return due
        self.forget(key)
        return None

    def forget(self, key: Key) -> None:
        """Drop what is remembered about a ModelDeployment."""
        self._since.pop(key, None)


def _essence(status: Status) -> Status:
    """Return a status without texts, without counts of pods, and without gates that say nothing yet."""
    conditions = tuple(
        condition.model_copy(update={"message": ""})
        for condition in status.conditions
        if (condition.type, condition.status) != (ConditionType.ANALYSIS_PASSED, "Unknown")
    )
    rollout = status.rollout
    if rollout is not None:
        rollout = rollout.model_copy(
            update={
                "gates": _speaking(rollout.gates),
                "gates_at": None,
                "watched": _speaking(rollout.watched),
                "watched_at": None,
            }
        )
    return status.model_copy(
        update={"message": "", "replicas": 0, "ready_replicas": 0, "conditions": conditions, "rollout": rollout}
    )


def _speaking(gates: Iterable[Gate]) -> tuple[Gate, ...]:
    return tuple(gate for gate in gates if gate.verdict is not Verdict.UNDECIDED or gate.failures)
