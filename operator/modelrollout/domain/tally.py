"""Tallies: what the counters of a stretch of time amount to, in the four forms that statistics are made of.

A source turns the growth of its counters into a tally; a judge that weighs evidence says which forms it accepts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Rate:
    """So many bad of so many.

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


Tally = Rate | Histogram | Mean | Shares


@dataclass(frozen=True)
class Measure:
    """What one arm did in a stretch of time.

    Attributes:
        tally: of all its pods.
        pods: bad and all requests by model pod, where the source can tell; empty otherwise.
        sent: requests that the router sent to this arm, where the source can tell; None otherwise.
    """

    tally: Tally
    pods: Mapping[str, Rate] = field(default_factory=dict)
    sent: float | None = None


@dataclass(frozen=True)
class Block:
    """One concurrent comparison: what both arms did in the same stretch of time.

    Attributes:
        candidate: what the candidate did.
        stable: what the stable revision did; None where there is no concurrent one (100 % at the candidate).
        seconds: length of the stretch.
    """

    candidate: Tally
    stable: Tally | None
    seconds: float
