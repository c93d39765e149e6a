"""Latencies against stable's: all bounds together, and one quantile.

A few worlds of each kind find a judge that is wrong in most. How often ours is wrong is measured in tests/verdicts.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from modelrollout.domain.tally import Block, Histogram
from modelrollout.evidence.pair import Pair
from modelrollout.judges import _quantile
from modelrollout.judges._bounds import MOST_BOUNDS, _telling, above, choose
from modelrollout.judges._case import Damping, against, average, within
from modelrollout.judges._compare import Quantile
from modelrollout.judges._quantile import Totals, boundary
from modelrollout.judges.compare import PLUGIN, CompareConfig
from tests.unit.judges.streams import (
    BOUNDS,
    ENOUGH,
    Level,
    alone,
    always,
    during,
    evidence,
    gathered,
    latencies,
    outcome,
    outcomes,
    question,
)

WHOLE = CompareConfig()
P99 = CompareConfig(quantile={"q": 0.99, "ratio": 1.2})
QUICK = (always(0.2), always(0.0))


def kind(median: float = 0.2, slow: float | Level = 0.0) -> tuple[Level, Level]:
    return always(median), slow if callable(slow) else always(slow)


@pytest.mark.parametrize("config", [WHOLE, CompareConfig(sensitivity="strict"), P99])
def test_an_equally_fast_candidate_is_not_rolled_back(config: CompareConfig) -> None:
    assert outcomes(config, lambda seed: latencies(seed, QUICK, QUICK), 5, 60)["rollback"] <= 1


@pytest.mark.parametrize(
    ("config", "candidate", "within"),
    [
        (WHOLE, kind(0.4), 10),
        (WHOLE, kind(slow=0.05), 60),
        (P99, kind(0.45), 40),
        (P99, kind(slow=0.05), 60),
    ],
)
def test_a_slower_candidate_is_rolled_back(config: CompareConfig, candidate: tuple[Level, Level], within: int) -> None:
    found = [outcome(config, latencies(seed, candidate, QUICK), 150) for seed in range(5)]
    assert {name for name, _ in found} == {"rollback"}
    assert sorted(blocks for _, blocks in found)[2] <= within


@pytest.mark.parametrize("config", [CompareConfig(margin={"absolute": 0.04, "ratio": 1.4}), P99])
def test_an_equally_fast_candidate_passes(config: CompareConfig) -> None:
    found = outcomes(config, lambda seed: latencies(seed, QUICK, QUICK, weight=0.5), 3, 120)
    assert found == {"rollback": 0, "pass": 3, "undecided": 0}


def test_a_candidate_slower_than_the_quantile_allows_does_not_pass() -> None:
    found = outcomes(P99, lambda seed: latencies(seed, kind(slow=0.03), QUICK, weight=0.5), 3, 60)
    assert found["pass"] == 0


@pytest.mark.parametrize("slow", [0.0, 0.005])
def test_an_incident_that_slows_down_both_is_not_blamed_on_the_candidate(slow: float) -> None:
    """Not even on one whose tail is a little longer, yet within the margin: the two do not add up."""
    candidate, stable = kind(slow=during(60, 75, 0.3, slow)), kind(slow=during(60, 75, 0.3, 0.0))
    found = outcomes(P99, lambda seed: latencies(seed, candidate, stable), 5, 90)
    assert found["rollback"] == 0


def test_the_bound_of_a_quantile_follows_stable() -> None:
    asked, bounds = Quantile(q=0.9, ratio=1.5), (0.1, 0.2, 0.4, 0.8)
    assert boundary(asked, Totals((100.0, 20.0, 0.0, 0.0), 200.0), bounds) == 0.4
    assert boundary(asked, Totals((200.0, 200.0, 40.0, 0.0), 200.0), bounds) is None, "it is beyond the last bound"
    assert boundary(asked, Totals((20.0, 4.0, 0.0, 0.0), 40.0), bounds) is None, "too few to know"
    assert boundary(asked, Totals(), bounds) is None


def test_a_quantile_is_shown_in_the_unit_of_the_metric() -> None:
    shown = evidence(P99, latencies(1, kind(slow=0.1), QUICK, weight=0.5), 20)
    assert shown.candidate == pytest.approx(1.3, abs=0.3)
    assert shown.stable == pytest.approx(0.64, abs=0.1)


def test_a_quantile_beyond_all_bounds_is_the_last_bound() -> None:
    shown = evidence(P99, latencies(1, kind(20.0), QUICK), 3)
    assert shown.candidate == BOUNDS[-1]


def histograms(*rows: dict[float, float]) -> Histogram:
    (row,) = rows
    return Histogram(tuple((bound, count) for bound, count in row.items()))


def test_a_bound_that_is_not_listed_is_known_where_nothing_lies_around_it() -> None:
    tally = histograms({0.1: 0.0, 0.2: 5.0, 0.8: 5.0, 1.6: 9.0, math.inf: 10.0})
    assert above(tally, (0.05, 0.1, 0.15, 0.4, 0.8, 1.0, 1.6, 2.0)) == {0.05: 10, 0.1: 10, 0.4: 5, 0.8: 5, 1.6: 1}


def test_of_too_many_bounds_those_from_the_lowest_value_upwards_are_compared() -> None:
    every = [index / 100 for index in range(1, 61)]
    low = Histogram((*((bound, 0.0 if bound < 0.3 else 9.0) for bound in every), (math.inf, 10.0)))
    chosen = choose(low, low, MOST_BOUNDS)
    assert (len(chosen), chosen[0]) == (MOST_BOUNDS, 0.29)
    high = Histogram((*((bound, 0.0) for bound in every), (math.inf, 10.0)))
    assert choose(high, high, MOST_BOUNDS) == tuple(every[-MOST_BOUNDS:])


def test_the_block_that_chooses_among_too_many_bounds_is_no_test() -> None:
    many = tuple(index / 50 for index in range(1, 100))
    world = latencies(1, kind(1.5), QUICK, bounds=many)
    assert evidence(WHOLE, world, 1).against == 0.0
    assert evidence(WHOLE, latencies(1, kind(1.5), QUICK, bounds=many), 6).against > 1.0


def test_a_bound_that_a_later_block_does_not_have_says_nothing_in_it() -> None:
    def world(bounds: tuple[float, ...]) -> Iterator[Block]:
        return latencies(2, kind(0.4), QUICK, bounds=bounds)

    ledger = gathered(WHOLE, world(BOUNDS), 3)
    few = PLUGIN.evidence(WHOLE, gathered(WHOLE, world((0.05, 10.0)), 2, ledger=ledger))
    assert few.against == pytest.approx(PLUGIN.evidence(WHOLE, ledger).against, abs=0.5)
    assert math.isfinite(few.within)


def test_of_a_margin_that_is_a_ratio_alone_only_bounds_that_something_exceeds_must_pass() -> None:
    config = CompareConfig(margin={"ratio": 2.0})
    found = outcome(config, latencies(1, kind(slow=0.02), kind(slow=0.02), requests=400, weight=0.5), 120)
    assert found[0] == "pass"


@pytest.mark.parametrize("config", [WHOLE, P99])
def test_once_the_candidate_has_everything_it_is_watched_against_the_past(config: CompareConfig) -> None:
    ledger = gathered(config, latencies(1, QUICK, QUICK, weight=0.5), 40)
    before = PLUGIN.evidence(config, ledger)
    calm = gathered(config, alone(latencies(2, QUICK, QUICK, weight=0.9)), 40, ledger=ledger)
    assert PLUGIN.evidence(config, calm).against == before.against
    broken = gathered(config, alone(latencies(3, kind(0.6), QUICK, weight=0.9)), 6, ledger=calm)
    assert PLUGIN.evidence(config, broken).against >= ENOUGH


@pytest.mark.parametrize("config", [WHOLE, P99])
def test_before_the_first_block_there_is_nothing(config: CompareConfig) -> None:
    world = alone(latencies(1, QUICK, QUICK))
    shown = evidence(config, world, 2)
    assert (shown.against, shown.within, shown.candidate) == (0.0, 0.0, None)


@pytest.mark.parametrize(("candidate", "stable"), [(0.01, 0.0), (0.01, 0.3), (0.005, 0.01), (0.3, 0.3), (0.2, 0.5)])
def test_evidence_against_a_quantile_is_at_most_1_on_average_under_both_nulls(candidate: float, stable: float) -> None:
    """By enumeration: at most 1 % above the bound, or no more than of stable's, whatever the other of the two is."""
    ours, theirs = 3, 4

    def chance(bad: int, total: int, rate: float) -> float:
        return math.comb(total, bad) * rate**bad * (1 - rate) ** (total - bad)

    blocks = [
        (Pair(bad, ours, other, theirs), chance(bad, ours, candidate) * chance(other, theirs, stable))
        for bad in range(ours + 1)
        for other in range(theirs + 1)
    ]
    test, _, _ = _quantile._tests(P99, question(Histogram))
    begun = PLUGIN.begin(P99, question(Histogram)).kept
    mean = 0.0
    for first, weight in blocks:
        middle = replace(begun, **_quantile._step(P99, begun, first, Damping()))
        for second, other_weight in blocks:
            end = replace(middle, **_quantile._step(P99, middle, second, Damping()))
            mean += weight * other_weight * math.exp(test.log_e(end.against))
    assert mean <= 1 + 1e-9


def _buckets(above: dict[float, float], total: float) -> Histogram:
    return Histogram((*((bound, total - count) for bound, count in above.items()), (math.inf, total)))


PAST = _buckets({0.01: 10_000.0, 0.1: 4_000.0, 0.5: 20.0, 1.0: 2.0, 2.5: 0.0, 5.0: 0.0}, 10_000.0)
SLOWER = Block(
    _buckets({0.01: 100.0, 0.1: 70.0, 0.5: 3.0, 1.0: 0.0, 2.5: 0.0, 5.0: 0.0}, 100.0),
    _buckets({0.01: 900.0, 0.1: 360.0, 0.5: 2.0, 1.0: 0.0, 2.5: 0.0, 5.0: 0.0}, 900.0),
    10.0,
)


def test_bounds_at_which_nothing_can_show_take_no_part_in_what_speaks_against_a_candidate() -> None:
    ledger = PLUGIN.weigh(WHOLE, PLUGIN.begin(WHOLE, question(Histogram, before=PAST)), SLOWER, 1.0, math.inf)
    cases = ledger.kept.cases
    assert ledger.kept.bounds == (0.01, 0.1, 0.5, 1.0, 2.5, 5.0)
    assert list(_telling(cases)) == [1, 2, 3, 4]
    shown = PLUGIN.evidence(WHOLE, ledger)
    assert shown.against == pytest.approx(average([against(ledger.kept.claim, case) for case in cases[1:5]]), abs=1e-3)
    assert shown.about == "above 0.1"


def test_where_nothing_is_known_of_the_past_all_bounds_take_part() -> None:
    ledger = PLUGIN.weigh(WHOLE, PLUGIN.begin(WHOLE, question(Histogram)), SLOWER, 1.0, math.inf)
    assert list(_telling(ledger.kept.cases)) == [0, 1, 2, 3, 4, 5]


def test_a_pass_asks_for_bounds_too_that_cannot_speak_against_a_candidate() -> None:
    # One of a hundred is stuck for longer than all bounds that stable's past has values beyond.
    stuck = _buckets({0.01: 100.0, 0.1: 40.0, 0.5: 2.0, 1.0: 2.0, 2.5: 2.0, 5.0: 2.0}, 100.0)
    stable = _buckets({0.01: 900.0, 0.1: 360.0, 0.5: 2.0, 1.0: 0.0, 2.5: 0.0, 5.0: 0.0}, 900.0)
    ledger = PLUGIN.begin(WHOLE, question(Histogram, before=PAST))
    for _ in range(20):
        ledger = PLUGIN.weigh(WHOLE, ledger, Block(stuck, stable, 10.0), 1.0, math.inf)
    last = ledger.kept.cases[5]
    assert PLUGIN.evidence(WHOLE, ledger).within <= within(ledger.kept.claim, last) < 0
