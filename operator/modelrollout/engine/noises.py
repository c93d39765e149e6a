"""The noise of one metric: of its bad requests, or of a histogram's values above two bounds of it.

Latency is as noisy as the pods that it comes from: one on a busy node is slow for all its requests. So what is measured of the
noise of a rate is measured of the share of slow requests, once for a bound that one in ten exceeds and once for one in a
hundred, as the bounds are that stable's values had first; the larger φ counts. Clumps are not looked for there: everyone waits
together while a garbage collector runs, with either version.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from modelrollout.domain.tally import Histogram, Measure, Rate
from modelrollout.engine import noise
from modelrollout.engine.noise import Noise
from modelrollout.evidence.dispersion import Clumps
from modelrollout.judges._bounds import above

_SHARES = (0.1, 0.01)
"""Of stable's values above the bounds that are looked at."""


@dataclass(frozen=True)
class Noises:
    """What is known of the noise in one metric.

    Attributes:
        each: of its bad requests; of a histogram, of the values above each bound.
        bounds: of a histogram; empty for rates, and before stable had values.
    """

    each: tuple[Noise, ...] = (Noise(),)
    bounds: tuple[float, ...] = ()

    @cached_property
    def phi(self) -> float:
        """φ, at least 1."""
        return max(one.phi for one in self.each)

    @cached_property
    def lasting(self) -> float:
        """The part of φ that polls do not show, only minutes."""
        return max(one.lasting for one in self.each)

    def dump(self) -> list[Any]:
        """Return what outlives a restart, as JSON."""
        return [list(self.bounds), *(one.dump() for one in self.each)]

    @classmethod
    def load(cls, raw: Any) -> "Noises":  # noqa: ANN401  # JSON
        """Return what was dumped.

        Raises:
            ValueError: it is none of ours.
            TypeError: likewise.
        """
        bounds, *each = raw
        if len(each) != max(len(bounds), 1):
            raise ValueError("The noise is of other bounds.")
        return cls(tuple(map(Noise.load, each)), tuple(map(float, bounds)))


Pods = Mapping[str, Histogram]
"""Values by model pod, where the source can tell; of rates the measure itself has them."""


def recall(before: Noises, stable: Measure | None, pods: Pods) -> Noises:
    """Return the noises with what stable's pods have counted since they started."""
    before = _bounded(before, stable)
    rates = _rates(before, stable, pods)
    return replace(before, each=tuple(map(noise.recall, before.each, rates)))


def overhear(before: Noises, stable: Measure | None) -> Noises:
    """Return the noises after one more poll of stable, whose requests count for nothing else."""
    before = _bounded(before, stable)
    return before if before.bounds else replace(before, each=(noise.overhear(before.each[0], stable),))


def listen(before: Noises, candidate: Measure | None, stable: Measure | None, seconds: float, pods: Pods) -> Noises:
    """Return the noises after some more seconds."""
    before = _bounded(before, stable)
    sides = zip(before.each, _rates(before, candidate, {}), _rates(before, stable, pods), strict=True)
    heard = tuple(noise.listen(one, ours, theirs, seconds) for one, ours, theirs in sides)
    if before.bounds:
        heard = tuple(replace(one, clumps=Clumps()) for one in heard)
    return Noises(heard, before.bounds)


def _bounded(before: Noises, stable: Measure | None) -> Noises:
    """Choose the bounds by what stable did first: what is tested later has no say in them."""
    if before.bounds or stable is None or not isinstance(stable.tally, Histogram) or not stable.tally.total:
        return before
    total = stable.tally.total
    shares = {bound: 1 - count / total for bound, count in stable.tally.buckets if 0 < count < total}
    if not shares:
        return before
    found = {min(shares, key=lambda bound: abs(math.log(shares[bound] / wanted))) for wanted in _SHARES}
    return Noises(before.each * len(found), tuple(sorted(found)))


def _rates(noises: Noises, measure: Measure | None, pods: Pods) -> tuple[Measure | None, ...]:
    """Return what was bad of a side: as it is, or once for each bound; nothing where that is unknown."""
    if measure is None or not isinstance(measure.tally, Histogram):
        return (measure,) * len(noises.each)
    if not noises.bounds:
        return (None,)
    slow = above(measure.tally, noises.bounds)
    by_pod = {pod: above(values, noises.bounds) for pod, values in pods.items()}
    return tuple(
        Measure(
            Rate(slow[bound], measure.tally.total),
            {pod: Rate(found[bound], pods[pod].total) for pod, found in by_pod.items() if bound in found},
        )
        if bound in slow
        else None
        for bound in noises.bounds
    )
