"""When latency is steady."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.engine.steady import steady

FALLING = [10.0, 9, 8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("seconds", "warm"),
    [
        ([], False),
        ([1.0] * 9, False),
        ([1.0] * 10, True),
        (FALLING, False),
        ([*FALLING, *[1.0] * 5], False),
        ([*FALLING, *[1.0] * 8], True),
        ([1.0] * 5 + [0.8] * 5, True),
        ([1.0] * 5 + [0.79] * 5, False),
        ([1.0] * 5 + [1.2] * 5, True),
        ([1.0] * 5 + [1.21] * 5, False),
        # One slow answer among five says nothing.
        ([1.0] * 8 + [50.0, 60.0], True),
    ],
)
def test_a_pod_is_warm_when_its_last_answers_take_as_long_as_those_before(seconds, warm):
    assert steady(seconds) is warm


@given(st.lists(st.floats(0.001, 10), max_size=9))
def test_fewer_than_ten_answers_never_say_it(seconds):
    assert not steady(seconds)


@given(st.lists(st.floats(0.001, 10), min_size=10, max_size=30))
def test_the_unit_does_not_matter(seconds):
    assert steady([16 * each for each in seconds]) == steady(seconds)


@given(st.lists(st.floats(0.001, 10), max_size=20), st.floats(0.001, 10))
def test_a_constant_latency_ends_it_in_ten(seconds, latency):
    assert steady([*seconds, *[latency] * 10])
