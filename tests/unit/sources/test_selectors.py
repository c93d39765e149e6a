"""What is filled into a selector of counters, how several become one query, and what has no place in one."""

import pytest

from modelrollout.sources._base import Scope
from modelrollout.sources._selectors import fill, selector_problems, unite, variable_problems

SCOPE = Scope("ml", "digits", "new", "new", "old", ("digits-new-a",), ("digits-old-a",))


def test_pods_are_whatever_is_asked_for() -> None:
    assert fill('a{pod=~"$pods",n="$namespace",m="$$"}', SCOPE, ("a", "b.c")) == 'a{pod=~"a|b[.]c",n="ml",m="$"}'
    assert fill('a{pod=~"$pods"}', SCOPE, ()) == 'a{pod=~"-"}'


def test_one_selector_is_asked_for_as_it_is_and_several_in_one_query() -> None:
    assert unite({"": "a"}) == "a"
    assert unite({"bad": 'a{x="1"}', "total": "b or c"}) == (
        'label_replace(a{x="1"}, "modelrollout_series", "bad", "", "")'
        ' or label_replace(b or c, "modelrollout_series", "total", "", "")'
    )


@pytest.mark.parametrize(
    "query",
    [
        "http_requests_total",
        'http_requests_total{code=~"5..",namespace="$namespace",pod=~"$pods"}',
        '{__name__=~"a|b"}',
        'a{path="sum(rate(x[5m]))"}',
        "a{path='# no comment'}",
        "a{path=`[0-9]`}",
        "a or b",
        "sum_total{pod=~'$pods'}",
        "rate",
        "request:rate{x='1'}",
        'label_replace(a, "pod", "$$1", "pod_name", "(.*)")',
    ],
)
def test_selectors_of_raw_counters(query: str) -> None:
    assert list(selector_problems("prometheus.histogram", query)) == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("rate(a[5m])", "rate() hides when a pod's counters began anew"),
        ("sum(irate(a[5m]))", "irate() hides"),
        ("increase (a[5m])", "increase() hides"),
        ("delta(a[5m])", "delta() hides"),
        ("max_over_time(a[5m])", "max_over_time() hides"),
        ("histogram_quantile(0.9, a)", "histogram_quantile() hides"),
        ("sum(a)", "sum() joins the counters of pods before they are subtracted"),
        ("sum by (le) (a)", "sum() joins"),
        ("sum without(pod)(a)", "sum() joins"),
        ("avg(a) by (pod)", "avg() joins"),
        ("topk(3, a)", "topk() joins"),
        ("a[5m]", "a range holds many values of each counter, and one is needed"),
        ("a # of clients", "holds a comment, which ends the query that is made of it"),
        ('a{r="$revision"}', "$revision is the candidate's alone, and both versions are counted"),
        ('a{r="$stable"}', "$stable is no variable"),
    ],
)
def test_what_cannot_be_subtracted_is_refused_with_a_remedy(query: str, words: str) -> None:
    (problem,) = selector_problems("prometheus.counters.bad", query)
    assert problem.path == "prometheus.counters.bad"
    assert problem.reason.startswith(words)
    assert problem.remedy.endswith(".")


def test_all_that_is_wrong_is_told() -> None:
    found = list(selector_problems("p", 'sum(a{r="$revision",x="$y"}) # why'))
    assert [problem.reason.split()[0] for problem in found] == ["$y", "$revision", "sum()", "holds"]
    assert [problem.reason for problem in variable_problems("p", "$1 $pods $")] == [
        "$ is no variable",
        "$1 is no variable",
    ]
