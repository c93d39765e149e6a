"""Traffic goes home: by a threshold, by a person, because the candidate never starts. Clients see only the model's own errors."""

import pytest

from tests.e2e.scenario import (
    canary,
    condition,
    errors_analysis,
    lost_nothing,
    model_deployment,
    model_template,
    moment,
)


def test_a_candidate_that_answers_with_errors_is_rolled_back_by_its_threshold(scenario):
    first = scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    with scenario.traffic() as traffic:
        bad = model_template("v2", ERROR_RATE="0.2")
        second = scenario.apply(model_deployment(bad, canary(20, 50, hold="30s"), analysis=errors_analysis()))
        status = scenario.aborted("GateFailed")
        report = traffic.stop()
    lost_nothing(report)
    assert report["model"] > 0
    assert "errors" in status["rollout"]["cause"]["message"]
    assert status["stable"] == first
    assert condition(status, "Stalled")["reason"] == "RolloutAborted"
    records = traffic.records()
    bad_answers = [record["start"] for record in records if record["blame"] == "model"]
    last = max(record["start"] for record in records if record["revision"] == second)
    decided = moment(status["rollout"]["cause"]["at"])
    scenario.gone(second)
    after = scenario.status()
    assert after["rollout"]["state"] == "Aborted", "an abort is sticky"
    scenario.note(
        report,
        f"first error → last request to the candidate {last - min(bad_answers):.1f} s, decision → {last - decided:.2f} s",
    )


@pytest.mark.parametrize("automation", ["full", "manual"])
def test_a_person_aborts(scenario, automation):
    first = scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    with scenario.traffic() as traffic:
        spec = model_deployment(model_template("v2"), canary(50, hold="5m"), automation=automation)
        second = scenario.apply(spec)
        scenario.stage("step 1/1")
        scenario.abort()
        status = scenario.aborted("Requested")
        scenario.gone(second)
        report = traffic.stop()
    lost_nothing(report)
    assert report["revisions"].keys() == {first, second}
    assert status["stable"] == first
    scenario.note(report)


def test_an_aborted_rollout_is_tried_again_when_a_person_says_so(scenario):
    scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    with scenario.traffic() as traffic:
        second = scenario.apply(model_deployment(model_template("v2"), canary(50, hold="3s")))
        scenario.stage("step 1/1")
        scenario.abort()
        scenario.aborted("Requested")
        assert scenario.request("retry")["accepted"]
        status = scenario.stable()
        report = traffic.stop()
    lost_nothing(report)
    assert status["stable"] == second
    assert [past["outcome"] for past in status["history"][:2]] == ["Completed", "Aborted"]
    scenario.note(report)


def test_a_candidate_that_is_never_ready_gets_nothing_and_is_aborted_by_its_deadline(scenario):
    first = scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    with scenario.traffic() as traffic:
        never = model_template("v2", MODE="never-ready")
        second = scenario.apply(model_deployment(never, canary(50), progressDeadline="6s"))
        scenario.aborted("ProgressDeadlineExceeded")
        scenario.gone(second)
        report = traffic.stop()
    lost_nothing(report)
    assert report["revisions"].keys() == {first}
    scenario.note(report)
