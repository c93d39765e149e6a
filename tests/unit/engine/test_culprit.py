"""A drift takes traffic back only where it is the version's own doing."""

from datetime import UTC, datetime, timedelta

import pytest

from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.watched import watched
from modelrollout.domain.monitoring import Drift, Monitoring
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.culprit import culprit
from tests.sequences.scenario import spec

AT = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = timedelta(minutes=10)
METRICS = {
    "asked": {"inputs": {}, "drift": {}},
    "missing": {"inputs": {"signal": "missing"}, "threshold": {"max": 0.02}},
    "load": {"router": {"signal": "requestsPerSecond"}, "threshold": {"min": 1}},
    "answered": {"outputs": {}, "drift": {}},
    "errors": {"router": {"signal": "errorRate"}, "threshold": {"max": 0.05}},
    "tried": {"router": {"signal": "errorRate"}, "threshold": {"max": 0.01}, "mode": "observe"},
}


def found(names, drifts, *, lasting=timedelta(hours=1), passing=(), unknown=()):
    """Whose doing it is that metrics drift, of all that are watched."""
    metrics = [{"name": name, **METRICS[name]} for name in names]
    given = spec("1", analysis={"inputs": {}, "metrics": metrics, "monitor": {}})
    verdicts = {name: Verdict.FAIL if name in drifts else Verdict.PASS for name in names} | dict.fromkeys(
        unknown, Verdict.UNDECIDED
    )
    monitor = Monitoring(
        revision="one",
        since=AT - timedelta(hours=2),
        gates=tuple(Gate(name=name, verdict=verdict, state="Value") for name, verdict in verdicts.items()),
        drifting=tuple(
            Drift(metric=name, message="x", since=AT - lasting, passing_since=AT if name in passing else None)
            for name in drifts
        ),
    )
    return culprit(watched(ModelDeploymentSpec.model_validate(given)), monitor, AT, PATIENCE)


@pytest.mark.parametrize("moved", ["asked", "missing", "load"])
@pytest.mark.parametrize("beside", [(), ("answered",), ("errors",), ("answered", "errors")])
def test_nothing_is_a_versions_doing_while_inputs_move(moved, beside):
    one = found(METRICS, (moved, *beside))
    assert one.excuse == f"inputs moved ({moved}), and that is no version's doing"
    assert one.until is None


def test_inputs_that_have_begun_to_pass_have_moved_until_they_drift_no_more():
    assert "inputs moved (asked)" in found(METRICS, ("asked", "errors"), passing=("asked",)).excuse


@pytest.mark.parametrize("drifts", [("errors",), ("answered",), ("answered", "errors")])
def test_what_drifts_alone_for_long_enough_is_the_versions_doing(drifts):
    assert found(METRICS, drifts).excuse == ""
    assert found(METRICS, drifts, lasting=PATIENCE).excuse == ""


def test_inputs_have_time_to_show_that_they_moved_too():
    one = found(METRICS, ("errors",), lasting=timedelta(minutes=1))
    assert "inputs may turn out to have moved" in one.excuse
    assert one.until == AT + timedelta(minutes=9)


def test_where_nobody_watches_inputs_a_limit_is_acted_on_at_once():
    assert found(["answered", "errors"], ("errors",), lasting=timedelta()).excuse == ""


@pytest.mark.parametrize(
    ("names", "unknown"), [(["answered"], ()), (["answered", "missing"], ()), (["answered", "asked"], ("asked",))]
)
def test_how_answers_are_spread_proves_nothing_where_nobody_sees_how_inputs_are(names, unknown):
    one = found(names, ("answered",), unknown=unknown)
    assert "nobody sees whether inputs moved" in one.excuse
    assert one.until is None


@pytest.mark.parametrize(("drifts", "passing"), [(("errors",), ("errors",)), (("tried",), ())])
def test_what_passes_again_and_what_may_only_be_told_takes_nothing_back(drifts, passing):
    assert found(METRICS, drifts, passing=passing).excuse == "what drifted passes again, or may only be told (mode)"
