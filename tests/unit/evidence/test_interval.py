"""The interval of the difference: what is out stays out, and only what is still in is followed."""

import json
import math
import random
from dataclasses import astuple

import pytest

from modelrollout.evidence.interval import Bounds, IntervalGrid
from modelrollout.evidence.margin import log_margin_e
from modelrollout.evidence.mixture import log_sum
from modelrollout.evidence.pair import Pair, Rates


def blocks(seed: int, candidate: float, stable: float, count: int = 120) -> list[Pair]:
    dice = random.Random(seed)
    return [
        Pair(sum(dice.random() < candidate for _ in range(10)), 10, sum(dice.random() < stable for _ in range(60)), 60)
        for _ in range(count)
    ]


@pytest.mark.parametrize(("seed", "candidate", "stable"), [(1, 0.1, 0.02), (2, 0.02, 0.02), (3, 0.0, 0.2), (4, 0.9, 0)])
def test_it_is_the_inversion_of_a_test_of_two_alternatives_for_each_difference(seed, candidate, stable):
    grid = IntervalGrid()
    state, past = grid.start(), Pair()
    over, under, alike = (dict.fromkeys(grid.differences, 0.0) for _ in range(3))
    low, high, enough = -1.0, 1.0, math.log(40)
    for block in blocks(seed, candidate, stable):
        point = Rates((0.2 + past.ks) / (20 + past.ns), (0.2 + past.kc) / (20 + past.nc))
        one = (0.2 + past.ks + past.kc) / (20 + past.ns + past.nc)
        for difference in grid.differences:
            over[difference] += log_margin_e(point, block, difference, 1.0, worse=True)
            under[difference] += log_margin_e(point, block, difference, 1.0, worse=False)
            alike[difference] += log_margin_e(Rates(one, one), block, difference, 1.0, worse=difference < 0)
            above, below = over[difference], under[difference]
            if difference < 0:
                above = log_sum((above, alike[difference])) - math.log(2)
            if difference > 0:
                below = log_sum((below, alike[difference])) - math.log(2)
            if above >= enough and difference < high:
                low = max(low, difference)
            if below >= enough and difference > low:
                high = min(high, difference)
        state = grid.step(state, past, block)
        past += block
        assert grid.interval(state) == (low, high)
    assert low <= candidate - stable <= high
    assert high - low < 0.3


def test_it_only_shrinks_and_so_does_what_is_stored():
    grid = IntervalGrid()
    state, past = grid.start(), Pair()
    assert grid.interval(state) == (-1.0, 1.0)
    for block in blocks(5, 0.05, 0.01, 200):
        after = grid.step(state, past, block)
        past += block
        assert after.low >= state.low
        assert after.high <= state.high
        assert len(after.over) == len(after.under) == after.high - after.low - 1
        low, high, *parts = json.loads(json.dumps(astuple(after), allow_nan=False))
        assert Bounds(low, high, *map(tuple, parts)) == after
        state = after
    assert len(state.over) < len(grid.differences) / 2


def test_when_neighbours_are_out_nothing_is_left_to_follow():
    grid = IntervalGrid(differences=(0.0, 0.5))
    state, past = grid.start(), Pair()
    for _ in range(100):
        state = grid.step(state, past, Pair(3, 10, 1, 60))
        past += Pair(3, 10, 1, 60)
    assert grid.interval(state) == (0.0, 0.5)
    assert state.over == state.under == ()
    assert grid.step(state, past, Pair(3, 10, 1, 60)) == state


def test_noise_makes_it_wider():
    grid = IntervalGrid()
    plain, tempered, past = grid.start(), grid.start(), Pair()
    for block in blocks(6, 0.05, 0.01):
        plain, tempered = grid.step(plain, past, block), grid.step(tempered, past, block, temper=5.0, cap=0.5)
        past += block
    (low, high), (lower, higher) = grid.interval(plain), grid.interval(tempered)
    assert lower < low < high < higher
