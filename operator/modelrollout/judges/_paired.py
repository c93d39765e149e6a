"""Comparing bad answers to the same requests: only pairs in which exactly one answer is bad tell the versions apart.

What lies in the request hits both and cancels out, so far fewer requests are needed than for two separate rates.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.tally import Block, Paired
from modelrollout.evidence.forecast import requests_until
from modelrollout.evidence.mixture import Mixture
from modelrollout.evidence.onset import Onset
from modelrollout.evidence.pair import Pair
from modelrollout.evidence.paired import Cells, PairedTest
from modelrollout.judges._base import Question
from modelrollout.judges._case import Damping, restore
from modelrollout.judges._compare import CompareConfig, Form
from modelrollout.judges._forecast import whole
from modelrollout.judges._margin import TOLERANCE, accepted
from modelrollout.judges._shown import show
from modelrollout.judges._stored import count, down, fields, numbers, short

ABOUT = "the same requests"
"""What the values are of."""


@dataclass(frozen=True)
class PairedLedger:
    """What was gathered about pairs of answers.

    Attributes:
        question: what it is about.
        states: of the tests: beyond the margin, within it, worse at all.
        past: all pairs so far.
        blocks: number of them.
    """

    question: Question
    states: tuple[Mixture, ...]
    past: Paired
    blocks: int = 0


class Pairs(Form[PairedLedger]):
    """The four kinds of pairs; the candidate's side of a block holds them all."""

    name = "paired"

    def begin(self, config: CompareConfig, question: Question) -> PairedLedger:
        """Return the ledger before the first block."""
        states = tuple(test.start() for test in _tests(config, question.horizon))
        return PairedLedger(question, states, Paired())

    def weigh(self, config: CompareConfig, ledger: PairedLedger, block: Block, damping: Damping) -> PairedLedger:
        """Fold one block in."""
        pairs = block.candidate
        if not isinstance(pairs, Paired):
            return ledger
        cells = Cells(pairs.candidate, pairs.stable, pairs.total)
        states = tuple(
            test.step(state, cells, damping.noise, damping.cap)
            for test, state in zip(_tests(config, ledger.question.horizon), ledger.states, strict=True)
        )
        past = ledger.past
        total = Paired(
            past.both + pairs.both,
            past.candidate + pairs.candidate,
            past.stable + pairs.stable,
            past.neither + pairs.neither,
        )
        return replace(ledger, states=states, past=total, blocks=ledger.blocks + 1)

    def evidence(self, config: CompareConfig, ledger: PairedLedger) -> Evidence:
        """Return what has been gathered."""
        tests = _tests(config, ledger.question.horizon)
        against, within, worse = (test.log_e(state) for test, state in zip(tests, ledger.states, strict=True))
        past = ledger.past
        # Half a pair of either kind, as a few pairs without any do not mean that there are none.
        differ = (past.candidate + past.stable + 1) / (past.total + 2) / 2
        return show(
            against=against,
            within=within,
            worse=worse,
            candidate=(past.both + past.candidate) / past.total if past.total > 0 else None,
            stable=(past.both + past.stable) / past.total if past.total > 0 else None,
            past=Pair(nc=past.total, ns=past.total),
            needed=_further(tests[1], ledger.states[1], differ, ledger.question.beta),
            least=config.min_requests,
            about=ABOUT,
        )

    def write(self, ledger: PairedLedger) -> list[Any]:
        """Return what is to be stored."""
        past = ledger.past
        pairs = [short(float(value)) for value in (past.both, past.candidate, past.stable, past.neither)]
        return [ledger.blocks, pairs, [[down(part) for part in state.parts] for state in ledger.states]]

    def read(self, config: CompareConfig, question: Question, raw: object) -> PairedLedger:
        """Return what was stored."""
        blocks, pairs, states = fields(raw, 3)
        tests, steps, cells = _tests(config, question.horizon), count(blocks), numbers(pairs, 4, 4)
        if min(cells) < 0:
            raise ValueError("The ledger holds less than no pairs.")
        restored = (
            restore(test, numbers(state, test.alternatives, test.alternatives), steps)
            for test, state in zip(tests, fields(states, len(tests)), strict=True)
        )
        return PairedLedger(question, tuple(restored), Paired(*cells), steps)


def needed(config: CompareConfig, rate: float, beta: float) -> int | None:
    """Return how many pairs a pass takes when each version answers badly at a rate, independently of the other."""
    test = _tests(config, 1)[1]
    found = _further(test, test.start(), rate * (1 - rate), beta)
    return max(found, config.min_requests) if found is not None else None


def _tests(config: CompareConfig, horizon: int) -> tuple[PairedTest, PairedTest, PairedTest]:
    """Return the tests that say "beyond the margin", "within it" and "worse at all"; only "within" knows of no onset."""
    margin, onset = _absolute(config), Onset(horizon)
    beyond = min(margin, TOLERANCE) if config.strict else margin
    return PairedTest(beyond, onset=onset), PairedTest(margin, worse=False), PairedTest(0.0, onset=onset)


def _absolute(config: CompareConfig) -> float:
    absolute = accepted(config.margin, Paired).absolute
    assert absolute is not None
    return absolute


def _further(test: PairedTest, state: Mixture, differ: float, beta: float) -> int | None:
    """Return how many more pairs bring a pass when in so large a share only the candidate is bad, and only stable."""
    growth = test.increments(Cells(differ, differ, 1.0))
    return whole(requests_until(state, growth, math.log(1 / beta)))
