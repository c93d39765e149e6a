"""Comparing means: of values without a known range approximately, of others exactly, on a scale from 0 to 1.

In the direction that is worse there is one case; when any difference is worse there are two, of which the average counts
against the candidate and the least for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.tally import Block, Mean
from modelrollout.evidence.means import MeanTest, Sums
from modelrollout.evidence.pair import Pair
from modelrollout.judges import _case
from modelrollout.judges._base import Question
from modelrollout.judges._case import Case, Claim, Damping, average, counts
from modelrollout.judges._compare import CompareConfig, Form
from modelrollout.judges._forecast import further
from modelrollout.judges._margin import TENTH, Accepted, accepted, share_claim
from modelrollout.judges._shown import show
from modelrollout.judges._stored import count, fields, number, numbers, short

ABOUT = "mean"
_SIGNS = {"higher": (1.0,), "lower": (-1.0,), "different": (1.0, -1.0), None: (1.0, -1.0)}


@dataclass(frozen=True)
class Values:
    """Sums of values so far.

    Attributes:
        sum: of the candidate's.
        total: number of them.
        expected: what the sum would be with stable's mean of the same minutes.
        stable_total: number of stable's.
    """

    sum: float = 0.0
    total: float = 0.0
    expected: float = 0.0
    stable_total: float = 0.0

    def add(self, candidate: Mean, stable: Mean) -> "Values":
        """Return the sums with one more block."""
        if candidate.total <= 0 or stable.total <= 0:
            return self
        return Values(
            self.sum + candidate.sum,
            self.total + candidate.total,
            self.expected + candidate.total * stable.sum / stable.total,
            self.stable_total + stable.total,
        )

    def show(self, **logs: Any) -> Evidence:  # noqa: ANN401  # the other fields of Evidence
        """Return evidence about them."""
        return show(
            candidate=self.sum / self.total if self.total > 0 else None,
            stable=self.expected / self.total if self.total > 0 else None,
            past=Pair(0.0, self.total, 0.0, self.stable_total),
            about=ABOUT,
            **logs,
        )


@dataclass(frozen=True)
class MeanLedger:
    """What was gathered about a mean of values without a known range.

    Attributes:
        question: what it is about.
        values: sums so far.
        against: by direction, "worse than the margin".
        within: by direction, "within the margin".
        worse: by direction, "worse than a tenth of the margin".
    """

    question: Question
    values: Values
    against: tuple[Sums, ...]
    within: tuple[Sums, ...]
    worse: tuple[Sums, ...]


class Means(Form[MeanLedger]):
    """A test of blocks' means. It measures the noise itself, from block to block, and needs no φ."""

    name = "mean"

    def begin(self, config: CompareConfig, question: Question) -> MeanLedger:
        """Return the ledger before the first block."""
        against, within, worse = (tuple(test.start() for _ in _signs(config)) for test in _mean_tests(config))
        return MeanLedger(question, Values(), against, within, worse)

    def weigh(self, config: CompareConfig, ledger: MeanLedger, block: Block, damping: Damping) -> MeanLedger:  # noqa: ARG002  # see the class
        """Fold one block in."""
        candidate, stable = block.candidate, block.stable
        if not isinstance(candidate, Mean) or not isinstance(stable, Mean):
            return ledger

        def step(test: MeanTest, states: Sequence[Sums]) -> tuple[Sums, ...]:
            return tuple(
                test.step(state, (sign * candidate.sum, candidate.total, sign * stable.sum, stable.total))
                for sign, state in zip(_signs(config), states, strict=True)
            )

        against, within, worse = _mean_tests(config)
        return MeanLedger(
            ledger.question,
            ledger.values.add(candidate, stable),
            step(against, ledger.against),
            step(within, ledger.within),
            step(worse, ledger.worse),
        )

    def evidence(self, config: CompareConfig, ledger: MeanLedger) -> Evidence:
        """Return what has been gathered."""
        against, within, worse = _mean_tests(config)
        return ledger.values.show(
            against=average([against.log_e(state) for state in ledger.against]),
            within=min(within.log_e(state) for state in ledger.within),
            worse=average([worse.log_e(state) for state in ledger.worse]),
            needed=None,
            least=config.min_requests,
        )

    def write(self, ledger: MeanLedger) -> list[Any]:
        """Return what is to be stored; sums exactly, as evidence is not monotone in them."""
        states = [list(state) for state in (*ledger.against, *ledger.within, *ledger.worse)]
        return [_write_values(ledger.values), states]

    def read(self, config: CompareConfig, question: Question, raw: object) -> MeanLedger:
        """Return what was stored."""
        values, states = fields(raw, 2)
        size, width = len(_signs(config)), len(Sums._fields)
        found = [Sums(*numbers(state, width, width)) for state in fields(states, 3 * size)]
        if any(state.blocks < 0 or state.weight < 0 for state in found):
            raise ValueError("The ledger holds less than no blocks.")
        return MeanLedger(
            question, _read_values(values), tuple(found[:size]), tuple(found[size : 2 * size]), tuple(found[2 * size :])
        )


@dataclass(frozen=True)
class ScaledLedger:
    """What was gathered about a mean of values with a known range.

    Attributes:
        question: what it is about.
        claim: what is tested in each direction.
        blocks: number of blocks with both sides.
        values: sums so far.
        cases: by direction, of the values on a scale from 0, as good as can be, to 1, as bad as can be.
        outside: the first mean of a block that no values of the range can have; None: there was none.
    """

    question: Question
    claim: Claim
    blocks: int
    values: Values
    cases: tuple[Case, ...]
    outside: float | None = None


class ScaledMeans(Form[ScaledLedger]):
    """The sum of values from 0 to 1 is tested like a number of bad requests."""

    name = "scaled"

    def begin(self, config: CompareConfig, question: Question) -> ScaledLedger:
        """Return the ledger before the first block."""
        claim = share_claim(_scaled(config), strict=config.strict, horizon=question.horizon)
        return ScaledLedger(question, claim, 0, Values(), tuple(_case.begin(claim) for _ in _signs(config)))

    def weigh(self, config: CompareConfig, ledger: ScaledLedger, block: Block, damping: Damping) -> ScaledLedger:
        """Fold one block in."""
        candidate, stable = block.candidate, block.stable
        if not isinstance(candidate, Mean) or not isinstance(stable, Mean):
            return ledger
        cases = []
        for sign, case in zip(_signs(config), ledger.cases, strict=True):
            scale = _scale(config, sign)
            pair = counts(scale(candidate), candidate.total, scale(stable), stable.total)
            cases.append(_case.fold(ledger.claim, case, pair, damping))
        values = ledger.values.add(candidate, stable)
        seen = [ledger.outside, *(mean.sum / mean.total for mean in (candidate, stable) if _is_outside(config, mean))]
        outside = next((mean for mean in seen if mean is not None), None)
        return replace(ledger, blocks=ledger.blocks + 1, values=values, cases=tuple(cases), outside=outside)

    def evidence(self, config: CompareConfig, ledger: ScaledLedger) -> Evidence:
        """Return what has been gathered; nothing, once a value was outside the range."""
        if ledger.outside is not None:
            return ledger.values.show(against=0.0, within=0.0, worse=0.0, needed=None, least=config.min_requests)
        claim, beta = ledger.claim, ledger.question.beta
        passing = [_case.within(claim, case) for case in ledger.cases]
        margin = Accepted(_scaled(config))
        waits = [further(margin, case.past, within, beta) for case, within in zip(ledger.cases, passing, strict=True)]
        return ledger.values.show(
            against=average([_case.against(claim, case) for case in ledger.cases]),
            within=min(passing),
            worse=average([_case.worse(claim, case) for case in ledger.cases]),
            needed=None if None in waits else max(wait for wait in waits if wait is not None),
            least=config.min_requests,
        )

    def objection(self, config: CompareConfig, ledger: ScaledLedger) -> str:
        """Return which mean proves that values are outside the range."""
        if ledger.outside is None:
            return ""
        lowest, highest = _range(config)
        return (
            f"Values are outside the range from {lowest:g} to {highest:g} that compare names: their mean was "
            f"{ledger.outside:.6g} in a poll. Set lowest and highest to what no value can be beyond, or leave them out."
        )

    def write(self, ledger: ScaledLedger) -> list[Any]:
        """Return what is to be stored."""
        outside = short(ledger.outside) if ledger.outside is not None else False
        return [ledger.blocks, _write_values(ledger.values), [_case.write(case) for case in ledger.cases], outside]

    def read(self, config: CompareConfig, question: Question, raw: object) -> ScaledLedger:
        """Return what was stored."""
        empty = self.begin(config, question)
        blocks, values, cases, mean = fields(raw, 4)
        steps = count(blocks)
        found = tuple(_case.read(empty.claim, case, steps) for case in fields(cases, len(empty.cases)))
        outside = number(mean) if mean is not False else None
        return replace(empty, blocks=steps, values=_read_values(values), cases=found, outside=outside)


def _signs(config: CompareConfig) -> tuple[float, ...]:
    return _SIGNS[config.worse]


def _absolute(config: CompareConfig) -> float:
    absolute = accepted(config.margin, Mean).absolute
    assert absolute is not None
    return absolute


def _mean_tests(config: CompareConfig) -> tuple[MeanTest, MeanTest, MeanTest]:
    margin = _absolute(config)
    worse = MeanTest(margin * TENTH)
    return worse if config.strict else MeanTest(margin), MeanTest(margin, worse=False), worse


def _range(config: CompareConfig) -> tuple[float, float]:
    assert config.lowest is not None
    assert config.highest is not None
    return config.lowest, config.highest


def _is_outside(config: CompareConfig, mean: Mean) -> bool:
    """Return whether no values of the range can have this sum, but for one that is in only one of both counters yet."""
    lowest, highest = _range(config)
    slack = max(abs(lowest), abs(highest))
    return not lowest * mean.total - slack <= mean.sum <= highest * mean.total + slack


def _scaled(config: CompareConfig) -> float:
    lowest, highest = _range(config)
    return _absolute(config) / (highest - lowest)


def _scale(config: CompareConfig, sign: float) -> Callable[[Mean], float]:
    """Return how a sum is brought to a scale on which more is worse."""
    lowest, highest = _range(config)

    def scale(mean: Mean) -> float:
        share = (mean.sum - lowest * mean.total) / (highest - lowest)
        return share if sign > 0 else mean.total - share

    return scale


def _write_values(values: Values) -> list[Any]:
    return [short(value) for value in (values.sum, values.total, values.expected, values.stable_total)]


def _read_values(raw: object) -> Values:
    found = [number(value) for value in fields(raw, 4)]
    if found[1] < 0 or found[3] < 0:
        raise ValueError("The ledger holds less than no values.")
    return Values(*found)
