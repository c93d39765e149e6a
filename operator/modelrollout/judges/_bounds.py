"""Comparing histograms as a whole: at each bound, the values above it are a rate of their own.

Slower by a little everywhere and a few much slower are both seen, at the bounds where they show. Against the candidate counts
the average over all bounds that can show something, as far as stable's past tells which; for it the least of all.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Any

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.tally import Block, Histogram
from modelrollout.evidence.pair import Pair
from modelrollout.judges import _case, _watch
from modelrollout.judges._base import Question
from modelrollout.judges._case import Case, Claim, Damping, average, counts
from modelrollout.judges._compare import CompareConfig, Form
from modelrollout.judges._forecast import further
from modelrollout.judges._margin import Accepted, accepted, rate_claim
from modelrollout.judges._shown import show
from modelrollout.judges._stored import count, fields, numbers
from modelrollout.judges._watch import Watch

MOST_BOUNDS = 24
_RAREST = 0.001
"""Share of stable's values above a bound below which a multiple of it cannot be proven in reasonable time."""
_MOST = 0.9
"""Share of stable's values above a bound from which on there is no room for a candidate that is slower."""
_RARE_BOUNDS = 2
"""Bounds above which stable had next to nothing that speak against a candidate: what is above the others is above these."""


@dataclass(frozen=True)
class BoundsLedger:
    """What was gathered about a histogram.

    Attributes:
        question: what it is about.
        claim: what is tested at each bound.
        blocks: number of blocks with both sides.
        bounds: that both sides knew in the first block; empty before it.
        cases: by bound.
        watch: what was seen since stable is gone.
    """

    question: Question
    claim: Claim
    blocks: int = 0
    bounds: tuple[float, ...] = ()
    cases: tuple[Case, ...] = ()
    watch: Watch | None = None


class HistogramBounds(Form[BoundsLedger]):
    """One case for each bound."""

    name = "bounds"

    def begin(self, config: CompareConfig, question: Question) -> BoundsLedger:
        """Return the ledger before the first block."""
        claim = rate_claim(
            accepted(config.margin, Histogram),
            strict=config.strict,
            horizon=question.horizon,
            prior_rate=0.1,
            prior_n=4.0,
        )
        return BoundsLedger(question, claim)

    def weigh(self, config: CompareConfig, ledger: BoundsLedger, block: Block, damping: Damping) -> BoundsLedger:
        """Fold one block in. A bound that a block does not have says nothing in it."""
        candidate, stable = block.candidate, block.stable
        if not isinstance(candidate, Histogram):
            return ledger
        if not isinstance(stable, Histogram):
            return self._look(config, ledger, candidate, damping) if ledger.bounds else ledger
        if not ledger.bounds:
            bounds = choose(candidate, stable, MOST_BOUNDS)
            ledger = replace(ledger, bounds=bounds, cases=_begin(ledger, bounds))
            # Where there were too many, what this block says has decided which are tested, so it is no test.
            if len(bounds) in (0, MOST_BOUNDS):
                return ledger
        slow, slow_stable = above(candidate, ledger.bounds), above(stable, ledger.bounds)
        cases = []
        for bound, case in zip(ledger.bounds, ledger.cases, strict=True):
            known = bound in slow and bound in slow_stable
            pair = counts(slow[bound], candidate.total, slow_stable[bound], stable.total) if known else Pair()
            cases.append(_case.fold(ledger.claim, case, pair, damping))
        return replace(ledger, blocks=ledger.blocks + 1, cases=tuple(cases))

    def _look(
        self, config: CompareConfig, ledger: BoundsLedger, candidate: Histogram, damping: Damping
    ) -> BoundsLedger:
        margin, slow = accepted(config.margin, Histogram), above(candidate, ledger.bounds)
        limits = [
            _watch.constant(margin, case.past) if bound in slow else None
            for bound, case in zip(ledger.bounds, ledger.cases, strict=True)
        ]
        watch = ledger.watch or _watch.begin(len(ledger.bounds))
        bad = [slow.get(bound, 0.0) for bound in ledger.bounds]
        return replace(ledger, watch=_watch.look(watch, limits, bad, candidate.total, damping))

    def temper(self, ledger: BoundsLedger, power: float) -> BoundsLedger:
        """Return the ledger with its evidence raised to a power below 1."""
        return replace(ledger, cases=tuple(_case.temper(case, power) for case in ledger.cases))

    def evidence(self, config: CompareConfig, ledger: BoundsLedger) -> Evidence:
        """Return what has been gathered; its values are the shares above the bound that speaks loudest."""
        claim, question, watch = ledger.claim, ledger.question, ledger.watch
        if not ledger.bounds:
            return Evidence()
        margin = accepted(config.margin, Histogram)
        telling = _telling(ledger.cases)
        against = [_case.against(claim, ledger.cases[index]) for index in telling]
        passing = [(case, _case.within(claim, case)) for case in ledger.cases if _provable(margin, case)]
        waits = [further(margin, case.past, within, question.beta) for case, within in passing]
        loudest = watch.loudest() if watch else telling[against.index(max(against))]
        case = ledger.cases[loudest]
        return show(
            against=average(against),
            alarm=watch.alarm(question.alpha) if watch else -inf,
            within=min((within for _, within in passing), default=0.0),
            worse=average([_case.worse(claim, ledger.cases[index]) for index in telling]),
            candidate=case.candidate if watch is None or not watch.total else watch.rate(loudest),
            stable=case.stable,
            past=max((case.past for case in ledger.cases), key=lambda past: past.nc),
            needed=None if None in waits or not waits else max(wait for wait in waits if wait is not None),
            least=config.min_requests,
            about=f"above {ledger.bounds[loudest]:g}",
        )

    def write(self, ledger: BoundsLedger) -> list[Any]:
        """Return what is to be stored."""
        cases = [_case.write(case) for case in ledger.cases]
        return [ledger.blocks, list(ledger.bounds), cases, _watch.write(ledger.watch)]

    def read(self, config: CompareConfig, question: Question, raw: object) -> BoundsLedger:
        """Return what was stored."""
        empty = self.begin(config, question)
        blocks, bounds, cases, watch = fields(raw, 4)
        steps, places = count(blocks), numbers(bounds, 0, MOST_BOUNDS)
        return replace(
            empty,
            blocks=steps,
            bounds=tuple(places),
            cases=tuple(_case.read(empty.claim, case, steps) for case in fields(cases, len(places))),
            watch=_watch.read(watch, len(places)),
        )


def _begin(ledger: BoundsLedger, bounds: Iterable[float]) -> tuple[Case, ...]:
    before = ledger.question.before
    slow, total = (above(before, bounds), before.total) if isinstance(before, Histogram) else ({}, 0.0)
    return tuple(_case.begin(ledger.claim, slow.get(bound, 0.0), total if bound in slow else 0.0) for bound in bounds)


def above(tally: Histogram, bounds: Iterable[float]) -> dict[float, float]:
    """Return how many values were above each of some bounds, as far as that is known.

    A bound that is not listed is known where the listed ones around it have the same count: nothing lies between them.
    """
    listed, total = [bound for bound, _ in tally.buckets], tally.total
    found = {}
    for bound in bounds:
        index = bisect_left(listed, bound)
        if index == len(listed):
            continue
        at_most = tally.buckets[index][1]
        below = tally.buckets[index - 1][1] if index else 0.0
        if listed[index] == bound or at_most == below:
            found[bound] = total - at_most
    return found


def choose(candidate: Histogram, stable: Histogram, most: int) -> tuple[float, ...]:
    """Return the bounds that both sides know, rising; of too many those from the lowest value upwards, as slow is what hurts."""
    every = sorted({bound for tally in (candidate, stable) for bound, _ in tally.buckets if isfinite(bound)})
    ours, theirs = above(candidate, every), above(stable, every)
    known = [bound for bound in every if bound in ours and bound in theirs]
    total = candidate.total + stable.total
    under = sum(ours[bound] + theirs[bound] >= total for bound in known)
    first = max(min(under - 1, len(known) - most), 0)
    return tuple(known[first : first + most])


def _telling(cases: Sequence[Case]) -> Sequence[int]:
    """Return which cases can speak against a candidate, as stable's past says: it is known before anything is tested."""
    every = range(len(cases))
    if not all(case.before.ns > 0 for case in cases):
        return every
    shares = [case.before.ks / case.before.ns for case in cases]
    rare = [index for index in every if shares[index] < _RAREST]
    found = [index for index in every if _RAREST <= shares[index] <= _MOST]
    return [*found, *rare[:_RARE_BOUNDS]] or every


def _provable(margin: Accepted, case: Case) -> bool:
    """Return whether a bound must pass: all of them, but not those that only a ratio is asked of and nearly nothing exceeds."""
    return margin.absolute is not None or (case.past.ns > 0 and case.past.ks / case.past.ns >= _RAREST)
