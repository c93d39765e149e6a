"""All tables of small blocks, and what a test makes of them on average: proofs by counting, not by sampling.

An expectation over all outcomes of a few blocks is a sum over a tree: each node is what has happened so far, and a plan
says from that alone how large the next block is, how evidence is tempered there, or that one stops.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from modelrollout.evidence.mixture import Mixture
from modelrollout.evidence.pair import Pair, PairTest

# What rounding may add.
SLACK = 1e-9


class Null(NamedTuple):
    """A point of a null: the true rates."""

    stable: float
    candidate: float


@dataclass(frozen=True)
class Next:
    """What a plan does next; without requests it stops."""

    nc: int = 0
    ns: int = 0
    temper: float = 1.0
    cap: float = math.inf


STOP = Next()
Plan = Callable[[tuple[Pair, ...], float], Next]
Law = Callable[[int, float], tuple[tuple[float, float], ...]]


@cache
def counts(n: int, rate: float) -> tuple[tuple[float, float], ...]:
    """Every number of bad requests with its chance."""
    return tuple((float(k), math.comb(n, k) * rate**k * (1 - rate) ** (n - k)) for k in range(n + 1))


@cache
def halves(n: int, rate: float) -> tuple[tuple[float, float], ...]:
    """Every sum of values that are 0, ½ or 1, with as many halves as the mean allows."""
    half = 2 * min(rate, 1 - rate) * 0.8
    values = {0.0: 1 - rate - half / 2, 0.5: half, 1.0: rate - half / 2}
    sums = {0.0: 1.0}
    for _ in range(n):
        longer: dict[float, float] = {}
        for total, chance in sums.items():
            for value, probability in values.items():
                longer[total + value] = longer.get(total + value, 0.0) + chance * probability
        sums = longer
    return tuple(sorted(sums.items()))


def expectations(test: PairTest, plan: Plan, nulls: Sequence[Null], law: Law = counts) -> list[float]:
    """E of the stopped evidence at every null point, exactly."""

    def walk(state: Mixture, past: Pair, history: tuple[Pair, ...]) -> list[float]:
        log_e = test.log_e(state)
        ahead = plan(history, log_e)
        if ahead == STOP:
            return [math.exp(log_e)] * len(nulls)
        found = [0.0] * len(nulls)
        stable = [law(ahead.ns, null.stable) for null in nulls]
        candidate = [law(ahead.nc, null.candidate) for null in nulls]
        for row, (kc, _) in enumerate(law(ahead.nc, 0.3)):
            for column, (ks, _) in enumerate(law(ahead.ns, 0.3)):
                block = Pair(kc, ahead.nc, ks, ahead.ns)
                after = walk(test.step(state, past, block, ahead.temper, ahead.cap), past + block, (*history, block))
                for index, value in enumerate(after):
                    found[index] += candidate[index][row][1] * stable[index][column][1] * value
        return found

    return walk(test.start(), Pair(), ())


def increment_means(test: PairTest, past: Pair, nc: int, ns: int, nulls: Iterable[Null], *, law: Law = counts) -> float:
    """The largest E[e] of one block, over alternatives and null points."""
    nulls = tuple(nulls)
    found = [[0.0] * len(nulls) for _ in range(test.alternatives)]
    for row, (kc, _) in enumerate(law(nc, 0.3)):
        for column, (ks, _) in enumerate(law(ns, 0.3)):
            values = [math.exp(log) for log in test.increments(past, Pair(kc, nc, ks, ns))]
            for index, null in enumerate(nulls):
                chance = law(nc, null.candidate)[row][1] * law(ns, null.stable)[column][1]
                for alternative, value in enumerate(values):
                    found[alternative][index] += chance * value
    return max(max(means) for means in found)


def beyond(ratio: float, delta: float, *, worse: bool) -> tuple[Null, ...]:
    """Null points of a line: on it and on the side that is not asked for."""
    found = []
    for stable in (0.0, 0.01, 0.07, 0.3, 0.5, 0.9, 1.0):
        edge = ratio * stable + delta
        if worse and edge >= 0:
            found += [Null(stable, min(edge, 1.0) * part) for part in (1.0, 0.6, 0.0)]
        if not worse and edge <= 1:
            found += [Null(stable, max(edge, 0.0) + (1 - max(edge, 0.0)) * part) for part in (0.0, 0.4, 1.0)]
    return tuple(found)


def adaptive(history: tuple[Pair, ...], log_e: float) -> Next:
    """Two or three blocks whose sizes, temper and cap follow from what was seen, with an early stop."""
    match history:
        case ():
            return Next(3, 4)
        case (first,) if log_e > 0.4:
            return Next(1, 4, temper=1.5) if first.ks else STOP
        case (first,):
            return Next(4, 1) if first.kc else Next(2, 3, cap=0.5)
        case (first, second) if first.kc + second.kc <= 1:
            return Next(2, 2, temper=2.0 if second.ks else 1.0)
        case _:
            return STOP
