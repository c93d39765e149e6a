"""The candidate's last pod is gone while it answers clients: stable answers meanwhile, and the step starts anew."""

from tests.e2e.scenario import canary, kill_pod, model_deployment, model_template

LATE = 1.5
"""Seconds of the candidate's share that may be lost: DNS forgets the pod within a second, and the route changes within one."""


def test_the_only_pod_of_a_candidate_is_deleted(scenario):
    """Not a promise of zero: an arm without a pod cannot answer until the routers know that stable does."""
    first = scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    second = scenario.apply(model_deployment(model_template("v2", START_DELAY_S="4"), canary(50, hold="8s")))
    begun = scenario.stage("step 1/1")["rollout"]["verifiedAt"]
    with scenario.traffic() as traffic:
        (pod,) = scenario.models(second)
        scenario.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
        scenario.expect("stable answers alone", lambda status: status.get("weight") == 0 and status["routeVerified"])
        again = scenario.stage("step 1/1")["rollout"]["verifiedAt"]
        assert again > begun, "the hold starts anew"
        status = scenario.stable()
        report = traffic.stop()
    assert status["stable"] == second
    assert report["revisions"].keys() == {first, second}
    assert report["ours"] <= LATE * 200 / 2
    scenario.note(report, "an arm's only pod is deleted: measured, not promised")


def test_everything_is_at_a_candidate_that_crashes(scenario):
    """A crash takes what was in flight with it; what counts is how soon stable answers again."""
    first = scenario.apply(model_deployment(model_template("v1"), canary(50), replicas=1))
    scenario.stable()
    spec = model_deployment(model_template("v2", START_DELAY_S="4"), canary(50, hold="1s", bake="5m"), replicas=1)
    second = scenario.apply(spec)
    scenario.stage("bake")
    with scenario.traffic() as traffic:
        (pod,) = scenario.models(second)
        kill_pod(scenario.cluster, pod, "model")
        scenario.expect("stable answers alone", lambda status: status.get("weight") == 0 and status["routeVerified"])
        scenario.stage("bake")
        report = traffic.stop()
    failed = [record["start"] for record in traffic.records() if record["blame"] != "nobody"]
    assert report["revisions"].keys() == {first, second}
    outage = max(failed) - min(failed) if failed else 0.0
    scenario.note(report, f"the only pod at 100 % crashes: {outage:.1f} s with errors, measured, not promised")
