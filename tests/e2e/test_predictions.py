"""What the operator sees in predictions: models that are fast, healthy and answer 200, and are wrong all the same."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.demo.models import cells, digits
from tests.e2e.scenario import ERRORS, container_processes, lost_nothing, model_deployment, model_template, moment
from tests.e2e.served import expected, served

LIGHT = {"name": "light", "header": "x-light", "values": ["bright", "dark"]}
LABELS = {"LABELS": "10"}
DIFFERENT = {**LABELS, "DIFFERENT": "0.01"}
NOISY = {**LABELS, "NOISE": "0.1"}
RATE = 100
"""Requests a second. Each is answered by both versions and compared in Python; more would leave the client no processor."""
ASKED = range(400, 500)
"""Inputs that are asked in turn: a model that is different gives another label to exactly one in each hundred."""
GOLDEN = range(20, 25)
"""Sums of the inputs of the golden examples."""
MISTAKEN = 23


def agreement(signal="agreement", **judge):
    return {"name": "same", "predictions": {"signal": signal}, "agreement": judge}


def analysis(metric, **more):
    return {"interval": "1s", "deadline": "3m", "metrics": [metric, ERRORS], **more}


def shadowed(hold, *weights):
    """Return a canary that begins with copies of all requests."""
    steps = [{"weight": weight, "hold": "2s"} for weight in weights or (50,)]
    return {"canary": {"shadow": {"percent": 100, "hold": hold}, "steps": steps}}


def installed(scenario, template, strategy, **spec):
    """Have stable installed with the spec that its candidate will have; return its revision."""
    first = scenario.apply(model_deployment(template, strategy, **spec))
    scenario.stable()
    return first


def gate(status, name="same"):
    return next((gate for gate in (status.get("rollout") or {}).get("gates", ()) if gate["name"] == name), {})


def lasted(status):
    past = status["history"][0]
    return moment(past["endedAt"]) - moment(past["startedAt"])


def asked():
    """Return requests to the test model, each with the label that stable gives it."""
    for number in ASKED:
        data = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [number, 0]}
        yield {"body": {"inputs": [data]}, "expect": [number % 10]}


def stopped(scenario, image, data, versions, analysed):
    """Roll a release out over another one; return the first revision, the second, the last status and the client's sum."""
    stable, candidate = versions
    strategy = shadowed("2m")
    template = served(image, stable, data)
    first = installed(scenario, template.pop("template"), strategy, analysis=analysed, **template)
    path = ("--path", f"/v2/models/{data.NAME}/infer")
    with scenario.traffic(RATE, long_every=0, samples=expected(data, stable), extra=path) as traffic:
        template = served(image, candidate, data)
        second = scenario.apply(model_deployment(template.pop("template"), strategy, analysis=analysed, **template))
        status = scenario.aborted("GateFailed", 180)
        report = traffic.stop()
    lost_nothing(report)
    assert report["model"] == 0
    assert report["notes"] == {first: {"right": report["requests"]}}
    assert scenario.report(second)["lastStage"] == "shadow"
    return second, status, report


@pytest.mark.parametrize(
    ("data", "versions", "metric"),
    [
        (digits, ("v1", "v2-rc1"), agreement(min=0.8)),
        # It says the more frequent class to everything: much of that agrees, and none of it means anything.
        (cells, ("cells-v1", "cells-always"), agreement("kappa", min=0.8)),
    ],
    ids=["digits", "cells"],
)
def test_a_model_that_is_wrong_is_stopped_before_a_client_sees_one_answer(
    scenario, modelserver, data, versions, metric
):
    _, status, report = stopped(scenario, modelserver, data, versions, analysis(metric))
    why = status["rollout"]["cause"]["message"]
    assert why.startswith("same: ")
    assert gate(status, "errors").get("value", 0) == 0
    scenario.note(report, f"stopped in shadow after {lasted(status):.0f} s: {why[:80]}")


def test_a_model_that_is_better_on_average_and_lost_in_the_dark_is_stopped_and_the_slice_named(scenario, modelserver):
    analysed = analysis(agreement(min=0.8), slices=[LIGHT])
    second, status, report = stopped(scenario, modelserver, digits, ("v1", "v2-rc2"), analysed)
    why = status["rollout"]["cause"]["message"]
    assert "light=dark" in why
    scenario.until(
        "an event that names it", lambda: any("light=dark" in said for said in scenario.events("GateFailed"))
    )
    filed = next(each for each in scenario.report(second)["gates"] if each["name"] == "same")
    shares = {each["slice"]: each["candidate"] for each in filed["slices"]}
    assert shares["light=dark"] < 0.7
    assert shares["light=bright"] > 0.85
    assert filed["evidence"]["candidate"] > 0.8
    scenario.note(report, f"stopped in shadow after {lasted(status):.0f} s: {why[:80]}")


def test_one_broken_golden_example_blocks_before_there_is_any_traffic(scenario):
    examples = {
        f"sum-{total}": json.dumps(
            {
                "request": {"path": "/v2/models/m/infer", "body": {"inputs": [{"name": "x", "data": [total - 1, 1]}]}},
                "expect": {"path": "outputs[0].data", "equals": [total % 10]},
            }
        )
        for total in GOLDEN
    }
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "golden"}, "data": examples}
    scenario.kubectl("apply", "-f", "-", body=kept)
    spec = {"analysis": {"interval": "1s", "metrics": [ERRORS], "golden": {"configMap": "golden"}}}
    first = installed(scenario, model_template("v1", **LABELS), shadowed("5s"), **spec)
    with scenario.traffic(RATE, samples=asked()) as traffic:
        second = scenario.apply(
            model_deployment(model_template("v2", **LABELS, MISTAKEN=str(MISTAKEN)), shadowed("5s"), **spec)
        )
        status = scenario.aborted("GateFailed")
        report = traffic.stop()
    lost_nothing(report)
    assert report["notes"] == {first: {"right": report["requests"]}}
    assert f"sum-{MISTAKEN}" in status["rollout"]["cause"]["message"]
    assert not status["rollout"].get("mirrored")
    golden = scenario.report(second)["golden"]
    assert golden["total"] == len(GOLDEN)
    assert [each["name"] for each in golden["examples"] if not each["ok"]] == [f"sum-{MISTAKEN}"]
    scenario.note(report, f"blocked before traffic: {status['rollout']['cause']['message'][:70]}")


def test_an_equally_good_model_that_differs_in_one_answer_of_a_hundred_is_promoted_with_its_agreement(scenario):
    spec = {"model": {"name": "m", "protocol": "openInference"}, "analysis": analysis(agreement(min=0.97))}
    installed(scenario, model_template("v1", **LABELS), shadowed("12s"), **spec)
    with scenario.traffic(RATE, samples=asked()) as traffic:
        second = scenario.apply(model_deployment(model_template("v2", **DIFFERENT), shadowed("12s"), **spec))
        passed = gate(scenario.expect("agreement", lambda status: gate(status).get("verdict") == "Pass", 120))
        status = scenario.stable(240)
        report = traffic.stop()
    lost_nothing(report)
    assert status["stable"] == second
    assert 0.97 < passed["value"] < 1
    scenario.note(report, f"promoted after {lasted(status):.0f} s: {passed['message'][:80]}")


def test_a_noisy_model_is_promoted_when_it_is_held_against_the_noise_of_stable_and_only_then(scenario):
    spec = {"model": {"name": "m", "protocol": "openInference"}}
    own = {"predictions": {"baseline": {"percent": 100}}}
    absolute = analysis(agreement(min=0.95))
    relative = analysis(agreement(margin=0.05), **own)
    installed(scenario, model_template("v1", **NOISY), shadowed("3s"), analysis=absolute, **spec)
    with scenario.traffic(RATE, samples=asked()) as traffic:
        scenario.apply(model_deployment(model_template("v2", **NOISY), shadowed("3s"), analysis=absolute, **spec))
        stopped_for = scenario.aborted("GateFailed", 120)["rollout"]["cause"]["message"]
        third = scenario.apply(
            model_deployment(model_template("v3", **NOISY), shadowed("3s"), analysis=relative, **spec)
        )
        status = scenario.stable(240)
        report = traffic.stop()
    lost_nothing(report)
    assert stopped_for.startswith("same: ")
    assert status["stable"] == third
    scenario.note(report, f"without: {stopped_for[:60]}; with baseline promoted after {lasted(status):.0f} s")


def test_collectors_that_are_killed_in_mid_evidence_cost_time_and_nothing_else(scenario):
    spec = {"model": {"name": "m", "protocol": "openInference"}, "analysis": analysis(agreement(min=0.98))}
    installed(scenario, model_template("v1", **LABELS), shadowed("15s"), **spec)
    with scenario.traffic(RATE, samples=asked()) as traffic:
        second = scenario.apply(model_deployment(model_template("v2", **DIFFERENT), shadowed("15s"), **spec))
        before = gate(scenario.expect("pairs", lambda status: gate(status).get("requests", 0) > 0))
        routers = scenario.routers()
        killed = {process for pod in routers for process in collectors(scenario, pod)}
        assert len(killed) == len(routers)
        for process in killed:
            os.kill(process, signal.SIGKILL)
        scenario.until(
            "the collectors are there again",
            lambda: all(set(collectors(scenario, pod)) - killed for pod in routers),
        )
        assert [uid(pod) for pod in scenario.routers()] == [uid(pod) for pod in routers]
        assert not any(
            each["restartCount"] for pod in scenario.routers() for each in pod["status"]["containerStatuses"]
        )
        status = scenario.stable(300)
        report = traffic.stop()
    lost_nothing(report)
    assert status["stable"] == second
    scenario.note(report, f"killed after {before['requests']} pairs, promoted after {lasted(status):.0f} s")


def collectors(scenario, pod):
    """Return the collector of a router pod, without the shell that starts it again."""
    processes = container_processes(scenario.cluster, pod, "collector")
    return [process for process in processes if b"modelrollout.collector\0" in command_of(process)]


def command_of(process):
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""  # it has just ended


def uid(pod):
    return pod["metadata"]["uid"]
