"""The choice of requests: the same as the router's filters make, which are written in another language."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.domain.sampling import LARGEST_ID, sampled
from modelrollout.routers import _envoy_capture

IDS = st.text(st.characters(codec="utf-8"), max_size=40)


def hash_of(request: str) -> int:
    """Return an id's place among 100, found by asking for every share."""
    return next(percent for percent in range(100) if sampled(request, percent + 1))


@pytest.mark.parametrize(
    ("request_id", "place"),
    # As the filter's formula gives them when it is worked out by hand: ((a · 31 + b) · 31 + c) mod 2³² mod 100.
    [("a", 97), ("b", 98), ("ab", (97 * 31 + 98) % 100), ("abc", ((97 * 31 + 98) * 31 + 99) % 100)],
)
def test_short_ids_by_hand(request_id: str, place: int) -> None:
    assert hash_of(request_id) == place


def test_the_filter_still_uses_this_formula() -> None:
    # The filters' own choice is tested against a real Envoy; whoever changes it must change both.
    lua = re.sub(r"\s+", " ", _envoy_capture._COMMON)
    assert "hash = (hash * 31 + string.byte(id, at)) % 4294967296 end return hash % 100 < percent" in lua
    assert LARGEST_ID == _envoy_capture.LARGEST_ID


@given(IDS, st.integers(0, 99))
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_who_is_chosen_at_one_share_is_chosen_at_every_larger_one(request_id: str, percent: int) -> None:
    assert not sampled(request_id, 0)
    assert not sampled(request_id, percent) or sampled(request_id, percent + 1)


def test_what_is_no_id_is_never_chosen() -> None:
    assert not sampled("", 100)
    assert not sampled("x" * 129, 100)
    assert sampled("x" * 128, 100)


def test_ids_as_routers_make_them_are_spread_evenly() -> None:
    chosen = sum(sampled(f"{number:08x}-9f3b-4a77-8d52-0a1b2c3d4e5f", 30) for number in range(20_000))
    assert 0.28 < chosen / 20_000 < 0.32
