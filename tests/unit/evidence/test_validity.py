"""Under the null no test may expect to win: E[e] ≤ 1 for every block, past, plan and point of the null.

All tables of small blocks are counted. Nothing here is sampled, so nothing passes by luck.
"""

import math
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.evidence import combine
from modelrollout.evidence.constant import ConstantTest
from modelrollout.evidence.interval import IntervalGrid
from modelrollout.evidence.margin import MarginTest
from modelrollout.evidence.onset import Onset
from modelrollout.evidence.pair import Pair, PairTest
from modelrollout.evidence.paired import Cells, PairedTest
from modelrollout.evidence.ratio import RatioTest
from modelrollout.evidence.routing import split_log_e
from tests.unit.evidence.tables import (
    SLACK,
    STOP,
    Next,
    Null,
    adaptive,
    beyond,
    counts,
    expectations,
    halves,
    increment_means,
)

LATE = Onset(horizon=3, slots=2, first=0.6)

RATIOS = [(1.0, True), (1.0, False), (1.25, True), (1.25, False), (0.5, True), (3.0, False)]
MARGINS = [
    (0.05, 1.0, True),
    (0.05, 1.0, False),
    (-0.1, 1.0, True),
    (-0.1, 1.0, False),
    (0.0, 1.25, True),
    (0.0, 1.25, False),
    (0.5, 0.5, True),
    (-0.3, 2.0, False),
]
CONSTANTS = [(0.03, True), (0.03, False), (0.5, True), (0.97, False)]
PASTS = [Pair(), Pair(0, 40, 0, 300), Pair(3, 5, 0, 50), Pair(0, 50, 30, 40), Pair(7, 7, 9, 9), Pair(1, 9, 30, 300)]


def constant_nulls(limit: float, *, above: bool) -> tuple[Null, ...]:
    rates = [limit * part for part in (1, 0.5, 0)] if above else [limit + (1 - limit) * part for part in (0, 0.5, 1)]
    return tuple(Null(0.1, rate) for rate in rates)


def every_test() -> list[tuple[PairTest, tuple[Null, ...]]]:
    found: list[tuple[PairTest, tuple[Null, ...]]] = []
    for onset in (None, LATE):
        found += [(RatioTest(r, worse=w, onset=onset), beyond(r, 0.0, worse=w)) for r, w in RATIOS]
        found += [(MarginTest(d, r, w, 0.05, 4.0, onset=onset), beyond(r, d, worse=w)) for d, r, w in MARGINS]
        found += [(ConstantTest(c, a, onset=onset), constant_nulls(c, above=a)) for c, a in CONSTANTS]
    return found


EVERY = every_test()
NAMES = [str(test) for test, _ in EVERY]


@pytest.mark.parametrize(("test", "nulls"), EVERY[: len(EVERY) // 2], ids=NAMES[: len(EVERY) // 2])
def test_no_alternative_of_one_block_is_expected_to_win_whatever_the_past(test, nulls):
    for past, (nc, ns) in product(PASTS, [(1, 1), (3, 8), (9, 2), (12, 12)]):
        assert increment_means(test, past, nc, ns, nulls) <= 1 + SLACK, (past, nc, ns)


@pytest.mark.parametrize(("test", "nulls"), EVERY, ids=NAMES)
def test_no_history_of_adaptive_blocks_is_expected_to_win(test, nulls):
    assert max(expectations(test, adaptive, nulls)) <= 1 + SLACK


@pytest.mark.parametrize(
    ("test", "nulls"),
    [
        (RatioTest(), beyond(1.0, 0.0, worse=True)),
        (RatioTest(worse=False), beyond(1.0, 0.0, worse=False)),
        (RatioTest(1.25), beyond(1.25, 0.0, worse=True)),
        (MarginTest(0.05), beyond(1.0, 0.05, worse=True)),
        (MarginTest(0.05, worse=False), beyond(1.0, 0.05, worse=False)),
        (ConstantTest(0.2), constant_nulls(0.2, above=True)),
        (ConstantTest(0.2, above=False), constant_nulls(0.2, above=False)),
    ],
    ids=str,
)
def test_sums_of_values_between_0_and_1_are_as_good_as_counts(test, nulls):
    for past, (nc, ns) in product([Pair(), Pair(1.5, 5, 2.5, 50)], [(1, 1), (2, 2), (2, 4), (4, 1)]):
        assert increment_means(test, past, nc, ns, nulls, law=halves) <= 1 + SLACK, (past, nc, ns)


def test_a_temper_that_looks_at_its_own_block_would_win():
    # The counting finds what is wrong: strong evidence kept, weak evidence against it tempered away.
    test, cheat = ConstantTest(0.3), 0.0
    for kc, chance in counts(4, 0.3):
        increment = test.increments(Pair(), Pair(kc, 4))[3]
        cheat += chance * math.exp(increment if increment > 0 else increment / 5)
    assert cheat > 1.05


def test_it_is_tight_where_it_can_be():
    # A bound that is far from 1 would be valid, and useless.
    test = ConstantTest(0.3)
    assert increment_means(test, Pair(), 4, 0, [Null(0.0, 0.3)]) == pytest.approx(1, abs=1e-12)
    test = RatioTest(grid=(2.5,))
    assert increment_means(test, Pair(), 5, 7, [Null(0.4, 0.4)]) == pytest.approx(1, abs=1e-12)


@given(seed=st.integers(0, 2**32), chosen=st.integers(0, len(EVERY) - 1), depth=st.integers(1, 4))
@settings(max_examples=120, deadline=None)
def test_no_rule_for_stopping_sizes_and_tempering_can_win(seed, chosen, depth):
    test, nulls = EVERY[chosen]

    def plan(history: tuple[Pair, ...], log_e: float) -> Next:
        # Any function of the past will do; a hash of it is one that no one would think of.
        dice = hash((seed, history))
        if len(history) >= depth or (history and (dice % 7 == 0 or log_e > dice // 7 % 5 / 4)):
            return STOP
        sizes = ((1, 1), (2, 3), (1, 2), (3, 1)) if len(history) < 2 else ((1, 1), (2, 1), (1, 2))
        nc, ns = sizes[dice // 35 % len(sizes)]
        return Next(nc, ns, (1.0, 1.0, 1.7)[dice // 140 % 3], (math.inf, math.inf, 0.3)[dice // 420 % 3])

    # A few of the points: on the line and inside, low and high.
    assert max(expectations(test, plan, nulls[seed % 3 :: 4])) <= 1 + SLACK


@given(seed=st.integers(0, 2**32), worse=st.booleans())
@settings(max_examples=20, deadline=None)
def test_weights_that_follow_the_evidence_cannot_win(seed, worse):
    # A ramp: the share of the candidate grows while all looks well, over four blocks of four requests.
    test = RatioTest(1.0, worse=worse, onset=LATE)

    def plan(history: tuple[Pair, ...], log_e: float) -> Next:
        if len(history) == 4 or log_e > 1:
            return STOP
        share = sum(block.kc < 1 for block in history) if seed % 2 else sum(block.ks > 0 for block in history)
        return Next(1 + min(share, 1), 1 + (seed >> len(history)) % 2)

    nulls = [Null(0.1, 0.1), Null(0.6, 0.6), Null(0.9, 0.9)]
    assert max(expectations(test, plan, nulls)) <= 1 + SLACK


@pytest.mark.parametrize("onset", [None, LATE])
@pytest.mark.parametrize(("delta", "worse"), [(0.0, True), (0.0, False), (0.1, True), (0.1, False), (-0.2, True)])
def test_joined_pairs_cannot_win(delta, worse, onset):
    test = PairedTest(delta, worse, onset)
    # Chances of "only the candidate" and "only stable": on the margin and inside it, with many and few that differ.
    shifts = [delta, delta - 0.2] if worse else [delta, delta + 0.2]
    nulls = [
        (max(shift, 0) + both, max(-shift, 0) + both) for shift in shifts for both in (0.0, 0.1, (1 - abs(shift)) / 2)
    ]

    def walk(state, blocks, before, bad, good):
        if blocks == 3 or (blocks and test.log_e(state) > 0.5):
            return math.exp(test.log_e(state))
        n = 3 if blocks == 0 else 2
        total = 0.0
        for b in range(n + 1):
            for c in range(n + 1 - b):
                ways = math.comb(n, b) * math.comb(n - b, c)
                chance = ways * bad**b * good**c * max(1 - bad - good, 0.0) ** (n - b - c)
                step = test.step(state, Cells(b, c, n), temper=1.5 if before else 1.0)
                total += chance * walk(step, blocks + 1, b, bad, good)
        return total

    assert max(walk(test.start(), 0, 0, bad, good) for bad, good in nulls) <= 1 + SLACK


@pytest.mark.parametrize("weights", [(9, 1), (0.5, 0.5), (0.7, 0.25, 0.05)])
def test_a_split_as_asked_for_cannot_win_and_expects_nothing_from_more_requests(weights):
    shares = [weight / sum(weights) for weight in weights]
    total = 0.0
    for split in product(range(9), repeat=len(weights) - 1):
        if sum(split) > 8:
            continue
        seen = (*split, 8 - sum(split))
        ways = math.factorial(8) // math.prod(math.factorial(count) for count in seen)
        now = math.exp(split_log_e(seen, weights, 5.0))
        total += ways * math.prod(share**count for share, count in zip(shares, seen, strict=True)) * now
        after = 0.0
        for arm, share in enumerate(shares):
            grown = [count + (index == arm) for index, count in enumerate(seen)]
            after += share * math.exp(split_log_e(grown, weights, 5.0))
        assert after == pytest.approx(now, rel=1e-9)
    assert total == pytest.approx(1, abs=1e-9)


def test_averages_of_tests_that_look_at_the_same_requests_cannot_win():
    first, second, third = RatioTest(onset=LATE), MarginTest(0.0, prior_rate=0.3), RatioTest(1.0, grid=(4.0,))
    tests = (first, second, third)

    for rate in (0.02, 0.3, 0.8):
        total = 0.0
        for (k1, p1), (k2, p2), (k3, p3), (k4, p4) in product(
            counts(2, rate), counts(3, rate), counts(3, rate), counts(1, rate)
        ):
            blocks = Pair(k1, 2, k2, 3), Pair(k3, 3, k4, 1)
            logs = []
            for test in tests:
                state = test.step(test.start(), Pair(), blocks[0])
                logs.append(test.log_e(test.step(state, blocks[0], blocks[1])))
            total += p1 * p2 * p3 * p4 * math.exp(combine.average(logs, (0.5, 0.25, 0.25)))
        assert total <= 1 + SLACK


def test_the_blamed_are_rarely_innocent():
    # Two independent metrics, one block each: the chance that an innocent one is blamed, counted.
    alpha, test = 0.4, RatioTest(grid=(3.0,))
    outcomes = []
    for guilty in (False, True):
        rates = (0.9, 0.1) if guilty else (0.2, 0.2)
        outcomes.append(
            [
                (p1 * p2, test.log_e(test.step(test.start(), Pair(), Pair(kc, 4, ks, 6))))
                for (kc, p1), (ks, p2) in product(counts(4, rates[0]), counts(6, rates[1]))
            ]
        )
    for first, second in product((0, 1), repeat=2):
        wrong = 0.0
        for (p, log), (q, other) in product(outcomes[first], outcomes[second]):
            blamed = combine.blame([log, other], alpha)
            wrong += p * q * any((0, 1)[index] in blamed and not (first, second)[index] for index in (0, 1))
        assert wrong <= alpha


@pytest.mark.parametrize("rates", [Null(0.1, 0.1), Null(0.1, 0.4), Null(0.5, 0.2), Null(0.0, 1.0), Null(0.3, 0.3)])
def test_the_interval_misses_the_true_difference_at_most_as_often_as_it_says(rates):
    grid = IntervalGrid(alpha=0.5, prior_rate=0.2, prior_n=3, differences=(-0.5, -0.3, -0.1, 0.0, 0.1, 0.3, 0.5))
    true = rates.candidate - rates.stable

    def missed(state, past, chance, blocks):
        low, high = grid.interval(state)
        assert low < high
        if not low - 1e-12 <= true <= high + 1e-12:
            return chance
        if blocks == 2 or chance == 0:
            return 0.0
        nc, ns = (4, 6) if past.kc == 0 else (5, 2)
        return sum(
            missed(
                grid.step(state, past, Pair(kc, nc, ks, ns)), past + Pair(kc, nc, ks, ns), chance * p * q, blocks + 1
            )
            for (kc, p), (ks, q) in product(counts(nc, rates.candidate), counts(ns, rates.stable))
        )

    assert missed(grid.start(), Pair(), 1.0, 0) <= 0.5
