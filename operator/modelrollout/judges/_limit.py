"""Evidence about one limit: is the candidate's rate above a constant, or below it?

For a quantile the rate is that of the values above the limit: "p99 at most 0.5 s" says that at most 1 % are above it. The
limit moves up to the next bound of the histogram.

Once the candidate answers everything a change detector watches the limit too, with the time to a false alarm that it has
elsewhere: evidence for a healthy hour would have to be undone first. The tests go on, for a limit that must still be passed.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.tally import Block, Histogram, Paired, Rate
from modelrollout.evidence import mixture
from modelrollout.evidence.constant import ConstantTest
from modelrollout.evidence.forecast import requests_needed_for_limit
from modelrollout.evidence.mixture import Mixture
from modelrollout.evidence.onset import Onset
from modelrollout.evidence.pair import Pair
from modelrollout.judges import _watch
from modelrollout.judges._base import Question
from modelrollout.judges._bounds import above, choose
from modelrollout.judges._case import Damping, counts, restore
from modelrollout.judges._forecast import left
from modelrollout.judges._quantile import MOST_BOUNDS, Totals, label, read_totals, shown, write_totals
from modelrollout.judges._shown import show
from modelrollout.judges._stored import count, down, fields, number, numbers, short
from modelrollout.judges._watch import Watch

VERSION = 2
"""Of stored ledgers, see ``compare.py``."""
DEFAULT_QUANTILE = 0.99
"""What a limit of a histogram is about when the metric names no quantile."""
_NAMES = {"rate": Rate, "histogram": Histogram, "paired": Paired}


@dataclass(frozen=True)
class LimitLedger:
    """What was gathered about a limit.

    Attributes:
        question: what it is about.
        against: evidence that the value is above the limit.
        within: evidence that it is below it.
        blocks: number of blocks.
        past: bad and all requests; of a histogram, bad are those above the limit.
        bounds: of the histogram.
        values: of the histogram.
        watch: what was seen since stable is gone.
    """

    question: Question
    against: Mixture
    within: Mixture
    blocks: int = 0
    past: Pair = field(default_factory=Pair)
    bounds: tuple[float, ...] = ()
    values: Totals = field(default_factory=Totals)
    watch: Watch | None = None


def allowed(limit: float, question: Question) -> float:
    """Return the share of bad requests that is allowed: the limit itself, or what a quantile leaves above it."""
    return 1 - (question.quantile or DEFAULT_QUANTILE) if question.form is Histogram else limit


def begin(limit: float, question: Question) -> LimitLedger:
    """Return the ledger before the first block."""
    above_it, below_it = _tests(limit, question)
    return LimitLedger(question, above_it.start(), below_it.start())


def weigh(limit: float, ledger: LimitLedger, block: Block, damping: Damping) -> LimitLedger:
    """Fold one block in."""
    if block.alone and ledger.watch is None:
        ledger = replace(ledger, watch=_watch.begin(1))
    match block.candidate:
        case Rate(bad, total) if ledger.question.form is Rate:
            return _step(limit, ledger, counts(bad, total), damping)
        case Paired() as pairs if ledger.question.form is Paired:
            return _step(limit, ledger, counts(pairs.both + pairs.candidate, pairs.total), damping)
        case Histogram() as tally if ledger.question.form is Histogram:
            bounds = ledger.bounds or choose(tally, tally, MOST_BOUNDS)
            ledger = replace(ledger, bounds=bounds)
            slow = above(tally, bounds)
            at = next((bound for bound in bounds if bound >= limit and bound in slow), None)
            if len(slow) == len(bounds) > 0:
                ledger = replace(ledger, values=ledger.values.add(slow, tally.total, bounds))
            return _step(limit, ledger, counts(slow[at], tally.total), damping) if at is not None else ledger
        case _:
            return ledger


def temper(ledger: LimitLedger, power: float) -> LimitLedger:
    """Return the ledger with its evidence raised to a power below 1."""
    return replace(ledger, against=mixture.temper(ledger.against, power), within=mixture.temper(ledger.within, power))


def evidence(limit: float, ledger: LimitLedger, least: int) -> Evidence:
    """Return what has been gathered; a pass needs at least so many requests."""
    above_it, below_it = _tests(limit, ledger.question)
    past, is_histogram, beta = ledger.past, ledger.question.form is Histogram, ledger.question.beta
    quantile = ledger.question.quantile or DEFAULT_QUANTILE
    within, watch = below_it.log_e(ledger.within), ledger.watch
    rate = (past.kc + 0.5) / (past.nc + 1)
    if is_histogram:
        value = shown(ledger.values, ledger.bounds, quantile)
    elif watch is not None and watch.total:
        value = watch.rate(0)
    else:
        value = past.kc / past.nc if past.nc > 0 else None
    return show(
        against=above_it.log_e(ledger.against),
        alarm=watch.alarm(ledger.question.alpha) if watch is not None else -math.inf,
        within=within,
        worse=0.0,
        candidate=value,
        stable=None,
        past=past,
        needed=left(requests_needed_for_limit(rate, below_it.limit, beta), within, beta),
        least=least,
        about=label(quantile) if is_histogram else "",
    )


def dump(ledger: LimitLedger) -> list[Any]:
    """Return a ledger as JSON values."""
    name = next(name for name, form in _NAMES.items() if form is ledger.question.form)
    states = [[down(part) for part in state.parts] for state in (ledger.against, ledger.within)]
    return [
        VERSION,
        name,
        ledger.question.horizon,
        ledger.question.quantile or 0,
        ledger.blocks,
        [short(ledger.past.kc), short(ledger.past.nc)],
        states,
        list(ledger.bounds),
        write_totals(ledger.values),
        _watch.write(ledger.watch),
    ]


def load(limit: float, question: Question, raw: object) -> LimitLedger:
    """Return the ledger that was dumped.

    Raises:
        ValueError: it is of another version, or damaged.
    """
    version, name, horizon, quantile, blocks, past, states, bounds, values, watch = fields(raw, 10)
    if version != VERSION or horizon != question.horizon or not isinstance(name, str) or name not in _NAMES:
        raise ValueError("The ledger is of another version.")
    q = number(quantile)
    if not 0 <= q < 1:
        raise ValueError("The ledger holds a quantile that is none.")
    asked = replace(question, form=_NAMES[name], quantile=q or None)
    empty, steps, places = begin(limit, asked), count(blocks), tuple(numbers(bounds))
    bad, total = numbers(past, 2, 2)
    if not 0 <= bad <= total:
        raise ValueError("The ledger holds more bad requests than requests.")
    against, within = (
        restore(test, numbers(state, test.alternatives, test.alternatives), steps)
        for test, state in zip(_tests(limit, asked), fields(states, 2), strict=True)
    )
    return replace(
        empty,
        against=against,
        within=within,
        blocks=steps,
        past=Pair(bad, total),
        bounds=places,
        values=read_totals(values, len(places)),
        watch=_watch.read(watch, 1),
    )


def _tests(limit: float, question: Question) -> tuple[ConstantTest, ConstantTest]:
    constant = allowed(limit, question)
    return ConstantTest(constant, onset=Onset(question.horizon)), ConstantTest(constant, above=False)


def _step(limit: float, ledger: LimitLedger, block: Pair, damping: Damping) -> LimitLedger:
    above_it, below_it = _tests(limit, ledger.question)
    watch = ledger.watch
    if watch is not None:
        watch = _watch.look(watch, [allowed(limit, ledger.question)], [block.kc], block.nc, damping)
    return replace(
        ledger,
        against=above_it.step(ledger.against, ledger.past, block, damping.noise, damping.cap),
        within=below_it.step(ledger.within, ledger.past, block, damping.noise, damping.cap),
        blocks=ledger.blocks + 1,
        past=ledger.past + block,
        watch=watch,
    )
