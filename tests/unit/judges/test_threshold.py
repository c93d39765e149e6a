"""Plain limits: windows in a row, provisional values, and limits that change while it is judged."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from modelrollout.domain.reading import Reading, State
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.judges.threshold import PLUGIN, ThresholdConfig

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAX = ThresholdConfig(max=0.02)


def reading(value: float | None, minute: int = 0, *, closed: bool = True, state: State = State.VALUE) -> Reading:
    return Reading("errors", "e", NOW + timedelta(minutes=minute), state, value, 50, closed, "Why.")


def fold(config: ThresholdConfig, *readings: Reading, gate: Gate | None = None) -> Gate:
    for one in readings:
        gate = PLUGIN.judge(config, one, gate)
    assert gate is not None
    return gate


@pytest.mark.parametrize(
    ("limits", "value", "verdict", "message", "limit"),
    [
        ({"max": 0.02}, 0.02, "Pass", "", "≤ 0.02"),
        ({"max": 0.02}, 0.0200001, "Fail", "0.0200001 is above 0.02 (50 requests)", "≤ 0.02"),
        ({"min": 5}, 5, "Pass", "", "≥ 5"),
        ({"min": 5}, 4.9, "Fail", "4.9 is below 5 (50 requests)", "≥ 5"),
        ({"min": 1, "max": 2}, 1.5, "Pass", "", "1 … 2"),
        ({"min": 1, "max": 2}, 0.5, "Fail", "0.5 is below 1 (50 requests)", "1 … 2"),
        ({"max": 0}, 0, "Pass", "", "≤ 0"),
        ({"max": 0}, -0.0, "Pass", "", "≤ 0"),
    ],
)
def test_a_full_window_is_within_its_limits_or_not(
    limits: dict[str, Any], value: float, verdict: str, message: str, limit: str
) -> None:
    gate = fold(ThresholdConfig(**limits), reading(value))
    assert (gate.verdict, gate.message, gate.limit, gate.value, gate.requests) == (verdict, message, limit, value, 50)


def test_so_many_windows_in_a_row_must_be_outside() -> None:
    config = ThresholdConfig(max=0.02, failures=3)
    gates = [fold(config, *(reading(0.5, minute) for minute in range(count))) for count in (1, 2, 3, 4)]
    assert [(gate.verdict, gate.failures) for gate in gates] == [
        ("Undecided", 1),
        ("Undecided", 2),
        ("Fail", 3),
        ("Fail", 3),
    ]
    assert gates[1].message == "0.5 is above 0.02 (50 requests), 2 of 3 windows in a row"


def test_one_window_within_the_limits_ends_a_row() -> None:
    gate = fold(ThresholdConfig(max=0.02, failures=2), reading(0.5), reading(0.0, 1), reading(0.5, 2))
    assert (gate.verdict, gate.failures) == ("Undecided", 1)


def test_a_window_counts_once_however_often_it_is_looked_at() -> None:
    config = ThresholdConfig(max=0.02, failures=2)
    once = fold(config, reading(0.5))
    assert fold(config, reading(0.5), reading(0.5), reading(0.5)) == once
    passed = fold(MAX, reading(0.0))
    assert fold(MAX, reading(0.0), reading(0.0)) == passed


@pytest.mark.parametrize("state", [state for state in State if state is not State.VALUE])
@pytest.mark.parametrize("closed", [True, False])
def test_without_a_number_nothing_is_concluded_and_no_row_moves(state: State, closed: bool) -> None:
    config = ThresholdConfig(max=0.02, failures=2)
    gate = fold(config, reading(0.5), reading(None, 1, closed=closed, state=state))
    assert (gate.verdict, gate.state, gate.failures, gate.value, gate.message) == ("Undecided", state, 1, None, "Why.")
    gate = fold(config, reading(0.5, 2), gate=gate)
    assert (gate.verdict, gate.failures) == ("Fail", 2)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), None])
def test_what_is_no_number_is_no_verdict(value: float | None) -> None:
    gate = fold(MAX, reading(value))
    assert (gate.verdict, gate.value) == ("Undecided", None)


def test_a_window_that_grows_says_how_far_it_is() -> None:
    gate = fold(ThresholdConfig(max=0.02, min_requests=200), reading(0.0, closed=False))
    assert (gate.verdict, gate.message, gate.value) == ("Undecided", "50 of 200 requests", 0.0)
    gate = fold(ThresholdConfig(max=0.02, min_requests=200), reading(0.5, closed=False))
    assert gate.message == "50 of 200 requests; 0.5 is above 0.02 so far"
    assert gate.failures == 0


def test_a_pass_stands_while_the_next_window_grows_until_that_speaks_against_it() -> None:
    passed = fold(MAX, reading(0.0))
    assert fold(MAX, reading(0.01, 1, closed=False), gate=passed).verdict is Verdict.PASS
    broken = fold(MAX, reading(0.5, 1, closed=False), gate=passed)
    assert broken.verdict is Verdict.UNDECIDED
    assert fold(MAX, reading(0.0, 2, closed=False), gate=broken).verdict is Verdict.UNDECIDED, (
        "only a full window passes again"
    )
    assert fold(MAX, reading(0.0, 3), gate=broken).verdict is Verdict.PASS


def test_a_failure_stands_until_a_full_window_passes() -> None:
    failed = fold(MAX, reading(0.5))
    grows = fold(MAX, reading(0.0, 1, closed=False), gate=failed)
    assert (grows.verdict, grows.message) == ("Fail", failed.message)
    assert fold(MAX, reading(0.0, 2), gate=grows).verdict is Verdict.PASS


def test_limits_that_were_changed_apply_to_the_last_window_and_it_still_counts_once() -> None:
    passed = fold(MAX, reading(0.01))
    tighter = fold(ThresholdConfig(max=0.001), reading(0.01), gate=passed)
    assert (tighter.verdict, tighter.limit) == ("Fail", "≤ 0.001")
    failed = fold(ThresholdConfig(max=0.001, failures=2), reading(0.01))
    still = fold(ThresholdConfig(max=0.002, failures=2), reading(0.01), gate=failed)
    assert (still.verdict, still.failures) == ("Undecided", 1)
    looser = fold(MAX, reading(0.01), gate=failed)
    assert (looser.verdict, looser.failures) == ("Pass", 0)
    fewer = fold(ThresholdConfig(max=0.001, failures=1), reading(0.01), gate=failed)
    assert fewer.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("config", "counts", "fraction", "paths"),
    [
        ({"max": 1}, True, False, []),
        ({"max": 1, "min_requests": 5}, True, False, []),
        ({"max": 1, "min_requests": 5}, False, False, ["threshold.minRequests"]),
        ({"max": 2}, True, True, ["threshold.max"]),
        ({"max": 2}, True, False, []),
        ({"min": -0.1, "max": 1}, True, True, ["threshold.min"]),
    ],
)
def test_what_it_cannot_judge(config: dict[str, Any], counts: bool, fraction: bool, paths: list[str]) -> None:
    found = PLUGIN.problems(ThresholdConfig(**config), counts=counts, fraction=fraction)
    assert [problem.path for problem in found] == paths


@pytest.mark.parametrize(
    ("config", "words"),
    [({}, "has no limit"), ({"max": 1, "min": 2}, "so no value can pass"), ({"max": float("nan")}, "finite")],
)
def test_limits_that_say_nothing_or_contradict_each_other(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ThresholdConfig(**config)


def test_a_limit_in_percent_is_refused_with_the_fraction_that_was_meant() -> None:
    (problem,) = PLUGIN.problems(ThresholdConfig(max=2), counts=True, fraction=True)
    assert problem.remedy == "Write 0.02 for 2 %."
