"""What the routers' own statistics say about the candidate."""

import math
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from modelrollout.domain.reading import Key, Sample, State
from modelrollout.domain.tally import Histogram, Measure, Rate
from modelrollout.engine.counters import increments, remember
from modelrollout.errors import SourceError
from modelrollout.routers._envoy_bootstrap import BUCKETS
from modelrollout.sources._base import Origin, Scope
from modelrollout.sources.router import BOUNDS, PLUGIN, RouterConfig, Signal, _numbers
from tests.unit.sources.instant import page as recorded

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = Scope("ns", "digits", "new", "new", "old", ("digits-new-0",))
COPIES = Scope("ns", "digits", "new-mirror", "new", "old", ("digits-new-0",))


def page(*lines: str) -> str:
    return "# TYPE x counter\n" + "".join(f"{line}\n" for line in lines)


def counter(name: str, cluster: str, value: float, **labels: str) -> str:
    text = ",".join(f'{key}="{one}"' for key, one in {"envoy_cluster_name": cluster, **labels}.items())
    return f"envoy_cluster_{name}{{{text}}} {value}"


def traffic(cluster: str, completed: float, failed: float = 0) -> tuple[str, ...]:
    return (
        counter("upstream_rq_completed", cluster, completed),
        counter("upstream_rq_xx", cluster, completed - failed, envoy_response_code_class="2"),
        counter("upstream_rq_xx", cluster, failed, envoy_response_code_class="5"),
    )


def parse(signal: Signal, pages: dict[str, str], scope: Scope = SCOPE) -> Sample:
    return PLUGIN.parse(RouterConfig(signal=signal), scope, pages, NOW)


def test_the_status_page_of_every_router_is_asked_for() -> None:
    fetch = PLUGIN.fetch(RouterConfig(signal=Signal.ERROR_RATE), SCOPE)
    assert (fetch.origin, fetch.query) == (Origin.ROUTERS, "")


def test_counters_are_kept_by_arm_and_pod() -> None:
    pages = {"r0": page(*traffic("new", 10, 1), *traffic("old", 90)), "r1": page(*traffic("new", 5))}
    sample = parse(Signal.ERROR_RATE, pages)
    assert sample.state is State.VALUE
    assert sample.counters == {
        Key("new", "r0", "completed"): 10,
        Key("new", "r0", "failed"): 1,
        Key("old", "r0", "completed"): 90,
        Key("old", "r0", "failed"): 0,
        Key("new", "r1", "completed"): 5,
        Key("new", "r1", "failed"): 0,
    }


def test_clusters_of_others_are_none_of_ours() -> None:
    sample = parse(Signal.ERROR_RATE, {"r0": page(*traffic("new", 10), *traffic("admin", 500), *traffic("older", 7))})
    assert {key.arm for key in sample.counters} == {"new"}


def test_a_candidate_that_no_router_knows_has_no_metric() -> None:
    sample = parse(Signal.ERROR_RATE, {"r0": page(*traffic("old", 90))})
    assert (sample.state, sample.counters) == (State.NO_METRIC, {})
    assert parse(Signal.ERROR_RATE, {"r0": page(*traffic("new", 90))}, COPIES).state is State.NO_METRIC


def test_the_first_byte_of_copies_is_not_measured() -> None:
    sample = parse(Signal.FIRST_BYTE, {"r0": page(*traffic("new-mirror", 90))}, COPIES)
    assert sample.state is State.NO_METRIC
    assert "not measured for copies" in sample.message


@pytest.mark.parametrize("value", ["NaN", "-1", "+Inf"])
def test_a_counter_that_is_no_count_is_an_error(value: str) -> None:
    with pytest.raises(SourceError, match="no counter can be"):
        parse(
            Signal.ERROR_RATE, {"r0": page(f'envoy_cluster_upstream_rq_completed{{envoy_cluster_name="new"}} {value}')}
        )


def test_a_page_that_was_cut_off_is_an_error() -> None:
    with pytest.raises(SourceError, match="cut off"):
        parse(Signal.ERROR_RATE, {"r0": page(*traffic("new", 10))[:-5]})


def test_buckets_are_in_seconds() -> None:
    lines = [
        counter("upstream_rq_time_bucket", "new", 5, le="250"),
        counter("upstream_rq_time_bucket", "new", 6, le="+Inf"),
        'envoy_router_ttfb_ms_bucket{cluster="new",le="100"} 4',
    ]
    latency = parse(Signal.LATENCY, {"r0": page(*lines)})
    assert {key.series: value for key, value in latency.counters.items()} == {"le=0.25": 5, "le=inf": 6}
    first = parse(Signal.FIRST_BYTE, {"r0": page(*lines)})
    assert {key.series: value for key, value in first.counters.items()} == {"le=0.1": 4}


def test_what_the_router_did_not_send_is_refused_to_clients_and_dropped_from_copies() -> None:
    lines = [
        counter("upstream_rq_pending_overflow", "new", 2),
        counter("upstream_rq_active_overflow", "new", 1),
        counter("upstream_rq_pending_overflow", "new-mirror", 5),
        counter("upstream_rq_max_duration_reached", "new-mirror", 4),
    ]
    counters = parse(Signal.DROPPED, {"r0": page(*lines)}).counters
    assert counters == {
        Key("new", "r0", "refused"): 3,
        Key("new-mirror", "r0", "dropped"): 5,
        Key("new-mirror", "r0", "cut"): 4,
    }


@pytest.mark.parametrize(
    ("signal", "increments", "value", "requests"),
    [
        (Signal.ERROR_RATE, {"completed": 100, "failed": 3}, 0.03, 100),
        (Signal.ERROR_RATE, {"completed": 100}, 0.0, 100),
        (Signal.ERROR_RATE, {}, None, 0),
        (Signal.ERROR_RATE, {"failed": 3}, None, 0),
        (Signal.ERROR_RATE, {"completed": 2, "failed": 3}, 1.0, 2),
        (Signal.ERROR_RATE, {"completed": 6, "cut": 4}, 0.4, 10),
        (Signal.ERROR_RATE, {"completed": 10, "failed": 6, "dropped": 5}, 0.2, 5),
        (Signal.ERROR_RATE, {"completed": 5, "failed": 5, "dropped": 5}, None, 0),
        (Signal.DROPPED, {"completed": 10, "failed": 6, "dropped": 5}, 0.5, 10),
        (Signal.DROPPED, {"completed": 10, "failed": 2, "refused": 2}, 0.2, 10),
        (Signal.DROPPED, {"completed": 10}, 0.0, 10),
        (Signal.DROPPED, {}, None, 0),
        (Signal.REQUESTS, {"completed": 100, "failed": 3}, 5.0, 100),
        (Signal.REQUESTS, {}, None, 0),
        (Signal.LATENCY, {"le=0.1": 90, "le=0.2": 100, "le=inf": 100}, 0.19, 100),
        (Signal.LATENCY, {"le=0.1": 0, "le=inf": 0}, None, 0),
        (Signal.LATENCY, {"le=0.1": 90, "le=0.2": 90, "le=inf": 90, "timedOut": 10}, 0.2, 100),
        (Signal.LATENCY, {}, None, 0),
    ],
)
def test_the_value_of_a_window(
    signal: Signal, increments: dict[str, float], value: float | None, requests: int
) -> None:
    measured = PLUGIN.measure(RouterConfig(signal=signal), increments, 20.0)
    assert measured.value == (None if value is None else pytest.approx(value))
    assert measured.requests == requests


def test_a_quantile_may_be_chosen() -> None:
    buckets = {"le=0.1": 50.0, "le=0.2": 100.0, "le=inf": 100.0}
    half = PLUGIN.measure(RouterConfig(signal=Signal.LATENCY, quantile=0.5), buckets, 1)
    assert half.value == pytest.approx(0.1)


def test_quantiles_belong_to_times_alone() -> None:
    with pytest.raises(ValidationError, match="has no quantiles"):
        RouterConfig(signal=Signal.ERROR_RATE, quantile=0.9)
    with pytest.raises(ValidationError, match="less than 1"):
        RouterConfig(signal=Signal.LATENCY, quantile=99)


def test_what_each_signal_is() -> None:
    def of(signal: Signal) -> tuple[bool, bool, bool]:
        config = RouterConfig(signal=signal)
        return PLUGIN.counted(config), PLUGIN.fraction(config), PLUGIN.sees_copies(config)

    assert {signal: of(signal) for signal in Signal} == {
        Signal.ERROR_RATE: (True, True, True),
        Signal.LATENCY: (True, False, True),
        Signal.FIRST_BYTE: (True, False, False),
        Signal.REQUESTS: (False, False, True),
        Signal.DROPPED: (True, True, True),
    }


def test_what_can_be_compared_and_what_is_an_error() -> None:
    def of(signal: Signal) -> tuple[frozenset[type], bool]:
        config = RouterConfig(signal=signal)
        return PLUGIN.forms(config), PLUGIN.errors(config)

    assert {signal: of(signal) for signal in Signal} == {
        Signal.ERROR_RATE: (frozenset({Rate}), True),
        Signal.LATENCY: (frozenset({Histogram}), False),
        Signal.FIRST_BYTE: (frozenset({Histogram}), False),
        Signal.REQUESTS: (frozenset(), False),
        Signal.DROPPED: (frozenset({Rate}), False),
    }
    assert all(PLUGIN.counts(RouterConfig(signal=signal)) for signal in Signal)


def measure(signal: Signal, grown: dict[str, float]) -> Measure | None:
    return PLUGIN.measure_arm(RouterConfig(signal=signal), grown)


@pytest.mark.parametrize(
    ("signal", "grown", "rate"),
    [
        (Signal.ERROR_RATE, {"completed": 100, "failed": 3}, Rate(3, 100)),
        (Signal.ERROR_RATE, {"completed": 6, "cut": 4}, Rate(4, 10)),
        (Signal.ERROR_RATE, {"completed": 10, "failed": 6, "dropped": 5}, Rate(1, 5)),
        (Signal.ERROR_RATE, {"completed": 10, "failed": 10, "refused": 1}, Rate(10, 10)),
        (Signal.DROPPED, {"completed": 10, "failed": 2, "refused": 2}, Rate(2, 10)),
    ],
)
def test_rates_of_an_arm(signal: Signal, grown: dict[str, float], rate: Rate) -> None:
    assert measure(signal, grown) == Measure(rate)


@pytest.mark.parametrize("signal", Signal)
def test_nothing_to_count_is_nothing(signal: Signal) -> None:
    assert measure(signal, {}) is None
    assert measure(signal, {"endpoint/10.0.0.1/total": 3.0}) is None


def test_requests_per_second_are_no_tally() -> None:
    assert measure(Signal.REQUESTS, {"completed": 100.0}) is None


def test_a_histogram_lists_every_bound_that_the_router_has() -> None:
    found = measure(Signal.LATENCY, {"le=0.1": 90, "le=0.2": 100, "le=inf": 100, "timedOut": 3, "cut": 2})
    assert found is not None
    assert isinstance(found.tally, Histogram)
    assert [bound for bound, _ in found.tally.buckets] == [*(bound / 1000 for bound in BUCKETS), math.inf]
    counts = dict(found.tally.buckets)
    assert [counts[bound] for bound in (0.08, 0.1, 0.15, 0.2, 300, math.inf)] == [0, 90, 90, 100, 100, 105]
    assert found.pods == {}


def test_the_bounds_are_those_that_the_router_is_told() -> None:
    assert BOUNDS == BUCKETS


def test_pods_are_told_from_each_other_by_their_address() -> None:
    grown = {
        "completed": 100.0,
        "failed": 12.0,
        "endpoint/10.0.0.1/total": 60.0,
        "endpoint/10.0.0.1/bad": 2.0,
        "endpoint/10.0.0.2/total": 50.0,
        "endpoint/10.0.0.3/bad": 10.0,
    }
    found = measure(Signal.ERROR_RATE, grown)
    assert found is not None
    assert found.pods == {"10.0.0.1": Rate(2, 60), "10.0.0.2": Rate(0, 50), "10.0.0.3": Rate(10, 10)}


def endpoint(name: str, cluster: str, address: str, value: float) -> str:
    return counter(f"endpoint_{name}", cluster, value, envoy_endpoint_address=address)


def test_a_pod_that_is_away_for_a_while_does_not_make_the_router_look_restarted() -> None:
    def poll(completed: float, first: float, *second: float) -> dict[Key, float]:
        lines = [*traffic("new", completed), endpoint("rq_total", "new", "10.0.0.1:80", first)]
        lines += [endpoint("rq_total", "new", "[fd00::2]:80", value) for value in second]
        return dict(parse(Signal.ERROR_RATE, {"r0": page(*lines)}).counters)

    polls = [poll(100, 50, 50), poll(120, 70), poll(140, 80, 10)]
    seen: dict[Key, float] = {}
    grown: dict[str, float] = {}
    for now in polls:
        for key, value in increments(seen, now).items() if seen else ():
            grown[key.series] = grown.get(key.series, 0.0) + value
        seen = remember(seen, now)
    assert grown == {"completed": 40, "endpoint/10.0.0.1/total": 30, "endpoint/fd00::2/total": 10}


def test_a_recorded_page_has_all_of_it() -> None:
    scope = Scope("ns", "digits", "candidate", "candidate", "stable", ("digits-candidate-0",))
    for signal, tally in ((Signal.ERROR_RATE, Rate(5, 41)), (Signal.DROPPED, Rate(0, 41))):
        counters = parse(signal, {"r0": recorded("envoy-1.40")}, scope).counters
        found = measure(signal, {key.series: value for key, value in counters.items() if key.arm == "stable"})
        pods = {"10.0.0.1": Rate(5, 41)} if signal is Signal.ERROR_RATE else {}
        assert found == Measure(tally, pods)
    for signal, total in ((Signal.LATENCY, 41), (Signal.FIRST_BYTE, 36)):
        counters = parse(signal, {"r0": recorded("envoy-1.40")}, scope).counters
        found = measure(signal, {key.series: value for key, value in counters.items() if key.arm == "stable"})
        assert found is not None
        assert isinstance(found.tally, Histogram)
        assert found.tally.total == total


def test_a_page_is_read_once_for_all_metrics_of_a_poll() -> None:
    text = page(*traffic("new", 123456), "something_else 1")
    before = _numbers.cache_info()
    for signal in Signal:
        parse(signal, {"r0": text})
    after = _numbers.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, len(Signal) - 1)
