"""The catastrophe guard: a candidate that fails most of its requests is stopped at once, be it in its warm-up.

Two things must be shown, each as evidence that may be looked at at any time: that more than half of the candidate's requests
fail, and that more fail than stable's do. An outage that hits both versions shows the first alone: sending traffic home
would help nobody then. The smaller of two e-values is one whichever of the two does not hold.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from modelrollout.domain.reading import Key, Sample, State
from modelrollout.domain.tally import Rate
from modelrollout.engine.counters import ByArm, by_arm, increments, remember
from modelrollout.engine.wants import Against, AnalysisWants, MetricWants
from modelrollout.evidence.constant import ConstantTest
from modelrollout.evidence.mixture import Mixture
from modelrollout.evidence.pair import Pair
from modelrollout.evidence.ratio import RatioTest

MOST = ConstantTest(0.5, above=True, grid=(2.0, 10.0, 1000.0))
MORE = RatioTest(1.0)
SHARE = 0.1
"""Of the chance of a false rollback that is the guard's."""


@dataclass(frozen=True)
class Guard:
    """What is known of one metric's failures in one attempt.

    Attributes:
        attempt: another one begins anew.
        seen: the counters to subtract from the next sample; None before the first.
        most: evidence that more than half fail.
        more: evidence that more fail than stable's.
    """

    attempt: str
    seen: Mapping[Key, float] | None = None
    most: Mixture = field(default_factory=MOST.start)
    more: Mixture = field(default_factory=MORE.start)

    def log_e(self, *, alone: bool) -> float:
        """Return ln E of a catastrophe; where the candidate answers alone, of its failures alone."""
        most = MOST.log_e(self.most)
        return most if alone else min(most, MORE.log_e(self.more))


def look(guard: Guard | None, wants: AnalysisWants, metric: MetricWants, sample: Sample) -> Guard:
    """Add one sample; what no other judge counts, such as a warm-up, counts here."""
    if guard is None or guard.attempt != wants.comparison.attempt:
        guard = Guard(wants.comparison.attempt)
    if sample.state is not State.VALUE or not metric.source.errors(metric.source_config):
        return guard
    if guard.seen is None:
        return replace(guard, seen=remember({}, sample.counters))
    grown = by_arm(increments(guard.seen, sample.counters))
    candidate, stable = _rate(metric, grown, wants.scope.arm), _rate(metric, grown, wants.scope.stable)
    pair = Pair(candidate.bad, candidate.total, stable.bad, stable.total)
    most, more = MOST.step(guard.most, Pair(), pair), MORE.step(guard.more, Pair(), pair)
    return Guard(guard.attempt, remember(guard.seen, sample.counters), most, more)


def speaks(guard: Guard, wants: AnalysisWants) -> float:
    """Return ln E of the guard as things stand."""
    return guard.log_e(alone=wants.comparison.against is Against.PAST)


def limit(alpha: float, guards: int) -> float:
    """Return ln E at which one of so many guards stops a rollout: together they have their share of α."""
    return math.log(guards / (SHARE * alpha))


def _rate(metric: MetricWants, grown: ByArm, arm: str | None) -> Rate:
    measure = metric.measured(grown, arm)
    return measure.tally if measure is not None and isinstance(measure.tally, Rate) else Rate(0.0, 0.0)
