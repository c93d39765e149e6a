"""What holds for every source: garbage is an error, no data is never a number, and a number is never made up."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from modelrollout.api.modeldeployment import ROUTERS, SOURCES
from modelrollout.domain.capability import Capability
from modelrollout.domain.reading import Sample, State
from modelrollout.errors import SourceError
from modelrollout.sources._base import Origin, Scope
from tests.conformance.plugins import with_configs

CONFIGS = with_configs(SOURCES)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = Scope("ml", "digits", "candidate", "candidate", "stable", ("digits-candidate-0",))
RECORDED = (Path(__file__).parents[1] / "data" / "exposition" / "envoy-1.40.txt").read_text()
"""Of a real Envoy: 41 requests at stable, 19 at the candidate, 5 failed at each."""


def vector(*values: str) -> dict[str, Any]:
    result = [{"metric": {}, "value": [NOW.timestamp(), value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


GOOD: dict[Origin, dict[str, Any]] = {
    Origin.ROUTERS: {"router-a": RECORDED, "router-b": RECORDED},
    Origin.PROMETHEUS: {"": vector("0.5")},
}
NO_DATA: dict[Origin, list[dict[str, Any]]] = {
    Origin.ROUTERS: [
        {},
        {"router-a": ""},
        {"router-a": "# TYPE x counter\n"},
        {"router-a": RECORDED.replace("candidate", "other")},
    ],
    Origin.PROMETHEUS: [{"": vector()}, {"": vector("NaN")}, {"": vector("+Inf")}],
}
GARBAGE: dict[Origin, list[dict[str, Any]]] = {
    Origin.ROUTERS: [
        {"router-a": RECORDED[:-1]},
        {"router-a": RECORDED[:1000]},
        {"router-a": "upstream connect error\n"},
    ],
    Origin.PROMETHEUS: [
        {"": None},
        {"": "<html>"},
        {"": {"status": "error", "error": "no"}},
        {"": vector("1", "2")},
        {"": vector("x")},
    ],
}


def parse(plugin: Any, config: Any, answers: dict[str, Any]) -> Sample:
    made: Sample = plugin.parse(config, SCOPE, answers, NOW)
    return made


def origin(plugin: Any, config: Any) -> Origin:
    found: Origin = plugin.fetch(config, SCOPE).origin
    return found


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_a_good_answer_is_counters_or_one_gauge(plugin: Any, config: Any) -> None:
    sample = parse(plugin, config, GOOD[origin(plugin, config)])
    assert (sample.state, sample.at) == (State.VALUE, NOW)
    assert bool(sample.counters) is plugin.counts
    assert (sample.gauge is not None) is not plugin.counts
    assert all(math.isfinite(value) and value >= 0 for value in sample.counters.values())
    assert SCOPE.arm in {key.arm for key in sample.counters} or not plugin.counts


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_no_data_is_a_state_with_words_and_never_a_number(plugin: Any, config: Any) -> None:
    for answers in NO_DATA[origin(plugin, config)]:
        sample = parse(plugin, config, answers)
        assert sample.state is not State.VALUE
        assert (sample.gauge, dict(sample.counters)) == (None, {})
        assert sample.message.endswith(".")


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_garbage_is_an_error_that_says_who_was_asked(plugin: Any, config: Any) -> None:
    for answers in GARBAGE[origin(plugin, config)]:
        with pytest.raises(SourceError, match=r"^(Reading|Asking) .*: "):
            parse(plugin, config, answers)


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_an_empty_window_has_no_value(plugin: Any, config: Any) -> None:
    for seconds in (0.0, 10.0):
        measured = plugin.measure(config, {}, seconds)
        assert (measured.value, measured.requests) == (None, 0)


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_the_value_of_a_window_is_finite_and_rests_on_its_requests(plugin: Any, config: Any) -> None:
    sample = parse(plugin, config, GOOD[origin(plugin, config)])
    if not plugin.counts:
        return
    grown: dict[str, float] = {}
    for key, value in sample.counters.items():
        if key.arm == SCOPE.arm:
            grown[key.series] = grown.get(key.series, 0) + value
    measured = plugin.measure(config, grown, 10.0)
    assert measured.value is not None
    assert math.isfinite(measured.value)
    assert measured.value >= 0
    if plugin.fraction(config):
        assert measured.value <= 1
    assert 0 < measured.requests <= 38
    assert plugin.counted(config) in (True, False)


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_what_it_asks_for_is_the_same_each_time_and_possible(plugin: Any, config: Any) -> None:
    assert plugin.fetch(config, SCOPE) == plugin.fetch(config, SCOPE)
    assert plugin.needs <= set(Capability)
    assert any(plugin.needs <= router.capabilities for router in ROUTERS.values())
    for problem in plugin.problems(config):
        assert problem.path.startswith(f"{plugin.name}.")
