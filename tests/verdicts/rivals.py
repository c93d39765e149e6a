"""Rules of other controllers and of common practice, restated from their documentation and source; simplified and idealised.

None of them has the delay of a scrape or of Prometheus here, which hurts all alike. All are given the same traffic.
"""

import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate
from statistics import NormalDist, median

from modelrollout.domain.tally import Features, Histogram, Rate, Tally
from tests.verdicts.traffic import Tick, added

Check = Callable[[Tally, Tally], bool | None]
"""Whether a window of candidate and stable is fine; None when there is no number."""
Value = Callable[[Tally], float | None]

ROLLBACK, PROMOTE = "rollback", "promote"
TOLD = "told"
"""Something has moved, and that is said: it is no verdict on anybody."""


class Rule(ABC):
    """One way to decide, fed with one tick after the other until it has decided."""

    @abstractmethod
    def poll(self, tick: Tick) -> str | None:
        """Return "rollback", "promote", or None while nothing is decided."""


def succeeds(share: float) -> Check:
    """Return the check that so large a share of the candidate's requests succeeds."""
    return lambda candidate, _: None if (value := failing(candidate)) is None else 1 - value >= share


def p99_below(seconds: float) -> Check:
    """Return the check that the candidate's 99th percentile is below a constant."""
    return lambda candidate, _: None if (value := p99(candidate)) is None else value < seconds


def p99_within(ratio: float) -> Check:
    """Return the check that the candidate's 99th percentile is at most so many times stable's, both as Prometheus says."""

    def check(candidate: Tally, stable: Tally) -> bool | None:
        ours, theirs = p99(candidate), p99(stable)
        return None if ours is None or theirs is None else ours <= ratio * theirs

    return check


def failing(tally: Tally) -> float | None:
    """Return the share of bad requests; None without requests."""
    assert isinstance(tally, Rate)
    return tally.bad / tally.total if tally.total else None


def p99(tally: Tally) -> float | None:
    """Return what Prometheus' ``histogram_quantile(0.99, …)`` says: linear inside a bucket, the last bound in the last."""
    assert isinstance(tally, Histogram)
    if not tally.total:
        return None
    rank = 0.99 * tally.total
    counts = [count for _, count in tally.buckets]
    index = bisect_left(counts, rank)
    bound = tally.buckets[index][0]
    if bound == math.inf:
        return tally.buckets[index - 1][0]
    low, before = tally.buckets[index - 1] if index else (0.0, 0.0)
    return low + (bound - low) * (rank - before) / (counts[index] - before)


class _Windows(Rule):
    """Adds ticks up to windows of a fixed length."""

    def __init__(self, length: float) -> None:
        self._length = length
        self._candidate: Tally | None = None
        self._stable: Tally | None = None
        self._end = length

    def poll(self, tick: Tick) -> str | None:
        """Add a tick; conclude where a window ends with it."""
        self._candidate = added(self._candidate, tick.candidate.tally)
        self._stable = added(self._stable, tick.stable.tally)
        if tick.at < self._end:
            return None
        candidate, stable = self._candidate, self._stable
        self._candidate = self._stable = None
        self._end += self._length
        return self.conclude(tick.at, candidate, stable)

    @abstractmethod
    def conclude(self, at: float, candidate: Tally, stable: Tally) -> str | None:
        """Conclude from one window."""


class Argo(_Windows):
    """Argo Rollouts: a measurement each ``interval``; the analysis fails once more than ``failureLimit`` of them failed.

    Source: argo-rollouts, docs/features/analysis.md, sections "Failure conditions and failure limit" and "NaN and
    Infinity": 0 of 0 is NaN and fails a comparison, unless the author of the metric says that it is fine.
    """

    def __init__(self, check: Check, *, no_data: bool, limit: int = 3, interval: float = 30, until: float = math.inf):
        super().__init__(interval)
        self._check, self._no_data, self._limit, self._until = check, no_data, limit, until
        self._failures = 0

    def conclude(self, at: float, candidate: Tally, stable: Tally) -> str | None:
        """Count a failed measurement."""
        fine = self._check(candidate, stable)
        self._failures += not (self._no_data if fine is None else fine)
        if self._failures > self._limit:
            return ROLLBACK
        return PROMOTE if at >= self._until else None


class Flagger(Argo):
    """Flagger: a check each ``interval``; rolled back once ``threshold`` checks failed. A metric without a value failed.

    Source: flagger, pkg/controller/scheduler.go and scheduler_metrics.go (FailedChecks, ErrNoValuesFound).
    """

    def __init__(self, check: Check, *, no_data: bool, threshold: int = 5, until: float = math.inf) -> None:
        super().__init__(check, no_data=no_data, limit=threshold - 1, interval=60, until=until)


class Kayenta(_Windows):
    """Kayenta: a Mann–Whitney test of canary against baseline over all points so far, a point a minute.

    A metric is High, and the canary fails, when the confidence interval of the shift lies above ``tolerance`` times its
    estimate. Points without requests are left out. The bounds are order statistics of the differences, by the normal
    approximation and without correction for ties.

    Source: kayenta, kayenta-judge, MannWhitneyClassifier.scala with the settings of NetflixACAJudge (98 %, 0.25).
    """

    def __init__(self, value: Value, *, every: int = 10, confidence: float = 0.98, tolerance: float = 0.25) -> None:
        super().__init__(60)
        self._value, self._every, self._tolerance = value, every, tolerance
        self._z = NormalDist().inv_cdf((1 + confidence) / 2)
        self._points: tuple[list[float], list[float]] = [], []
        self._minutes = 0

    def conclude(self, at: float, candidate: Tally, stable: Tally) -> str | None:
        """Keep a point of each, and judge all of them now and then."""
        self._minutes += 1
        for points, tally in zip(self._points, (candidate, stable), strict=True):
            value = self._value(tally)
            if value is not None:
                points.append(value)
        return ROLLBACK if self._minutes % self._every == 0 and self._high() else None

    def _high(self) -> bool:
        ours, theirs = self._points
        n, m = len(ours), len(theirs)
        rank = math.floor(n * m / 2 - self._z * math.sqrt(n * m * (n + m + 1) / 12))
        if rank < 1 or sorted(ours) == sorted(theirs):
            return False
        differences = sorted(one - other for one in ours for other in theirs)
        return differences[rank - 1] > self._tolerance * abs(median(differences))


class _Totals(Rule):
    """Pools all ticks, which is what a test that is repeated on totals does."""

    least = 30
    """Requests of the candidate before the first test."""

    def __init__(self) -> None:
        self._bad = [0.0, 0.0]
        self._all = [0.0, 0.0]

    def poll(self, tick: Tick) -> str | None:
        """Add a tick and test."""
        for index, measure in enumerate((tick.candidate, tick.stable)):
            assert isinstance(measure.tally, Rate)
            self._bad[index] += measure.tally.bad
            self._all[index] += measure.tally.total
        (nc, ns), bad = self._all, sum(self._bad)
        if nc < self.least or ns < 1 or not 0 < bad < nc + ns:
            return None
        pooled = bad / (nc + ns)
        difference = self._bad[0] / nc - self._bad[1] / ns
        variance = pooled * (1 - pooled) * (1 / nc + 1 / ns)
        return ROLLBACK if self.worse(difference, variance) else None

    @abstractmethod
    def worse(self, difference: float, variance: float) -> bool:
        """Whether this difference of rates, with this variance, is a proof."""


class RepeatedZ(_Totals):
    """A one-sided two-proportion z test at a fixed level, repeated at every poll: what a dashboard invites people to do."""

    def __init__(self, alpha: float = 0.05) -> None:
        super().__init__()
        self._z = NormalDist().inv_cdf(1 - alpha)

    def worse(self, difference: float, variance: float) -> bool:
        """Compare with the quantile of a normal distribution, as if nobody had looked before."""
        return difference > self._z * math.sqrt(variance)


class NormalMixture(_Totals):
    """The mixture sequential probability ratio test with a normal prior, on pooled totals.

    Source: Johari, Koomen, Pekelis, Walsh, "Always valid inference" (Operations Research 2022). Its error rate holds for
    any stopping rule as long as the rates do not move and the counts are large enough to be normal.
    """

    def __init__(self, alpha: float = 0.05, spread: float = 0.01) -> None:
        super().__init__()
        self._log, self._prior = math.log(1 / alpha), spread**2

    def worse(self, difference: float, variance: float) -> bool:
        """Compare the mixture likelihood ratio with 1/α."""
        if difference <= 0:
            return False
        both = variance + self._prior
        ratio = 0.5 * math.log(variance / both) + self._prior * difference**2 / (2 * variance * both)
        return ratio >= self._log


class _AgainstReference(Rule):
    """Holds all of the candidate's values so far against a reference, at every poll."""

    least = 100
    """Requests of the candidate before the first look."""

    def __init__(self) -> None:
        self._seen: list[float] = []

    def poll(self, tick: Tick) -> str | None:
        """Add a tick and look."""
        assert tick.reference is not None
        kept, new = (_cells(measure.tally) for measure in (tick.reference, tick.candidate))
        self._seen = [before + more for before, more in zip(self._seen or [0.0] * len(new), new, strict=True)]
        return TOLD if sum(self._seen) >= self.least and self.moved(kept, self._seen) else None

    @abstractmethod
    def moved(self, kept: list[float], seen: list[float]) -> bool:
        """Whether these counts, bin by bin, are of two distributions."""


def _cells(tally: Tally) -> list[float]:
    assert isinstance(tally, Features)
    (found,) = tally.counts.values()
    assert isinstance(found, Histogram)
    below = [count for _, count in found.buckets]
    return [count - before for count, before in zip(below, [0.0, *below], strict=False)]


class StabilityIndex(_AgainstReference):
    """The population stability index over ten bins of the reference, against a rule of thumb.

    Source: Siddiqi, "Credit Risk Scorecards" (2006), where up to 0.1 is little, and from 0.25 on is much. Dashboards have 0.2
    as well. A bin in which there is nothing counts as one ten-thousandth, as is usual.
    """

    def __init__(self, limit: float) -> None:
        super().__init__()
        self._limit = limit

    def moved(self, kept: list[float], seen: list[float]) -> bool:
        """Compare Σ (p − q) ln(p / q) with the limit."""
        bins = [[0.0, 0.0] for _ in range(10)]
        below = 0.0
        for one, other in zip(kept, seen, strict=True):
            place = bins[min(int(10 * (below + one / 2) / sum(kept)), 9)]
            below += one
            place[0] += one / sum(kept)
            place[1] += other / sum(seen)
        shares = [(max(p, 1e-4), max(q, 1e-4)) for p, q in bins]
        return sum((p - q) * math.log(p / q) for p, q in shares) > self._limit


class RepeatedSmirnov(_AgainstReference):
    """The two-sample test of Kolmogorov and Smirnov at a fixed level, repeated at every poll.

    Source: Smirnov (Annals of Mathematical Statistics 1948) for the critical values; it is what Evidently does by default with
    up to 1,000 numbers. On bins it is a little less likely to say something than on the numbers themselves.
    """

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self._critical = math.sqrt(-math.log(alpha / 2) / 2)

    def moved(self, kept: list[float], seen: list[float]) -> bool:
        """Compare the largest distance of the distribution functions with the quantile for these numbers."""
        n, m = sum(kept), sum(seen)
        distance = max(abs(a / n - b / m) for a, b in zip(accumulate(kept), accumulate(seen), strict=True))
        return distance > self._critical * math.sqrt((n + m) / (n * m))
