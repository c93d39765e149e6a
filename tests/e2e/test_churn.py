"""Pods come and go in the middle of a rollout: routers, models, whole Deployments. Clients notice nothing."""

from tests.e2e.scenario import canary, kill_pod, lost_nothing, model_deployment, model_template


def _half_way(scenario, **spec):
    first = scenario.apply(model_deployment(model_template("v1"), canary(50), **spec))
    scenario.stable()
    second = scenario.apply(model_deployment(model_template("v2"), canary(50, hold="10m"), **spec))
    scenario.stage("step 1/1")
    return first, second


def test_router_pods_are_deleted_and_rolled(scenario):
    first, second = _half_way(scenario)
    with scenario.traffic(240) as traffic:
        before = {pod["metadata"]["name"] for pod in scenario.routers()}
        scenario.kubectl("delete", "pod", min(before), "--wait=false")
        scenario.until("a new router is Ready", lambda: _fresh(scenario, before) >= 1)
        scenario.kubectl("rollout", "restart", "deployment", f"{scenario.name}-router")
        scenario.kubectl("rollout", "status", "deployment", f"{scenario.name}-router", "--timeout=120s")
        scenario.until(
            "the old ones are gone", lambda: not before & {pod["metadata"]["name"] for pod in scenario.routers()}
        )
        status = scenario.expect("verified again", lambda status: status["routeVerified"])
        report = traffic.stop()
    lost_nothing(report)
    assert status["rollout"]["state"] == "Progressing"
    assert report["revisions"].keys() == {first, second}
    scenario.note(report)


def test_no_router_is_ready_before_it_knows_a_pod_of_the_first_revision(scenario):
    # Ten seconds are long for a router to start, and short of what it waits at most.
    first = scenario.apply(model_deployment(model_template("v1", START_DELAY_S="10"), canary(50)))
    scenario.until("a router is Ready", lambda: any(map(_ready, scenario.routers())))
    assert any(map(_ready, scenario.models(first)))
    scenario.stable()
    with scenario.traffic(240) as traffic:
        scenario.until("all routers are Ready", lambda: all(map(_ready, scenario.routers())))
        scenario.expect("verified", lambda status: status["routeVerified"])
        report = traffic.stop()
    lost_nothing(report)
    scenario.note(report)


def test_model_pods_with_weight_are_deleted_and_scaled(scenario):
    first, second = _half_way(scenario, replicas=4)
    with scenario.traffic(240) as traffic:
        for revision in (first, second):
            pods = {pod["metadata"]["name"] for pod in scenario.models(revision)}
            scenario.kubectl("delete", "pod", min(pods), "--wait=false")
            scenario.until(
                "it is replaced",
                lambda revision=revision, pods=pods: any(
                    pod["metadata"]["name"] not in pods and _ready(pod) for pod in scenario.models(revision)
                ),
            )
        scenario.kubectl("scale", "modeldeployment", scenario.name, "--replicas=5")
        scenario.until("five of stable", lambda: sum(map(_ready, scenario.models(first))) == 5)
        scenario.kubectl("scale", "modeldeployment", scenario.name, "--replicas=2")
        scenario.until("two of the candidate", lambda: len(scenario.models(second)) == 2)
        assert len(scenario.models(first)) == 5, "the way home stays whole while a rollout runs"
        assert scenario.request("promote")["accepted"]
        scenario.stable()
        scenario.gone(first)
        report = traffic.stop()
    lost_nothing(report)
    scenario.note(report)


def test_a_router_that_is_killed_loses_only_what_it_had_in_flight(scenario):
    """Not a promise of zero, but a number: SIGKILL cannot be survived by a request that is being answered."""
    _half_way(scenario)
    with scenario.traffic(240) as traffic:
        kill_pod(scenario.cluster, scenario.routers()[0], "envoy")
        scenario.until("the kubelet has seen it", lambda: any(map(_restarted, scenario.routers())))
        scenario.until("it is back", lambda: all(map(_ready, scenario.routers())))
        scenario.expect("verified", lambda status: status["routeVerified"])
        report = traffic.stop()
    assert report["requests"] > 200
    # At most the kept connections that the dead router had, each with at most one request.
    assert report["ours"] <= 24
    scenario.note(report, "SIGKILL of an Envoy: measured, not promised")


def _ready(pod):
    if "deletionTimestamp" in pod["metadata"]:
        return False
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))


def _restarted(pod):
    return any(each["restartCount"] for each in pod["status"].get("containerStatuses", []))


def _fresh(scenario, before):
    return sum(_ready(pod) and pod["metadata"]["name"] not in before for pod in scenario.routers())
