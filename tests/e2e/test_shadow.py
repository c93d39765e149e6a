"""A shadow: the candidate gets copies and answers nobody; nothing it does can reach a client."""

import json

import pytest

from tests.e2e.scenario import canary, lost_nothing, model_deployment, model_template, moment


def test_a_shadow_is_judged_on_copies_and_promoted_by_a_person(scenario):
    first = scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    with scenario.traffic() as traffic:
        errors = {"name": "errors", "router": {"signal": "errorRate"}, "threshold": {"max": 0.05, "minRequests": 100}}
        dropped = {"name": "dropped", "router": {"signal": "dropped"}, "threshold": {"max": 0.05, "minRequests": 100}}
        analysis = {"interval": "1s", "metrics": [errors, dropped]}
        shadow = {"shadow": {"percent": 100, "hold": "4s"}}
        second = scenario.apply(model_deployment(model_template("v2"), shadow, analysis=analysis))
        status = scenario.expect("waits for a person", lambda status: status.get("phase") == "WaitingForApproval")
        assert status["weight"] == 0
        # The number is written now and then; each gate rests on a hundred copies.
        assert status["rollout"]["mirrored"] > 0
        assert {gate["name"]: gate["verdict"] for gate in status["rollout"]["gates"]} == {
            "errors": "Pass",
            "dropped": "Pass",
        }
        answer = scenario.request("promote", step=status["rollout"]["stage"])
        assert answer["accepted"]
        scenario.stable()
        report = traffic.stop()
    lost_nothing(report)
    promoted = moment(answer["at"])
    assert {record["revision"] for record in traffic.records() if record["start"] < promoted} == {first}
    assert report["revisions"].keys() == {first, second}
    scenario.note(report, "judged on copies alone")


@pytest.mark.parametrize("mode", ["hang", "crash"])
def test_a_shadow_that_is_broken_hurts_nobody_and_is_stopped(scenario, mode):
    first = scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    with scenario.traffic() as traffic:
        errors = {"name": "errors", "router": {"signal": "errorRate"}, "threshold": {"max": 0.05, "minRequests": 20}}
        shadow = {"shadow": {"percent": 100, "hold": "30s"}}
        spec = model_deployment(
            model_template("v2", MODE=mode),
            shadow,
            analysis={"interval": "1s", "onNoData": "rollback", "metrics": [errors]},
            progressDeadline="30s",
        )
        scenario.apply(spec)
        status = scenario.aborted(limit=90)
        report = traffic.stop()
    lost_nothing(report)
    assert report["revisions"].keys() == {first}
    scenario.note(report, f"stopped by {status['rollout']['cause']['reason']}")


def test_clients_get_the_same_bytes_with_and_without_a_shadow(scenario):
    scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    echo = ("--header", "x-echo: 1")
    with scenario.traffic(100, long_every=0, extra=echo) as traffic:
        scenario.apply(model_deployment(model_template("v2", DELAY_MS="20"), {"shadow": {"hold": "5s"}}))
        scenario.stage("shadow")
        body = json.dumps({"inputs": [{"name": "x", "data": list(range(2000))}]}).encode()
        answers = {}
        for shadowed in (True, False):
            status, headers, text = scenario.post(body, x_echo="1")
            assert (status, text) == (200, body.decode())
            answers[shadowed] = [header for header in headers if header[0].lower() not in ("date", "x-model-pod")]
            if shadowed:
                scenario.abort()
                scenario.aborted()
        report = traffic.stop()
    lost_nothing(report)
    assert answers[True] == answers[False]
    scenario.note(report)
