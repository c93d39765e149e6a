"""Readings: what a source measured, and what it may say when there is nothing to measure.

Counters are kept raw and keyed, so that we subtract them ourselves, per arm, slice, pod and series: the reset of one pod's
counter is then a reset of that series, and never a negative number or a lost error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.verdict import Mode


class State(StrEnum):
    """What a reading is. Only VALUE can ever pass or fail a gate."""

    VALUE = "Value"
    NO_TRAFFIC = "NoTraffic"
    """The source works and the arm received nothing."""
    NO_METRIC = "NoMetric"
    """The source works and does not know the series."""
    NAN = "NaN"
    """The source works and its number is none, such as a share of nothing."""
    STALE = "Stale"
    """The last answer is too old to be used."""
    ERROR = "Error"
    """The source did not answer, or not with a number."""
    MISMATCH = "TrafficSplitMismatch"
    """Requests do not arrive in the proportions that were asked for: a comparison may not promote."""


class Key(NamedTuple):
    """Where a counter was read. There are many of them in every poll, so it is a tuple: those are hashed fastest.

    Attributes:
        arm: revision, with the suffix of its mirror cluster for mirrored requests.
        pod: the pod that reported it (for the source router: the router's pod).
        series: which counter, such as ``total``, ``bad`` or ``le=0.25``.
        slice: part of the traffic, empty for all of it.
    """

    arm: str
    pod: str
    series: str
    slice: str = ""


@dataclass(frozen=True)
class Sample:
    """One scrape: all counters of one metric at one moment.

    Attributes:
        at: when it was read.
        counters: monotone counts by key; empty when the source is a gauge.
        gauge: the one number of a source that has no counters.
        state: VALUE, or why there is none.
        message: for people, when there is none.
        note: for people, beside whatever there is.
        details: small JSON for the report, such as the confusion between both versions and requests that show it.
        as_of: how old the oldest of its counters may be: it held then or later. None: the source cannot tell.
        lone: why there are no counters of stable beside the candidate's, for people. Only who compares needs them.
    """

    at: datetime
    counters: Mapping[Key, float] = field(default_factory=dict)
    gauge: float | None = None
    state: State = State.VALUE
    message: str = ""
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    as_of: datetime | None = None
    lone: str = ""


class Reading(NamedTuple):
    """What one metric says about the current window of the current stage. A tuple, as every poll makes several.

    Attributes:
        metric: the metric's name in the spec.
        epoch: which stage of which attempt it was measured in; another epoch is another question.
        at: time of the poll that closed it.
        state: VALUE, or why there is no value.
        value: in the unit that the metric's name says.
        requests: requests it rests on; None for a gauge.
        closed: False while the window still grows towards ``minRequests``; value and requests are then provisional.
        message: for people.
        missing: polls in a row, this one included, that brought no value.
        evidence: what a sequential test has gathered in this attempt; None when the metric has none.
        slices: the same for each part of the traffic.
        guard: ln E that more than half of the candidate's requests fail, its warm-up included.
        note: of the sample.
        details: of the sample, and what the judge has to say besides evidence, for the report.
        mode: what the metric could do when it was measured. What was only watched never decides, whatever is edited later.
    """

    metric: str
    epoch: str
    at: datetime
    state: State
    value: float | None = None
    requests: int | None = None
    closed: bool = True
    message: str = ""
    missing: int = 0
    evidence: Evidence | None = None
    slices: tuple[Evidence, ...] = ()
    guard: float = 0.0
    note: str = ""
    details: Mapping[str, Any] = MappingProxyType({})
    mode: Mode = Mode.GATE

    @classmethod
    def of(cls, metric: str, epoch: str, sample: Sample) -> "Reading":
        """Return what a sample says besides its counters."""
        return cls(
            metric,
            epoch,
            sample.at,
            sample.state,
            message=sample.message,
            note=sample.note,
            details=sample.details,
        )
