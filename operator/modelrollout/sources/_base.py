"""What a source is: it says what to fetch, and turns the answers into counters or one gauge. It never opens a connection.

Counters are monotone and raw; ``engine/analysis.py`` subtracts them per key and hands the sums back to :meth:`Source.measure`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

from modelrollout.domain.capability import Capability
from modelrollout.domain.problem import Problem
from modelrollout.domain.reading import Sample
from modelrollout.domain.tally import Measure
from modelrollout.schema import ApiModel

C = TypeVar("C", bound=ApiModel)


class Origin(StrEnum):
    """Where answers come from; the adapter knows how to reach each."""

    ROUTERS = "routers"
    """The status page of every router pod, fetched once per poll and shared by all metrics; answers are texts by pod."""
    COLLECTORS = "collectors"
    """The page of the collector beside each router, fetched once per poll and shared; answers are texts by router pod."""
    PROMETHEUS = "prometheus"
    """One instant query; the answer is the decoded JSON under the key ``""``."""


@dataclass(frozen=True)
class Scope:
    """What is measured.

    Attributes:
        namespace: of the ModelDeployment.
        name: of the ModelDeployment.
        arm: name of the candidate's cluster: the revision, or its mirror cluster while it only gets copies.
        revision: the candidate.
        stable: the revision to fall back to; None during a first install.
        pods: names of the candidate's pods.
        stable_pods: names of stable's pods.
        addresses: which pod of the two has an IP address.
    """

    namespace: str
    name: str
    arm: str
    revision: str
    stable: str | None
    pods: tuple[str, ...]
    stable_pods: tuple[str, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fetch:
    """What to get for one metric.

    Attributes:
        origin: from where.
        query: the query, for origins that take one.
    """

    origin: Origin
    query: str = ""


@dataclass(frozen=True)
class Measured:
    """The value of a window.

    Attributes:
        value: in the unit the metric's name says; None when the window holds no request.
        requests: requests it rests on.
    """

    value: float | None
    requests: int


class Source(ABC, Generic[C]):
    """One place where numbers come from.

    Attributes:
        name: field name below ``spec.analysis.metrics[]``.
        config: the field's model.
        needs: what the router must be able to do.
    """

    name: str
    config: type[C]
    needs: frozenset[Capability] = frozenset()

    def problems(self, config: C) -> tuple[Problem, ...]:  # noqa: ARG002  # most configs are fully checked by their schema
        """Return mistakes that a schema cannot say, with paths below the metric."""
        return ()

    def counts(self, config: C) -> bool:  # noqa: ARG002  # most sources always count
        """Return whether samples hold counters; otherwise they hold one gauge."""
        return True

    def counted(self, config: C) -> bool:
        """Return whether a window of this metric is judged once it rests on enough requests."""
        return self.counts(config)

    def forms(self, config: C) -> frozenset[type]:  # noqa: ARG002  # most sources know it of each signal
        """Return which tallies its counters amount to, see :meth:`measure_arm`; none when nothing can be compared."""
        return frozenset()

    def errors(self, config: C) -> bool:  # noqa: ARG002  # most signals are no errors
        """Return whether what it counts as bad is an error that clients see."""
        return False

    def fraction(self, config: C) -> bool:  # noqa: ARG002  # most sources know no unit
        """Return whether the value is a fraction of 1, so that a limit in percent is a mistake."""
        return False

    def quantile(self, config: C) -> float | None:  # noqa: ARG002  # most signals have none
        """Return which quantile the value is, None when it is none."""
        return None

    def lag(self, config: C) -> timedelta:  # noqa: ARG002  # most sources tell what is now
        """Return how old an answer may be: what is counted until then after a change of the split belongs to neither."""
        return timedelta()

    def late(self, config: C) -> bool:  # noqa: ARG002  # most sources count requests when they are answered
        """Return whether its numbers come long after the requests that they are about: a step cannot wait for them for ever."""
        return False

    def sees_copies(self, config: C) -> bool:  # noqa: ARG002  # most sources do not care who answers
        """Return whether it can measure a candidate that only gets copies of requests."""
        return True

    def needs_copies(self, config: C) -> bool:  # noqa: ARG002  # as above
        """Return whether it measures nothing else than copies of requests, and is not judged without them."""
        return False

    def of_inputs(self, config: C) -> bool:  # noqa: ARG002  # most sources count what a version does
        """Return whether it counts what is asked, whoever answers: a reference of that outlives a promotion."""
        return False

    def paired(self, config: C) -> bool:  # noqa: ARG002  # most sources count for each version
        """Return whether the tally of the candidate's arm holds what both versions did to the same requests."""
        return False

    def tells_pods(self, config: C) -> bool:  # noqa: ARG002  # most counters are kept by routers
        """Return whether its counters are kept by the model's own pods, each its own."""
        return False

    def sliced(self, config: C) -> bool:  # noqa: ARG002  # most sources see no request
        """Return whether it tells the parts of ``spec.analysis.slices`` apart."""
        return False

    @abstractmethod
    def fetch(self, config: C, scope: Scope) -> Fetch:
        """Return what to get."""

    @abstractmethod
    def parse(self, config: C, scope: Scope, answers: Mapping[str, Any], at: datetime) -> Sample:
        """Turn answers into a sample.

        Args:
            config: the metric's source.
            scope: what is measured.
            answers: by pod name, or under ``""``; a pod that did not answer is absent.
            at: when they were fetched.

        Raises:
            SourceError: an answer that is not what the source promises.
        """

    @abstractmethod
    def measure(self, config: C, increments: Mapping[str, float], seconds: float) -> Measured:
        """Turn a window into its value.

        Args:
            config: the metric's source.
            increments: how much each series of the candidate's arm grew, summed over pods.
            seconds: length of the window.
        """

    def measure_arm(self, config: C, increments: Mapping[str, float]) -> Measure | None:  # noqa: ARG002  # a gauge has none
        """Turn what one arm did in a stretch of time into a tally; None when there was nothing to count.

        A histogram lists every bound up to which the number of values is known, with the bounds around every value. A
        bound that it does not list lies between two listed ones: if those have the same count, so has this one; if not,
        nobody can say how many values were below it.

        Args:
            config: the metric's source.
            increments: how much each series of the arm grew, summed over the pods that reported.
        """
        return None
