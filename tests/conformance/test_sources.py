"""What holds for every source: garbage is an error, no data is never a number, and a number is never made up."""

import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from modelrollout.api.modeldeployment import ROUTERS, SOURCES
from modelrollout.domain.capability import Capability
from modelrollout.domain.reading import Sample, State
from modelrollout.domain.tally import Crossed, Features, Histogram, Mean, Paired, Rate, Scores, Shares
from modelrollout.errors import SourceError
from modelrollout.sources._base import Fetch, Origin, Scope
from modelrollout.sources._selectors import SCRAPES
from tests.conformance.plugins import with_configs
from tests.unit.sources import collected

CONFIGS = with_configs(SOURCES)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = Scope("ml", "digits", "candidate", "candidate", "stable", ("digits-candidate-0",), ("digits-stable-0",))
RECORDED = (Path(__file__).parents[1] / "data" / "exposition" / "envoy-1.40.txt").read_text()
"""Of a real Envoy: 41 requests at stable, 19 at the candidate, 5 failed at each."""


def vector(*values: str) -> dict[str, Any]:
    result = [{"metric": {}, "value": [NOW.timestamp(), value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def counted(query: str) -> dict[str, Any]:
    """Return counters of one pod of each version, for all that a query may want of them."""
    kinds = [kind for kind in re.findall(r'"modelrollout_series", "([a-z]+)"', query) if kind != SCRAPES] or [""]
    result = [
        {
            "metric": {"pod": pod, "modelrollout_series": kind, "le": le, "x": "class", "finished_reason": "stop"},
            "value": [NOW.timestamp(), {"bad": "2", "sum": "3.5"}.get(kind, value)],
        }
        for pod in (*SCOPE.pods, *SCOPE.stable_pods)
        for kind in kinds
        for le, value in (("0.1", "5"), ("+Inf", "10"))
    ]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


GAUGE = {"": vector("0.5")}
ROUTERS_SAY = {"router-a": RECORDED, "router-b": RECORDED}
NO_DATA: dict[Origin, list[dict[str, Any]]] = {
    Origin.ROUTERS: [
        {},
        {"router-a": ""},
        {"router-a": "# TYPE x counter\n"},
        {"router-a": RECORDED.replace("candidate", "other")},
    ],
    Origin.COLLECTORS: [
        {},
        {"router-a": collected.RECORDED},
        {"router-a": collected.page("x", {"pairs": 1}, revisions=(None, None))},
        {"router-a": collected.page("x", {"pairs": 1}, revisions=("stable", "other"))},
    ],
    Origin.PROMETHEUS: [{"": vector()}, {"": vector("NaN")}, {"": vector("+Inf")}],
}
GARBAGE: dict[Origin, list[dict[str, Any]]] = {
    Origin.ROUTERS: [
        {"router-a": RECORDED[:-1]},
        {"router-a": RECORDED[:1000]},
        {"router-a": "upstream connect error\n"},
    ],
    Origin.COLLECTORS: [
        {"router-a": ""},
        {"router-a": collected.RECORDED[:1000]},
        {"router-a": "upstream connect error\n"},
        {"router-a": '{"v": 2}'},
        {"router-a": collected.page("x", {"pairs": -1})},
        {"router-a": collected.observed({"x": {"requests": -1}})},
    ],
    Origin.PROMETHEUS: [
        {"": None},
        {"": "<html>"},
        {"": {"status": "error", "error": "no"}},
        {"": vector("x")},
    ],
}


def parse(plugin: Any, config: Any, answers: dict[str, Any]) -> Sample:
    made: Sample = plugin.parse(config, SCOPE, answers, NOW)
    return made


def good(plugin: Any, config: Any) -> dict[str, Any]:
    match plugin.fetch(config, SCOPE):
        case Fetch(Origin.PROMETHEUS, query):
            return {"": counted(query)} if plugin.counts(config) else GAUGE
        case Fetch(Origin.COLLECTORS) if plugin.name == "labels":
            return {"router-a": collected.labelled(), "router-b": collected.labelled()}
        case Fetch(Origin.COLLECTORS):
            if plugin.name != "predictions":
                feature = config.feature if plugin.name == "inputs" else None
                page = collected.observed().replace("in/x/", f"in/{feature or 'x'}/")
                return {"router-a": page, "router-b": page}
            page = collected.recorded(config.extraction().key)
            return {"router-a": page, "router-b": page}
        case _:
            return ROUTERS_SAY


def grown(sample: Sample, arm: str) -> dict[str, float]:
    """Return all counters of an arm as if they had just begun, summed over pods, of all requests."""
    result: dict[str, float] = {}
    for key, value in sample.counters.items():
        if key.arm == arm and not key.slice:
            result[key.series] = result.get(key.series, 0) + value
    return result


def origin(plugin: Any, config: Any) -> Origin:
    found: Origin = plugin.fetch(config, SCOPE).origin
    return found


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_a_good_answer_is_counters_or_one_gauge(plugin: Any, config: Any) -> None:
    sample = parse(plugin, config, good(plugin, config))
    assert (sample.state, sample.at) == (State.VALUE, NOW)
    assert bool(sample.counters) is plugin.counts(config)
    assert (sample.gauge is not None) is not plugin.counts(config)
    assert all(math.isfinite(value) and value >= 0 for value in sample.counters.values())
    if plugin.counts(config):
        arms = {SCOPE.arm} if plugin.paired(config) else {SCOPE.arm, SCOPE.stable}
        assert arms <= {key.arm for key in sample.counters}


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
    if not plugin.counts(config):
        with pytest.raises(SourceError, match=r"^Asking .*: the query gives 2 series where one number is needed"):
            parse(plugin, config, {"": vector("1", "2")})


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_an_empty_window_has_no_value(plugin: Any, config: Any) -> None:
    for seconds in (0.0, 10.0):
        measured = plugin.measure(config, {}, seconds)
        assert (measured.value, measured.requests) == (None, 0)


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_the_value_of_a_window_is_finite_and_rests_on_its_requests(plugin: Any, config: Any) -> None:
    sample = parse(plugin, config, good(plugin, config))
    if not plugin.counts(config):
        return
    measured = plugin.measure(config, grown(sample, SCOPE.arm), 10.0)
    assert 0 < measured.requests <= 38
    assert plugin.counted(config) in (True, False)
    if plugin.forms(config) in ({Shares}, {Features}):
        assert measured.value is None
        return
    assert measured.value is not None
    assert math.isfinite(measured.value)
    assert measured.value >= 0
    if plugin.fraction(config):
        assert measured.value <= 1


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_both_arms_amount_to_the_tally_that_it_promises(plugin: Any, config: Any) -> None:
    forms = plugin.forms(config)
    assert forms <= {Rate, Histogram, Mean, Shares, Paired, Scores, Crossed, Features}
    assert plugin.counts(config) or not forms
    assert forms == {Rate} or not plugin.errors(config)
    assert plugin.paired(config) or not forms & {Paired, Scores, Crossed}
    assert plugin.needs_copies(config) or not plugin.paired(config)
    assert plugin.measure_arm(config, {}) is None
    sample = parse(plugin, config, good(plugin, config))
    arms = (SCOPE.arm,) if plugin.paired(config) else (SCOPE.arm, SCOPE.stable)
    for arm in arms if forms else ():
        measure = plugin.measure_arm(config, grown(sample, str(arm)))
        assert measure is not None
        assert type(measure.tally) in forms
        assert measure.tally.total > 0
        if isinstance(measure.tally, Histogram):
            bounds, counts = zip(*measure.tally.buckets, strict=True)
            assert list(bounds) == sorted(set(bounds))
            assert bounds[-1] == math.inf
            assert list(counts) == sorted(counts)
        if isinstance(measure.tally, Rate):
            assert 0 <= measure.tally.bad <= measure.tally.total
            assert all(0 <= pod.bad <= pod.total for pod in measure.pods.values())


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_what_it_asks_for_is_the_same_each_time_and_possible(plugin: Any, config: Any) -> None:
    assert plugin.fetch(config, SCOPE) == plugin.fetch(config, SCOPE)
    assert plugin.needs <= set(Capability)
    assert any(plugin.needs <= router.capabilities for router in ROUTERS.values())
    for problem in plugin.problems(config):
        assert problem.path.startswith(f"{plugin.name}.")
