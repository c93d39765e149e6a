"""From what grew to a tally: sums over labels, histograms from what lies between bounds, and nothing out of nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.domain.tally import Histogram, Mean, Measure, Rate, Shares
from modelrollout.sources._tallies import Cell, bucket, cumulate, histogram, mean, rate, shares

INF = math.inf


@pytest.mark.parametrize(
    ("grown", "measure"),
    [
        ({}, None),
        ({"bad/a/1": 3.0}, None),
        ({"total/a/1": 10.0}, Measure(Rate(0, 10), {"a": Rate(0, 10)})),
        ({"total/a/1": 10.0, "total/a/2": 2.0, "bad/a/2": 2.0}, Measure(Rate(2, 12), {"a": Rate(2, 12)})),
        (
            {"total/b/1": 10.0, "bad/b/1": 1.0, "total/a/1": 5.0},
            Measure(Rate(1, 15), {"a": Rate(0, 5), "b": Rate(1, 10)}),
        ),
        ({"total/a/1": 2.0, "bad/a/1": 3.0}, Measure(Rate(2, 2), {"a": Rate(2, 2)})),
        ({"total/a/1": 2.0, "bad/b/1": 1.0}, Measure(Rate(1, 2), {"a": Rate(0, 2)})),
    ],
)
def test_bad_of_all(grown: dict[str, float], measure: Measure | None) -> None:
    assert rate(grown) == measure


@pytest.mark.parametrize(
    ("grown", "tally"),
    [
        ({}, None),
        ({"sum/1": 3.0}, None),
        ({"count/1": 4.0}, Mean(0, 4)),
        ({"count/1": 4.0, "count/2": 1.0, "sum/1": 10.0, "sum/2": 20.0}, Mean(15, 5)),
    ],
)
def test_a_mean(grown: dict[str, float], tally: Mean | None) -> None:
    assert mean(grown, 0.5) == (Measure(tally) if tally else None)


@pytest.mark.parametrize(
    ("cells", "buckets"),
    [
        ([(0.1, 0.5, 3)], [(0.1, 0), (0.5, 3), (INF, 3)]),
        ([(-INF, 0.1, 2), (0.5, INF, 1)], [(0.1, 2), (0.5, 2), (INF, 3)]),
        ([(0.5, INF, 1), (-INF, 0.1, 2), (0.1, 0.5, 0)], [(0.1, 2), (0.5, 2), (INF, 3)]),
        # Two layouts: nobody knows how many of the four are below 0.3.
        ([(0.1, 0.5, 4), (0.2, 0.3, 1)], [(0.1, 0), (0.5, 5), (INF, 5)]),
        ([(0.1, 0.5, 0), (0.2, 0.3, 1)], [(0.1, 0), (0.2, 0), (0.3, 1), (0.5, 1), (INF, 1)]),
        ([(-INF, INF, 2)], [(INF, 2)]),
    ],
)
def test_cumulative_counts(cells: list[tuple[float, float, float]], buckets: list[tuple[float, float]]) -> None:
    assert cumulate(Cell(*cell) for cell in cells) == Measure(Histogram(tuple(buckets)))


@pytest.mark.parametrize(
    ("grown", "buckets"),
    [
        ({(-INF, 0.1): 2, (0.1, 0.5): 5, (0.5, INF): 6}, [(0.1, 2), (0.5, 5), (INF, 6)]),
        # Those that did not grow may be left out.
        ({(0.1, 0.5): 5, (0.5, INF): 6}, [(0.1, 0), (0.5, 5), (INF, 6)]),
        ({(0.5, INF): 6}, [(0.5, 0), (INF, 6)]),
        ({(-INF, 0.1): 0, (0.1, 0.5): 0, (0.5, INF): 6}, [(0.1, 0), (0.5, 0), (INF, 6)]),
        # A larger bucket that was read a request later.
        ({(-INF, 0.1): 5, (0.1, 0.5): 4, (0.5, INF): 6}, [(0.1, 5), (0.5, 5), (INF, 6)]),
    ],
)
def test_a_histogram(grown: dict[tuple[float, float], float], buckets: list[tuple[float, float]]) -> None:
    one = {f"{bucket(low, high)}/a": count for (low, high), count in grown.items()}
    two = {f"{bucket(low, high)}/b": 2 * count for (low, high), count in grown.items()}
    assert histogram(one) == Measure(Histogram(tuple(buckets)))
    assert histogram(one | two) == Measure(Histogram(tuple((bound, 3 * count) for bound, count in buckets)))


def test_histograms_with_other_bounds_share_those_that_they_know() -> None:
    grown = {"le=-inf:0.2/a": 4.0, "le=0.2:inf/a": 6.0, "le=-inf:0.1/b": 1.0, "le=0.1:0.3/b": 3.0, "le=0.3:inf/b": 3.0}
    # What is below 0.1 is known of one of them, and the other has four values somewhere below 0.2.
    assert histogram(grown) == Measure(Histogram(((INF, 9.0),)))


def test_an_empty_histogram_is_nothing() -> None:
    assert histogram({}) is None
    assert histogram({f"{bucket(0.1, 0.5)}/x": 0.0}) is None


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 5)), max_size=6))
def test_every_listed_count_is_what_a_list_of_values_would_give(raw: list[tuple[int, int, int]]) -> None:
    cells = [Cell(float(low), float(low + width + 1), float(count)) for low, width, count in raw]
    found = cumulate(cells)
    if found is None:
        assert sum(cell.count for cell in cells) == 0
        return
    assert isinstance(found.tally, Histogram)
    assert found.tally.buckets[-1] == (INF, sum(cell.count for cell in cells))
    for bound, count in found.tally.buckets:
        lowest = sum(cell.count for cell in cells if cell.high <= bound)
        highest = sum(cell.count for cell in cells if cell.low < bound)
        assert lowest == count == highest


def test_shares_of_classes_whatever_their_names_are() -> None:
    grown = {"class/1/stop": 3.0, "class/2/stop": 1.0, "class/1/a/b": 2.0, "class/1/": 1.0}
    assert shares(grown) == Measure(Shares({"": 1, "a/b": 2, "stop": 4}))
    assert shares({}) is None
