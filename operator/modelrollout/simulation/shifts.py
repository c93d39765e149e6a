"""What clients ask becomes another thing in the course of a trial: for both versions or for one alone, at once or bit by bit."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from statistics import NormalDist
from typing import Literal

from modelrollout.simulation.behaviour import between
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.watched import Law

STAIRS = 20
"""What comes bit by bit comes in so many equal steps: few enough that each kind of request is looked at once."""
_WITHIN = NormalDist().inv_cdf(0.975)
"""Standard deviations from the mean within which nineteen of twenty values are."""


@dataclass(frozen=True)
class Spread:
    """Numbers around a middle, normally distributed: nineteen of twenty are between these two."""

    low: float
    high: float

    def value(self, quantile: float) -> float:
        """Return the value below which this share of all is."""
        middle, width = (self.low + self.high) / 2, (self.high - self.low) / 2 / _WITHIN
        # A trillionth of it is the float's own noise, and would make another value of an equal one.
        return float(f"{NormalDist().inv_cdf(quantile) * width + middle:.12g}")

    def towards(self, other: "Spread", share: float) -> "Spread":
        """Return what lies between two, so far from this one."""
        return Spread(between(self.low, other.low, share), between(self.high, other.high, share))


@dataclass(frozen=True)
class Course:
    """When something becomes otherwise.

    Attributes:
        at: seconds from the beginning until then.
        over: seconds that it takes; 0: it is sudden.
    """

    at: float = 0.0
    over: float = 0.0

    @property
    def stairs(self) -> tuple[tuple[float, float], ...]:
        """Times, and which part of the way that is left is gone at each; the last one goes all of it."""
        if not self.over:
            return ((self.at, 1.0),)
        return tuple((self.at + self.over * step / STAIRS, 1 / (STAIRS + 1 - step)) for step in range(1, STAIRS + 1))


@dataclass(frozen=True)
class InputShift:
    """The values of a feature become others.

    Attributes:
        feature: which.
        spread: how they are in the end.
        course: when.
        alone: only in requests that the candidate answers.
    """

    feature: str
    spread: Spread
    course: Course
    alone: bool = False


@dataclass(frozen=True)
class ShareShift:
    """A share becomes another.

    Attributes:
        what: as :class:`modelrollout.simulation.kinds.Mix` calls it.
        share: in the end.
        course: when.
    """

    what: Literal["positives", "concept"]
    share: float
    course: Course


Shift = InputShift | ShareShift


@dataclass(frozen=True)
class _Values:
    """The values of one feature, which may be others in requests that the candidate answers."""

    everybody: Spread
    candidate: Spread
    revision: str

    def __call__(self, quantile: float, _at: datetime, revision: str) -> float:
        return (self.candidate if revision == self.revision else self.everybody).value(quantile)


def laws(inputs: Iterable[tuple[str, Spread]], candidate: str) -> tuple[Law, ...]:
    """Return the laws of features that are the same for both versions."""
    return tuple(Law(name, _Values(spread, spread, candidate)) for name, spread in inputs)


def begin(shifts: Iterable[Shift], cluster: Cluster) -> None:
    """Have what clients of a cluster ask change from now on."""
    for shift in shifts:
        for at, part in shift.course.stairs:
            cluster.agenda.after(at, partial(_go, cluster, shift, part))


def _go(cluster: Cluster, shift: Shift, part: float) -> None:
    """Go a part of the way that is left."""
    cluster.traffic.settle()
    mix = cluster.traffic.mix
    match shift:
        case InputShift():
            mix = replace(mix, inputs=tuple(_moved(law, shift, part) for law in mix.inputs))
        case ShareShift("positives"):
            mix = replace(mix, positives=between(mix.positives, shift.share, part))
        case ShareShift():
            mix = replace(mix, concept=between(mix.concept, shift.share, part))
    cluster.traffic.mix = mix


def _moved(law: Law, shift: InputShift, part: float) -> Law:
    values = law.value
    if law.feature != shift.feature or not isinstance(values, _Values):
        return law
    everybody = values.everybody if shift.alone else values.everybody.towards(shift.spread, part)
    return Law(
        law.feature, replace(values, everybody=everybody, candidate=values.candidate.towards(shift.spread, part))
    )
