from datetime import UTC, datetime

import pytest

from modelrollout.controller.telemetry import Telemetry
from modelrollout.domain.conditions import Condition
from modelrollout.domain.evidence import Evidence
from modelrollout.domain.monitoring import Drift, Monitoring
from modelrollout.domain.status import Rollout, RolloutState, Status
from modelrollout.domain.verdict import Gate, Mode, Verdict

KEY = ("n", "d")
AT = datetime(2026, 1, 2, tzinfo=UTC)
WHO = {"namespace": "n", "name": "d"}
ERRORS = Gate(name="errors", verdict=Verdict.FAIL, state="Value", evidence=Evidence(against=4.5, within=-1.0))
GPU = Gate(name="gpu", verdict=Verdict.PASS, state="Value")


def waits(reason):
    return Condition(type="Ready", status="False", reason=reason, last_transition_time=AT)


def rolls(*gates, state=RolloutState.PROGRESSING, forecast=None, watched=(), **more):
    rollout = Rollout(
        revision="two",
        strategy="canary",
        started_at=AT,
        stage_at=AT,
        gates=gates,
        watched=watched,
        state=state,
        forecast=forecast,
    )
    return Status(rollout=rollout, **more)


@pytest.fixture
def telemetry():
    return Telemetry()


def shown(telemetry):
    """Our samples of single ModelDeployments."""
    names = ("weight", "waiting", "undecidable", "gate", "watched", "evidence", "drifting")
    families = {f"modelrollout_{name}" for name in names}
    return {
        (
            sample.name.removeprefix("modelrollout_"),
            *sorted(set(sample.labels.items()) - set(WHO.items())),
        ): sample.value
        for family in telemetry.registry.collect()
        if family.name in families
        for sample in family.samples
    }


def test_a_running_rollout_shows_its_traffic_its_gates_and_their_evidence(telemetry):
    telemetry.saw(KEY, rolls(ERRORS, GPU, weight=25, conditions=(waits("Holding"),)))
    assert shown(telemetry) == {
        ("weight",): 25,
        ("waiting", ("reason", "Holding")): 1,
        ("undecidable",): 0,
        ("gate", ("metric", "errors")): -1,
        ("gate", ("metric", "gpu")): 1,
        ("evidence", ("claim", "beyond"), ("metric", "errors")): 4.5,
        ("evidence", ("claim", "within"), ("metric", "errors")): -1,
    }


def test_what_is_over_is_not_shown(telemetry):
    telemetry.saw(KEY, rolls(ERRORS, forecast="never", conditions=(waits("WaitingForApproval"),)))
    assert shown(telemetry)["undecidable",] == 1
    telemetry.saw(KEY, rolls(GPU, weight=50, conditions=(waits("Paused"),)))
    assert shown(telemetry) == {
        ("weight",): 50,
        ("waiting", ("reason", "Paused")): 1,
        ("undecidable",): 0,
        ("gate", ("metric", "gpu")): 1,
    }
    telemetry.saw(KEY, rolls(GPU, weight=0, state=RolloutState.ABORTED))
    assert shown(telemetry) == {("weight",): 0}


def test_what_is_gone_is_not_shown(telemetry):
    telemetry.saw(KEY, rolls(ERRORS, weight=25))
    telemetry.forget(KEY)
    telemetry.forget(KEY)
    assert shown(telemetry) == {}


def test_a_watch_shows_which_metrics_drift_and_ends_with_it(telemetry):
    drift = Drift(metric="errors", message="above", since=AT)
    watch = Monitoring(revision="two", since=AT, gates=(ERRORS, GPU), drifting=(drift,))
    telemetry.saw(KEY, Status(monitor=watch))
    assert shown(telemetry) == {("drifting", ("metric", "errors")): 1, ("drifting", ("metric", "gpu")): 0}
    telemetry.saw(KEY, Status())
    assert shown(telemetry) == {}


def test_what_only_watches_is_no_gate(telemetry):
    telemetry.saw(KEY, rolls(GPU, watched=(ERRORS.model_copy(update={"mode": Mode.WARN}),)))
    found = shown(telemetry)
    assert found["gate", ("metric", "gpu")] == 1
    assert ("gate", ("metric", "errors")) not in found
    assert found["watched", ("metric", "errors"), ("mode", "warn")] == -1
    assert found["evidence", ("claim", "beyond"), ("metric", "errors")] == 4.5
    telemetry.saw(KEY, rolls(GPU))
    assert ("watched", ("metric", "errors"), ("mode", "warn")) not in shown(telemetry)
