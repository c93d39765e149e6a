"""A threshold on a real Prometheus: it rolls back; and one that is stopped or hangs decides nothing and delays nothing."""

import os
import signal
import time
from dataclasses import replace
from uuid import uuid4

import pytest

from tests.e2e.scenario import canary, container_processes, lost_nothing, model_deployment, model_template

ERRORS = (
    'sum(rate(model_requests_total{namespace="$namespace",pod=~"$pods",code="500"}[10s])) '
    '/ sum(rate(model_requests_total{namespace="$namespace",pod=~"$pods"}[10s])) or vector(0)'
)
GATE = {"name": "errors", "prometheus": {"query": ERRORS}, "threshold": {"max": 0.05, "failures": 2}}
NAMESPACE = "e2e-prometheus"
PLACE = ("-n", NAMESPACE)


@pytest.fixture
def beside(scenario):
    """The scenario in the namespace whose pods Prometheus scrapes."""
    moved = replace(scenario, namespace=NAMESPACE, name=f"m{uuid4().hex[:6]}")
    yield moved
    moved.kubectl("delete", "modeldeployment", moved.name, "--wait=false")


def test_a_threshold_on_prometheus_rolls_back(beside):
    scenario = beside
    first = scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    with scenario.traffic() as traffic:
        bad = model_template("v2", ERROR_RATE="0.3")
        scenario.apply(model_deployment(bad, canary(50, hold="60s"), analysis={"interval": "1s", "metrics": [GATE]}))
        status = scenario.aborted("GateFailed", limit=90)
        report = traffic.stop()
    lost_nothing(report)
    assert status["stable"] == first
    scenario.note(report, status["rollout"]["cause"]["message"][:60])


def test_a_prometheus_that_is_stopped_decides_nothing(beside):
    scenario = beside
    scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    scenario.kubectl(*PLACE, "scale", "deployment", "prometheus", "--replicas=0")
    try:
        scenario.apply(
            model_deployment(
                model_template("v2"), canary(50, hold="1s"), analysis={"interval": "1s", "metrics": [GATE]}
            )
        )

        def erring(status):
            return any(gate["state"] == "Error" for gate in (status.get("rollout") or {}).get("gates", []))

        status = scenario.expect("the gate says Error", erring)
        assert status["rollout"]["gates"][0]["verdict"] == "Undecided"
        assert status["rollout"]["state"] == "Progressing"
    finally:
        scenario.kubectl(*PLACE, "scale", "deployment", "prometheus", "--replicas=1")
        scenario.kubectl(*PLACE, "rollout", "status", "deployment", "prometheus", "--timeout=60s")
    # Once it is back, the rollout goes on by itself.
    status = scenario.stable()
    assert status["history"][0]["outcome"] == "Completed"


def test_a_prometheus_that_hangs_does_not_delay_an_abort(beside):
    scenario = beside
    scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    (pod,) = scenario.cluster.get("pods", *PLACE, "-l", "app=prometheus")["items"]
    processes = container_processes(scenario.cluster, pod, "prometheus")
    assert processes
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        scenario.apply(
            model_deployment(
                model_template("v2"), canary(50, hold="1s"), analysis={"interval": "1s", "metrics": [GATE]}
            )
        )
        scenario.stage("step 1/1")
        time.sleep(2)
        begun = time.monotonic()
        scenario.abort()
        scenario.aborted("Requested")
        took = time.monotonic() - begun
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
    scenario.note(None, f"abort with a hanging Prometheus: {took:.1f} s until verified")
