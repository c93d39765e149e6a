"""How much noisier a service is than chance among its requests, minute by minute.

A candidate on one unlucky node must not look like a bad model, and one user who retries must not count as many. Evidence is
divided by φ, which comes from stable's own pods against one another, from its own polls, and from the comparison itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from modelrollout.domain.tally import Measure, Rate
from modelrollout.evidence.dispersion import Clumps, LiveNoise, PodNoise, noise
from modelrollout.evidence.pair import Pair

MINUTE = 60.0
"""Seconds."""
LEAST = 3
"""Residuals of pods below which a mean square says more about chance than about pods."""

_NOTHING = PodNoise()


@dataclass(frozen=True)
class Noise:
    """What is known of the noise in one metric.

    Attributes:
        pods: of stable's pods, minute by minute; their past is the first.
        past: of that past alone. Misfortune that lasts shows in sums over an hour, and less in those of minutes.
        clumps: of stable's polls.
        live: of the comparison.
        minute: counts of the minute that runs.
        by_pod: bad and all requests of each of stable's pods in it.
        seconds: length of it so far.
    """

    pods: PodNoise = field(default_factory=PodNoise)
    past: PodNoise = field(default_factory=PodNoise)
    clumps: Clumps = field(default_factory=Clumps)
    live: LiveNoise = field(default_factory=LiveNoise)
    minute: Pair = field(default_factory=Pair)
    by_pod: Mapping[str, Rate] = field(default_factory=dict)
    seconds: float = 0.0

    @cached_property
    def phi(self) -> float:
        """φ, at least 1."""
        return max(self.lasting, noise(self.clumps))

    @cached_property
    def lasting(self) -> float:
        """The part of φ that polls do not show, only minutes."""
        pods = self.pods if self.pods.residuals >= LEAST else _NOTHING
        return noise(pods, self.past if self.past.sure else _NOTHING, self.live)

    def dump(self) -> list[float | None]:
        """Return what outlives a restart, as JSON; the minute that runs does not."""
        past = self.live.past
        counts = [past.kc, past.nc, past.ks, past.ns]
        last = None if self.live.last is None else round(self.live.last, 6)
        live = [round(self.live.squares, 6), self.live.differences, round(self.live.largest, 6)]
        clumps = [round(value, 6) for value in (self.clumps.products, self.clumps.expected, self.clumps.spread)]
        pods = [number for one in (self.pods, self.past) for number in (round(one.squares, 6), one.residuals)]
        return [*pods, *clumps, *counts, last, *live]

    @classmethod
    def load(cls, raw: Any) -> "Noise":  # noqa: ANN401  # JSON
        """Return what was dumped.

        Raises:
            ValueError: it is none of ours.
            TypeError: likewise.
        """
        squares, residuals, before, of_before, *sums, kc, nc, ks, ns, last, live_squares, differences, largest = raw
        products, expected, spread = map(float, sums)
        live = LiveNoise(
            Pair(float(kc), float(nc), float(ks), float(ns)),
            None if last is None else float(last),
            float(live_squares),
            int(differences),
            float(largest),
        )
        return cls(
            PodNoise(float(squares), int(residuals)),
            PodNoise(float(before), int(of_before)),
            Clumps((), products, expected, spread),
            live,
        )


def recall(before: Noise, stable: Measure | None) -> Noise:
    """Return the noise with what stable's pods have counted since they started, as if it had been one minute.

    Bad minutes of single pods add up: as many times as a minute is noisier than chance, so is their sum.
    """
    if stable is None:
        return before
    pods = stable.pods.values()
    return replace(before, pods=before.pods.add(pods), past=before.past.add(pods))


def overhear(before: Noise, stable: Measure | None) -> Noise:
    """Return the noise after one more poll of stable, whose requests count for nothing else."""
    return replace(before, clumps=_clumps(before, stable))


def listen(before: Noise, candidate: Measure | None, stable: Measure | None, seconds: float) -> Noise:
    """Return the noise after some more seconds; only metrics that count bad requests have any."""
    minute, by_pod = before.minute, dict(before.by_pod)
    for measure, mine in ((candidate, True), (stable, False)):
        if measure is None or not isinstance(measure.tally, Rate):
            continue
        bad, total = measure.tally.bad, measure.tally.total
        minute += Pair(kc=bad, nc=total) if mine else Pair(ks=bad, ns=total)
    for pod, rate in stable.pods.items() if stable is not None else ():
        known = by_pod.get(pod, Rate(0.0, 0.0))
        by_pod[pod] = Rate(known.bad + rate.bad, known.total + rate.total)
    passed = before.seconds + seconds
    clumps = _clumps(before, stable)
    if passed < MINUTE:
        return Noise(before.pods, before.past, clumps, before.live, minute, by_pod, passed)
    return Noise(before.pods.add(by_pod.values()), before.past, clumps, before.live.add(minute))


def _clumps(before: Noise, stable: Measure | None) -> Clumps:
    """Return what is known of the clumps after one more poll of stable."""
    if stable is None or not isinstance(stable.tally, Rate):
        return before.clumps
    return before.clumps.add(stable.tally)
