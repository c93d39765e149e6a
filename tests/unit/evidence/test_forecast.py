"""The forecast of requests: against what the test then really takes, and infinite where it never ends."""

import math
import random

import pytest

from modelrollout.evidence.constant import ConstantTest
from modelrollout.evidence.forecast import requests_needed, requests_needed_for_limit
from modelrollout.evidence.margin import MarginTest
from modelrollout.evidence.pair import Pair


def draw(dice: random.Random, n: int, rate: float) -> int:
    return sum(dice.random() < rate for _ in range(n))


def test_a_pass_takes_about_as_many_requests_as_forecast():
    rate, delta, taken = 0.01, 0.02, []
    for seed in range(21):
        dice, test = random.Random(seed), MarginTest(delta, worse=False, prior_rate=rate)
        state, past = test.start(), Pair()
        while test.log_e(state) < math.log(20) and past.nc < 20_000:
            block = Pair(draw(dice, 10, rate), 10, draw(dice, 40, rate), 40)
            state = test.step(state, past, block)
            past += block
        taken.append(past.nc)
    forecast = requests_needed(rate, delta, 1.0, 0.2, 0.05)
    assert 0.5 <= sorted(taken)[10] / forecast <= 1.6


def test_a_limit_takes_about_as_many_requests_as_forecast():
    taken = []
    for seed in range(21):
        dice, test = random.Random(seed), ConstantTest(0.03, above=False)
        state, count = test.start(), 0
        while test.log_e(state) < math.log(20) and count < 20_000:
            state = test.step(state, Pair(), Pair(draw(dice, 20, 0.01), 20))
            count += 20
        taken.append(count)
    assert 0.5 <= sorted(taken)[10] / requests_needed_for_limit(0.01, 0.03, 0.05) <= 1.8


@pytest.mark.parametrize(
    ("rate", "delta", "ratio", "share"),
    [(0.01, 0.0, 1.0, 0.1), (0.01, -0.01, 1.0, 0.1), (0.01, 0.005, 1.0, 0.0), (0.01, 0.005, 1.0, 1.0)],
)
def test_what_can_never_be_shown_takes_forever(rate, delta, ratio, share):
    assert requests_needed(rate, delta, ratio, share, 0.05) == math.inf


def test_a_wider_margin_a_lower_rate_and_more_certainty_cost_what_they_should():
    base = requests_needed(0.01, 0.005, 1.0, 0.1, 0.05)
    assert requests_needed(0.01, 0.01, 1.0, 0.1, 0.05) < base / 2
    assert requests_needed(0.001, 0.005, 1.0, 0.1, 0.05) < base / 2
    assert requests_needed(0.01, 0.005, 1.0, 0.1, 0.01) > base
    assert requests_needed(0.01, 0.005, 1.0, 0.5, 0.05) > base
    assert requests_needed(0.01, 0.0, 2.0, 0.1, 0.05) < requests_needed(0.01, 0.0, 1.25, 0.1, 0.05)


def test_the_edges_are_answers_too():
    assert math.isfinite(requests_needed(0.0, 0.005, 1.0, 0.1, 0.05))
    assert requests_needed(1.0, 0.005, 1.0, 0.1, 0.05) > 0
    assert requests_needed(0.01, 1.0, 1.0, 0.1, 0.05) == 0
    assert requests_needed_for_limit(0.0, 0.01, 0.05) == pytest.approx(math.log(20) / -math.log(0.99), rel=1e-3)
    assert requests_needed_for_limit(0.01, 0.01, 0.05) == math.inf
    assert requests_needed_for_limit(0.02, 0.01, 0.05) == math.inf
