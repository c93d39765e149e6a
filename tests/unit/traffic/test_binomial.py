from math import comb, sqrt

import pytest

from tests.traffic.binomial import EXACT_UP_TO, band


def tail(n, p, counts):
    return sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in counts)


@pytest.mark.parametrize("alpha", [0.05, 0.001])
@pytest.mark.parametrize("p", [0.01, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("n", [1, 20, 300])
def test_band_is_the_narrowest_with_at_most_alpha_half_outside_on_each_side(n, p, alpha):
    low, high = band(n, p, alpha)

    assert tail(n, p, range(low)) <= alpha / 2 < tail(n, p, range(low + 1))
    assert tail(n, p, range(high + 1, n + 1)) <= alpha / 2 < tail(n, p, range(high, n + 1))


def test_band_of_a_known_table():
    # The central 95 % of a fair coin thrown a hundred times.
    assert band(100, 0.5, 0.05) == (40, 60)


def test_no_share_and_the_whole_share_leave_no_room():
    assert band(1000, 0, 0.01) == (0, 0)
    assert band(1000, 1, 0.01) == (1000, 1000)
    assert band(0, 0.5, 0.01) == (0, 0)


@pytest.mark.parametrize("alpha", [0.05, 1e-4, 1e-9])
@pytest.mark.parametrize("p", [0.01, 0.3, 0.9])
def test_approximation_continues_the_exact_band_and_is_never_narrower(p, alpha):
    low, high = band(EXACT_UP_TO, p, alpha)
    wide_low, wide_high = band(EXACT_UP_TO + 1, p, alpha)

    assert low - 3 <= wide_low <= low + 1
    assert high <= wide_high <= high + 3


def test_a_wrong_split_falls_outside():
    low, high = band(4000, 0.10, 1e-6)

    assert not low <= 0.12 * 4000 + 4 * sqrt(4000 * 0.12 * 0.88) <= high
    assert low <= 400 <= high


@pytest.mark.parametrize(("n", "p", "alpha"), [(-1, 0.5, 0.1), (10, 1.1, 0.1), (10, 0.5, 0), (10, 0.5, 1)])
def test_nonsense_is_refused(n, p, alpha):
    with pytest.raises(ValueError, match="band needs"):
        band(n, p, alpha)
