"""The state of every test: a mixture over alternatives and starts that is small, finite and survives being stored."""

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.evidence import mixture
from modelrollout.evidence.mixture import Mixture
from modelrollout.evidence.onset import Onset
from modelrollout.evidence.pair import Pair
from modelrollout.evidence.ratio import RatioTest

onsets = st.builds(Onset, st.integers(1, 40), st.integers(1, 6), st.floats(0.1, 0.8), st.floats(0, 0.2))
logs = st.lists(st.lists(st.floats(-5, 5), min_size=2, max_size=2), max_size=30)


@given(onsets, logs)
def test_it_is_the_sum_over_starts_and_alternatives(onset, increments):
    state = mixture.start(2)
    for row in increments:
        state = mixture.advance(state, row, onset)
    total = onset.rest(len(increments))
    if not increments:
        total = 1.0
    for start in range(len(increments)):
        for alternative in range(2):
            product = math.exp(sum(row[alternative] for row in increments[start:]))
            total += onset.prior(start) * product / 2
    assert mixture.log_e(state) == pytest.approx(math.log(total), rel=1e-9, abs=1e-9)


@given(onsets, st.integers(0, 60))
def test_the_prior_of_starts_is_one_in_all(onset, blocks):
    assert sum(onset.prior(block) for block in range(blocks)) + onset.rest(blocks) == pytest.approx(1)


@pytest.mark.parametrize("fields", [{"first": 0.0}, {"first": 0.95}, {"beyond": -0.1}, {"horizon": 0}, {"slots": 0}])
def test_a_prior_without_weight_on_the_first_block_is_refused(fields):
    with pytest.raises(ValueError, match="no prior"):
        Onset(**fields)


@given(onsets, logs.filter(bool), st.floats(0.01, 1))
def test_tempered_it_is_no_more_than_a_power_of_what_it_was(onset, increments, power):
    state = mixture.start(2)
    for row in increments:
        state = mixture.advance(state, row, onset)
    tempered = mixture.log_e(mixture.temper(state, power))
    # Jensen: the mean of powers is at most the power of the mean.
    assert tempered <= power * mixture.log_e(state) + 1e-9
    assert tempered <= mixture.log_e(state) + 1e-9
    assert mixture.log_e(mixture.temper(state, 1.0)) == pytest.approx(mixture.log_e(state), abs=1e-9)


def test_before_the_first_block_there_is_nothing_to_temper():
    assert mixture.log_e(mixture.temper(mixture.start(3), 0.1)) == 0


def test_without_an_onset_it_is_the_average_of_products():
    state = mixture.start(2)
    for row in ([1.0, -1.0], [0.5, 0.0]):
        state = mixture.advance(state, row, None)
    assert mixture.log_e(state) == pytest.approx(math.log((math.exp(1.5) + math.exp(-1.0)) / 2))


def test_before_the_first_block_there_is_no_evidence():
    assert mixture.log_e(mixture.start(5)) == pytest.approx(0, abs=1e-15)
    assert mixture.log_e(mixture.advance(mixture.start(5), [0.0] * 5, Onset())) == pytest.approx(0, abs=1e-15)


def test_a_state_of_another_test_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        mixture.advance(mixture.start(2), [0.0, 0.0, 0.0], None)


@given(onsets, logs)
def test_a_state_survives_being_stored(onset, increments):
    state = mixture.start(2)
    for row in increments:
        state = mixture.advance(state, row, onset)
        parts, rest, steps = json.loads(json.dumps(state, allow_nan=False))
        assert Mixture(tuple(parts), rest, steps) == state


def test_whole_numbers_from_a_store_are_as_good_as_others():
    state = mixture.advance(Mixture((0, -1), 0, 1), [1, 2], None)
    assert state == Mixture((1, 1), 0.0, 2)


def test_a_late_failure_is_found_sooner_with_an_onset():
    # A healthy past of 60 blocks, then ten times as many errors.
    def blocks_needed(test: RatioTest) -> int:
        state, past = test.start(), Pair()
        for number in range(400):
            block = Pair(0, 10, 0, 90) if number % 2 else Pair(0, 10, 1, 90)
            if number >= 60:
                block = Pair(1, 10, 1, 90)
            state = test.step(state, past, block)
            past += block
            if test.log_e(state) >= math.log(20):
                return number - 60
        return 400

    assert blocks_needed(RatioTest(onset=Onset(130))) < 0.8 * blocks_needed(RatioTest())


def test_however_late_a_failure_begins_there_is_a_start_for_it():
    onset = Onset()
    later = [block for block in range(1, 8640) if onset.prior(block)]
    assert max(after - before for before, after in pairwise(later)) == onset.every
    # The last start in a day of polls at 10 s has e^-12 of the weight: a few times what a rollback takes, and no wall.
    assert min(onset.prior(block) for block in later) > math.exp(-12)


def test_extreme_evidence_stays_finite():
    state = mixture.start(1)
    for increment in (-1e6, 2e6, -5e5):
        state = mixture.advance(state, [increment], Onset(3, 2))
    assert math.isfinite(mixture.log_e(state))
