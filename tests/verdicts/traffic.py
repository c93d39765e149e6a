"""Generated traffic: what the counters of both arms grow by between two polls."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import reduce
from itertools import islice
from random import Random

from modelrollout.domain.tally import Crossed, Features, Histogram, Measure, Rate, Scores, Tally
from modelrollout.evidence.paired import Cells
from tests.verdicts.sampling import clumps, poisson

Course = Callable[[float], float]
"""A number over the time in seconds since the rollout began."""

Traffic = Callable[[Random], Iterator["Tick"]]
"""Draws one run."""

HOUR = 3600.0
POLL = 10.0
PAST = HOUR
"""For how long stable's pods have run when a rollout begins, where that matters."""


@dataclass(frozen=True)
class Tick:
    """What happened between two polls.

    Attributes:
        at: seconds since the rollout began, at its end.
        seconds: its length.
        weight: the candidate's share of the traffic.
        candidate: what the candidate did.
        stable: what stable did.
        slices: both arms by part of the traffic, where there are parts.
        joined: the answers of both versions to the same requests, where these are copied.
        canary: what a canary would have seen instead, where the requests are copied.
        past: what stable's counters had counted when the rollout began, since its pods started.
        reference: what was counted long before, where something is held against it.
    """

    at: float
    seconds: float
    weight: float
    candidate: Measure
    stable: Measure
    slices: Mapping[str, tuple[Measure, Measure]] = field(default_factory=dict)
    joined: Cells | None = None
    canary: "Tick | None" = None
    past: Measure | None = None
    reference: Measure | None = None


def always(value: float) -> Course:
    """Return a course that never changes."""
    return lambda _at: value


TENTH = always(0.1)


def arm(rng: Random, requests: float, share: float) -> Rate:
    """Draw one arm's requests, of which this share is bad."""
    bad = poisson(rng, requests * share)
    return Rate(bad, bad + poisson(rng, requests * (1 - share)))


def rates(  # one scenario in one line
    rng: Random,
    rps: float,
    stable: Course,
    candidate: Course,
    weight: Course = TENTH,
    *,
    seconds: float = HOUR,
    poll: float = POLL,
) -> Iterator[Tick]:
    """Yield traffic whose requests fail independently of each other, each arm at its rate of the moment."""
    for number in range(1, round(seconds / poll) + 1):
        start = (number - 1) * poll
        share = weight(start)
        requests = rps * poll
        bad_candidate = arm(rng, requests * share, candidate(start))
        bad_stable = arm(rng, requests * (1 - share), stable(start))
        yield Tick(number * poll, poll, share, Measure(bad_candidate), Measure(bad_stable))


def incidents(rng: Random, *, every: float, length: float, rate: float, base: float, seconds: float = HOUR) -> Course:
    """Return a failure rate with incidents: they begin at random, so often on average, and last so long on average."""
    spans = []
    at = rng.expovariate(1 / every)
    while at < seconds:
        end = at + rng.expovariate(1 / length)
        spans.append((at, end))
        at = end + rng.expovariate(1 / every)
    return lambda now: rate if any(begin <= now < end for begin, end in spans) else base


def steps(values: tuple[float, ...], each: float) -> Course:
    """Return a course that goes through these values and stays at the last."""
    return lambda at: values[min(int(at // each), len(values) - 1)]


def rising(first: float, last: float, seconds: float = HOUR) -> Course:
    """Return a straight line from the first value to the last."""
    return lambda at: first + (last - first) * min(at / seconds, 1.0)


@dataclass(frozen=True)
class Pods:
    """How the pods of one service differ from each other.

    Attributes:
        spread: coefficient of variation of a pod's failure rate, drawn anew each minute.
        incident: failure rate of a pod while it has an incident of its own; 0 for none.
        every: seconds between two incidents of a pod, on average.
        length: seconds that one lasts, on average.
    """

    spread: float = 0.0
    incident: float = 0.0
    every: float = HOUR
    length: float = 200.0

    def course(self, rng: Random, base: float) -> Course:
        """Return the failure rate of one pod."""
        if self.incident:
            return incidents(
                rng, every=self.every, length=self.length, rate=self.incident, base=base, seconds=PAST + HOUR
            )
        if not self.spread:
            return always(base)
        shape = 1 / self.spread**2
        minutes = [min(1.0, base * rng.gammavariate(shape, 1 / shape)) for _ in range(int((PAST + HOUR) // 60) + 1)]
        return lambda at: minutes[int(at // 60)]


def pods(  # one scenario in one line
    rng: Random, rps: float, stable: float, effect: float, kind: Pods, *, replicas: int = 10, clump: float = 1.0
) -> Iterator[Tick]:
    """Yield traffic of a service whose pods each have their own luck; the candidate is one of them.

    Stable's pods have run for an hour before: it is drawn first, by the same generator, as if the candidate's pod had been
    there too, and all ticks tell what it brought.

    Args:
        rng: where chance comes from.
        rps: requests per second of all pods.
        stable: failure rate of an undisturbed pod of stable.
        effect: by what the candidate's rates are multiplied.
        kind: how pods differ.
        replicas: pods altogether.
        clump: requests that fail or succeed together, on average (a user who cannot log in tries again).
    """
    courses = [kind.course(rng, stable) for _ in range(replicas)]
    requests = rps * POLL / replicas / clump
    known = {f"pod-{index}": Rate(0.0, 0.0) for index in range(1, replicas)}
    before = round(PAST / POLL)
    for number in range(1, before + round(HOUR / POLL) + 1):
        start = (number - 1) * POLL
        drawn = {}
        for index, course in enumerate(courses):
            share = min(1.0, course(start) * (effect if index == 0 else 1.0))
            bad = clumps(rng, poisson(rng, requests * share), clump)
            good = clumps(rng, poisson(rng, requests * (1 - share)), clump)
            drawn[f"pod-{index}"] = Rate(bad, bad + good)
        first = {"pod-0": drawn.pop("pod-0")}
        if number <= before:
            known = {pod: Rate(rate.bad + drawn[pod].bad, rate.total + drawn[pod].total) for pod, rate in known.items()}
            continue
        at = (number - before) * POLL
        yield Tick(at, POLL, 1 / replicas, _together(first), _together(drawn), past=_together(known))


def _together(drawn: Mapping[str, Rate]) -> Measure:
    bad, total = sum(rate.bad for rate in drawn.values()), sum(rate.total for rate in drawn.values())
    return Measure(Rate(bad, total), pods=drawn)


def retries(rng: Random, rps: float, stable: float, candidate: float, attempts: float) -> Iterator[Tick]:
    """Yield traffic in which a failed request is sent again at once to the same arm, so often on average."""
    for number in range(1, round(HOUR / POLL) + 1):
        arms = []
        for requests, share in ((rps * POLL * 0.1, candidate), (rps * POLL * 0.9, stable)):
            bad = clumps(rng, poisson(rng, requests * share), attempts)
            arms.append(Measure(Rate(bad, bad + poisson(rng, requests * (1 - share)))))
        yield Tick(number * POLL, POLL, 0.1, *arms)


BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)
"""The buckets of a Prometheus client library that nobody configured."""
MEDIAN, SIGMA = 0.08, 0.6


@dataclass(frozen=True)
class Latency:
    """How long requests take: lognormal, and a part of them longer by a constant.

    Attributes:
        factor: by what the median of 80 ms is multiplied.
        tail: share of requests that take longer.
        extra: by how many seconds.
    """

    factor: float = 1.0
    tail: float = 0.0
    extra: float = 1.0

    def shares(self, noise: float = 0.0, bounds: tuple[float, ...] = BOUNDS) -> tuple[float, ...]:
        """Return the share of each bucket while everything takes exp(noise) times as long."""
        below = [self._below(bound, noise) for bound in bounds]
        return tuple(high - low for low, high in zip((0.0, *below), below, strict=False))

    def _below(self, bound: float, noise: float) -> float:
        return (1 - self.tail) * self._body(bound, noise) + self.tail * self._body(bound - self.extra, noise)

    def _body(self, bound: float, noise: float) -> float:
        if bound <= 0:
            return 0.0
        if bound == math.inf:
            return 1.0
        return 0.5 * math.erfc(-(math.log(bound / MEDIAN / self.factor) - noise) / SIGMA / math.sqrt(2))


def latencies(  # one scenario in one line
    rng: Random, rps: float, candidate: Latency, noise: float, bounds: tuple[float, ...] = BOUNDS
) -> Iterator[Tick]:
    """Yield histograms of both arms; noise is the standard deviation of what slows both down in the same way."""
    stable = Latency()
    shift, keep = 0.0, math.exp(-POLL / 300)
    shares = candidate.shares(bounds=bounds), stable.shares(bounds=bounds)
    # Beside the run, whose requests stay what they are.
    past = Measure(histogram(Random(repr(rng.getstate())), rps * HOUR, shares[1], bounds))
    for number in range(1, round(HOUR / POLL) + 1):
        if noise:
            shift = keep * shift + rng.gauss(0, noise * math.sqrt(1 - keep * keep))
            shares = candidate.shares(shift, bounds), stable.shares(shift, bounds)
        arms = [
            Measure(histogram(rng, rps * POLL * part, share, bounds))
            for part, share in zip((0.1, 0.9), shares, strict=True)
        ]
        yield Tick(number * POLL, POLL, 0.1, *arms, past=past)


UNLUCKY, SLOW = 0.1, 0.2
"""Share of a pod's minutes that are bad, and of the requests in one that take longer."""


def slow_pods(rng: Random, rps: float, factor: float, *, replicas: int = 10) -> Iterator[Tick]:
    """Yield histograms of a service whose pods each have slow minutes of their own; the candidate is one of them.

    In one minute of ten, each pod by itself, a fifth of its requests take half a second more; else 0.5 % of them do.

    Args:
        rng: where chance comes from.
        rps: requests per second of all pods.
        factor: by what the candidate's median is multiplied.
        replicas: pods altogether.
    """
    laws = {
        slowed: [Latency(slowed, tail=tail, extra=0.5).shares() for tail in (0.005, SLOW)] for slowed in (1.0, factor)
    }

    def stable() -> tuple[float, ...]:
        """Return the shares of buckets in a minute, of all pods of stable together."""
        part = sum(rng.random() < UNLUCKY for _ in range(1, replicas)) / (replicas - 1)
        return tuple(part * bad + (1 - part) * good for good, bad in zip(*laws[1.0], strict=True))

    behind = rps * (replicas - 1) / replicas
    past = reduce(added, (histogram(rng, behind * 60, stable()) for _ in range(round(PAST / 60))))
    alone, others = laws[factor][0], stable()
    for number in range(1, round(HOUR / POLL) + 1):
        if (number - 1) % 6 == 0:
            alone, others = laws[factor][rng.random() < UNLUCKY], stable()
        arms = [
            Measure(histogram(rng, requests * POLL, shares))
            for requests, shares in ((rps / replicas, alone), (behind, others))
        ]
        yield Tick(number * POLL, POLL, 1 / replicas, *arms, past=Measure(past))


def histogram(rng: Random, requests: float, shares: tuple[float, ...], bounds: tuple[float, ...] = BOUNDS) -> Histogram:
    """Draw how long so many requests take."""
    total, buckets = 0, []
    for bound, share in zip(bounds, shares, strict=True):
        total += poisson(rng, requests * share)
        buckets.append((bound, total))
    return Histogram(tuple(buckets))


def rarer(ticks: Iterable[Tick], polled: int) -> Iterator[Tick]:
    """Yield the same traffic, as polls see it that come so many times as rarely."""
    waiting = iter(ticks)
    while together := tuple(islice(waiting, polled)):
        canaries = [tick.canary for tick in together if tick.canary is not None]
        yield replace(_merged(together), canary=_merged(canaries) if canaries else None)


def _merged(ticks: Sequence[Tick]) -> Tick:
    """Return ticks that follow each other as one, with the weight of the first."""
    first, last = ticks[0], ticks[-1]
    slices = {
        part: (_summed([tick.slices[part][0] for tick in ticks]), _summed([tick.slices[part][1] for tick in ticks]))
        for part in first.slices
    }
    cells = [tick.joined for tick in ticks if tick.joined is not None]
    return replace(
        first,
        at=last.at,
        seconds=sum(tick.seconds for tick in ticks),
        candidate=_summed([tick.candidate for tick in ticks]),
        stable=_summed([tick.stable for tick in ticks]),
        slices=slices,
        joined=Cells(*map(sum, zip(*map(astuple, cells), strict=True))) if cells else None,
    )


def _summed(measures: Sequence[Measure]) -> Measure:
    """Return what one arm did in several stretches."""
    pods = {
        pod: Rate(sum(one.pods[pod].bad for one in measures), sum(one.pods[pod].total for one in measures))
        for pod in measures[0].pods
    }
    return Measure(reduce(added, (one.tally for one in measures)), pods)


def added(one: Tally | None, other: Tally) -> Tally:
    """Return two stretches of one arm as one."""
    match one, other:
        case None, _:
            return other
        case Rate(), Rate():
            return Rate(one.bad + other.bad, one.total + other.total)
        case Histogram(), Histogram():
            pairs = zip(one.buckets, other.buckets, strict=True)
            return Histogram(tuple((bound, count + more) for (bound, count), (_, more) in pairs))
    raise TypeError(f"{one} and {other} are not of one form")


def bad(tally: Tally) -> float:
    """Return how many requests hurt somebody: failed ones, and those that took more than half a second."""
    match tally:
        case Rate():
            return tally.bad
        case Histogram():
            return tally.above(0.5)
        case Scores() | Crossed():
            # Copies: clients got stable's answers.
            return 0.0
        case Features():
            # What is asked and answered hurts nobody by itself.
            return 0.0
    raise TypeError(f"{tally} says nothing of bad requests")
