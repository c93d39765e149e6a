"""From samples to a verdict: windows that grow and are cut, the states without a number, and what their policies make of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelrollout.domain.reading import Key, Reading, Sample, State
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.analysis import PATIENCE, Window, age, assess, conclude, fold
from modelrollout.engine.verdicts import Panel
from modelrollout.engine.wants import Against, AnalysisWants, Comparison, MetricWants
from modelrollout.judges.threshold import PLUGIN as THRESHOLD
from modelrollout.judges.threshold import ThresholdConfig
from modelrollout.routers.envoy import PLUGIN as ENVOY
from modelrollout.sources._base import Scope
from modelrollout.sources.prometheus import PLUGIN as PROMETHEUS
from modelrollout.sources.prometheus import PrometheusConfig
from modelrollout.sources.router import PLUGIN as ROUTER
from modelrollout.sources.router import RouterConfig, Signal

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEN = timedelta(seconds=10)


def metric(minimum: int | None = None, signal: Signal = Signal.ERROR_RATE) -> MetricWants:
    return MetricWants(
        "errors", ROUTER, RouterConfig(signal=signal), THRESHOLD, ThresholdConfig(max=0.02, min_requests=minimum)
    )


GAUGE = MetricWants("gpu", PROMETHEUS, PrometheusConfig(query="x"), THRESHOLD, ThresholdConfig(max=95))


def asked(metric: MetricWants, epoch: str = "rev/1/0", not_before: datetime = NOW) -> AnalysisWants:
    scope = Scope("ns", "digits", "rev", "rev", "old", ())
    comparison = Comparison("rev/1", "10/0/True", Against.STABLE, 10, 0.05, 0.05, "")
    return AnalysisWants(epoch, TEN, not_before, scope, comparison, ENVOY, (metric,))


def sample(seconds: float, completed: float = 0, failed: float = 0, pod: str = "a") -> Sample:
    counters = {Key("rev", pod, "completed"): completed, Key("rev", pod, "failed"): failed}
    return Sample(NOW + timedelta(seconds=seconds), counters)


def run(metric: MetricWants, *samples: Sample, wants: AnalysisWants | None = None) -> list[Reading]:
    wants, window, readings = wants or asked(metric), None, []
    for taken in samples:
        window, reading = fold(window, wants, metric, taken)
        readings.append(reading)
    return readings


def short(reading: Reading) -> tuple[str, bool, float | None, int | None]:
    return reading.state, reading.closed, reading.value, reading.requests


def test_a_window_grows_until_it_holds_enough_requests_and_the_next_begins_with_its_end() -> None:
    readings = run(metric(50), sample(0), sample(10, 20, 1), sample(20, 49, 1), sample(30, 60, 3), sample(40, 70, 3))
    assert [short(reading) for reading in readings] == [
        ("Value", False, None, None),
        ("Value", False, 0.05, 20),
        ("Value", False, 1 / 49, 49),
        ("Value", True, 0.05, 60),
        ("Value", False, 0.0, 10),
    ]


def test_without_a_minimum_one_request_closes_a_window() -> None:
    readings = run(metric(), sample(0), sample(10), sample(20, 1, 1))
    assert [short(reading) for reading in readings[1:]] == [("Value", False, None, 0), ("Value", True, 1.0, 1)]


def test_the_first_scrape_only_says_where_to_count_from() -> None:
    readings = run(metric(), sample(0, 1000, 900), sample(10, 1010, 900))
    assert short(readings[1]) == ("Value", True, 0.0, 10)


def test_another_stage_cuts_the_window() -> None:
    one, two = metric(50), asked(metric(50), "rev/1/1")
    window, _ = fold(None, asked(one), one, sample(0))
    window, _ = fold(window, asked(one), one, sample(10, 40, 20))
    window, reading = fold(window, two, one, sample(20, 45, 20))
    assert (reading.epoch, reading.closed, reading.requests) == ("rev/1/1", False, None)
    _, reading = fold(window, two, one, sample(30, 100, 20))
    assert short(reading) == ("Value", True, 0.0, 55)


def test_numbers_of_the_warm_up_do_not_count() -> None:
    wants = asked(metric(), not_before=NOW + timedelta(seconds=15))
    readings = run(metric(), sample(0), sample(10, 50, 50), sample(20, 60, 50), sample(30, 70, 51), wants=wants)
    assert [short(reading)[:3] for reading in readings] == [
        ("Value", False, None),
        ("Value", False, None),
        ("Value", False, None),
        ("Value", True, 0.1),
    ]
    assert "Warming up" in readings[0].message


def test_a_gauge_of_the_warm_up_does_not_count_either() -> None:
    wants = asked(GAUGE, not_before=NOW + TEN)
    gauges = [Sample(NOW + timedelta(seconds=at), gauge=99.0) for at in (0, 10)]
    assert [short(reading) for reading in run(GAUGE, *gauges, wants=wants)] == [
        ("Value", False, None, None),
        ("Value", True, 99.0, None),
    ]


def test_a_pod_that_is_added_in_mid_window_brings_no_old_errors() -> None:
    both = replace(
        sample(20, 30, 0), counters={**sample(20, 30, 0).counters, **sample(20, 9000, 9000, pod="b").counters}
    )
    assert short(run(metric(), sample(0), sample(10), both)[-1]) == ("Value", True, 0.0, 30)


def test_no_request_for_a_while_is_no_traffic_and_not_zero() -> None:
    readings = run(metric(), *(sample(at) for at in range(0, 61, 10)))
    assert [reading.state for reading in readings] == ["Value"] * 3 + ["NoTraffic"] * 4
    assert [reading.missing for reading in readings][3:] == [1, 2, 3, 4]
    assert [reading.closed for reading in readings][3:] == [False, False, True, True]
    assert {reading.value for reading in readings} == {None}


def test_traffic_that_dries_up_is_no_traffic_too() -> None:
    readings = run(metric(50), sample(0), sample(10, 20, 20), *(sample(at, 20, 20) for at in range(20, 61, 10)))
    assert [reading.state for reading in readings] == ["Value"] * 4 + ["NoTraffic"] * 3


@pytest.mark.parametrize("state", [State.NO_TRAFFIC, State.NO_METRIC, State.NAN, State.STALE, State.ERROR])
def test_samples_without_a_number_are_counted_and_forgotten_at_the_first_that_has_one(state: State) -> None:
    gaps = [Sample(NOW + timedelta(seconds=at), state=state, message="why") for at in (10, 20, 30)]
    readings = run(metric(), sample(0), *gaps, sample(40, 10, 1))
    assert [reading.missing for reading in readings] == [0, 1, 2, 3, 0]
    assert [reading.closed for reading in readings] == [False, False, False, True, True]
    assert {reading.state for reading in readings[1:4]} == {state}
    assert short(readings[-1]) == ("Value", True, 0.1, 10), "what was counted meanwhile is not lost"


def test_a_rate_is_per_second_of_its_window() -> None:
    readings = run(metric(signal=Signal.REQUESTS), sample(0), sample(10, 50), sample(30, 60))
    assert [reading.value for reading in readings[1:]] == [5.0, 0.5]


def test_a_reading_gets_old_when_nobody_polls() -> None:
    reading = Reading("errors", "e", NOW, State.VALUE, 0.0, 10)
    assert age(reading, NOW + timedelta(seconds=30), TEN) == reading
    old = age(reading, NOW + timedelta(seconds=31), TEN)
    assert (old.state, old.value, old.closed, old.missing) == (State.STALE, None, False, 0)
    assert age(reading, NOW + timedelta(seconds=90), timedelta(seconds=30)) == reading, (
        "three intervals, if they are longer"
    )


def judged(reading: Reading | None, gate: Gate | None = None, **policies: Any) -> Gate:
    policy = {"on_no_data": "hold", "on_error": "hold", **policies}
    readings = {"errors": reading} if reading else {}
    (made,), _ = assess(
        [("errors", THRESHOLD, ThresholdConfig(max=0.02))],
        readings,
        {"errors": gate} if gate else {},
        now=NOW,
        interval=TEN,
        alpha=0.05,
        beta=0.05,
        guarded=frozenset(),
        panel=Panel(),
        **policy,
    )
    return made


def missing(state: State, polls: int) -> Reading:
    return Reading("errors", "e", NOW, state, closed=polls >= PATIENCE, message="Why.", missing=polls)


_NO_DATA = (State.NO_TRAFFIC, State.NO_METRIC, State.NAN, State.STALE)


@pytest.mark.parametrize("polls", [1, 2, 3, 10])
@pytest.mark.parametrize("state", [*_NO_DATA, State.ERROR])
@pytest.mark.parametrize("policy", ["hold", "ignore", "rollback"])
def test_each_state_without_a_number_under_each_policy(state: State, policy: str, polls: int) -> None:
    mine, other = ("on_error", "on_no_data") if state is State.ERROR else ("on_no_data", "on_error")
    gate = judged(missing(state, polls), **{mine: policy})
    fails = policy == "rollback" and polls >= 3
    assert gate.verdict is (Verdict.FAIL if fails else Verdict.UNDECIDED)
    assert gate.ignored is (policy == "ignore")
    assert (gate.state, gate.value) == (state, None)
    assert gate.failures == 0, "it is no failed window"
    untouched = judged(missing(state, polls), **{other: policy})
    assert (untouched.verdict, untouched.ignored) == (Verdict.UNDECIDED, False)


def test_no_reading_at_all_is_undecided() -> None:
    gate = judged(None, on_no_data="rollback", on_error="rollback")
    assert (gate.verdict, gate.message) == (Verdict.UNDECIDED, "No numbers yet.")


def test_that_nobody_polled_is_never_the_fault_of_the_candidate() -> None:
    old = Reading("errors", "e", NOW - timedelta(minutes=10), State.VALUE, 0.0, 10)
    gate = judged(old, on_no_data="rollback", on_error="rollback")
    assert (gate.verdict, gate.state) == (Verdict.UNDECIDED, State.STALE)


def test_a_state_without_a_number_takes_no_pass_over_from_before() -> None:
    passed = Gate(name="errors", verdict=Verdict.PASS, state=State.VALUE, value=0.0, at=NOW)
    for state in (*_NO_DATA, State.ERROR):
        assert judged(missing(state, 1), passed).verdict is Verdict.UNDECIDED


def gate(name: str, verdict: Verdict, **fields: Any) -> Gate:
    return Gate(
        **{"name": name, "verdict": verdict, "state": State.VALUE, "value": 1.0, "message": f"{name} says", **fields}
    )


PASS, FAIL, OPEN = gate("a", Verdict.PASS), gate("b", Verdict.FAIL), gate("c", Verdict.UNDECIDED)
IGNORED = gate("d", Verdict.UNDECIDED, ignored=True, value=None, state=State.NO_METRIC)


@pytest.mark.parametrize(
    ("gates", "verdict", "why"),
    [
        ((), Verdict.UNDECIDED, ""),
        ((PASS,), Verdict.PASS, "a: 1"),
        ((PASS, OPEN), Verdict.UNDECIDED, "c: c says"),
        ((PASS, OPEN, FAIL), Verdict.FAIL, "b: b says"),
        ((PASS, IGNORED), Verdict.PASS, "a: 1; d: ignored, NoMetric"),
        ((IGNORED,), Verdict.UNDECIDED, "d: ignored, NoMetric"),
        ((IGNORED, OPEN), Verdict.UNDECIDED, "c: c says"),
        ((IGNORED, FAIL), Verdict.FAIL, "b: b says"),
    ],
)
def test_a_stage_passes_only_when_something_passes_and_nothing_speaks_against_it(
    gates: tuple[Gate, ...], verdict: Verdict, why: str
) -> None:
    assert conclude(gates) == (verdict, why)


def test_words_of_many_gates_fit_into_a_condition() -> None:
    verdict, why = conclude([gate(f"m{number}", Verdict.FAIL, message="x" * 100) for number in range(64)])
    assert verdict is Verdict.FAIL
    assert len(why) == 500


def test_a_window_of_another_epoch_is_no_memory() -> None:
    old = Window("other", at=NOW, sums={Key("rev", "", "completed"): 100.0}, missing=2)
    window, _ = fold(old, asked(metric()), metric(), sample(10, 5))
    assert (window.sums, window.missing, window.epoch) == ({}, 0, "rev/1/0")
