"""The detector, the split and the joined pairs: what they find, and how seldom they cry wolf."""

import json
import math
import random

import pytest

from modelrollout.evidence.constant import ConstantTest
from modelrollout.evidence.detector import Detector
from modelrollout.evidence.pair import Pair
from modelrollout.evidence.paired import Cells, PairedTest
from modelrollout.evidence.routing import split_log_e
from tests.unit.evidence.tables import SLACK, counts


def test_the_sum_of_evidence_expects_no_more_than_the_number_of_blocks():
    # The proof of the time between false alarms, counted: E[M] ≤ blocks while nothing changes.
    test, detector = ConstantTest(0.2, grid=(2.0, 6.0)), Detector()

    def mean(state, blocks):
        if blocks == 3:
            return sum(math.expm1(log) for log in state) / len(state)
        return sum(
            chance * mean(detector.step(state, test.increments(Pair(), Pair(kc, 4))), blocks + 1)
            for kc, chance in counts(4, 0.2)
        )

    assert mean(detector.start(2), 0) <= 3 + SLACK


def test_alarms_are_at_least_as_far_apart_as_it_says():
    test, detector, dice = ConstantTest(0.2), Detector(30), random.Random(7)
    lengths = []
    for _ in range(150):
        state, blocks = detector.start(test.alternatives), 0
        while not detector.alarm(state) and blocks < 2000:
            block = Pair(sum(dice.random() < 0.2 for _ in range(5)), 5)
            state = detector.step(state, test.increments(Pair(), block))
            blocks += 1
        lengths.append(blocks)
    assert sum(lengths) / len(lengths) >= 30


def test_a_change_after_a_long_healthy_time_is_found_as_fast_as_an_early_one():
    test, detector = ConstantTest(0.01), Detector(10_000)

    def delay(healthy: int) -> int:
        state, blocks = detector.start(test.alternatives), 0
        while not detector.alarm(state):
            state = detector.step(state, test.increments(Pair(), Pair(0 if blocks < healthy else 5, 50)))
            blocks += 1
        return blocks - healthy

    assert delay(5000) <= delay(0)


def test_a_detector_survives_being_stored_and_does_not_overflow():
    detector = Detector()
    state = detector.step(detector.start(2), [900.0, -900.0])
    assert state == pytest.approx((900.0, 0.0))
    assert detector.alarm(state)
    assert tuple(json.loads(json.dumps(state, allow_nan=False))) == state
    with pytest.raises(ValueError, match="zip"):
        detector.step(state, [1.0])


def test_the_alarm_goes_off_where_the_sum_reaches_what_was_asked_for():
    detector = Detector(20)
    # From M = 0, one block of e makes M = e.
    assert not detector.alarm(detector.step(detector.start(1), [math.log(19.9)]))
    assert detector.alarm(detector.step(detector.start(1), [math.log(20.1)]))
    assert not detector.alarm(detector.step(detector.start(2), [math.log(20.1), math.log(19.8)]))


def test_a_wrong_split_is_noticed_and_a_right_one_is_not():
    assert split_log_e((1000, 9000), (10, 90)) < 0
    assert split_log_e((500, 9500), (10, 90)) > math.log(1e6)
    assert split_log_e((0, 0), (10, 90)) == pytest.approx(0)
    assert split_log_e((0, 500), (0, 100)) == pytest.approx(0)
    assert split_log_e((1, 500), (0, 100)) == math.inf


def test_the_unit_of_weights_does_not_matter():
    assert split_log_e((7, 80), (10, 90)) == pytest.approx(split_log_e((7, 80), (0.1, 0.9)))


@pytest.mark.parametrize(("delta", "worse"), [(0.0, True), (0.05, True), (0.05, False), (-0.1, False)])
def test_joined_pairs_are_the_product_of_their_stakes(delta, worse):
    test, sign = PairedTest(delta, worse), 1 if worse else -1
    found = test.increments(Cells(3, 2, 10))
    for stake, log in zip(test.stakes, found, strict=True):
        fraction = stake / (1 + sign * delta)
        factors = [1 + fraction * sign * (x - delta) for x in (1, 1, 1, -1, -1, 0, 0, 0, 0, 0)]
        assert min(factors) > 0
        assert log == pytest.approx(math.log(math.prod(factors)))


def test_pairs_that_agree_prove_a_margin_that_separate_counts_could_not():
    test = PairedTest(0.005, worse=False)
    state, pairs = test.start(), 0
    while test.log_e(state) < math.log(20):
        state = test.step(state, Cells(0, 0, 10))
        pairs += 10
    assert pairs < 1000


def test_a_pair_test_can_be_capped_and_tempered():
    test = PairedTest()
    assert test.log_e(test.step(test.start(), Cells(40, 0, 50), cap=1.0)) <= 1
    assert test.log_e(test.step(test.start(), Cells(40, 0, 50), temper=4.0)) < test.log_e(
        test.step(test.start(), Cells(40, 0, 50))
    )


@pytest.mark.parametrize("delta", [1.0, -1.0, math.nan])
def test_a_margin_beyond_all_pairs_is_refused(delta):
    with pytest.raises(ValueError, match="between -1 and 1"):
        PairedTest(delta)


@pytest.mark.parametrize("limit", [0.0, 1.0, -0.1, math.nan])
def test_a_limit_that_no_rate_can_pass_is_refused(limit):
    with pytest.raises(ValueError, match="between 0 and 1"):
        ConstantTest(limit)
