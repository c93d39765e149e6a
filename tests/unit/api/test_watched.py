"""What goes on being watched after a promotion, as it follows from a spec."""

import pytest

from modelrollout.api.validate import parse_spec
from modelrollout.api.watched import watched

ERRORS = {"name": "errors", "router": {"signal": "errorRate"}, "threshold": {"max": 0.01}}
PROVEN = {
    "name": "proven",
    "router": {"signal": "errorRate"},
    "threshold": {"max": 0.01, "evidence": "sequential"},
}
COMPARED = {"name": "compared", "router": {"signal": "errorRate"}, "compare": {}}
SAME = {"name": "same", "predictions": {}, "agreement": {"min": 0.97}}


CANARY = {"canary": {"shadow": {"hold": "10m"}, "steps": [{"weight": 10, "hold": "1m"}]}}


def parsed(*metrics, strategy=CANARY, **monitor):
    return parse_spec(
        {
            "model": {"protocol": "openInference"},
            "template": {"spec": {"containers": [{"name": "model", "image": "x"}]}},
            "service": {"targetPort": 8080},
            "strategy": strategy,
            "analysis": {"metrics": list(metrics), "monitor": monitor},
        },
        {"name": "digits"},
    )


def names(*metrics, **monitor):
    spec, problems = parsed(*metrics, **monitor)
    assert spec is not None, problems
    return [(one.name, one.judge.name) for one in watched(spec)]


def test_all_that_one_version_can_be_held_against_goes_on():
    assert names(ERRORS, PROVEN, COMPARED, SAME) == [("errors", "threshold"), ("proven", "limitWatch")]


def test_only_what_is_named_goes_on():
    assert names(ERRORS, PROVEN, metrics=["proven"]) == [("proven", "limitWatch")]


@pytest.mark.parametrize("limit", [ERRORS, PROVEN], ids=["windows", "sequential"])
def test_a_limit_that_no_stage_has_requests_for_is_accepted_where_it_goes_on_being_watched(limit):
    switch, memory = {"blueGreen": {"hold": "10m"}}, {**ERRORS, "name": "memory"}
    assert parsed(limit, strategy=switch)[0] is not None
    spec, (problem,) = parsed(limit, memory, strategy=switch, metrics=["memory"])
    assert spec is None
    assert problem.path == "spec.analysis.metrics[0].router"
    assert problem.reason == "no stage before the last has requests of clients that it could be measured by"


def test_without_a_monitor_nothing_does():
    spec, _ = parsed(ERRORS)
    analysis = spec.analysis.model_copy(update={"monitor": None})
    assert watched(spec.model_copy(update={"analysis": analysis})) == ()


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        (COMPARED, "compared is judged by compare, which needs stable beside it"),
        (SAME, "same can be measured of copied requests only"),
    ],
    ids=["compare", "copies"],
)
def test_what_needs_more_than_one_version_is_refused_by_name(metric, says):
    spec, (problem,) = parsed(ERRORS, metric, metrics=["errors", metric["name"]])
    assert spec is None
    assert problem.path == "spec.analysis.monitor.metrics[1]"
    assert says in problem.reason


@pytest.mark.parametrize(
    ("monitor", "path", "says"),
    [
        ({"metrics": ["latency"]}, "spec.analysis.monitor.metrics[0]", "latency is no metric of this analysis"),
        ({"metrics": ["errors", "errors"]}, "spec.analysis.monitor.metrics[1]", "names errors a second time"),
        ({"interval": "1s"}, "spec.analysis.monitor.interval", "is no time between two polls"),
        ({"interval": "2h"}, "spec.analysis.monitor.interval", "is no time between two polls"),
        ({"reference": {"learn": 2000}}, "spec.analysis.monitor.reference", "no metric that is watched compares"),
        ({"reference": {}}, "spec.analysis.monitor.reference", "needs exactly one of configMap and learn"),
        ({"onDrift": "panic"}, "spec.analysis.monitor.onDrift", "no onDrift"),
    ],
)
def test_a_mistake_is_named(monitor, path, says):
    spec, (problem,) = parsed(ERRORS, **monitor)
    assert spec is None
    assert problem.path == path
    assert says in problem.reason


def test_a_watch_over_nothing_is_refused():
    spec, (problem,) = parsed(COMPARED, SAME)
    assert spec is None
    assert (problem.path, problem.reason.split(":")[0]) == ("spec.analysis.monitor", "has nothing to watch")
