"""φ is about 1 where only chance is at work, and large where pods or minutes have a life of their own."""

import json
import math
import random
from dataclasses import astuple
from itertools import pairwise

import pytest

from modelrollout.domain.tally import Rate
from modelrollout.evidence.dispersion import MIN_MINUTES, MOST, Clumps, LiveNoise, PodNoise, noise, pod_dispersion
from modelrollout.evidence.pair import Pair


def bad(dice: random.Random, n: int, rate: float) -> int:
    mean = n * rate
    if n < 100:
        return sum(dice.random() < rate for _ in range(n))
    return max(0, min(n, round(dice.gauss(mean, math.sqrt(mean * (1 - rate))))))


def live(candidate: float, stable: float, *, scale: int = 1, clumps: float = 0.0, minutes: int = 40) -> list[float]:
    found = []
    for seed in range(25):
        dice, state = random.Random(seed), LiveNoise()
        for _ in range(minutes):
            luck = dice.gammavariate(1 / clumps**2, clumps**2) if clumps else 1.0
            nc, ns = 60 * scale, 540 * scale
            state = state.add(Pair(bad(dice, nc, min(1.0, candidate * luck)), nc, bad(dice, ns, stable), ns))
        found.append(noise(state))
    return sorted(found)


@pytest.mark.parametrize(
    ("candidate", "stable", "scale"),
    [
        (0.02, 0.02, 1),
        (0.02, 0.02, 10),
        (0.2, 0.02, 1),
        (0.2, 0.02, 10),
        (0.5, 0.5, 10),
        (0.95, 0.02, 1),
        (0.0, 0.02, 1),
    ],
)
def test_a_regression_is_not_noise_and_neither_is_chance(candidate, stable, scale):
    found = live(candidate, stable, scale=scale)
    assert sum(found) / len(found) < 1.4
    assert found[len(found) // 2] < 1.3


def test_one_late_regression_is_no_noise():
    state = LiveNoise()
    for minute in range(40):
        state = state.add(Pair(12 if minute < 20 else 240, 600, 108, 5400))
    assert state.factor < 1.2


def test_minutes_with_a_life_of_their_own_are():
    assert live(0.05, 0.05, clumps=1.0)[3] > 1.6
    assert live(0.05, 0.05, clumps=1.0, scale=10)[3] > 6


def test_a_late_regression_counts_once():
    dice, state = random.Random(4), LiveNoise()
    for minute in range(60):
        rate = 0.02 if minute < 30 else 0.2
        state = state.add(Pair(bad(dice, 60, rate), 60, bad(dice, 540, 0.02), 540))
    assert noise(state) < 2


def test_too_few_minutes_say_nothing():
    state = LiveNoise()
    for minute in range(MIN_MINUTES - 1):
        state = state.add(Pair(60 * (minute % 2), 60, 20, 540))
        assert noise(state) == 1
    assert noise(state.add(Pair(0, 60, 20, 540))) > 10


@pytest.mark.parametrize(
    "minute", [Pair(0, 60, 0, 540), Pair(1, 0, 3, 540), Pair(1, 60, 0, 0), Pair(9, 9, 5, 5), Pair()]
)
def test_a_minute_that_compares_nothing_is_only_counted(minute):
    before = LiveNoise().add(Pair(1, 60, 9, 540))
    after = before.add(minute)
    assert (after.last, after.squares, after.differences) == (before.last, before.squares, before.differences)
    assert after.past == before.past + minute


def test_pods_that_are_alike_are_not_noisy_and_a_bad_one_is():
    dice = random.Random(5)
    alike = [[Rate(bad(dice, 90, 0.05), 90) for _ in range(4)] for _ in range(60)]
    assert pod_dispersion(alike) == pytest.approx(1, abs=0.15)
    # A node that fails ten times as often in some minutes.
    worse = [
        [Rate(bad(dice, 90, 0.5 if pod == 0 and minute % 10 == 0 else 0.05), 90) for pod in range(4)]
        for minute in range(60)
    ]
    assert pod_dispersion(worse) > 2


def test_a_single_pod_and_minutes_without_bad_requests_say_nothing():
    assert pod_dispersion([]) == 1
    assert pod_dispersion([[Rate(5, 60)], [Rate(0, 60), Rate(0, 60)], [Rate(9, 9), Rate(3, 3)], []]) == 1
    assert pod_dispersion([[Rate(1, 1), Rate(0, 0)]]) == 1


def polls(dice: random.Random, clump: float, *, requests: int = 90, number: int = 60) -> list[Rate]:
    """Return polls in which every failure is tried again until so many requests were sent on average."""
    found = []
    for _ in range(number):
        bad = 0
        for _ in range(sum(dice.random() < 0.05 for _ in range(requests))):
            bad += 1
            while dice.random() > 1 / clump:
                bad += 1
        found.append(Rate(bad, requests + bad))
    return found


def heard(counts: list[Rate]) -> Clumps:
    state = Clumps()
    for poll in counts:
        state = state.add(poll)
    return state


def mean_factor(clump: float, number: int = 60) -> float:
    return sum(heard(polls(random.Random(seed), clump, number=number)).factor for seed in range(40)) / 40


def test_failures_that_come_one_by_one_are_no_clumps():
    assert mean_factor(1.0) < 1.05
    assert mean_factor(1.0, number=8) < 1.2


def test_failures_that_are_tried_again_have_the_index_of_their_clumps_soon():
    # Until three are sent on average: an index of 5, less two standard errors.
    assert mean_factor(3.0, number=400) == pytest.approx(5 * 0.8, rel=0.15)
    assert mean_factor(3.0, number=12) > 2


def test_an_incident_that_begins_and_ends_is_no_clump():
    dice = random.Random(8)
    rates = [0.3 if number % 60 in range(20, 26) else 0.005 for number in range(600)]
    counts = [Rate(sum(dice.random() < rate for _ in range(90)), 90) for rate in rates]
    assert heard(counts).factor < 1.3
    # What sums of squared differences of neighbours would make of it.
    neighbours = sum((one.bad - two.bad) ** 2 / 2 for one, two in pairwise(counts)) / sum(one.bad for one in counts)
    assert neighbours > 1.5


def test_a_poll_never_tempers_itself():
    counts = polls(random.Random(9), 1.0, number=20)
    assert heard([*counts, Rate(60, 90)]).factor == heard(counts).factor
    assert heard([*counts, Rate(60, 90), *counts[:2]]).factor > 3


def test_a_poll_of_another_size_is_compared_with_none():
    counts = polls(random.Random(11), 1.0, number=20)
    state = heard([*counts, Rate(1, 2), *counts])
    assert state.factor == 1
    assert state.expected == pytest.approx(heard(counts).expected + heard(counts).expected, rel=0.2)


def test_polls_without_requests_are_not_compared():
    counts = polls(random.Random(10), 3.0)
    assert heard([poll for one in counts for poll in (one, Rate(0.0, 0.0))]) == heard(counts)


def test_the_larger_source_counts_within_bounds():
    quiet, loud, mad = PodNoise(5.0, 10), PodNoise(40.0, 10), PodNoise(1e6, 10)
    assert noise() == 1
    assert noise(quiet, LiveNoise()) == 1
    wavering = LiveNoise(squares=95.0, differences=31, largest=5.0)
    assert noise(quiet, wavering) == 3
    assert noise(loud, wavering) == 4
    assert noise(mad) == MOST


def test_states_are_small_and_survive_being_stored():
    dice, state, pods = random.Random(6), LiveNoise(), PodNoise()
    for _ in range(500):
        state = state.add(Pair(bad(dice, 60, 0.02), 60, bad(dice, 540, 0.02), 540))
        pods = pods.add([Rate(bad(dice, 60, 0.02), 60) for _ in range(3)])
    past, *rest = json.loads(json.dumps(astuple(state)))
    assert LiveNoise(Pair(*past), *rest) == state
    assert PodNoise(*json.loads(json.dumps(astuple(pods)))) == pods
    assert len(json.dumps(astuple(state))) < 140
