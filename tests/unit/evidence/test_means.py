"""Means of unbounded values: the one test whose error rate holds only about, so it is sampled instead of counted."""

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.evidence.means import MeanTest, Sums, _half_square_plus_log_phi

LEVEL = math.log(20)


def normal(dice: random.Random, n: int) -> float:
    return dice.gauss(7 * n, 3 * math.sqrt(n))


def skewed(dice: random.Random, n: int) -> float:
    return dice.gammavariate(0.5 * n, 4)


def moving(dice: random.Random, n: int) -> float:
    return dice.gauss(0, math.sqrt(n))


def alarms(draw, *, runs: int, shift: float = 0.0, worse: bool = True, margin: float = 0.0) -> float:
    dice, count = random.Random(11), 0
    test = MeanTest(margin, worse)
    for _ in range(runs):
        state = test.start()
        for number in range(120):
            nc, ns = dice.randint(2, 20), dice.randint(20, 90)
            # The level wanders for both arms alike.
            level = 10 * math.sin(number / 15)
            state = test.step(state, (draw(dice, nc) + nc * (shift + level), nc, draw(dice, ns) + ns * level, ns))
            if test.log_e(state) >= LEVEL:
                count += 1
                break
    return count / runs


@pytest.mark.parametrize("worse", [True, False])
@pytest.mark.parametrize("draw", [normal, skewed, moving])
def test_false_alarms_stay_about_what_they_are_said_to_be(draw, worse):
    # 5 % of 300 runs with three standard errors on top. Asymptotic: there is no proof to count here.
    assert alarms(draw, runs=300, worse=worse) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


def test_a_shift_is_found_and_one_within_the_margin_is_not():
    assert alarms(normal, runs=60, shift=2.0) > 0.9
    assert alarms(normal, runs=60, shift=2.0, margin=2.5) < 0.05
    assert alarms(normal, runs=60, shift=0.0, margin=2.5, worse=False) > 0.9


def play(test: MeanTest, difference: float, blocks: int) -> float:
    state = test.start()
    for number in range(blocks):
        state = test.step(state, (10 * difference + (number % 2 - 0.5), 10, 0.0, 90))
    return test.log_e(state)


def test_a_candidate_that_is_far_better_is_no_evidence_that_it_is_worse():
    # Φ underflows here; with a floor under it the evidence would be exp(+1000).
    found = [play(MeanTest(0.0), -difference, 60) for difference in (0.1, 1, 10, 100, 1e6)]
    assert all(log < 0 for log in found)
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("z", [-25.0, -29.9, -30.1, -40.0, -300.0])
def test_far_below_0_the_tail_of_the_normal_distribution_is_what_its_integral_is(z):
    # Φ(z)·exp(z²/2) = ∫ exp(zt - t²/2) dt/√2π over t > 0, here by Simpson's rule.
    steps, end = 2000, 40 / -z
    width = end / steps
    weights = [1, *[4, 2] * (steps // 2 - 1), 4, 1]
    values = [math.exp(z * t - t * t / 2) for t in (number * width for number in range(steps + 1))]
    area = width / 3 * math.fsum(w * value for w, value in zip(weights, values, strict=True))
    assert _half_square_plus_log_phi(z) == pytest.approx(math.log(area / math.sqrt(2 * math.pi)), abs=1e-9)


@given(st.lists(st.tuples(st.floats(-50, 50), st.integers(1, 50), st.floats(-50, 50), st.integers(1, 90)), min_size=3))
def test_the_sums_are_those_of_the_definition(rows):
    test = MeanTest(1.5, min_blocks=2)
    state = test.start()
    for row in rows:
        state = test.step(state, row)
    weights = [nc * ns / (nc + ns) for _, nc, _, ns in rows]
    values = [sum_c / nc - sum_s / ns - 1.5 for sum_c, nc, sum_s, ns in rows]
    mean = sum(w * d for w, d in zip(weights, values, strict=True)) / sum(weights)
    spread = sum(w * (d - mean) ** 2 for w, d in zip(weights, values, strict=True))
    total = sum(math.sqrt(w) * d for w, d in zip(weights, values, strict=True))
    assert state == pytest.approx((len(rows), sum(weights), mean, spread, total), rel=1e-9, abs=1e-9)
    assert Sums(*json.loads(json.dumps(state, allow_nan=False))) == state


def test_too_few_blocks_and_blocks_without_any_difference_say_nothing():
    assert play(MeanTest(0.0), 5.0, 19) == 0
    assert play(MeanTest(0.0), 5.0, 20) > 0
    test = MeanTest(0.0)
    state = test.start()
    for _ in range(40):
        state = test.step(state, (20.0, 10, 90.0, 90))
    assert test.log_e(state) == 0
    assert test.step(state, (1.0, 0, 1.0, 9)) == state
    assert test.step(state, (1.0, 9, 1.0, 0)) == state
