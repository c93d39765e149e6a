"""Conditions as Kubernetes tools expect them: kstatus, ``kubectl wait`` and Argo CD read these and nothing else."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from modelrollout.schema import ApiModel


class ConditionType(StrEnum):
    """Every condition we write, in the order in which they are shown."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    AVAILABLE = "Available"
    TRAFFIC_VERIFIED = "TrafficVerified"
    ANALYSIS_PASSED = "AnalysisPassed"
    WARNED = "Warned"
    SPEC_OVERRIDDEN = "SpecOverridden"
    DRIFTING = "Drifting"


class Condition(ApiModel):
    """One condition, as in meta/v1."""

    type: Annotated[str, Field(max_length=63)]
    """CamelCase name of the condition."""
    status: Annotated[str, Field(max_length=10, pattern="^(True|False|Unknown)$")]
    """True, False or Unknown."""
    reason: Annotated[str, Field(max_length=63)]
    """One CamelCase word."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """For people."""
    observed_generation: int | None = None
    """The generation of the spec that this condition speaks of."""
    last_transition_time: datetime
    """When the status last flipped."""


def merge(old: Iterable[Condition], new: Iterable[Condition]) -> tuple[Condition, ...]:
    """Return the new conditions in fixed order, each keeping its transition time unless its status flipped."""
    before = {condition.type: condition for condition in old}
    order = [kind.value for kind in ConditionType]

    def keep_time(condition: Condition) -> Condition:
        was = before.get(condition.type)
        if was is None or was.status != condition.status:
            return condition
        return condition.model_copy(update={"last_transition_time": was.last_transition_time})

    return tuple(sorted((keep_time(condition) for condition in new), key=lambda condition: order.index(condition.type)))


def find(conditions: Iterable[Condition], kind: ConditionType) -> Condition | None:
    """Return one condition, or None."""
    return next((condition for condition in conditions if condition.type == kind), None)
