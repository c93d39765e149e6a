"""More than so many times stable's rate: the closed form, and the exact normaliser of blocks with many bad ones."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.evidence.pair import Pair
from modelrollout.evidence.ratio import RatioTest, log_hypergeometric_mean
from tests.cost import loops


def exact_mean(factor: Fraction, bad: int, candidate: int, stable: int) -> float:
    ways = {
        k: math.comb(candidate, k) * math.comb(stable, bad - k)
        for k in range(max(0, bad - stable), min(bad, candidate) + 1)
    }
    total = sum(factor**k * way for k, way in ways.items()) / math.comb(candidate + stable, bad)
    return math.log(total.numerator) - math.log(total.denominator)


@given(
    st.sampled_from([Fraction(3, 2), Fraction(5), Fraction(100), Fraction(1, 100), Fraction(2, 3), Fraction(1)]),
    st.integers(1, 60),
    st.integers(1, 60),
    st.floats(0, 1),
)
def test_the_normaliser_is_the_exact_mean(factor, candidate, stable, part):
    bad = round(part * (candidate + stable))
    found = log_hypergeometric_mean(float(factor), bad, candidate, stable)
    assert found == pytest.approx(exact_mean(factor, bad, candidate, stable), rel=1e-11, abs=1e-11)


@given(
    st.sampled_from([1.5, 2.5, 5.0, 15.0, 100.0, 0.4, 0.01]),
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.floats(0.001, 0.999),
)
def test_the_normaliser_is_never_above_the_closed_form(factor, candidate, stable, part):
    bad = max(1, round(part * (candidate + stable)))
    closed = bad * math.log((stable + factor * candidate) / (candidate + stable))
    found = log_hypergeometric_mean(factor, bad, candidate, stable)
    assert found <= closed + 1e-8
    assert found >= min(bad, candidate) * min(math.log(factor), 0) - 1e-8


def test_a_huge_block_is_cheap_and_falls_back_to_the_closed_form():
    test = RatioTest(grid=(2.0,))
    cost = loops(lambda: test.increments(Pair(), Pair(10_000, 30_000, 10_000, 60_000)))
    print(f"{cost:.1f} loops")
    assert cost < 10
    (dense,) = test.increments(Pair(), Pair(10_000, 30_000, 10_000, 60_000))
    (beyond,) = test.increments(Pair(), Pair(10_001, 30_000, 10_000, 60_000))
    closed = 10_001 * math.log(2) - 20_001 * math.log(120_000 / 90_000)
    assert beyond == pytest.approx(closed)
    assert dense > beyond


@pytest.mark.parametrize("block", [Pair(0, 10, 0, 90), Pair(1, 0, 3, 90), Pair(1, 10, 0, 0), Pair()])
def test_a_block_that_compares_nothing_says_nothing(block):
    assert RatioTest().increments(Pair(), block) == [0.0] * 5


def test_evidence_per_bad_request_grows_as_the_weight_falls():
    # A candidate that fails altogether: a few bad requests decide at 5 %, about ten at 50 %.
    def needed(ns: int) -> int:
        test = RatioTest()
        state, count = test.start(), 0
        while test.log_e(state) < math.log(20):
            state = test.step(state, Pair(), Pair(1, 1, 0, ns))
            count += 1
        return count

    assert needed(19) <= 3
    assert needed(1) <= 10


def test_a_cap_and_a_temper_bound_what_one_block_can_say():
    test, block = RatioTest(), Pair(30, 50, 1, 450)
    free, capped = (test.step(test.start(), Pair(), block, cap=cap) for cap in (math.inf, 0.7))
    assert test.log_e(free) > 10
    assert test.log_e(capped) <= 0.7
    tempered = test.step(test.start(), Pair(), block, temper=4.0)
    assert tempered.parts == pytest.approx([part / 4 for part in free.parts])


@pytest.mark.parametrize("ratio", [0.0, -1.0, math.inf, math.nan])
def test_a_ratio_that_is_none_is_refused(ratio):
    with pytest.raises(ValueError, match="above 0"):
        RatioTest(ratio)
