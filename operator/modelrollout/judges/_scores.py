"""What ``agreement`` gathers: evidence about the mean of a score, for and against the candidate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.tally import Block, Scores
from modelrollout.evidence.forecast import requests_until
from modelrollout.evidence.mixture import Mixture
from modelrollout.evidence.onset import Onset
from modelrollout.evidence.pair import Pair
from modelrollout.evidence.scores import ScoreTest
from modelrollout.judges._case import Damping, restore
from modelrollout.judges._forecast import whole
from modelrollout.judges._margin import TENTH
from modelrollout.judges._scale import Excess, Scale
from modelrollout.judges._shown import show
from modelrollout.judges._stored import count, down, fields, numbers, short


@dataclass(frozen=True)
class ScoreLedger:
    """What was gathered about a mean.

    Attributes:
        scale: what is counted.
        beta: highest chance of a false pass.
        horizon: blocks that it is planned for.
        states: of the tests.
        counts: of each value.
        blocks: number of them.
        scored: sum of the scores of all pairs, and their number; kept where only some pairs have an excess.
    """

    scale: Scale
    beta: float
    horizon: int
    states: tuple[Mixture, ...]
    counts: tuple[float, ...]
    blocks: int = 0
    scored: tuple[float, float] = (0.0, 0.0)

    @property
    def pairs(self) -> float:
        """Pairs of predictions; of an excess also those that stable answered once, as nobody sends the others alone."""
        return self.scored[1] if isinstance(self.scale, Excess) else sum(self.counts) * self.scale.pairs


@lru_cache(maxsize=256)
def tests(scale: Scale, horizon: int) -> tuple[ScoreTest, ...]:
    """Return the tests that say "on the bad side" and "on the good side", and of an excess "more than a tenth of the margin".

    Only what speaks against the candidate looks for a late onset: whoever wants to promote wants to know about all the time.
    """
    values, bad, onset = scale.values, scale.more_is_worse, Onset(horizon)
    found = (
        ScoreTest(scale.limit, values, above=bad, onset=onset),
        ScoreTest(scale.limit, values, above=not bad),
    )
    return (*found, ScoreTest(scale.limit * TENTH, values, onset=onset)) if isinstance(scale, Excess) else found


def begin(scale: Scale, horizon: int, beta: float) -> ScoreLedger:
    """Return the ledger before the first block."""
    states = tuple(test.start() for test in tests(scale, horizon))
    return ScoreLedger(scale, beta, horizon, states, (0.0,) * len(scale.values))


def weigh(ledger: ScoreLedger, block: Block, damping: Damping) -> ScoreLedger:
    """Fold one block in. Its candidate's side holds what both versions answered."""
    scale, tally = ledger.scale, block.candidate
    if isinstance(tally, Scores) and isinstance(scale, Excess):
        score = sum(value * count for value, count in tally.counts.items())
        ledger = replace(ledger, scored=(ledger.scored[0] + score, ledger.scored[1] + tally.total))
    counts = scale.counts(tally)
    if not any(counts):
        return ledger
    states = zip(tests(scale, ledger.horizon), ledger.states, strict=True)
    return replace(
        ledger,
        states=tuple(test.step(state, counts, damping.noise, damping.cap) for test, state in states),
        counts=tuple(before + more for before, more in zip(ledger.counts, counts, strict=True)),
        blocks=ledger.blocks + 1,
    )


def evidence(ledger: ScoreLedger, least: int) -> Evidence:
    """Return what has been gathered; a pass needs at least so many pairs."""
    scale = ledger.scale
    against, within, *worse = (
        test.log_e(state) for test, state in zip(tests(scale, ledger.horizon), ledger.states, strict=True)
    )
    value, stable = scale.shown(ledger.counts), None
    if isinstance(scale, Excess) and value is not None:
        # All pairs say what the agreement is; those that stable answered twice, by how much more it agrees with itself.
        agreement = ledger.scored[0] / ledger.scored[1]
        value, stable = agreement, min(max(agreement + value, 0.0), 1.0)
    return show(
        against=against,
        within=within,
        worse=worse[0] if worse else 0.0,
        candidate=value,
        stable=stable,
        past=Pair(nc=ledger.pairs, ns=sum(ledger.counts) * scale.pairs),
        needed=_needed(ledger),
        least=least,
        about=scale.about,
    )


def forecast(scale: Scale, law: Sequence[float], beta: float) -> int | None:
    """Return how many pairs a pass takes from nothing, with so much of each value; None when there is no end."""
    return _further(scale, tests(scale, 1)[1].start(), law, beta, float(scale.pairs))


def dump(ledger: ScoreLedger) -> list[Any]:
    """Return a ledger as JSON values."""
    return [
        ledger.scale.name,
        ledger.horizon,
        ledger.blocks,
        list(map(short, ledger.counts)),
        list(map(short, ledger.scored)),
        [[down(part) for part in state.parts] for state in ledger.states],
    ]


def load(scales: Sequence[Scale], horizon: int, beta: float, raw: Sequence[object]) -> ScoreLedger:
    """Return the ledger that was dumped.

    Args:
        scales: what it can be about.
        horizon: blocks that it must be planned for.
        beta: highest chance of a false pass.
        raw: what was dumped.

    Raises:
        ValueError: it is about something else, or damaged.
    """
    name, planned, blocks, counts, scored, states = raw
    scale = next((scale for scale in scales if scale.name == name), None)
    if scale is None or planned != horizon:
        raise ValueError("The ledger is of another config.")
    empty, steps, size = begin(scale, horizon, beta), count(blocks), len(scale.values)
    found, (total, pairs) = numbers(counts, size, size), numbers(scored, 2, 2)
    if not 0 <= total <= pairs or min(found) < 0:
        raise ValueError("The ledger holds less than no pairs.")
    asked = tests(scale, horizon)
    restored = (
        restore(test, numbers(state, test.alternatives, test.alternatives), steps)
        for test, state in zip(asked, fields(states, len(asked)), strict=True)
    )
    return replace(empty, states=tuple(restored), counts=tuple(found), blocks=steps, scored=(total, pairs))


def _needed(ledger: ScoreLedger) -> int | None:
    """Return how many more pairs bring a pass, if all goes on as it did; with a margin, as if both were alike."""
    law, seen = list(ledger.counts), sum(ledger.counts)
    if isinstance(ledger.scale, Excess):
        law = [(one + other) / 2 for one, other in zip(law, reversed(law), strict=True)]
    # Half a pair at either end, so that a few that are all good do not promise too much.
    law[0] += 0.5
    law[-1] += 0.5
    each = ledger.pairs / seen if seen else float(ledger.scale.pairs)
    return _further(ledger.scale, ledger.states[1], law, ledger.beta, each)


def _further(scale: Scale, state: Mixture, law: Sequence[float], beta: float, each: float) -> int | None:
    """Return how many more pairs bring a pass with so much of each value, of which one comes from so many pairs."""
    total = sum(law)
    growth = tests(scale, 1)[1].increments([part / total for part in law])
    return whole(requests_until(state, growth, math.log(1 / beta)) * each)
