"""Distances of distributions: what is told is rarely wrong, and a step is told from a ramp."""

import math
from itertools import pairwise, product
from random import Random

import pytest
from scipy import stats

from modelrollout.evidence.drift import PlaceTests, reference_error
from modelrollout.evidence.pace import Pace, pace
from tests.unit.evidence.tables import SLACK, Null, adaptive, beyond, expectations


def test_the_references_error_is_above_the_exact_quantile_of_kolmogorovs_distance_and_near_it():
    for requests, chance in product((20, 100, 1000, 10_000), (0.05, 0.005, 0.0002)):
        exact = stats.kstwo.isf(chance, requests)
        assert exact <= reference_error(requests, chance) <= 1.1 * exact
    assert reference_error(0, 0.01) == 1


def test_shares_of_categories_are_within_the_references_error_as_often_as_it_says():
    for share, places in product((0.03, 0.5, 0.9), (1, 7)):
        error = reference_error(400, 0.01, places)
        law = stats.binom(400, share)
        off = law.cdf(math.ceil(400 * (share - error)) - 1) + law.sf(math.floor(400 * (share + error)))
        assert off <= 0.01 / places


@pytest.mark.parametrize("floor", [0.05, 0.1, 0.3])
def test_no_test_of_a_place_is_expected_to_win_under_its_null(floor):
    tests = PlaceTests(floor, 3)
    assert max(expectations(tests.apart, adaptive, beyond(1.0, floor, worse=True))) <= 1 + SLACK
    assert max(expectations(tests.alike, adaptive, beyond(1.0, floor, worse=False))) <= 1 + SLACK
    for normal in (0.0, 0.2, 0.6):
        away = tests.away(normal, 0.02)
        assert away is not None
        limit = normal + floor + 0.02
        assert max(expectations(away, adaptive, [Null(0.1, limit * part) for part in (1, 0.7, 0)])) <= 1 + SLACK
    assert tests.away(1 - floor, 0.01) is None


def walk(random: Random, level, stretches: int) -> list[float]:
    """Return the distances of stretches of 400 values at seven places; at level 0 nothing is away."""
    found = []
    for index in range(stretches):
        values = [random.random() ** (1 / (1 + level(index / (stretches - 1)))) for _ in range(400)]
        shares = ((place, sum(value <= place for value in values) / 400) for place in (k / 8 for k in range(1, 8)))
        found.append(max(abs(share - place) for place, share in shares))
    return found


def step(at: float):
    return lambda time: float(time >= at)


def ramp(start: float, end: float):
    return lambda time: min(max((time - start) / (end - start), 0.0), 1.0)


@pytest.mark.parametrize(
    ("level", "how"),
    [
        (step(0), "sudden"),
        (step(0.3), "sudden"),
        (step(0.5), "sudden"),
        (step(0.8), "sudden"),
        (ramp(0, 1), "gradual"),
        (ramp(0.25, 0.75), "gradual"),
        (ramp(0.3, 0.7), "gradual"),
        (ramp(0.5, 1), "gradual"),
    ],
    ids=["step at 0", "0.3", "0.5", "0.8", "ramp 0 to 1", "0.25 to 0.75", "0.3 to 0.7", "0.5 to 1"],
)
def test_a_step_is_told_from_a_ramp(level, how: Pace):
    for stretches in (16, 23):
        found = [pace(walk(Random(seed), level, stretches), 0.05) for seed in range(40)]
        print(how, stretches, found.count(how), "of 40")
        assert found.count(how) >= 38


def test_of_a_few_stretches_nothing_is_said_and_without_a_rise_it_came_before():
    assert pace([0.1, 0.2, 0.5], 0.05) is None
    assert pace([0.3, 0.31, 0.3, 0.29, 0.3], 0.05) == "sudden"
    assert pace([0.02, 0.02, 0.02, 0.2, 0.4, 0.4], 0.05) == "sudden"
    rising = [0.0, 0.0, 0.05, 0.1, 0.15, 0.2, 0.2, 0.2]
    assert all(one <= other for one, other in pairwise(rising))
    assert pace(rising, 0.05) == "gradual"
