"""What holds for every judge: only a full window with a number concludes, and it counts once."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelrollout.api.modeldeployment import JUDGES
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.verdict import Gate, Verdict
from tests.conformance.plugins import with_configs

CONFIGS = with_configs(JUDGES)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
VALUES = (0.0, 0.5, 1.0, 1e9, -1.0)


def reading(value: float | None, state: State = State.VALUE, *, closed: bool = True, minute: int = 0) -> Reading:
    return Reading("m", "e", NOW + timedelta(minutes=minute), state, value, 10, closed, "Why.")


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_nothing_is_concluded_without_a_full_window_that_has_a_number(plugin: Any, config: Any) -> None:
    for state, closed, value in itertools.product(State, (True, False), (*VALUES, None, float("nan"), float("inf"))):
        if state is State.VALUE and closed and value in VALUES:
            continue
        gate = plugin.judge(config, reading(value, state, closed=closed), None)
        assert gate.verdict is Verdict.UNDECIDED, (state, closed, value)
        assert gate.failures == 0
        assert gate.message


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_what_was_concluded_before_is_not_taken_over_into_a_state_without_a_number(plugin: Any, config: Any) -> None:
    for before, state in itertools.product(Verdict, [state for state in State if state is not State.VALUE]):
        old = Gate(name="m", verdict=before, state=State.VALUE, value=1.0, failures=1, at=NOW)
        gate = plugin.judge(config, reading(None, state, minute=1), old)
        assert gate.verdict is Verdict.UNDECIDED
        assert (gate.state, gate.value, gate.failures) == (state, None, 1)


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_a_reading_is_folded_once(plugin: Any, config: Any) -> None:
    for value in VALUES:
        gate = plugin.judge(config, reading(value), None)
        assert plugin.judge(config, reading(value), gate) == gate


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_a_gate_says_what_it_rests_on(plugin: Any, config: Any) -> None:
    for value in VALUES:
        gate = plugin.judge(config, reading(value), None)
        assert (gate.name, gate.state, gate.value, gate.requests, gate.at) == ("m", State.VALUE, value, 10, NOW)
        assert gate.limit
        assert bool(gate.message) is (gate.verdict is not Verdict.PASS)
        assert Gate.model_validate(gate.dump()) == gate


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_a_verdict_that_stays_the_same_writes_nothing_new(plugin: Any, config: Any) -> None:
    """A row of failures that only grows would be a status write for each window, for ever."""
    for value in VALUES:
        gate: Gate | None = None
        for minute in range(101):
            gate = plugin.judge(config, reading(value, minute=minute), gate)
        last = plugin.judge(config, reading(value, minute=101), gate)
        assert gate is not None
        assert last.model_copy(update={"at": gate.at}) == gate


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_what_it_refuses_has_a_path_and_a_remedy(plugin: Any, config: Any) -> None:
    assert plugin.min_requests(config) >= 0
    for counts, fraction in itertools.product((True, False), repeat=2):
        for problem in plugin.problems(config, counts=counts, fraction=fraction):
            assert problem.path.startswith(plugin.name)
            assert problem.remedy.endswith(".")
