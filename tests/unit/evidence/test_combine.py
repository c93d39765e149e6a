"""Many tests, one decision: averages, closed testing by definition, discoveries by definition."""

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.evidence import combine

logs = st.lists(st.one_of(st.floats(-3, 8), st.floats(-800, 800)), min_size=1, max_size=7)
alphas = st.sampled_from([0.01, 0.05, 0.2, 0.5])


@given(logs, alphas)
def test_blame_is_closed_testing_over_all_groups(values, alpha):
    members = range(len(values))
    terms = [math.exp(min(value, 700.0)) - 1 / alpha for value in values]
    # A group is rejected when its average reaches 1/alpha, that is when what is beyond it outweighs what falls short.
    rejected = {
        group: math.fsum(terms[member] for member in group) >= 0
        for size in range(1, len(values) + 1)
        for group in combinations(members, size)
    }
    guilty = [member for member in members if all(sure for group, sure in rejected.items() if member in group)]
    assert list(combine.blame(values, alpha)) == guilty


@given(logs, alphas)
def test_discoveries_are_the_largest_set_that_agrees_with_itself(values, alpha):
    count = len(values)
    sizes = [
        size
        for size in range(1, count + 1)
        if sum(value >= math.log(count / (size * alpha)) for value in values) >= size
    ]
    largest = max(sizes, default=0)
    found = combine.discoveries(values, alpha)
    assert len(found) == largest
    assert found == tuple(sorted(found))
    assert (
        min((values[index] for index in found), default=0)
        >= max((value for index, value in enumerate(values) if index not in found), default=-math.inf)
        or not found
    )


@given(logs)
def test_an_average_lies_between_and_is_never_weaker_than_bonferroni(values):
    weights = [1 / len(values)] * len(values)
    found = combine.average(values, weights)
    assert min(values) - 1e-9 <= found <= max(values) + 1e-9
    assert found >= max(values) - math.log(len(values)) - 1e-9


def test_blame_and_discovery_begin_exactly_where_they_should():
    # At 5 %: with another at 1 the pair's average reaches 20 from 39 on; of two, one is discovered from 40 on, both from 20.
    assert combine.blame([math.log(38.9), 0.0], 0.05) == ()
    assert combine.blame([math.log(39.1), 0.0], 0.05) == (0,)
    assert combine.discoveries([math.log(39.9), 0.0], 0.05) == ()
    assert combine.discoveries([0.0, math.log(40.1)], 0.05) == (1,)
    assert combine.discoveries([math.log(20.1), math.log(19.9)], 0.05) == ()
    assert combine.discoveries([math.log(20.1), math.log(20.2)], 0.05) == (0, 1)


def test_weights_count_and_a_weight_of_0_is_out():
    assert combine.average([math.log(4), math.log(100)], [0.75, 0.25]) == pytest.approx(math.log(28))
    assert combine.average([math.log(4), 900.0], [1.0, 0.0]) == pytest.approx(math.log(4))
    assert combine.average([], []) == 0
    assert combine.blame([], 0.05) == combine.discoveries([], 0.05) == ()


def test_evidence_spread_thin_convicts_together_and_blames_no_one():
    values = [math.log(22)] * 3 + [math.log(1)]
    assert combine.average(values, [0.3, 0.3, 0.3, 0.1]) >= math.log(19)
    assert combine.blame(values, 0.05) == ()
    assert combine.blame([math.log(60), math.log(1)], 0.05) == (0,)
