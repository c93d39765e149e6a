"""What is counted of pairs of predictions, and the scale on which its mean is held against a constant.

Three questions are one test on three scales: is the mean score at least so high, is kappa, and does the candidate differ from
stable by at most so much more than stable differs from itself?
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from modelrollout.domain.tally import Scores, Tally

STEPS = 20
"""Scores are counted to the nearest twentieth."""
_TWENTIETHS = tuple(step / STEPS for step in range(-STEPS, STEPS + 1))
AGREEMENT, KAPPA = "agreement", "kappa"
"""What values are of, see :attr:`modelrollout.domain.evidence.Evidence.about`."""


@dataclass(frozen=True)
class Scale(ABC):
    """What is counted, cell by cell, and what must hold of it.

    Attributes:
        bound: what the user wrote: the least agreement, the least kappa, or the margin.
        name: of the scale, in a stored ledger.
        about: what the value is of that people are shown.
        more_is_worse: a mean above the limit speaks against the candidate; otherwise one below it does.
        pairs: of predictions that one count stands for.
    """

    bound: float
    name: ClassVar[str]
    about: ClassVar[str] = AGREEMENT
    more_is_worse: ClassVar[bool] = True
    pairs: ClassVar[int] = 1

    @property
    def limit(self) -> float:
        """The mean that is still accepted."""
        return self.bound

    @property
    @abstractmethod
    def values(self) -> tuple[float, ...]:
        """One value for each cell."""

    @abstractmethod
    def counts(self, tally: Tally) -> tuple[float, ...]:
        """Return how often each value was there; empty when the tally cannot say it."""

    def shown(self, counts: Sequence[float]) -> float | None:
        """Return the number that people know, None when there is none; of scores it is the mean."""
        total = sum(counts)
        return sum(value * count for value, count in zip(self.values, counts, strict=True)) / total if total else None


class Agreement(Scale):
    """The score of each pair, from 0 (nothing agrees) to 1 (all does)."""

    name = "agreement"
    more_is_worse = False

    @property
    def values(self) -> tuple[float, ...]:
        """Twentieths from 0 to 1."""
        return _TWENTIETHS[STEPS:]

    def counts(self, tally: Tally) -> tuple[float, ...]:
        """Return pairs by score."""
        return _twentieths(tally.counts.items(), 0) if isinstance(tally, Scores) else ()


class Excess(Scale):
    """By how much more the candidate differs from stable than stable from itself; of pairs that stable answered twice."""

    name = "excess"

    @property
    def values(self) -> tuple[float, ...]:
        """Twentieths from -1 to 1."""
        return _TWENTIETHS

    def counts(self, tally: Tally) -> tuple[float, ...]:
        """Return pairs by excess; empty when stable answered none of them twice."""
        return _twentieths(tally.beyond.items(), -STEPS) if isinstance(tally, Scores) and tally.beyond else ()


def _twentieths(counts: Iterable[tuple[float, float]], lowest: int) -> tuple[float, ...]:
    """Return counts by twentieth, from the lowest to 1. Binary fractions may miss a twentieth by a little."""
    found = [0.0] * (STEPS - lowest + 1)
    for value, count in counts:
        found[min(max(round(value * STEPS), lowest), STEPS) - lowest] += count
    return tuple(found)
