"""Comparing rates: bad requests of all requests."""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from typing import Any

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.tally import Block, Rate
from modelrollout.evidence.interval import Bounds, IntervalGrid
from modelrollout.judges import _case, _watch
from modelrollout.judges._base import Question
from modelrollout.judges._case import Case, Claim, Damping, counts
from modelrollout.judges._compare import CompareConfig, Form
from modelrollout.judges._forecast import further
from modelrollout.judges._margin import accepted, rate_claim
from modelrollout.judges._shown import show
from modelrollout.judges._stored import count, down, fields, numbers
from modelrollout.judges._watch import Watch

_PRIOR_RATE, _PRIOR_N = 0.01, 20.0


@dataclass(frozen=True)
class RateLedger:
    """What was gathered about a rate.

    Attributes:
        question: what it is about.
        claim: what is tested.
        blocks: number of blocks with both sides.
        case: evidence and totals.
        bounds: where the difference of the rates lies.
        watch: what was seen since stable is gone.
    """

    question: Question
    claim: Claim
    blocks: int
    case: Case
    bounds: Bounds
    watch: Watch | None = None


class Rates(Form[RateLedger]):
    """One case, and an interval of the difference."""

    name = "rate"

    def begin(self, config: CompareConfig, question: Question) -> RateLedger:
        """Return the ledger before the first block."""
        claim = rate_claim(
            accepted(config.margin, Rate),
            strict=config.strict,
            horizon=question.horizon,
            prior_rate=_PRIOR_RATE,
            prior_n=_PRIOR_N,
        )
        before = question.before if isinstance(question.before, Rate) else Rate(0.0, 0.0)
        case = _case.begin(claim, before.bad, before.total)
        return RateLedger(question, claim, 0, case, _grid(question).start())

    def weigh(self, config: CompareConfig, ledger: RateLedger, block: Block, damping: Damping) -> RateLedger:
        """Fold one block in."""
        candidate, stable = block.candidate, block.stable
        if not isinstance(candidate, Rate):
            return ledger
        if not isinstance(stable, Rate):
            limit = _watch.constant(accepted(config.margin, Rate), ledger.case.past)
            watch = ledger.watch or _watch.begin(1)
            return replace(ledger, watch=_watch.look(watch, [limit], [candidate.bad], candidate.total, damping))
        pair = counts(candidate.bad, candidate.total, stable.bad, stable.total)
        bounds = _grid(ledger.question).step(ledger.bounds, ledger.case.guide, pair, damping.noise, damping.cap)
        case = _case.fold(ledger.claim, ledger.case, pair, damping)
        return RateLedger(ledger.question, ledger.claim, ledger.blocks + 1, case, bounds, ledger.watch)

    def temper(self, ledger: RateLedger, power: float) -> RateLedger:
        """Return the ledger with its evidence raised to a power below 1."""
        return replace(ledger, case=_case.temper(ledger.case, power))

    def evidence(self, config: CompareConfig, ledger: RateLedger) -> Evidence:
        """Return what has been gathered."""
        claim, case, watch, question = ledger.claim, ledger.case, ledger.watch, ledger.question
        low, high = _grid(question).interval(ledger.bounds)
        within = _case.within(claim, case)
        alarm = watch.alarm(question.alpha) if watch else -inf
        return show(
            against=_case.against(claim, case),
            alarm=alarm,
            within=within,
            worse=_case.worse(claim, case),
            candidate=case.candidate if watch is None or not watch.total else watch.rate(0),
            stable=case.stable,
            low=low,
            high=high,
            past=case.past,
            needed=further(accepted(config.margin, Rate), case.past, within, question.beta),
            least=config.min_requests,
        )

    def write(self, ledger: RateLedger) -> list[Any]:
        """Return what is to be stored."""
        bounds = ledger.bounds
        grid = [bounds.low, bounds.high, *map(down, bounds.over), *map(down, bounds.under), *map(down, bounds.alike)]
        return [ledger.blocks, _case.write(ledger.case), grid, _watch.write(ledger.watch)]

    def read(self, config: CompareConfig, question: Question, raw: object) -> RateLedger:
        """Return what was stored."""
        empty = self.begin(config, question)
        blocks, case, grid, watch = fields(raw, 4)
        steps = count(blocks)
        return replace(
            empty,
            blocks=steps,
            case=_case.read(empty.claim, case, steps),
            bounds=_read_grid(_grid(question), grid),
            watch=_watch.read(watch, 1),
        )


def _grid(question: Question) -> IntervalGrid:
    return _grid_for(question.alpha)


@lru_cache(maxsize=64)
def _grid_for(alpha: float) -> IntervalGrid:
    return IntervalGrid(alpha, _PRIOR_RATE, _PRIOR_N)


def _read_grid(grid: IntervalGrid, raw: object) -> Bounds:
    values = numbers(raw, 2)
    low, high, most = int(values[0]), int(values[1]), len(grid.differences)
    size = high - low - 1
    if not (-1 <= low < high <= most and len(values) == 2 + 3 * size):
        raise ValueError("The ledger holds an interval that is none of its grid.")
    over, under, alike = (tuple(values[2 + part * size : 2 + (part + 1) * size]) for part in range(3))
    return Bounds(low, high, over, under, alike)
