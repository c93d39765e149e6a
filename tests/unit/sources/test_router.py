"""What the routers' own statistics say about the candidate."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from modelrollout.domain.reading import Key, Sample, State
from modelrollout.errors import SourceError
from modelrollout.sources._base import Origin, Scope
from modelrollout.sources.router import PLUGIN, RouterConfig, Signal

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
