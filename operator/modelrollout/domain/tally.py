"""Tallies: what the counters of a stretch of time amount to, in the four forms that statistics are made of.

A source turns the growth of its counters into a tally; a judge that weighs evidence says which forms it accepts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Rate(NamedTuple):
    """So many bad of so many. Every poll makes dozens, so it is a tuple: those are made fastest.

    Attributes:
        bad: requests that were bad; never above ``total``.
        total: all requests.
    """

    bad: float
    total: float


@dataclass(frozen=True)
class Histogram:
    """How many values were at most so large.

    Attributes:
        buckets: cumulative counts by upper bound, rising, the bound infinity last; it holds all.
    """

    buckets: tuple[tuple[float, float], ...]

    @property
    def total(self) -> float:
        """All values."""
        return self.buckets[-1][1] if self.buckets else 0.0

    def above(self, bound: float) -> float:
        """Return how many values were above a bound of this histogram."""
        return self.total - dict(self.buckets)[bound]


@dataclass(frozen=True)
class Mean:
    """A sum over so many values.

    Attributes:
        sum: of all values.
        total: number of values.
    """

    sum: float
    total: float


@dataclass(frozen=True)
class Shares:
    """So many of each class.

    Attributes:
        counts: by class.
    """

    counts: Mapping[str, float]

    @property
    def total(self) -> float:
        """All values."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Paired:
    """Requests that both versions answered, by which answer was bad.

    Attributes:
        both: pairs in which both were.
        candidate: pairs in which only the candidate's was.
        stable: pairs in which only stable's was.
        neither: the other pairs.
    """

    both: float = 0.0
    candidate: float = 0.0
    stable: float = 0.0
    neither: float = 0.0

    @property
    def total(self) -> float:
        """All pairs."""
        return self.both + self.candidate + self.stable + self.neither


@dataclass(frozen=True)
class Scores:
    """How much the two predictions agree, pair by pair.

    Attributes:
        counts: pairs by score, from 0 (nothing agrees) to 1 (all does).
        beyond: where stable answered a second time: pairs by how much more the candidate differs from stable than stable
            differs from itself, from -1 to 1.
    """

    counts: Mapping[float, float]
    beyond: Mapping[float, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """All pairs."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Crossed:
    """Labels of pairs, taken two by two: what chance agreement is made of (Cohen's kappa).

    Attributes:
        counts: couples of pairs by (d, c): of the two pairs (x, y) and (x', y'), d of 2 have different labels, and
            of the crossed ones (x, y') and (x', y) c of 2 do.
    """

    counts: Mapping[tuple[int, int], float]

    @property
    def total(self) -> float:
        """All pairs that were counted."""
        return 2 * sum(self.counts.values())


@dataclass(frozen=True)
class Features:
    """Distributions of several features of the same requests.

    Attributes:
        counts: by the feature's name: values in bins (a histogram) or by category (shares).
        requests: that they were found in.
    """

    counts: Mapping[str, Histogram | Shares]
    requests: float

    @property
    def total(self) -> float:
        """All requests."""
        return self.requests


Tally = Rate | Histogram | Mean | Shares | Paired | Scores | Crossed | Features


@dataclass(frozen=True)
class Measure:
    """What one arm did in a stretch of time.

    Attributes:
        tally: of all its pods.
        pods: bad and all requests by model pod, where the source can tell; empty otherwise.
    """

    tally: Tally
    pods: Mapping[str, Rate] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """One concurrent comparison: what both arms did in the same stretch of time.

    Attributes:
        candidate: what the candidate did.
        stable: what the stable revision did; None where there is no concurrent one (100 % at the candidate).
        seconds: length of the stretch.
        reference: what was normal once, where somebody has kept it.
        alone: the candidate answers everything.
    """

    candidate: Tally
    stable: Tally | None
    seconds: float
    reference: Tally | None = None
    alone: bool = False
