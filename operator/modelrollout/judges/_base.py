"""What a judge is: it folds one reading into the gate that remembers the last ones."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from modelrollout.domain.problem import Problem
from modelrollout.domain.reading import Reading
from modelrollout.domain.verdict import Gate
from modelrollout.schema import ApiModel

C = TypeVar("C", bound=ApiModel)


class Judge(ABC, Generic[C]):
    """One way to conclude.

    Attributes:
        name: field name below ``spec.analysis.metrics[]``.
        config: the field's model.
    """

    name: str
    config: type[C]

    @abstractmethod
    def problems(self, config: C, *, counts: bool, fraction: bool = False) -> tuple[Problem, ...]:
        """Return why this judge cannot judge such readings, with paths below the metric.

        Args:
            config: the metric's judge.
            counts: a window rests on a number of requests, see :meth:`modelrollout.sources._base.Source.counted`.
            fraction: the value is a fraction of 1.
        """

    @abstractmethod
    def min_requests(self, config: C) -> int:
        """Return how many requests a window needs before it may be judged; 0 for a gauge."""

    @abstractmethod
    def judge(self, config: C, reading: Reading, gate: Gate | None) -> Gate:
        """Fold a reading into the gate. A reading that was folded before (same ``at``) changes nothing.

        Only a closed reading with state VALUE makes a pass or a failure and moves the streak. While the next window
        grows, what the last one said may stand; any other state leaves the verdict UNDECIDED.
        """
