"""Comparing one quantile: "p99 at most 1.2 times stable's".

Quantiles that are read off two histograms and divided say little: noise alone doubles them. So it is turned round. Let b be the
first bound that is at least 1.2 times stable's p99, as stable's earlier blocks have it: then the candidate's p99 is within
the margin as long as at most 1 % of its values are above b, and that is a rate. b is chosen again for each block, from
earlier ones only, so each block stays a fair test.

Against the candidate two things must hold: its rate above b exceeds 1 %, and it exceeds stable's rate above the same b. The
first alone would blame it for an incident that slows down both. The null is the union of the two, so the smaller evidence
counts, and block by block: what a block may add to the first is capped by what it adds to the second. That keeps an
incident of both and an old small difference between them, neither of which is beyond the margin, from adding up.
Each product stays a supermartingale under either null, as capping only ever takes evidence away.
"""

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from math import inf, isfinite
from typing import Any

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.tally import Block, Histogram
from modelrollout.evidence import mixture
from modelrollout.evidence.constant import ConstantTest
from modelrollout.evidence.forecast import requests_needed_for_limit
from modelrollout.evidence.mixture import Mixture
from modelrollout.evidence.onset import Onset
from modelrollout.evidence.pair import Pair
from modelrollout.evidence.ratio import RatioTest
from modelrollout.judges import _watch
from modelrollout.judges._base import Question
from modelrollout.judges._bounds import above, choose
from modelrollout.judges._case import Damping, counts, restore
from modelrollout.judges._compare import CompareConfig, Form, Quantile
from modelrollout.judges._forecast import left
from modelrollout.judges._margin import Accepted
from modelrollout.judges._shown import show
from modelrollout.judges._stored import count, down, fields, numbers, short
from modelrollout.judges._watch import Watch

MOST_BOUNDS = 64
_LEAST_ABOVE = 5.0
"""Values of stable above a quantile that it takes to know where that is."""


@dataclass(frozen=True)
class Totals:
    """All values of one side.

    Attributes:
        above: by bound.
        total: of them.
    """

    above: tuple[float, ...] = ()
    total: float = 0.0

    def add(self, slow: dict[float, float], total: float, bounds: tuple[float, ...]) -> "Totals":
        """Return the totals with one more block."""
        before = self.above or (0.0,) * len(bounds)
        return Totals(tuple(old + slow[bound] for old, bound in zip(before, bounds, strict=True)), self.total + total)

    def quantile(self, bounds: tuple[float, ...], q: float) -> float | None:
        """Return a quantile, values being spread evenly between two bounds; infinity above the last one."""
        if self.total <= 0:
            return None
        rank, lower, below = q * self.total, min(0.0, bounds[0]), 0.0
        for bound, slow in zip(bounds, self.above, strict=True):
            at_most = self.total - slow
            if at_most >= rank and at_most > below:
                return lower + (bound - lower) * max(rank - below, 0.0) / (at_most - below)
            lower, below = bound, at_most
        return inf


@dataclass(frozen=True)
class QuantileLedger:
    """What was gathered about a quantile.

    Attributes:
        question: what it is about.
        blocks: number of blocks with both sides.
        bounds: that both sides knew in the first block; empty before it.
        candidate: its values.
        stable: its values.
        against: evidence that the candidate is beyond the margin.
        within: evidence that it is within the margin.
        worse: evidence that more of its values are above the bound than of stable's.
        watch: what was seen since stable is gone.
    """

    question: Question
    against: Mixture
    within: Mixture
    worse: Mixture
    blocks: int = 0
    bounds: tuple[float, ...] = ()
    candidate: Totals = field(default_factory=Totals)
    stable: Totals = field(default_factory=Totals)
    watch: Watch | None = None


class HistogramQuantile(Form[QuantileLedger]):
    """One rate: values above a bound that moves with stable."""

    name = "quantile"

    def begin(self, config: CompareConfig, question: Question) -> QuantileLedger:
        """Return the ledger before the first block."""
        against, within, worse = _tests(config, question)
        return QuantileLedger(question, against.start(), within.start(), worse.start())

    def weigh(self, config: CompareConfig, ledger: QuantileLedger, block: Block, damping: Damping) -> QuantileLedger:
        """Fold one block in."""
        candidate, stable = block.candidate, block.stable
        if not isinstance(candidate, Histogram):
            return ledger
        asked = _asked(config)
        at = boundary(asked, ledger.stable, ledger.bounds)
        if not isinstance(stable, Histogram):
            return _look(asked, ledger, at, candidate, damping)
        bounds = ledger.bounds or choose(candidate, stable, MOST_BOUNDS)
        if not bounds:
            return ledger
        slow, slow_stable = above(candidate, bounds), above(stable, bounds)
        pair = Pair()
        if at is not None and at in slow and at in slow_stable:
            pair = counts(slow[at], candidate.total, slow_stable[at], stable.total)
        ledger = replace(ledger, bounds=bounds, **_step(config, ledger, pair, damping))
        if len(slow) == len(slow_stable) == len(bounds):
            ledger = replace(
                ledger,
                candidate=ledger.candidate.add(slow, candidate.total, bounds),
                stable=ledger.stable.add(slow_stable, stable.total, bounds),
            )
        return ledger

    def temper(self, ledger: QuantileLedger, power: float) -> QuantileLedger:
        """Return the ledger with its evidence raised to a power below 1."""
        against, within, worse = (
            mixture.temper(state, power) for state in (ledger.against, ledger.within, ledger.worse)
        )
        return replace(ledger, against=against, within=within, worse=worse)

    def evidence(self, config: CompareConfig, ledger: QuantileLedger) -> Evidence:
        """Return what has been gathered; its values are the quantiles."""
        asked, question, watch = _asked(config), ledger.question, ledger.watch
        against, inside, worse = _tests(config, question)
        candidate, stable = (shown(side, ledger.bounds, asked.q) for side in (ledger.candidate, ledger.stable))
        within = inside.log_e(ledger.within)
        alarm = watch.alarm(question.alpha) if watch else -inf
        return show(
            against=against.log_e(ledger.against),
            alarm=alarm,
            within=within,
            worse=worse.log_e(ledger.worse),
            candidate=candidate,
            stable=stable,
            past=Pair(0.0, ledger.candidate.total, 0.0, ledger.stable.total),
            needed=_needed(asked, ledger, within),
            least=config.min_requests,
            about=label(asked.q),
        )

    def write(self, ledger: QuantileLedger) -> list[Any]:
        """Return what is to be stored."""
        totals = [write_totals(side) for side in (ledger.candidate, ledger.stable)]
        states = [[down(part) for part in state.parts] for state in (ledger.against, ledger.within, ledger.worse)]
        return [ledger.blocks, list(ledger.bounds), totals, states, _watch.write(ledger.watch)]

    def read(self, config: CompareConfig, question: Question, raw: object) -> QuantileLedger:
        """Return what was stored."""
        blocks, bounds, totals, states, watch = fields(raw, 5)
        steps, places = count(blocks), tuple(numbers(bounds))
        sides = [read_totals(side, len(places)) for side in fields(totals, 2)]
        against, within, worse = (
            restore(test, numbers(state, test.alternatives, test.alternatives), steps)
            for test, state in zip(_tests(config, question), fields(states, 3), strict=True)
        )
        return QuantileLedger(
            question, against, within, worse, steps, places, sides[0], sides[1], _watch.read(watch, 1)
        )


def boundary(asked: Quantile, stable: Totals, bounds: tuple[float, ...]) -> float | None:
    """Return the first bound that is at least so many times stable's quantile; None while that is not known, or is no bound."""
    if stable.total * (1 - asked.q) < _LEAST_ABOVE:
        return None
    found = stable.quantile(bounds, asked.q)
    if found is None or not isfinite(found):
        return None
    index = bisect_left(bounds, asked.ratio * found)
    return bounds[index] if index < len(bounds) else None


def label(q: float) -> str:
    """Return how people call a quantile: ``p99``."""
    return f"p{100 * q:g}"


def _asked(config: CompareConfig) -> Quantile:
    assert config.quantile is not None
    return config.quantile


def _tests(config: CompareConfig, question: Question) -> tuple[ConstantTest, ConstantTest, RatioTest]:
    onset, limit = Onset(question.horizon), 1 - _asked(config).q
    return ConstantTest(limit, onset=onset), ConstantTest(limit, above=False), RatioTest(1.0, onset=onset)


def _step(config: CompareConfig, ledger: QuantileLedger, block: Pair, damping: Damping) -> dict[str, Any]:
    """Return what one block changes; without a boundary it holds nothing and says nothing."""
    against, within, worse = _tests(config, ledger.question)
    past = Pair()  # these tests have fixed alternatives
    compared = worse.step(ledger.worse, past, block, damping.noise, damping.cap)
    gained = worse.log_e(compared) - worse.log_e(ledger.worse)
    return {
        "blocks": ledger.blocks + 1,
        "worse": compared,
        "against": against.step(ledger.against, past, block, damping.noise, min(damping.cap, gained)),
        "within": within.step(ledger.within, past, block, damping.noise, damping.cap),
    }


def _look(
    asked: Quantile, ledger: QuantileLedger, at: float | None, candidate: Histogram, damping: Damping
) -> QuantileLedger:
    """Hold the candidate against the quantile that stable had, or what it had above the bound if that was more."""
    watch = ledger.watch or _watch.begin(1)
    slow, stable = above(candidate, ledger.bounds), ledger.stable
    if at is None or at not in slow:
        return replace(ledger, watch=watch)
    had = Pair(0.0, 0.0, stable.above[ledger.bounds.index(at)], stable.total)
    usual = _watch.constant(Accepted(), had)
    limit = max(1 - asked.q, usual) if usual is not None else None
    return replace(ledger, watch=_watch.look(watch, [limit], [slow[at]], candidate.total, damping))


def shown(side: Totals, bounds: tuple[float, ...], q: float) -> float | None:
    """Return a quantile; one beyond the highest bound is that bound, as in Prometheus."""
    found = side.quantile(bounds, q) if bounds else None
    return min(found, bounds[-1]) if found is not None else None


def _needed(asked: Quantile, ledger: QuantileLedger, within: float) -> int | None:
    at = boundary(asked, ledger.stable, ledger.bounds)
    if at is None:
        return None
    rate = ledger.stable.above[ledger.bounds.index(at)] / ledger.stable.total
    return left(requests_needed_for_limit(rate, 1 - asked.q, ledger.question.beta), within, ledger.question.beta)


def write_totals(side: Totals) -> list[Any]:
    """Return totals to be stored."""
    return [short(side.total), *map(short, side.above)]


def read_totals(raw: object, bounds: int) -> Totals:
    """Return the totals that were stored.

    Raises:
        ValueError: they are none of so many bounds.
    """
    total, *slow = numbers(raw, 1, 1 + bounds)
    if slow and len(slow) != bounds:
        raise ValueError("The ledger holds a histogram of other bounds.")
    return Totals(tuple(slow), total)
