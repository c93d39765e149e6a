"""Without a router: what is promised for it is what is measured here, and no more."""

import pytest

from tests.e2e.scenario import canary, condition, model_deployment, model_template

BOUND = 0.01
"""Share of lost requests above which something is wrong that the documents do not say."""


@pytest.mark.parametrize("server", ["graceful", "drain"])
def test_a_canary_by_the_number_of_pods(scenario, server):
    service = {"port": 80, "targetPort": 8080, "timeout": "5s", "drain": "3s"}
    spec = {"traffic": {"direct": {}}, "service": service}
    first = scenario.apply(model_deployment(model_template("v1", TERM_MODE=server), canary(50), **spec))
    scenario.stable()
    # Connections that live for twenty requests: kept for ever, they would never see another version.
    with scenario.traffic(extra=("--requests-per-connection", "20")) as traffic:
        second = scenario.apply(model_deployment(model_template("v2", TERM_MODE=server), canary(50, hold="6s"), **spec))
        status = scenario.expect("step", lambda status: (status.get("rollout") or {}).get("verifiedAt"))
        assert condition(status, "TrafficVerified")["status"] == "Unknown"
        status = scenario.stable()
        scenario.gone(first)
        report = traffic.stop()
    assert status["stable"] == second
    assert report["requests"] > 1000
    if server == "drain":
        assert report["ours"] == 0, "a server that answers `connection: close` while it leaves loses nothing"
    assert report["ours"] <= BOUND * report["requests"]
    scenario.note(report, f"traffic.direct, server that leaves by {server}: measured, not promised")


def test_a_switch_by_selector_and_back(scenario):
    strategy = {"blueGreen": {"hold": "1s", "bake": "5m"}}
    spec = {"traffic": {"direct": {}}}
    first = scenario.apply(model_deployment(model_template("v1", TERM_MODE="drain"), strategy, **spec))
    scenario.stable()
    with scenario.traffic(extra=("--requests-per-connection", "20")) as traffic:
        second = scenario.apply(model_deployment(model_template("v2", TERM_MODE="drain"), strategy, **spec))
        scenario.expect("bakes", lambda status: status.get("phase") == "Baking")
        scenario.abort()
        scenario.expect("aborted", lambda status: (status.get("rollout") or {}).get("state") == "Aborted")
        scenario.gone(second)
        report = traffic.stop()
    assert report["ours"] <= BOUND * report["requests"]
    selector = scenario.read("services", scenario.name)["spec"]["selector"]
    assert selector["modelrollout.dev/revision"] == first
    scenario.note(report, "traffic.direct, blue-green and back")
