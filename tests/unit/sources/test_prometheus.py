"""One number per query, and everything else that can come back, told apart."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelrollout.domain.reading import Sample, State
from modelrollout.errors import SourceError
from modelrollout.sources._base import Origin, Scope
from modelrollout.sources.prometheus import PLUGIN, PrometheusConfig

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = Scope("ml", "digits", "new", "new", "old", ("digits-new-a", "digits-new-b.c"))
CONFIG = PrometheusConfig(query="x")


def vector(*values: Any, at: datetime = NOW) -> dict[str, Any]:
    result = [{"metric": {"pod": f"p{index}"}, "value": [at.timestamp(), value]} for index, value in enumerate(values)]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def parse(answer: object) -> Sample:
    return PLUGIN.parse(CONFIG, SCOPE, {"": answer}, NOW)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("up", "up"),
        ('a{namespace="$namespace",n="$name",r="$revision"}', 'a{namespace="ml",n="digits",r="new"}'),
        ('a{pod=~"$pods"}', 'a{pod=~"digits-new-a|digits-new-b[.]c"}'),
        ('a{x=~"b$$"}', 'a{x=~"b$"}'),
        ("$name$name", "digitsdigits"),
    ],
)
def test_variables_are_filled_in(query: str, text: str) -> None:
    fetch = PLUGIN.fetch(PrometheusConfig(query=query), SCOPE)
    assert (fetch.origin, fetch.query) == (Origin.PROMETHEUS, text)


def test_without_pods_no_series_is_meant_and_not_every_one() -> None:
    nobody = Scope("ml", "digits", "new", "new", None, ())
    assert PLUGIN.fetch(PrometheusConfig(query='a{pod=~"$pods"}'), nobody).query == 'a{pod=~"-"}'


@pytest.mark.parametrize(
    ("query", "words"),
    [("$pod", ["$pod"]), ("$namespace_x $", ["$", "$namespace_x"]), ("$$ $name $pods", []), ("$1", ["$1"])],
)
def test_variables_that_nothing_can_be_filled_in_for(query: str, words: list[str]) -> None:
    found = PLUGIN.problems(PrometheusConfig(query=query))
    assert [problem.reason.split(" is no")[0] for problem in found] == words
    assert all(problem.path == "prometheus.query" for problem in found)


def test_a_number_is_taken_as_it_is() -> None:
    assert parse(vector("1.5")) == Sample(NOW, gauge=1.5)
    scalar = {"status": "success", "data": {"resultType": "scalar", "result": [NOW.timestamp(), "-3"]}}
    assert parse(scalar) == Sample(NOW, gauge=-3.0)


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (vector(), State.NO_METRIC, "finds no series"),
        (vector("NaN"), State.NAN, "NaN"),
        (vector("+Inf"), State.ERROR, "divides by 0"),
        (vector("-Inf"), State.ERROR, "divides by 0"),
        (vector("1", at=NOW - timedelta(minutes=6)), State.STALE, "older than 5m"),
    ],
)
def test_what_is_no_number_is_said(answer: object, state: State, words: str) -> None:
    sample = parse(answer)
    assert (sample.state, sample.gauge) == (state, None)
    assert words in sample.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            vector("1", "2"),
            "the query gives 2 series where one number is needed: {'pod': 'p0'}, {'pod': 'p1'}. Aggregate",
        ),
        (vector(*"1234567"), "…. Aggregate"),
        ({"status": "error", "error": "parse error at char 3"}, "refuses the query: parse error at char 3"),
        ({"status": "success", "data": {"resultType": "matrix", "result": []}}, "the query gives a matrix"),
        ({"status": "success"}, "not of its form"),
        ({}, "not of its form"),
        (None, "not of its form"),
        ([], "not of its form"),
        ("<html>", "not of its form"),
        (vector("one"), "holds no number"),
        (vector(None), "holds no number"),
        (vector(1.5), "holds no number"),
        ({"status": "success", "data": {"resultType": "scalar", "result": ["x", "1"]}}, "holds no number"),
    ],
)
def test_every_other_answer_is_an_error_that_says_what_came(answer: object, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse(answer)
    assert str(caught.value).startswith("Asking Prometheus: ")
    assert words in str(caught.value)


def test_the_names_of_too_many_series_come_in_one_order() -> None:
    one, two = vector("1", "2"), vector("1", "2")
    two["data"]["result"].reverse()
    messages = set()
    for answer in (one, two):
        with pytest.raises(SourceError) as caught:
            parse(answer)
        messages.add(str(caught.value))
    assert len(messages) == 1, "a text that changes at each poll would wake the loop for ever"


def test_a_gauge_has_no_window() -> None:
    measured = PLUGIN.measure(CONFIG, {"x": 5.0}, 10)
    assert (measured.value, measured.requests) == (None, 0)
