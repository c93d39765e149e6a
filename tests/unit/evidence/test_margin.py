"""Beyond a margin of stable's rate, or within it: projections on a line, and the alternatives that are looked for."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelrollout.evidence.margin import MarginTest, log_margin_e, project
from modelrollout.evidence.pair import Pair, Rates

rates = st.one_of(st.floats(1e-9, 1 - 1e-9), st.floats(-9, -0.001).map(lambda power: 10**power))
sizes = st.floats(0.5, 1e6)


def bisection(point: Rates, sizes: tuple[float, float], ratio: float, delta: float) -> float:
    ns, nc = sizes
    edge = 1e-12
    low, high = max(edge, (edge - delta) / ratio), min(1 - edge, (1 - edge - delta) / ratio)
    for _ in range(200):
        x = (low + high) / 2
        y = ratio * x + delta
        slope = ns * (x - point.stable) / (x * (1 - x)) + nc * ratio * (y - point.candidate) / (y * (1 - y))
        low, high = (low, x) if slope > 0 else (x, high)
    return (low + high) / 2


@given(rates, rates, st.tuples(sizes, sizes), st.floats(0.2, 5), st.floats(-0.95, 0.95))
def test_the_projection_is_where_bisection_finds_it(stable, candidate, size, ratio, delta):
    assume(-ratio * 0.999 < delta)
    point = Rates(stable, candidate)
    x, y = project(point, *size, ratio, delta)
    assert x == pytest.approx(bisection(point, size, ratio, delta), rel=0, abs=1e-12)
    assert y == pytest.approx(ratio * x + delta, rel=0, abs=1e-15)


@given(rates, rates, sizes, sizes)
def test_on_the_line_of_equal_rates_it_is_the_pooled_rate(stable, candidate, ns, nc):
    pooled = (ns * stable + nc * candidate) / (ns + nc)
    assert project(Rates(stable, candidate), ns, nc, 1.0, 0.0) == pytest.approx((pooled, pooled), rel=1e-9, abs=1e-12)


@given(st.floats(0.001, 0.9), sizes, sizes)
def test_a_point_of_the_line_stays_where_it_is(stable, ns, nc):
    assert project(Rates(stable, stable + 0.05), ns, nc, 1.0, 0.05) == pytest.approx((stable, stable + 0.05))


@pytest.mark.parametrize(
    ("delta", "ratio", "worse", "equal"),
    [
        (0.005, 1.0, False, True),
        (0.0, 1.25, False, True),
        (-0.01, 1.0, True, True),
        (0.0, 0.8, True, True),
        (0.005, 1.0, True, False),
        (0.0, 1.25, True, False),
        (0.0, 1.0, True, False),
        (0.0, 1.0, False, False),
        (-0.01, 1.0, False, False),
    ],
)
def test_the_alternatives_depend_on_whether_no_difference_is_one(delta, ratio, worse, equal):
    test = MarginTest(delta, ratio, worse=worse)
    assert test.equal == equal
    assert test.alternatives == len(test.increments(Pair(), Pair(1, 10, 1, 90))) == (2 if equal else 5)


def test_an_alternative_inside_the_null_says_nothing():
    block = Pair(3, 10, 1, 90)
    assert log_margin_e(Rates(0.01, 0.01), block, 0.05, 1.0, worse=True) == 0
    assert log_margin_e(Rates(0.01, 0.06), block, 0.05, 1.0, worse=True) == 0
    assert log_margin_e(Rates(0.01, 0.07), block, 0.05, 1.0, worse=True) > 0
    assert log_margin_e(Rates(0.01, 0.01), Pair(3, 0, 1, 90), 0.05, 1.0, worse=False) == 0


def play(test: MarginTest, block: Pair, blocks: int) -> float:
    state, past = test.start(), Pair()
    for _ in range(blocks):
        state = test.step(state, past, block)
        past += block
    return test.log_e(state)


def test_both_sides_find_what_they_look_for_and_only_that():
    for block, beyond in [(Pair(5, 50, 2, 450), True), (Pair(0.25, 50, 2.25, 450), False)]:
        against, within = MarginTest(0.005), MarginTest(0.005, worse=False)
        found = play(against, block, 80), play(within, block, 80)
        assert (found[0] > math.log(20)) == beyond
        assert (found[1] > math.log(20)) == (not beyond)


@pytest.mark.parametrize("past", [Pair(), Pair(0, 1e9, 0, 1e9), Pair(1e9, 1e9, 1e9, 1e9), Pair(0, 5, 900, 900)])
@pytest.mark.parametrize("block", [Pair(5, 5, 0, 50), Pair(0, 5, 50, 50), Pair(5, 5, 50, 50), Pair(0, 5, 0, 50)])
@pytest.mark.parametrize(("delta", "ratio"), [(0.005, 1.0), (-0.9, 1.0), (0.9, 1.0), (0.0, 1.25), (0.3, 4.0)])
def test_nothing_is_infinite_at_the_edges(past, block, delta, ratio):
    for worse in (True, False):
        test = MarginTest(delta, ratio, worse=worse, prior_rate=0.0)
        assert all(math.isfinite(increment) for increment in test.increments(past, block))


@pytest.mark.parametrize(("delta", "ratio"), [(1.0, 1.0), (-1.0, 1.0), (-0.6, 0.5), (0.1, 0.0), (0.1, -1.0)])
def test_a_line_beside_all_rates_is_refused(delta, ratio):
    with pytest.raises(ValueError, match="both sides"):
        MarginTest(delta, ratio)
