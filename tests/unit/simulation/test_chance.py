"""Drawn counts against the exact distributions: by seed, so a sampler that is right never fails."""

import math
from collections import Counter
from random import Random

import pytest

from modelrollout.simulation.chance import binomial, poisson, split

DRAWS = 4000
FARTHEST = math.sqrt(math.log(2 / 1e-9) / (2 * DRAWS))
"""Distance of two distribution functions that so many draws exceed with a chance of 1e-9 (Dvoretzky, Kiefer, Wolfowitz)."""


def farthest(drawn: list[int], chance: dict[int, float]) -> float:
    counts, below, expected, most = Counter(drawn), 0.0, 0.0, 0.0
    for value in range(max([*drawn, *chance]) + 1):
        below += counts[value] / len(drawn)
        expected += chance.get(value, 0.0)
        most = max(most, abs(below - expected))
    return most


def of_binomial(trials: int, chance: float) -> dict[int, float]:
    ways = [math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) for k in range(trials + 1)]
    return {k: math.exp(way + k * math.log(chance) + (trials - k) * math.log1p(-chance)) for k, way in enumerate(ways)}


@pytest.mark.parametrize(
    ("trials", "chance"), [(1, 0.3), (20, 0.02), (20, 0.98), (64, 0.5), (500, 0.3), (500, 0.9), (3000, 0.01)]
)
def test_binomial_counts_are_exact(trials: int, chance: float) -> None:
    random = Random(1)
    exact = of_binomial(trials, chance)
    assert farthest([binomial(random, trials, chance) for _ in range(DRAWS)], exact) < FARTHEST


@pytest.mark.parametrize("mean", [0.1, 3.0, 16.0, 40.0, 300.0])
def test_poisson_counts_are_exact(mean: float) -> None:
    random = Random(2)
    exact = {k: math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(int(mean * 2 + 60))}
    assert farthest([poisson(random, mean) for _ in range(DRAWS)], exact) < FARTHEST


def test_what_is_certain_is_not_left_to_chance() -> None:
    random = Random(3)
    assert [binomial(random, n, p) for n, p in ((0, 0.5), (7, 0.0), (7, 1.0), (10**6, 1.0))] == [0, 0, 7, 10**6]
    assert poisson(random, 0.0) == 0
    assert split(random, 5, [1.0]) == [5]


@pytest.mark.parametrize("number", [9, 200])
def test_shares_get_their_part_and_nothing_is_lost(number: int) -> None:
    random, shares = Random(4), [0.1, 0.0, 0.6, 0.3]
    drawn = [split(random, number, shares) for _ in range(DRAWS)]
    assert {sum(counts) for counts in drawn} == {number}
    for index, share in enumerate(shares):
        exact = of_binomial(number, share) if share else {0: 1.0}
        assert farthest([counts[index] for counts in drawn], exact) < FARTHEST


def test_a_seed_says_it_all() -> None:
    one, other = Random(5), Random(5)
    assert [binomial(one, 900, 0.4) for _ in range(50)] == [binomial(other, 900, 0.4) for _ in range(50)]
