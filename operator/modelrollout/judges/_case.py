"""A case: all that was gathered for and against the candidate about one rate.

Every comparison comes down to cases: a rate is one, a histogram is one for each bound, shares are two for each class. What
is tested about a case is its claim; it is the same for all of them, so only what was gathered is kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

from modelrollout.evidence import mixture
from modelrollout.evidence.mixture import Mixture, log_sum
from modelrollout.evidence.onset import Onset
from modelrollout.evidence.pair import Pair, PairTest
from modelrollout.judges._stored import down, numbers, short

MOST_BEFORE = 100.0
"""Requests that what stable did before the first block counts for, at most."""
_TOTALS = 7
"""Numbers of a stored case before its states."""


@dataclass(frozen=True)
class Damping:
    """What takes evidence away where requests are not as independent as they should be.

    Attributes:
        noise: φ, at least 1; evidence is divided by it.
        cap: the most that one block may add.
    """

    noise: float = 1.0
    cap: float = math.inf


@dataclass(frozen=True)
class Claim:
    """What is tested about a rate.

    Attributes:
        against: tests that say "beyond the margin", one for each part of it. The larger part counts, so all must speak: the
            null is the union of theirs, and the least of their e-processes is one for a union.
        within: tests that say "within the margin", one for each part. Who is within one part is within the margin, so one
            is enough: the null is the intersection of theirs, and an average of their e-processes is one for it.
        worse: the test that says "worse at all".
    """

    against: tuple[PairTest, ...]
    within: tuple[PairTest, ...]
    worse: PairTest

    @cached_property
    def tests(self) -> tuple[PairTest, ...]:
        """All tests, in the order of a case's states."""
        return (*self.against, *self.within, self.worse)


@dataclass(frozen=True)
class Case:
    """What was gathered about one rate.

    Attributes:
        past: totals of all blocks.
        expected: bad requests that the candidate would have had with stable's rate of the same minutes.
        states: of the claim's tests.
        before: what stable did before the first block: where the tests look for a difference at first.
    """

    past: Pair
    expected: float
    states: tuple[Mixture, ...]
    before: Pair = field(default_factory=Pair)

    @property
    def guide(self) -> Pair:
        """Everything that was known before the next block."""
        return self.before + self.past

    @property
    def candidate(self) -> float | None:
        """The candidate's rate."""
        return self.past.kc / self.past.nc if self.past.nc > 0 else None

    @property
    def stable(self) -> float | None:
        """Stable's rate, each minute as heavy as the candidate's requests in it: comparable while weight and level move."""
        return self.expected / self.past.nc if self.past.nc > 0 else None


def counts(bad: float, total: float, stable_bad: float = 0.0, stable_total: float = 0.0) -> Pair:
    """Return counts of a block. Counters are read one after the other, so a part may exceed its whole by a little."""
    return Pair(min(max(bad, 0.0), total), float(total), min(max(stable_bad, 0.0), stable_total), float(stable_total))


def begin(claim: Claim, bad: float = 0.0, total: float = 0.0) -> Case:
    """Return the case before the first block.

    Args:
        claim: what is tested.
        bad: stable's bad requests before it, as far as they are known.
        total: all of them. They count as much as a few blocks: a rate of another hour is a hint and no more.
    """
    weight = min(MOST_BEFORE / total, 1.0) if total > 0 else 0.0
    before = counts(0.0, 0.0, bad * weight, total * weight)
    return Case(Pair(), 0.0, tuple(test.start() for test in claim.tests), before)


def fold(claim: Claim, case: Case, block: Pair, damping: Damping) -> Case:
    """Return the case with one more block."""
    guide = case.guide
    states = [
        test.step(state, guide, block, damping.noise, damping.cap)
        for test, state in zip(claim.tests, case.states, strict=True)
    ]
    expected = block.nc * block.ks / block.ns if block.ns > 0 else 0.0
    return Case(case.past + block, case.expected + expected, tuple(states), case.before)


def temper(case: Case, power: float) -> Case:
    """Return the case with all evidence raised to a power of at most 1."""
    return replace(case, states=tuple(mixture.temper(state, power) for state in case.states))


def against(claim: Claim, case: Case) -> float:
    """Return ln E that the rate is beyond the margin."""
    return min(test.log_e(state) for test, state in zip(claim.against, case.states, strict=False))


def within(claim: Claim, case: Case) -> float:
    """Return ln E that the rate is within the margin."""
    first = len(claim.against)
    return average([test.log_e(state) for test, state in zip(claim.within, case.states[first:-1], strict=True)])


def worse(claim: Claim, case: Case) -> float:
    """Return ln E that the rate is worse at all."""
    return claim.worse.log_e(case.states[-1])


def average(logs: Sequence[float]) -> float:
    """Return the logarithm of the average of e-values."""
    return log_sum(logs) - math.log(len(logs))


def write(case: Case) -> list[Any]:
    """Return a case to be stored; the number of its blocks is stored beside it."""
    past = case.past
    totals = [
        short(value) for value in (past.kc, past.nc, past.ks, past.ns, case.expected, case.before.ks, case.before.ns)
    ]
    return [*totals, *(down(part) for state in case.states for part in state.parts)]


def read(claim: Claim, raw: object, steps: int) -> Case:
    """Return the case that was stored.

    Raises:
        ValueError: it is none of such a claim.
    """
    tests = claim.tests
    length = _TOTALS + sum(test.alternatives for test in tests)
    values = numbers(raw, length, length)
    kc, nc, ks, ns, expected, bad, total = values[:_TOTALS]
    if not (0 <= kc <= nc and 0 <= ks <= ns and 0 <= expected <= nc and 0 <= bad <= total):
        raise ValueError("The ledger holds more bad requests than requests.")
    rest = iter(values[_TOTALS:])
    states = tuple(restore(test, [next(rest) for _ in range(test.alternatives)], steps) for test in tests)
    return Case(Pair(kc, nc, ks, ns), expected, states, Pair(ks=bad, ns=total))


class Mixed(Protocol):
    """A test whose state is a mixture."""

    @property
    def onset(self) -> Onset | None:
        """Prior of the block in which a regression begins."""

    def start(self) -> Mixture:
        """Return the state before the first block."""
        ...


def restore(test: Mixed, parts: Sequence[float], steps: int) -> Mixture:
    """Return the state of a test after so many blocks."""
    if steps == 0:
        return test.start()
    return Mixture(tuple(parts), test.onset.rest(steps) if test.onset else 0.0, steps)
