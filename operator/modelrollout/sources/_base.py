"""What a source is: it says what to fetch, and turns the answers into counters or one gauge. It never opens a connection.

Counters are monotone and raw; ``engine/analysis.py`` subtracts them per key and hands the sums back to :meth:`Source.measure`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from modelrollout.domain.capability import Capability
from modelrollout.domain.problem import Problem
from modelrollout.domain.reading import Sample
from modelrollout.schema import ApiModel

C = TypeVar("C", bound=ApiModel)


class Origin(StrEnum):
    """Where answers come from; the adapter knows how to reach each."""

    ROUTERS = "routers"
    """The status page of every router pod, fetched once per poll and shared by all metrics; answers are texts by pod."""
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
    """

    namespace: str
    name: str
    arm: str
    revision: str
    stable: str | None
    pods: tuple[str, ...]


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
        counts: True when samples hold counters (and ``minRequests`` makes sense), False when they hold one gauge.
    """

    name: str
    config: type[C]
    needs: frozenset[Capability] = frozenset()
    counts: bool = True

    def problems(self, config: C) -> tuple[Problem, ...]:  # noqa: ARG002  # most configs are fully checked by their schema
        """Return mistakes that a schema cannot say, with paths below the metric."""
        return ()

    def counted(self, config: C) -> bool:  # noqa: ARG002  # most sources count always or never
        """Return whether a window of this metric is judged once it rests on enough requests."""
        return self.counts

    def fraction(self, config: C) -> bool:  # noqa: ARG002  # most sources know no unit
        """Return whether the value is a fraction of 1, so that a limit in percent is a mistake."""
        return False

    def sees_copies(self, config: C) -> bool:  # noqa: ARG002  # most sources do not care who answers
        """Return whether it can measure a candidate that only gets copies of requests."""
        return True

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
