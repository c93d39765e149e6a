"""What else happens to a ModelDeployment in its life: superseded, orphaned, deleted in mid-rollout, moved in."""

from tests.e2e.scenario import canary, lost_nothing, model_deployment, model_template


def test_a_newer_spec_supersedes_a_running_rollout(scenario):
    first = scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    with scenario.traffic() as traffic:
        second = scenario.apply(model_deployment(model_template("v2"), canary(50, hold="5m")))
        scenario.stage("step 1/1")
        scenario.apply(model_deployment(model_template("v3"), canary(50, hold="1s")))
        status = scenario.stable()
        scenario.gone(second)
        scenario.gone(first)
        report = traffic.stop()
    lost_nothing(report)
    assert status["stable"] not in {first, second}
    assert [past["outcome"] for past in status["history"][:2]] == ["Completed", "Superseded"]
    scenario.note(report)


def test_orphans_go_on_serving_and_are_taken_up_again(scenario):
    body = model_deployment(model_template("v1"), canary(50), deletionPolicy="orphan")
    first = scenario.apply(body)
    scenario.stable()
    pods = {pod["metadata"]["uid"] for pod in scenario.children("pods")}
    with scenario.traffic() as traffic:
        scenario.kubectl("delete", "modeldeployment", scenario.name)
        scenario.until("it is gone", lambda: scenario.read("modeldeployments", scenario.name) is None)
        scenario.apply(body)
        status = scenario.stable()
        second = scenario.apply(model_deployment(model_template("v2"), canary(50, hold="4s"), deletionPolicy="orphan"))
        scenario.stage("step 1/1")
        kept = {pod["metadata"]["uid"] for pod in scenario.children("pods")}
        assert pods <= kept, "no pod was restarted"
        scenario.stable()
        report = traffic.stop()
    lost_nothing(report)
    assert status["stable"] == first
    assert report["revisions"].keys() == {first, second}
    scenario.note(report)


def test_an_object_that_is_deleted_in_mid_rollout_and_made_again_starts_anew(scenario):
    body = model_deployment(model_template("v1"), canary(50))
    first = scenario.apply(body)
    scenario.stable()
    scenario.apply(model_deployment(model_template("v2"), canary(50, hold="5m")))
    scenario.stage("step 1/1")
    scenario.kubectl("delete", "modeldeployment", scenario.name)
    assert scenario.apply(body) == first
    status = scenario.stable()
    assert status["stable"] == first
    # What the dead namesake had left is collected, and what serves now is the new one's.
    uid = scenario.get()["metadata"]["uid"]
    owners = {
        owner["uid"] for each in scenario.children("deployments") for owner in each["metadata"]["ownerReferences"]
    }
    assert owners == {uid}
    with scenario.traffic() as traffic:
        scenario.until("some traffic", lambda: True)
        report = traffic.stop()
    assert report["ours"] == 0
