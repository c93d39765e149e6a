"""The operator itself is upgraded or configured anew: no revision, no model pod and no request is touched."""

from tests.e2e.scenario import OPERATOR, SYSTEM, canary, lost_nothing, model_deployment, model_template


def test_an_upgrade_and_new_settings_touch_nothing_that_runs(scenario):
    first = scenario.apply(model_deployment(model_template("v1"), canary(50), service={"targetPort": 8080}))
    scenario.stable()
    second = scenario.apply(
        model_deployment(model_template("v2"), canary(50, hold="10m"), service={"targetPort": 8080})
    )
    scenario.stage("step 1/1")
    pods = {pod["metadata"]["uid"] for pod in scenario.children("pods")}
    sets = {each["metadata"]["name"] for each in scenario.children("replicasets")}
    snapshots = {each["metadata"]["name"] for each in scenario.children("controllerrevisions")}
    with scenario.traffic() as traffic:
        try:
            scenario.kubectl(*SYSTEM, "set", "env", OPERATOR, "MODELROLLOUT_DRAIN=7s", "MODELROLLOUT_TIMEOUT=9s")
            scenario.kubectl(*SYSTEM, "rollout", "status", OPERATOR, "--timeout=120s")
            # Its answer proves that the new leader has looked at everything.
            assert scenario.request("pause")["accepted"]
            status = scenario.status()
            assert {pod["metadata"]["uid"] for pod in scenario.children("pods")} == pods
            assert {each["metadata"]["name"] for each in scenario.children("replicasets")} == sets
            assert {each["metadata"]["name"] for each in scenario.children("controllerrevisions")} == snapshots
        finally:
            scenario.kubectl(*SYSTEM, "set", "env", OPERATOR, "MODELROLLOUT_DRAIN=3s", "MODELROLLOUT_TIMEOUT-")
            scenario.kubectl(*SYSTEM, "rollout", "status", OPERATOR, "--timeout=120s")
        report = traffic.stop()
    lost_nothing(report)
    assert status["rollout"]["revision"] == second
    assert report["revisions"].keys() == {first, second}
    scenario.note(report)
