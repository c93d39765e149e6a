"""Verdicts: what a judge concludes, and the gate that remembers it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from modelrollout.domain.evidence import Evidence
from modelrollout.schema import ApiModel


class Verdict(StrEnum):
    """The three things a judge can say."""

    PASS = "Pass"  # noqa: S105  # a verdict, not a password
    FAIL = "Fail"
    UNDECIDED = "Undecided"


class Mode(StrEnum):
    """What a metric may do to a rollout."""

    OBSERVE = "observe"
    """Nothing: it is measured and shown."""
    WARN = "warn"
    """Tell people when it fails, and nothing else."""
    GATE = "gate"
    """Hold it, send it home, and let it go on."""


class Gate(ApiModel):
    """One metric in the current stage: the last verdict and what it rests on."""

    name: Annotated[str, Field(max_length=63)]
    """The metric's name."""
    verdict: Verdict
    """Pass, Fail or Undecided."""
    mode: Mode | None = None
    """observe or warn: the verdict is information and decides nothing. Absent: it decides."""
    state: Annotated[str, Field(max_length=20)]
    """What the source said: Value, NoTraffic, NoMetric, NaN, Stale or Error."""
    value: float | None = None
    """The last measured value, in the metric's unit."""
    limit: Annotated[str, Field(max_length=63)] = ""
    """The limit it is held against, as text: ``≤ 0.02``."""
    failures: Annotated[int, Field(ge=0)] = 0
    """Consecutive failed windows so far."""
    requests: Annotated[int, Field(ge=0)] | None = None
    """Requests that the value rests on; absent for a gauge."""
    ignored: bool = False
    """It blocks nothing: there is no value and the policy says so, or it is not required and undecided."""
    at: datetime | None = None
    """When the last window was closed."""
    message: Annotated[str, Field(max_length=512)] = ""
    """Why it is not a pass; of evidence also what a pass rests on."""
    note: Annotated[str, Field(max_length=128)] = ""
    """What the source says besides, such as how far back labels reach."""
    evidence: Evidence | None = None
    """What a sequential test has gathered in this attempt; absent for plain limits."""
    slices: Annotated[tuple[Evidence, ...], Field(max_length=20)] = ()
    """The same for each part of the traffic, or what its last windows held, with its verdict. A part that is Undecided was not
    passed; it holds nothing up, and the message names it."""


Gates = Annotated[
    tuple[Gate, ...],
    Field(max_length=64),
    Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}),
]
"""Gates of a status, one for each metric."""
