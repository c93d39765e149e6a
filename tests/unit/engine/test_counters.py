"""Subtracting counters, by tables: what was counted between two scrapes, whatever comes and goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.domain.reading import Key
from modelrollout.engine.counters import by_arm, complete, increments, remember, total


def keys(**values: float) -> dict[Key, float]:
    """Return counters; a name is pod_series, all of one arm."""
    return {Key("rev", *name.split("_")): value for name, value in values.items()}


@pytest.mark.parametrize(
    ("seen", "now", "grown"),
    [
        (keys(a_total=10), keys(a_total=25), {"a_total": 15}),
        (keys(a_total=10, b_total=5), keys(a_total=12, b_total=9), {"a_total": 2, "b_total": 4}),
        (keys(a_total=10), keys(a_total=10), {}),
        (keys(), keys(a_total=1000, a_bad=900), {}),
        (keys(a_total=10), keys(a_total=11, b_total=500, b_bad=400), {"a_total": 1}),
        (keys(a_total=10), keys(a_total=12, a_bad=1), {"a_total": 2, "a_bad": 1}),
        (keys(a_total=100, a_bad=3), keys(a_total=7, a_bad=3), {"a_total": 7, "a_bad": 3}),
        (keys(a_total=100, a_bad=3), keys(a_total=7), {"a_total": 7}),
        (keys(a_total=100, b_total=10), keys(a_total=7, b_total=11), {"a_total": 7, "b_total": 1}),
        (keys(a_total=10, b_total=10), keys(a_total=11), {"a_total": 1}),
        (keys(a_total=10), keys(), {}),
        (keys(a_total=10, a_bad=0), keys(a_total=0, a_bad=0), {}),
    ],
    ids=[
        "grown", "each pod by itself", "quiet", "the first scrape says where to count from",
        "a new pod says where to count from", "a first error is born at 1", "a restart counts all of the process from 0",
        "a restart that has not failed yet", "a restart concerns its own pod only", "a pod that vanished takes nothing back",
        "nobody reports", "a restart that has done nothing yet",
    ],
)  # fmt: skip
def test_what_was_counted_between_two_scrapes(
    seen: dict[Key, float], now: dict[Key, float], grown: dict[str, float]
) -> None:
    assert increments(seen, now) == keys(**grown)


def test_a_restart_in_one_arm_says_nothing_about_another() -> None:
    seen = {Key("one", "a", "total"): 10.0, Key("two", "a", "total"): 10.0}
    now = {Key("one", "a", "total"): 2.0, Key("two", "a", "total"): 13.0}
    assert increments(seen, now) == {Key("one", "a", "total"): 2.0, Key("two", "a", "total"): 3.0}


def test_an_arm_that_is_new_in_a_known_pod_is_born_at_0() -> None:
    seen = {Key("one", "a", "total"): 10.0}
    now = {Key("one", "a", "total"): 10.0, Key("two", "a", "total"): 4.0}
    assert increments(seen, now) == {Key("two", "a", "total"): 4.0}


def test_a_pod_that_comes_back_goes_on_from_where_it_was() -> None:
    seen = remember(keys(a_total=10, b_total=10), keys(a_total=20))
    assert seen == keys(a_total=20, b_total=10)
    assert increments(seen, keys(a_total=21, b_total=15)) == keys(a_total=1, b_total=5)


def test_a_series_that_disappeared_from_a_pod_that_reports_is_forgotten() -> None:
    assert remember(keys(a_total=10, a_bad=2), keys(a_total=11)) == keys(a_total=11)


def test_sums_are_over_pods_and_keep_arms_and_slices_apart() -> None:
    sums = total({}, keys(a_total=1, b_total=2))
    sums = total(
        sums, {Key("rev", "c", "total", "eu"): 5.0, Key("other", "a", "total"): 7.0, Key("rev", "a", "total"): 1.0}
    )
    assert sums == {
        Key("rev", "", "total"): 4.0,
        Key("rev", "", "total", "eu"): 5.0,
        Key("other", "", "total"): 7.0,
    }


_PODS = st.sampled_from("ab")
_STEPS = st.lists(st.tuples(_PODS, st.sampled_from(["count", "restart", "hide"]), st.integers(0, 9)), max_size=30)


@given(_STEPS)
def test_no_story_makes_more_or_negative_counts(steps: list[tuple[str, str, int]]) -> None:
    """Every request of a pod that was seen before is counted at most once, whatever restarts and gaps there are."""
    live = {"a": 0, "b": 0}
    happened = {"a": 0, "b": 0}
    seen = keys(a_total=0, b_total=0)
    sums: dict[Key, float] = {}
    for pod, what, number in steps:
        if what == "restart":
            live[pod] = 0
        live[pod] += number
        happened[pod] += number
        hidden = pod if what == "hide" else ""
        now = {Key("rev", name, "total"): float(value) for name, value in live.items() if name != hidden}
        grown = increments(seen, now)
        assert all(value > 0 for value in grown.values())
        sums, seen = total(sums, grown), remember(seen, now)
    assert sums.get(Key("rev", "", "total"), 0.0) <= sum(happened.values())


@given(st.lists(st.integers(0, 50), max_size=20))
def test_without_restarts_and_gaps_every_request_is_counted_once(numbers: list[int]) -> None:
    seen, sums, count = keys(a_total=0), {}, 0
    for number in numbers:
        count += number
        now = keys(a_total=count)
        sums, seen = total(sums, increments(seen, now)), remember(seen, now)
    assert sum(sums.values()) == sum(numbers)


def test_each_arm_and_each_slice_has_its_own_series():
    grown = {
        Key("old", "", "total"): 9.0,
        Key("new", "", "total"): 4.0,
        Key("new", "", "bad"): 1.0,
        Key("new", "", "total", "eu"): 3.0,
    }
    assert by_arm(grown) == {
        ("old", ""): {"total": 9.0},
        ("new", ""): {"total": 4.0, "bad": 1.0},
        ("new", "eu"): {"total": 3.0},
    }


def test_what_stood_is_zero_beside_what_grew() -> None:
    grown = {("new", ""): {"le=1": 2.0}, ("old", "eu"): {"le=1": 1.0}}
    seen = keys(a_total=7) | {
        Key("new", "a", "le=0.5"): 9.0,
        Key("new", "a", "le=1"): 9.0,
        Key("new", "a", "le=0.5", "eu"): 9.0,
        Key("old", "b", "le=0.5", "eu"): 4.0,
    }
    assert complete(grown, seen) == {
        ("new", ""): {"le=0.5": 0.0, "le=1": 2.0},
        ("old", "eu"): {"le=0.5": 0.0, "le=1": 1.0},
    }
