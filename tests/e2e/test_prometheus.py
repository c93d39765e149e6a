"""A threshold on a real Prometheus: it rolls back; and one that is stopped or hangs decides nothing and delays nothing."""

import json
import os
import re
import signal
import sys
import time
from dataclasses import replace
from uuid import uuid4

import pytest

from tests.e2e.scenario import canary, container_processes, lost_nothing, model_deployment, model_template
from tests.e2e.test_labels import TOKEN, allow
from tests.monitoring import queries

ERRORS = (
    'sum(rate(model_requests_total{namespace="$namespace",pod=~"$pods",code="500"}[10s])) '
    '/ sum(rate(model_requests_total{namespace="$namespace",pod=~"$pods"}[10s])) or vector(0)'
)
GATE = {"name": "errors", "prometheus": {"query": ERRORS}, "threshold": {"max": 0.05, "failures": 2}}
NAMESPACE = "e2e-prometheus"
PLACE = ("-n", NAMESPACE)
RATE = 100
WATCHED = "watched"
"""The ModelDeployment that Prometheus takes all routers of the namespace to be of."""
_ASK = """
import json, sys, urllib.parse, urllib.request
answered = []
for what, query in json.load(sys.stdin).items():
    address = f"http://{sys.argv[1]}:9090/api/v1/query?" + urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(address, timeout=10) as answer:
        if json.load(answer)["data"]["result"]:
            answered.append(what)
print(json.dumps(answered))
"""


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


def asked_here():
    """The queries; of alerts about failures, without the failure: on a good day there is none."""
    known = queries(NAMESPACE, WATCHED, "10s")
    rare = re.compile(r"\{(code|result|reason!)[^}]*\}")
    return {what: rare.sub("", query) if what.startswith("alert") else query for what, query in known.items()}


def samples():
    """Requests, each with an id of its own."""
    for number in range(40_000):
        inputs = [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [number % 100, 0]}]
        body = {"parameters": {"k": "odd" if number % 2 else "even"}, "inputs": inputs}
        yield {"body": body, "headers": {"x-request-id": f"asked-{number}"}}


def tell(scenario, until):
    """Post labels and events of the newest requests; what cannot be joined is counted, too."""
    asked = [f"asked-{number}" for number in range(max(0, until - 300), until)]
    items = [{"id": one, "label": "1"} for one in asked] + [{"id": one, "event": "click"} for one in asked]
    address = f"{scenario.routers()[0]['status']['podIP']}:9905"
    scenario.post_to(address, "/labels", json.dumps({"labels": items}).encode(), authorization=f"Bearer {TOKEN}")


def test_every_query_of_the_dashboard_and_of_the_alerts_is_answered(scenario):
    scenario = replace(scenario, namespace=NAMESPACE, name=WATCHED)
    metrics = [
        {"name": "same", "predictions": {"signal": "agreement"}, "agreement": {"min": 0.5}},
        {"name": "failed", "router": {"signal": "errorRate"}, "compare": {"margin": {"absolute": 0.9}}},
        {"name": "arrived", "router": {"signal": "requestsPerSecond"}, "threshold": {"min": 0}},
    ]
    features = [{"name": "x", "path": "inputs[0].data[0]"}, {"name": "k", "path": "parameters.k", "kind": "category"}]
    analysis = {
        "interval": "1s",
        "metrics": metrics,
        "monitor": {"metrics": ["arrived"], "interval": "10s"},
        "inputs": {"percent": 100, "features": features},
        "labels": {"tokenSecret": {"name": "feedback"}, "within": "20s"},
    }
    spec = {"model": {"name": "m", "protocol": "openInference"}, "analysis": analysis}
    strategy = {"canary": {"shadow": {"percent": 100, "hold": "10m"}, "steps": [{"weight": 50, "hold": "10m"}]}}
    address = json.loads(scenario.kubectl("get", "service", "prometheus", "-o", "json"))["spec"]["clusterIP"]
    left = asked_here()

    def answered(*awaited):
        done = scenario.cluster.run(
            [sys.executable, "-c", _ASK, address], input=json.dumps(left), capture_output=True, text=True, check=True
        )
        for what in json.loads(done.stdout):
            del left[what]
        return not set(awaited) & left.keys()

    def expect(what, *awaited):
        scenario.until(what, lambda: answered(*awaited), 120, lambda: f"Not answered: {', '.join(sorted(left))}")

    waits, aborted = "alert ModelRolloutWaitsForPerson", "alert ModelRolloutAborted"
    # While a rollout is on its way nobody watches what is stable.
    drifts = "alert ModelRolloutDrifting"
    # As long as classes are counted, no numbers are.
    numbers = "panel Predictions that are numbers, or lengths of texts: median, {{arm}}"
    assert numbers in left
    try:
        allow(scenario)
        scenario.apply(model_deployment(model_template("v1", LABELS="10", ERROR_RATE="0.02"), strategy, **spec))
        scenario.stable()
        with scenario.traffic(RATE, long_every=0, samples=samples()) as traffic:
            begun = time.monotonic()
            second = model_template("v2", LABELS="10", ERROR_RATE="0.2")
            scenario.apply(model_deployment(second, strategy, **spec))
            later = {waits, aborted, drifts, "alert ModelRolloutStalled", numbers}

            def told():
                """People tell what was right and what they did, of what was just asked; whether all is answered."""
                tell(scenario, int((time.monotonic() - begun) * RATE))
                return answered(*(left.keys() - later))

            scenario.until("what a running rollout shows", told, 180, lambda: f"Not answered: {sorted(left)}")
            analysis["inputs"]["output"] = {"kind": "number"}
            scenario.apply(model_deployment(second, strategy, **spec))
            expect("what one shows whose predictions are numbers", numbers)
            scenario.request("pause")
            expect("what one shows that waits", waits)
            scenario.abort()
            scenario.aborted("Requested")
            expect("what one shows that was aborted", *left)
            traffic.stop()
    finally:
        scenario.kubectl("delete", "modeldeployment", WATCHED, "--wait=false", "--ignore-not-found")
    scenario.note(None, f"{len(asked_here())} queries answered")
