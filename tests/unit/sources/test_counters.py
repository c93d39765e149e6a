"""Counters from Prometheus: both versions, per pod and set of labels, and every way in which they can come back wrong."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from modelrollout.domain.reading import Key, Sample, State
from modelrollout.domain.tally import Histogram, Mean, Rate, Shares
from modelrollout.engine.counters import increments, remember, total
from modelrollout.errors import SourceError
from modelrollout.sources._base import Scope
from modelrollout.sources.prometheus import PLUGIN, PrometheusConfig
from tests.unit.sources.instant import NOW, Vector, answer, up

SCOPE = Scope(
    "ml", "digits", "new", "new", "old", ("new-a",), ("old-a", "old-b"), {"10.0.0.1": "new-a", "10.0.0.2": "old-a"}
)
BAD, ALL = 'http_total{code=~"5..",pod=~"$pods"}', 'http_total{pod=~"$pods"}'
COUNTERS = PrometheusConfig.model_validate({"counters": {"bad": BAD, "total": ALL}})
HISTOGRAM = PrometheusConfig.model_validate({"histogram": 'seconds_bucket{pod=~"$pods"}'})
MEAN = PrometheusConfig.model_validate({"mean": {"sum": 's_sum{pod=~"$pods"}', "count": 's_count{pod=~"$pods"}'}})
SHARES = PrometheusConfig.model_validate({"shares": {"query": 'f_total{pod=~"$pods"}', "label": "reason"}})


def series(name: str, pod: str, value: float, **labels: str) -> tuple[dict[str, str], float]:
    return {"__name__": name, "job": "models", "instance": f"{pod}:1", "pod": pod, **labels}, value


def requests(pod: str, good: float, bad: float | None = None, **labels: str) -> Vector:
    found = [series("http_total", pod, good, code="200", **labels)]
    return found if bad is None else [*found, series("http_total", pod, bad, code="500", **labels)]


def buckets(pod: str, **counts: float) -> Vector:
    return [series("seconds_bucket", pod, value, le=le) for le, value in counts.items()]


def ask(config: PrometheusConfig, *pages: Vector, scope: Scope = SCOPE) -> Sample:
    return PLUGIN.parse(config, scope, {"": answer(PLUGIN.fetch(config, scope).query, *pages)}, NOW)


def grown(config: PrometheusConfig, *polls: list[Vector]) -> dict[str, dict[str, float]]:
    """Return what each series grew between the first poll and the last, by arm, as the engine counts."""
    seen: dict[Key, float] = {}
    sums: dict[Key, float] = {}
    for pages in polls:
        now = ask(config, *pages).counters
        if seen:
            sums = total(sums, increments(seen, now))
        seen = remember(seen, now)
    result: dict[str, dict[str, float]] = {"new": {}, "old": {}}
    for key, value in sums.items():
        result[key.arm][key.series] = value
    return result


def rate(config: PrometheusConfig, arm: str, *polls: list[Vector]) -> Rate:
    measure = PLUGIN.measure_arm(config, grown(config, *polls)[arm])
    assert measure is not None
    assert isinstance(measure.tally, Rate)
    return measure.tally


def test_exactly_one_way_to_ask() -> None:
    for wrong in (
        {},
        {"query": "a", "histogram": "b"},
        {"preset": "vllm/ttft", "counters": {"bad": "a", "total": "b"}},
    ):
        with pytest.raises(ValidationError, match="exactly one way"):
            PrometheusConfig.model_validate(wrong)


def test_quantiles_belong_to_histograms() -> None:
    with pytest.raises(ValidationError, match="no quantiles"):
        PrometheusConfig.model_validate({"mean": {"sum": "a", "count": "b"}, "quantile": 0.9})
    (problem,) = PLUGIN.problems(PrometheusConfig(preset="vllm/errorRate", quantile=0.9))
    assert (problem.path, problem.reason) == ("prometheus.quantile", "vllm/errorRate is no histogram")
    assert PLUGIN.problems(PrometheusConfig(preset="vllm/ttft", quantile=0.9)) == ()


@pytest.mark.parametrize(
    ("config", "paths"),
    [
        ({"counters": {"bad": "sum(a)", "total": "rate(b[1m])"}}, ["counters.bad", "counters.total"]),
        ({"histogram": "sum(a)"}, ["histogram"]),
        ({"mean": {"sum": "avg(a)", "count": "$x"}}, ["mean.sum", "mean.count"]),
        ({"shares": {"query": "sum(a)", "label": "x"}}, ["shares.query"]),
        ({"query": "sum(rate(a[1m]))"}, []),
    ],
)
def test_a_problem_names_its_field(config: dict[str, Any], paths: list[str]) -> None:
    found = PLUGIN.problems(PrometheusConfig.model_validate(config))
    assert [problem.path for problem in found] == [f"prometheus.{path}" for path in paths]


def test_what_each_form_is() -> None:
    def of(config: PrometheusConfig) -> tuple[object, ...]:
        return PLUGIN.counts(config), PLUGIN.counted(config), PLUGIN.forms(config), PLUGIN.fraction(config)

    assert of(PrometheusConfig(query="a")) == (False, False, frozenset(), False)
    assert of(COUNTERS) == (True, True, frozenset({Rate}), True)
    assert of(HISTOGRAM) == (True, True, frozenset({Histogram}), False)
    assert of(MEAN) == (True, True, frozenset({Mean}), False)
    assert of(SHARES) == (True, True, frozenset({Shares}), False)


def test_whether_bad_is_an_error_is_for_the_author_to_say() -> None:
    assert not PLUGIN.errors(COUNTERS)
    assert PLUGIN.errors(PrometheusConfig.model_validate({"counters": {"bad": BAD, "total": ALL, "errors": True}}))
    assert not PLUGIN.errors(HISTOGRAM)


def test_one_query_asks_for_the_pods_of_both_versions_at_one_moment() -> None:
    scraped = (
        ' or label_replace(timestamp(up{pod=~"new-a|old-a|old-b"}) * up{pod=~"new-a|old-a|old-b"}'
        ' or timestamp(up{instance=~".?(10[.]0[.]0[.]1|10[.]0[.]0[.]2).?:[0-9]+"})'
        ' * up{instance=~".?(10[.]0[.]0[.]1|10[.]0[.]0[.]2).?:[0-9]+"}, "modelrollout_series", "scraped", "", "")'
    )
    assert PLUGIN.fetch(COUNTERS, SCOPE).query == (
        'label_replace(http_total{code=~"5..",pod=~"new-a|old-a|old-b"}, "modelrollout_series", "bad", "", "")'
        ' or label_replace(http_total{pod=~"new-a|old-a|old-b"}, "modelrollout_series", "total", "", "")' + scraped
    )
    assert PLUGIN.fetch(HISTOGRAM, SCOPE).query == 'seconds_bucket{pod=~"new-a|old-a|old-b"}' + scraped


def test_each_version_pod_and_set_of_labels_has_a_counter_of_its_own() -> None:
    sample = ask(COUNTERS, requests("new-a", 9, 1), requests("old-a", 90), requests("old-b", 80, 8))
    assert sample.state is State.VALUE
    found = sorted((key.arm, key.pod, key.series.rpartition("/")[0], value) for key, value in sample.counters.items())
    assert found == [
        ("new", "new-a", "bad/new-a", 1),
        ("new", "new-a", "total/new-a", 1),
        ("new", "new-a", "total/new-a", 9),
        ("old", "old-a", "total/old-a", 90),
        ("old", "old-b", "bad/old-b", 8),
        ("old", "old-b", "total/old-b", 8),
        ("old", "old-b", "total/old-b", 80),
    ]
    assert len({key.series for key in sample.counters}) == len(sample.counters)


def test_copies_are_counted_for_the_arm_that_gets_them() -> None:
    copies = Scope("ml", "digits", "new-mirror", "new", "old", ("new-a",), ("old-a",))
    sample = ask(COUNTERS, requests("new-a", 9), requests("old-a", 90), scope=copies)
    assert {key.arm for key in sample.counters} == {"new-mirror", "old"}


def test_a_first_install_has_no_stable() -> None:
    alone = Scope("ml", "digits", "new", "new", None, ("new-a",))
    assert {key.arm for key in ask(COUNTERS, requests("new-a", 9), scope=alone).counters} == {"new"}


@pytest.mark.parametrize(
    "labels",
    [
        {"pod": "new-a"},
        {"kubernetes_pod_name": "new-a"},
        {"pod": "exporter", "kubernetes_pod_name": "new-a"},
        {"instance": "10.0.0.1:8080"},
        {"pod": "exporter", "instance": "10.0.0.1:8080"},
    ],
)
def test_whose_a_series_is(labels: dict[str, str]) -> None:
    config = PrometheusConfig.model_validate({"counters": {"bad": 'a{code="5"}', "total": "a"}})
    sample = ask(config, [({"__name__": "a", **labels}, 7.0)])
    assert {(key.arm, key.pod, value) for key, value in sample.counters.items()} == {("new", "new-a", 7.0)}


@pytest.mark.parametrize(
    ("config", "pages", "state", "words"),
    [
        (COUNTERS, [], State.NO_METRIC, "The query finds no series."),
        (COUNTERS, [requests("old-a", 9, 1)], State.NO_METRIC, "total finds no series whose label pod names a pod of"),
        (HISTOGRAM, [buckets("old-a", **{"+Inf": 1})], State.NO_METRIC, "The query finds no series whose label pod"),
        (MEAN, [[series("s_sum", "new-a", 1)]], State.NO_METRIC, "count finds no series"),
        (MEAN, [[series("s_count", "new-a", 1)]], State.NO_METRIC, "sum finds no series"),
        (SHARES, [[series("f_total", "old-a", 1, reason="x")]], State.NO_METRIC, "The query finds no series whose"),
        (COUNTERS, [requests("new-a", float("nan"))], State.NAN, "is NaN"),
        (COUNTERS, [requests("new-a", 1), requests("old-a", float("nan"))], State.NAN, "is NaN"),
    ],
)
def test_no_data_is_a_state_with_words(config: PrometheusConfig, pages: list[Vector], state: State, words: str) -> None:
    sample = ask(config, *pages)
    assert (sample.state, dict(sample.counters)) == (state, {})
    assert words in sample.message


def test_strangers_may_count_what_they_like() -> None:
    broken = [({"__name__": "http_total", "pod": "other"}, float("nan")), ({"__name__": "http_total"}, -1.0)]
    config = PrometheusConfig.model_validate({"counters": {"bad": 'http_total{code="5"}', "total": "http_total"}})
    assert ask(config, requests("new-a", 9), broken).state is State.VALUE


@pytest.mark.parametrize(
    ("config", "pages", "words"),
    [
        (
            COUNTERS,
            [requests("new-a", 9, 1)],
            "total finds series of the candidate but none whose label pod names a pod of",
        ),
        (HISTOGRAM, [buckets("new-a", **{"+Inf": 1})], "The query finds series of the candidate but none"),
        (
            MEAN,
            [[series("s_sum", "new-a", 1), series("s_count", "new-a", 1), series("s_count", "old-a", 1)]],
            "sum finds series of the candidate but none",
        ),
        (SHARES, [[series("f_total", "new-a", 1, reason="x")]], "stable had no request yet, or is not scraped"),
    ],
)
def test_that_nothing_is_known_of_stable_is_told_to_who_compares(
    config: PrometheusConfig, pages: list[Vector], words: str
) -> None:
    sample = ask(config, *pages)
    assert sample.state is State.VALUE
    assert {key.arm for key in sample.counters} >= {"new"}
    assert words in sample.lone
    assert "PodMonitor" in sample.lone


def test_nothing_of_stable_is_missing_when_it_has_made_no_mistake_yet_or_there_is_none() -> None:
    assert ask(COUNTERS, requests("new-a", 9, 1), requests("old-a", 9)).lone == ""
    alone = Scope("ml", "digits", "new", "new", None, ("new-a",))
    assert ask(COUNTERS, requests("new-a", 9), scope=alone).lone == ""


def ago(seconds: float) -> float:
    return NOW.timestamp() - seconds


@pytest.mark.parametrize("config", [COUNTERS, HISTOGRAM])
@pytest.mark.parametrize("pod", ["new-a", "old-a"])
@pytest.mark.parametrize("scraped", [ago(91), 0.0])
def test_counters_of_a_pod_that_is_scraped_no_more_are_stale(
    config: PrometheusConfig, pod: str, scraped: float
) -> None:
    known = [
        *requests("new-a", 9),
        *requests("old-a", 9),
        *buckets("new-a", **{"+Inf": 1}),
        *buckets("old-a", **{"+Inf": 1}),
    ]
    times = {"new-a": ago(1), "old-a": ago(1)} | {pod: scraped}
    sample = ask(config, known, [up(name, at) for name, at in times.items()])
    assert (sample.state, dict(sample.counters)) == (State.STALE, {})
    assert sample.message == (
        f"Prometheus has not scraped {pod} for more than 1m30s, or could not. Look at its page of targets."
    )


def test_counters_are_as_old_as_the_oldest_scrape() -> None:
    known = [*requests("new-a", 9), *requests("old-a", 9)]
    sample = ask(COUNTERS, known, [up("new-a", ago(5)), up("old-a", ago(60))])
    assert (sample.state, sample.as_of) == (State.VALUE, NOW - timedelta(seconds=60))
    assert ask(COUNTERS, known).as_of is None


def test_what_scrapes_a_pod_for_something_else_says_nothing_of_its_counters() -> None:
    known = [*requests("new-a", 9), *requests("old-a", 9)]
    assert ask(COUNTERS, known, [up("new-a", 0.0, job="mesh")]) == ask(COUNTERS, known)


def test_a_scrape_is_found_by_the_address_where_prometheus_knows_no_pods() -> None:
    config = PrometheusConfig.model_validate({"counters": {"bad": 'a{code="5"}', "total": "a"}})
    target = {"job": "models", "instance": "10.0.0.1:8080"}
    stored = [({"__name__": "a", **target}, 7.0), ({"__name__": "up", **target}, ago(3))]
    assert ask(config, stored).as_of == NOW - timedelta(seconds=3)


def test_an_old_answer_is_stale() -> None:
    query = PLUGIN.fetch(COUNTERS, SCOPE).query
    old = answer(query, requests("new-a", 9), at=NOW - timedelta(minutes=6))
    assert PLUGIN.parse(COUNTERS, SCOPE, {"": old}, NOW).state is State.STALE


@pytest.mark.parametrize(
    ("config", "pages", "words"),
    [
        (COUNTERS, [requests("new-a", -1)], "http_total (total) is -1, which no counter can be."),
        (COUNTERS, [requests("new-a", float("inf"))], "is inf, which no counter can be"),
        (
            COUNTERS,
            [requests("new-a", 1), requests("new-a", 1, job="annotated")],
            "a pod is scraped as job 'annotated', instance 'new-a:1' and as job 'models', instance 'new-a:1'. Name one",
        ),
        (
            COUNTERS,
            [requests("new-a", 1, prometheus_replica="0"), requests("new-a", 1, prometheus_replica="1")],
            "the same counters of a pod twice, from several replicas of Prometheus. Name one",
        ),
        (
            HISTOGRAM,
            [[series("seconds_bucket", "new-a", 1, le="+Inf", prometheus=name) for name in "ab"]],
            "the same counters of a pod twice",
        ),
        (HISTOGRAM, [[series("seconds_bucket", "new-a", 1)]], "without a bound in the label le. Select its _bucket"),
        (HISTOGRAM, [buckets("new-a", x=1)], "without a bound in the label le"),
        (HISTOGRAM, [buckets("new-a", **{"0.1": 1})], 'no bucket le="+Inf". Select all of its buckets.'),
    ],
)
def test_what_would_be_counted_wrongly_is_an_error(config: PrometheusConfig, pages: list[Vector], words: str) -> None:
    with pytest.raises(SourceError) as caught:
        ask(config, *pages)
    assert str(caught.value).startswith("Asking Prometheus: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"status": "error", "error": "parse error"}, "refuses the query: parse error"),
        (
            {"status": "success", "data": {"resultType": "matrix", "result": []}},
            "gives a matrix where counters are needed. Select series, without a range.",
        ),
        ({"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}, "gives a scalar where counters"),
        (
            {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "histogram": [1, {}]}]}},
            "finds native histograms. Have",
        ),
        ({"status": "success", "data": {"resultType": "vector", "result": ["x"]}}, "not of its form"),
        (
            {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "x"]}]}},
            "holds no number",
        ),
        (None, "not of its form"),
    ],
)
def test_every_other_answer_is_an_error_that_says_what_came(raw: object, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        PLUGIN.parse(HISTOGRAM, SCOPE, {"": raw}, NOW)
    assert words in str(caught.value)


def test_growth_is_counted_per_pod_and_summed() -> None:
    polls = [
        [requests("new-a", 100, 10), requests("old-a", 1000, 5), requests("old-b", 500)],
        [requests("new-a", 190, 20), requests("old-a", 1300, 8), requests("old-b", 700)],
    ]
    assert rate(COUNTERS, "new", *polls) == Rate(10, 100)
    assert rate(COUNTERS, "old", *polls) == Rate(3, 503)


def test_a_first_error_counts_as_one() -> None:
    polls = [[requests("new-a", 100)], [requests("new-a", 110, 1)]]
    assert rate(COUNTERS, "new", *polls) == Rate(1, 11)


def test_a_restarted_pod_loses_no_error() -> None:
    polls = [[requests("new-a", 100, 3)], [requests("new-a", 7, 3)]]
    assert rate(COUNTERS, "new", *polls) == Rate(3, 10)


def test_a_new_pod_begins_to_count_when_it_is_seen() -> None:
    polls = [
        [requests("new-a", 10), requests("old-a", 1000, 100)],
        [requests("new-a", 20), requests("old-a", 1010, 100), requests("old-b", 5000, 4000)],
        [requests("new-a", 30), requests("old-a", 1020, 100), requests("old-b", 5010, 4000)],
    ]
    assert rate(COUNTERS, "old", *polls) == Rate(0, 30)


def test_a_pod_that_is_not_scraped_for_a_while_goes_on_where_it_was() -> None:
    polls = [
        [requests("new-a", 10), requests("old-a", 1000)],
        [requests("new-a", 20)],
        [requests("new-a", 30), requests("old-a", 1100, 1)],
    ]
    assert rate(COUNTERS, "old", *polls) == Rate(1, 101)


def test_pods_of_stable_are_told_from_each_other() -> None:
    polls = [
        [requests("new-a", 1), requests("old-a", 100), requests("old-b", 100)],
        [requests("new-a", 2), requests("old-a", 150, 10), requests("old-b", 200)],
    ]
    measure = PLUGIN.measure_arm(COUNTERS, grown(COUNTERS, *polls)["old"])
    assert measure is not None
    assert measure.pods == {"old-a": Rate(10, 60), "old-b": Rate(0, 100)}


def test_a_histogram_of_each_version_with_the_bounds_that_it_has() -> None:
    polls = [
        [buckets("new-a", **{"0.1": 5, "0.5": 10, "+Inf": 10}), buckets("old-a", **{"0.2": 50, "+Inf": 100})],
        [buckets("new-a", **{"0.1": 5, "0.5": 14, "+Inf": 15}), buckets("old-a", **{"0.2": 60, "+Inf": 130})],
    ]
    arms = grown(HISTOGRAM, *polls)
    candidate, stable = (PLUGIN.measure_arm(HISTOGRAM, arms[arm]) for arm in ("new", "old"))
    assert candidate is not None
    assert stable is not None
    assert candidate.tally == Histogram(((0.1, 0.0), (0.5, 4.0), (float("inf"), 5.0)))
    assert stable.tally == Histogram(((0.2, 10.0), (float("inf"), 30.0)))


def test_a_larger_bucket_that_is_behind_is_no_restart() -> None:
    behind = buckets("new-a", **{"0.1": 6, "0.5": 5, "+Inf": 6})
    after = buckets("new-a", **{"0.1": 7, "0.5": 9, "+Inf": 9})
    measure = PLUGIN.measure_arm(HISTOGRAM, grown(HISTOGRAM, [behind], [after])["new"])
    assert measure is not None
    assert measure.tally == Histogram(((0.1, 1.0), (0.5, 4.0), (float("inf"), 4.0)))


def test_a_mean_and_shares() -> None:
    polls = [
        [[series("s_sum", "new-a", 10), series("s_count", "new-a", 5)]],
        [[series("s_sum", "new-a", 25), series("s_count", "new-a", 11)]],
    ]
    measure = PLUGIN.measure_arm(MEAN, grown(MEAN, *polls)["new"])
    assert measure is not None
    assert measure.tally == Mean(15, 6)
    polls = [
        [[series("f_total", "new-a", 10, reason="stop")]],
        [[series("f_total", "new-a", 12, reason="stop"), series("f_total", "new-a", 1, reason="length")]],
    ]
    measure = PLUGIN.measure_arm(SHARES, grown(SHARES, *polls)["new"])
    assert measure is not None
    assert measure.tally == Shares({"length": 1, "stop": 2})


@pytest.mark.parametrize(
    ("config", "increments_", "value", "requests_"),
    [
        (COUNTERS, {"bad/a/1": 2.0, "total/a/1": 10.0}, 0.2, 10),
        (COUNTERS, {"total/a/1": 10.0}, 0.0, 10),
        (COUNTERS, {}, None, 0),
        (HISTOGRAM, {"le=0.1:0.2/x": 100.0}, 0.199, 100),
        (HISTOGRAM.model_copy(update={"quantile": 0.5}), {"le=0.1:0.2/x": 100.0}, 0.15, 100),
        (HISTOGRAM, {"le=0.2:inf/x": 100.0}, 0.2, 100),
        (HISTOGRAM, {}, None, 0),
        (MEAN, {"sum/x": 15.0, "count/x": 6.0}, 2.5, 6),
        (MEAN, {"sum/x": 15.0}, None, 0),
        (SHARES, {"class/x/stop": 3.0}, None, 3),
        (PrometheusConfig(preset="triton/meanLatency"), {"sum/x": 5e6, "count/x": 10.0}, 0.5, 10),
    ],
)
def test_the_number_that_a_limit_is_held_against(
    config: PrometheusConfig, increments_: dict[str, float], value: float | None, requests_: int
) -> None:
    measured = PLUGIN.measure(config, increments_, 10)
    assert measured.value == (None if value is None else pytest.approx(value))
    assert measured.requests == requests_


def test_a_gauge_amounts_to_no_tally() -> None:
    assert PLUGIN.measure_arm(PrometheusConfig(query="a"), {}) is None
