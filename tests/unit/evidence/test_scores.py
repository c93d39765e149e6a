"""Scores against a constant: no law within the null can win, counted out; and the same numbers as plain betting, pair by pair."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.evidence.forecast import requests_until
from modelrollout.evidence.mixture import Mixture
from modelrollout.evidence.onset import Onset
from modelrollout.evidence.paired import Cells, PairedTest
from modelrollout.evidence.scores import ScoreTest
from tests.unit.evidence.tables import SLACK

LATE = Onset(horizon=3, slots=2, first=0.6)
HALVES = (0.0, 0.5, 1.0)
SIGNED = (-1.0, -0.4, 0.0, 1.0)
COUPLES = tuple(d / 2 - 0.4 * c / 2 for d, c in product(range(3), range(3)))
LIMITS = [(0.9, HALVES), (0.3, HALVES), (0.05, SIGNED), (-0.5, SIGNED), (0.0, COUPLES)]
Law = tuple[float, ...]


def laws(test: ScoreTest) -> Iterator[Law]:
    """Yield laws of the null: all of two values with the mean at the limit, each alone that is inside, and blends of these."""
    inside = [value for value in test.values if (value <= test.limit) is test.above or value == test.limit]
    for value in inside:
        yield tuple(float(value == one) for one in test.values)
    for low, high in product(test.values, repeat=2):
        if low < test.limit < high:
            share = (test.limit - low) / (high - low)
            edge = {low: 1 - share, high: share}
            for away in (0.0, 0.2):
                kept = inside[0]
                yield tuple((1 - away) * edge.get(value, 0.0) + away * (value == kept) for value in test.values)


def outcomes(n: int, law: Law) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield all counts of n scores, each with its chance."""
    likely = [index for index, chance in enumerate(law) if chance]

    def fill(left: int, cells: Sequence[int]) -> Iterator[tuple[int, ...]]:
        if len(cells) == 1:
            yield (left,)
            return
        for first in range(left + 1):
            yield from ((first, *rest) for rest in fill(left - first, cells[1:]))

    for found in fill(n, likely):
        counts = [0] * len(law)
        chance = float(math.factorial(n))
        for index, count in zip(likely, found, strict=True):
            counts[index] = count
            chance *= law[index] ** count / math.factorial(count)
        yield tuple(counts), chance


def every_test() -> list[ScoreTest]:
    return [
        ScoreTest(limit, values, above, onset)
        for limit, values in LIMITS
        for above in (True, False)
        for onset in (None, LATE)
    ]


@pytest.mark.parametrize("test", every_test(), ids=str)
def test_no_law_of_the_null_can_win(test):
    """Up to three blocks whose sizes, temper, cap and end follow from what was seen."""

    def walk(law: Law, state: Mixture, blocks: int, before: tuple[int, ...]) -> float:
        if blocks == 3 or (blocks and test.log_e(state) > 0.4):
            return math.exp(test.log_e(state))
        n = 3 if blocks == 0 else 1 + before[0] % 2
        temper, cap = (1.7 if blocks and before[-1] else 1.0), (0.3 if blocks == 2 and before[0] else math.inf)
        return sum(
            chance * walk(law, test.step(state, counts, temper, cap), blocks + 1, counts)
            for counts, chance in outcomes(n, law)
        )

    found = [walk(law, test.start(), 0, ()) for law in laws(test)]
    assert len(found) >= 4
    assert max(found) <= 1 + SLACK


@pytest.mark.parametrize(("limit", "values"), LIMITS)
@pytest.mark.parametrize("above", [True, False])
def test_it_is_tight_at_the_limit(limit, values, above):
    test = ScoreTest(limit, values, above)
    low, high = min(values), max(values)
    share = (limit - low) / (high - low)
    law = tuple(share if value == high else 1 - share if value == low else 0.0 for value in values)
    means = [0.0] * test.alternatives
    for counts, chance in outcomes(4, law):
        for index, increment in enumerate(test.increments(counts)):
            means[index] += chance * math.exp(increment)
    assert means == pytest.approx([1.0] * test.alternatives, abs=1e-12)


def test_a_law_beyond_the_limit_does_win():
    """The counting finds what is wrong."""
    test = ScoreTest(0.9, HALVES, above=False)
    won = sum(chance * math.exp(test.log_e(test.step(test.start(), x))) for x, chance in outcomes(3, (0.3, 0.0, 0.7)))
    assert won > 1.5


@given(
    seed=st.integers(0, 2**32),
    chosen=st.integers(0, len(every_test()) - 1),
    depth=st.integers(1, 4),
)
@settings(max_examples=100, deadline=None)
def test_no_rule_for_stopping_sizes_and_tempering_can_win(seed, chosen, depth):
    test = every_test()[chosen]

    def walk(law: Law, state: Mixture, history: tuple[tuple[int, ...], ...]) -> float:
        # Any function of the past will do; a hash of it is one that no one would think of.
        dice = hash((seed, history))
        if len(history) >= depth or (history and dice % 5 == 0):
            return math.exp(test.log_e(state))
        temper, cap = (1.0, 1.0, 2.5)[dice // 5 % 3], (math.inf, math.inf, 0.2)[dice // 15 % 3]
        return sum(
            chance * walk(law, test.step(state, counts, temper, cap), (*history, counts))
            for counts, chance in outcomes(1 + dice // 45 % 2, law)
        )

    for law in list(laws(test))[seed % 4 :: 4]:
        assert walk(law, test.start(), ()) <= 1 + SLACK


@given(
    scores=st.lists(st.integers(0, 20), min_size=1, max_size=200),
    cuts=st.lists(st.integers(0, 200), max_size=5),
    limit=st.floats(0.01, 0.99),
    above=st.booleans(),
)
def test_how_scores_are_cut_into_blocks_does_not_matter(scores, cuts, limit, above):
    """And all of it is what a gambler has who takes the scores one by one: brute force over all stakes, by other means."""
    values = tuple(step / 20 for step in range(21))
    test = ScoreTest(limit, values, above)
    ends = sorted({0, *(min(cut, len(scores)) for cut in cuts), len(scores)})
    state = test.start()
    for begin, end in pairwise(ends):
        state = test.step(state, np.bincount(scores[begin:end], minlength=21).tolist())
    whole = test.step(test.start(), np.bincount(scores, minlength=21).tolist())
    away = (np.array(scores) / 20 - limit) * (1 if above else -1)
    stakes = np.array(test.stakes) / (limit if above else 1 - limit)
    wealth = np.log1p(np.outer(stakes, away)).sum(axis=1)
    plain = np.logaddexp.reduce(wealth) - np.log(len(stakes))
    assert test.log_e(state) == pytest.approx(test.log_e(whole), abs=1e-9)
    assert test.log_e(whole) == pytest.approx(plain, abs=1e-9)


@pytest.mark.parametrize(("delta", "worse"), [(0.0, True), (0.03, True), (0.03, False), (-0.2, True)])
def test_of_values_minus_1_0_and_1_it_is_the_test_of_joined_pairs(delta, worse):
    ours, theirs = ScoreTest(delta, (-1.0, 0.0, 1.0), worse), PairedTest(delta, worse)
    assert ours.increments((4.0, 90.0, 7.0)) == pytest.approx(theirs.increments(Cells(7.0, 4.0, 101.0)), abs=1e-9)


@pytest.mark.parametrize("limit", [0.0, 1.0, -0.1, math.nan])
def test_a_limit_that_no_mean_can_be_beyond_is_refused(limit):
    with pytest.raises(ValueError, match="between the values"):
        ScoreTest(limit, HALVES)


def test_the_forecast_is_where_the_mixture_gets_to():
    test = ScoreTest(0.97, (0.0, 1.0))
    growth = test.increments((0.01, 0.99))
    state = test.start()
    found = requests_until(state, growth, math.log(20))
    for _ in range(math.ceil(found)):
        state = test.step(state, (0.01, 0.99))
    assert math.log(20) <= test.log_e(state) < math.log(20) + 0.05
    assert requests_until(state, growth, math.log(20)) == 0.0
    assert requests_until(test.start(), test.increments((0.03, 0.97)), 1.0) == math.inf


def test_the_forecast_waits_until_what_speaks_against_a_pass_is_undone():
    test = ScoreTest(0.9, (0.0, 1.0))
    growth = test.increments((0.01, 0.99))
    bad = test.step(test.start(), (20.0, 30.0))
    assert requests_until(bad, growth, math.log(20)) > requests_until(test.start(), growth, math.log(20))
