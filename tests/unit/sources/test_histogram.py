"""Quantiles from buckets, as Prometheus' histogram_quantile defines them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.sources._histogram import quantile

INF = math.inf


@pytest.mark.parametrize(
    ("buckets", "q", "value"),
    [
        ({1: 10, INF: 10}, 0.5, 0.5),
        ({1: 0, 2: 10, INF: 10}, 0.5, 1.5),
        ({1: 5, 2: 10, INF: 10}, 0.5, 1.0),
        ({1: 5, 2: 10, INF: 10}, 0.75, 1.5),
        ({1: 5, 2: 10, INF: 20}, 0.99, 2.0),
        ({1: 0, INF: 10}, 0.5, 1.0),
        ({1: 0, INF: 0}, 0.5, None),
        ({INF: 10}, 0.5, None),
        ({}, 0.5, None),
        ({1: 5, 2: 4, 3: 10, INF: 10}, 0.9, 2.8),
    ],
)
def test_a_quantile(buckets: dict[float, float], q: float, value: float | None) -> None:
    assert quantile(buckets, q) == (None if value is None else pytest.approx(value))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_higher_quantile_is_no_smaller_and_none_leaves_the_buckets(counts: list[int], one: float, two: float) -> None:
    total, buckets = 0, {}
    for bound, count in enumerate(counts, start=1):
        total += count
        buckets[float(bound)] = float(total)
    buckets[INF] = float(total)
    low, high = (quantile(buckets, q) for q in sorted((one, two)))
    if low is None or high is None:
        assert total == 0
        return
    assert 0 <= low <= high + 1e-9
    assert high <= len(counts)
