"""Verdicts on the real cluster: the candidate against stable, by evidence that is looked at every second."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from uuid import uuid4

import pytest

from tests.e2e.scenario import canary, lost_nothing, model_deployment, model_template, moment

GOOD = {"ERROR_RATE": "0"}
SAME = {"ERROR_RATE": "0.005"}
SELDOM = {"ERROR_RATE": "0.003"}
WORSE = {"ERROR_RATE": "0.05"}
BROKEN = {"ERROR_RATE": "1"}
ERRORS = {"name": "errors", "router": {"signal": "errorRate"}, "compare": {}}
SELECTOR = 'model_requests_total{namespace="$namespace",pod=~"$pods"'
COUNTERS = {"bad": SELECTOR + ',code="500"}', "total": SELECTOR + "}"}
LONG = "20m"
"""A hold that no test waits for: what ends it is evidence."""
STEPS = canary(10, 25, 50, hold="40s")
RAMP = {"canary": {"ramp": {"budget": 60, "max": 50}}}


def compared(*metrics, **analysis):
    return {
        "interval": "1s",
        "minDuration": "10s",
        "deadline": "10m",
        "metrics": list(metrics or (ERRORS,)),
        **analysis,
    }


def installed(scenario, strategy, stable, candidate, **analysis):
    """Have stable installed; return its revision, and the candidate that is to be applied."""
    spec = {"analysis": compared(**analysis)}
    first = scenario.apply(model_deployment(model_template("v1", **stable), strategy, **spec))
    scenario.stable()
    return first, model_deployment(model_template("v2", **candidate), strategy, **spec)


def evidence(status):
    gates = (status.get("rollout") or {}).get("gates", ())
    return next((gate["evidence"] for gate in gates if "evidence" in gate), {})


def verdict(status):
    return next((gate["verdict"] for gate in (status.get("rollout") or {}).get("gates", ())), "")


def requests(status):
    return evidence(status).get("requests", 0)


def lasted(status):
    past = status["history"][0]
    return moment(past["endedAt"]) - moment(past["startedAt"])


@contextmanager
def recorded(scenario, file) -> Iterator[None]:
    """Record a rollout from its begin to its end, as a person would."""
    asked = ("record", scenario.name, "-n", scenario.namespace, "--kubeconfig", str(scenario.cluster.kubeconfig))
    command = [sys.executable, "-m", "modelrollout", *asked, "-o", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "Waiting for a rollout" in process.stderr.readline()
        yield
        _, words = process.communicate(timeout=60)
    assert process.returncode == 0, words


def replayed(scenario, document, file):
    """Return what the same rollout comes to on a simulated cluster that reads the recorded numbers."""
    written = scenario.scratch / "deployment.json"
    written.write_text(json.dumps({**document, "metadata": {"name": scenario.name}}))
    command = [sys.executable, "-m", "modelrollout", "simulate", str(written), "--replay", str(file), "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["results"]
    return run


def test_a_candidate_that_fails_ten_times_as_often_is_rolled_back(scenario):
    _, candidate = installed(scenario, canary(10, 50, hold=LONG), SAME, WORSE)
    with scenario.traffic() as traffic:
        second = scenario.apply(candidate)
        status = scenario.aborted("GateFailed", 240)
        report = traffic.stop()
    lost_nothing(report)
    assert "worse than the margin" in status["rollout"]["cause"]["message"]
    name = f"{scenario.name}-report-{second}-1"
    scenario.until("the report", lambda: scenario.read("configmaps", name) is not None)
    filed = json.loads(scenario.read("configmaps", name)["data"]["report.json"])
    assert filed["outcome"] == "Aborted"
    (gate,) = filed["gates"]
    assert gate["evidence"]["candidate"] > gate["evidence"]["stable"]
    scenario.note(report, f"after {lasted(status):.0f} s: {status['rollout']['cause']['message'][:60]}")


def test_a_recorded_rollout_is_decided_as_it_was(scenario):
    _, candidate = installed(scenario, canary(10, 50, hold=LONG), SAME, WORSE)
    file = scenario.scratch / "recorded.jsonl"
    # Whoever records sees the first requests a second later than the operator, and after a rollback there are no more of them.
    # So a person ends it here, once there are twice as many as were needed.
    manual = {**candidate, "spec": {**candidate["spec"], "automation": "manual"}}
    with scenario.traffic() as traffic, recorded(scenario, file):
        scenario.apply(manual)
        failed = scenario.expect("a failed gate", lambda status: verdict(status) == "Fail", 240)
        enough = 2 * requests(failed)
        scenario.expect("twice the evidence", lambda status: requests(status) >= enough, 240)
        scenario.abort()
        scenario.aborted()
        report = traffic.stop()
    lost_nothing(report)
    again = replayed(scenario, candidate, file)
    assert again["decision"] == "rolledBack"
    after = f"live at {requests(failed)} requests, replayed {again['seconds']:.0f} s after its first request"
    scenario.note(report, after)


def test_an_equal_candidate_is_promoted_before_its_holds_are_over(scenario):
    # Without errors: those of two pods may differ by chance, and then the first block alone lasts a minute.
    first, candidate = installed(scenario, canary(25, 50, hold=LONG), GOOD, GOOD)
    with scenario.traffic() as traffic:
        second = scenario.apply(candidate)
        scenario.expect("evidence", lambda status: requests(status) > 0)
        status = scenario.stable(480)
        report = traffic.stop()
    lost_nothing(report)
    assert status["stable"] == second
    assert report["revisions"].keys() == {first, second}
    assert lasted(status) < 480
    scenario.note(report, f"promoted after {lasted(status):.0f} s of 40 min of holds")


def test_a_leader_that_is_killed_in_mid_evidence_is_followed_by_one_that_goes_on(scenario):
    # It must not be over before the new leader has been seen to go on.
    _, candidate = installed(scenario, canary(40, hold=LONG), SELDOM, SELDOM, minDuration="4m")
    name = f"{scenario.name}-evidence"

    def stored():
        return (scenario.read("configmaps", name) or {}).get("data")

    with scenario.traffic() as traffic:
        second = scenario.apply(candidate)
        scenario.stage("step 1/1")
        scenario.until("a checkpoint", lambda: stored() is not None, 120)
        kept = requests(scenario.expect("requests", lambda status: requests(status) > 1000))
        first = stored()
        scenario.until("a later checkpoint, which holds all of them", lambda: stored() != first, 120)
        before = requests(scenario.status())
        leader = scenario.leader()
        scenario.kubectl("-n", "modelrollout-system", "delete", "pod", leader, "--force", "--grace-period=0")
        scenario.until("another leader", lambda: scenario.leader() not in {"", leader}, 60)
        after = []

        def goes_on(status):
            # A leader that has not measured yet shows none.
            after.extend(filter(None, [requests(status)]))
            return any(number > before for number in after)

        scenario.expect("more evidence", goes_on, 120)
        assert min(after) >= kept, "it has begun anew"
        status = scenario.stable(900)
        report = traffic.stop()
    lost_nothing(report)
    assert status["stable"] == second
    assert scenario.read("configmaps", name) is None
    scenario.note(
        report,
        f"killed at {before} requests of evidence, never below {min(after)} after it, promoted after {lasted(status):.0f} s",
    )


def test_a_prometheus_that_is_stopped_for_two_minutes_holds_the_rollout_and_nothing_else(scenario):
    beside = replace(scenario, namespace="e2e-prometheus", name=f"m{uuid4().hex[:6]}")
    # Without errors there is no chance in how long it takes: of half a percent a few minutes of two pods may look like noise.
    compare = {"margin": {"absolute": 0.001}}
    metric = {"name": "errors", "prometheus": {"counters": {**COUNTERS, "errors": True}}, "compare": compare}
    spec = {"analysis": compared(metric)}
    first = beside.apply(model_deployment(model_template("v1", **GOOD), canary(50, hold=LONG), **spec))
    beside.stable()
    with beside.traffic() as traffic:
        second = beside.apply(model_deployment(model_template("v2", **GOOD), canary(50, hold=LONG), **spec))
        beside.expect("evidence", lambda status: requests(status) > 0, 120)
        beside.kubectl("scale", "deployment", "prometheus", "--replicas=0")
        try:
            held = beside.expect("no number", lambda status: _state(status) in {"Error", "Stale"}, 60)
            before = evidence(held)["requests"]
            with pytest.raises(AssertionError, match="not within"):
                beside.expect("a decision", lambda status: status["rollout"]["state"] != "Progressing", 120)
            assert evidence(beside.status())["requests"] <= before + 2000
        finally:
            beside.kubectl("scale", "deployment", "prometheus", "--replicas=1")
        status = beside.stable(600)
        report = traffic.stop()
    beside.kubectl("delete", "modeldeployment", beside.name, "--wait=false")
    lost_nothing(report)
    assert status["stable"] == second
    assert report["revisions"].keys() == {first, second}
    scenario.note(report, f"held for two minutes, promoted after {lasted(status):.0f} s")


def _state(status):
    return next((gate["state"] for gate in (status.get("rollout") or {}).get("gates", ())), "")


@pytest.mark.parametrize(
    ("stable", "candidate", "interval"), [(GOOD, GOOD, "1s"), (GOOD, BROKEN, "5s")], ids=["healthy", "broken"]
)
def test_a_ramp_and_steps_side_by_side(scenario, stable, candidate, interval):
    sides = {replace(scenario, name="ramp"): RAMP, replace(scenario, name="steps"): STEPS}
    analysis = {"minDuration": "5m", "interval": interval}

    def begin(side):
        return installed(side, sides[side], stable, candidate, **analysis)[1]

    def end(side):
        return side.aborted("GateFailed", 240) if candidate is BROKEN else side.stable(600)

    with ThreadPoolExecutor(2) as pool:
        bodies = list(pool.map(begin, sides))
        with ExitStack() as clients:
            traffic = [clients.enter_context(side.traffic(120)) for side in sides]
            for side, body in zip(sides, bodies, strict=True):
                side.apply(body)
            times = [lasted(status) for status in pool.map(end, sides)]
            reports = [client.stop() for client in traffic]
    for side, report, time in zip(sides, reports, times, strict=True):
        lost_nothing(report)
        scenario.note(report, f"{side.name}: {time:.0f} s, {report['model']} bad requests")
    ramp, steps = (report["model"] for report in reports)
    if candidate is BROKEN:
        assert ramp < steps
    else:
        assert times[0] < times[1]
