"""When the world moves: what clients ask becomes another thing, or what was right is right no more, and who is blamed for it."""

import time
from itertools import cycle, islice

import numpy as np

from tests.demo.models import cells, digits
from tests.e2e.scenario import ERRORS, canary, condition, lost_nothing, model_deployment, moment
from tests.e2e.served import served

DIM = 0.25
"""How much of the light is left when it gets dark for everybody."""
DUSK = 0.6
"""How much of it is left after a minute in which it goes bit by bit."""
RATE = 60
"""Requests a second."""
BRIGHTNESS = {"name": "pixels", "kind": "image", "low": 0, "high": 16}
INPUTS = {"percent": 100, "features": [BRIGHTNESS]}
ASKED = {"name": "asked", "inputs": {}, "drift": {"required": False}}
ANSWERED = {"name": "answered", "outputs": {}, "drift": {"required": False}}
LEARN = {"reference": {"learn": 300}, "metrics": ["asked"], "interval": "10s"}


def analysis(*metrics, **more):
    return {"interval": "1s", "inputs": INPUTS, "metrics": [*metrics, ERRORS], **more}


def images(light=1.0):
    """Return well-lit digits as requests, or the same ones with less light."""
    _, found, _, labels = digits.halves()
    for image, label in zip(np.floor(found * light), labels, strict=True):
        yield {"body": digits.body(image), "expect": [int(label)]}


def dusk():
    """Return digits that get darker for a minute, and then stay so for another two."""
    ramp, every = 60 * RATE, cycle(digits.halves()[1])
    for number, image in enumerate(islice(every, 3 * ramp)):
        yield {"body": digits.body(np.floor(image * (1 - (1 - DUSK) * min(number / ramp, 1.0))))}


def gate(status, name):
    gates = (status.get("rollout") or {}).get("gates", ())
    return next((gate for gate in gates if gate["name"] == name), {})


def released(image, data, version, strategy, analysed):
    """Return the object that serves a release."""
    spec = served(image, version, data)
    return model_deployment(spec.pop("template"), strategy, analysis=analysed, **spec)


def asking(scenario, data, requests):
    path = ("--path", f"/v2/models/{data.NAME}/infer")
    return scenario.traffic(RATE, long_every=0, samples=requests, extra=path)


def test_a_world_that_gets_darker_holds_the_rollout_and_nobody_is_blamed(scenario, modelserver):
    strategy = canary(50, hold="90s")
    watching = analysis(ASKED, ANSWERED, monitor=LEARN)
    scenario.apply(released(modelserver, digits, "v1", strategy, watching))
    scenario.stable()
    with asking(scenario, digits, images()) as traffic:
        scenario.until("the reference", lambda: reference(scenario) is not None, 120)
        second = scenario.apply(released(modelserver, digits, "v2", strategy, watching))
        scenario.stage("step 1/1", 120)
        # How it came can be told only of what somebody has seen before.
        time.sleep(10)
        bright = traffic.stop()
    with asking(scenario, digits, dusk()) as traffic:
        scenario.expect(
            "the world moved", lambda status: "the world moved" in gate(status, "asked").get("message", ""), 120
        )
        scenario.expect("it came bit by bit", lambda status: pace(gate(status, "asked")) == "gradual", 60)
        held, waiting = gate(scenario.status(), "asked"), scenario.status()["rollout"]
        dark = traffic.stop()
    with asking(scenario, digits, images()) as traffic:
        status = scenario.stable(240)
        again = traffic.stop()
    for report in (bright, dark, again):
        lost_nothing(report)
    assert held["verdict"] == "Undecided"
    assert (waiting["state"], waiting["stageLabel"]) == ("Progressing", "step 1/1")
    assert status["stable"] == second
    scenario.note(dark, f"held, then promoted after {lasted(status):.0f} s: {pace(held)}, {held['message'][:90]}")


def pace(judged):
    return (judged.get("evidence") or {}).get("pace")


def lasted(status):
    past = status["history"][0]
    return moment(past["endedAt"]) - moment(past["startedAt"])


def test_a_world_that_moves_after_the_promotion_is_reported(scenario, modelserver):
    scenario.apply(released(modelserver, digits, "v1", canary(50), analysis(ASKED, monitor=LEARN)))
    scenario.stable()
    with asking(scenario, digits, images()) as traffic:
        scenario.until("the reference", lambda: reference(scenario) is not None, 120)
        # Some polls against it: before a step there must be something from which it goes away.
        time.sleep(50)
        bright = traffic.stop()
    assert not drifting(scenario.status())
    with asking(scenario, digits, images(DIM)) as traffic:
        begun = time.monotonic()
        status = scenario.expect("it drifts", drifting, 120)
        took = time.monotonic() - begun
        dark = traffic.stop()
    for report in (bright, dark):
        lost_nothing(report)
    told = condition(status, "Drifting")["message"]
    assert "the world moved" in told, told
    assert "sudden)" in told, told
    assert status["monitor"]["conceptDrift"] == "unknown"
    scenario.until("an event that says it", lambda: any("world moved" in said for said in scenario.events("Drifting")))
    scenario.note(dark, f"reported after {took:.0f} s: {told[:100]}")


def reference(scenario):
    return scenario.read("configmaps", f"{scenario.name}-reference")


def test_a_candidate_whose_outputs_alone_shift_is_to_blame(scenario, modelserver):
    strategy = canary(50, hold="2m")
    inputs = {"percent": 100}
    analysed = {**analysis(ASKED, ANSWERED), "inputs": inputs}
    scenario.apply(released(modelserver, cells, "cells-v1", strategy, analysed))
    scenario.stable()
    with asking(scenario, cells, list(cells.requests())) as traffic:
        second = scenario.apply(released(modelserver, cells, "cells-always", strategy, analysed))
        status = scenario.aborted("GateFailed", 180)
        report = traffic.stop()
    lost_nothing(report)
    why = status["rollout"]["cause"]["message"]
    assert why.startswith("answered: "), why
    filed = {each["name"]: each for each in scenario.report(second)["gates"]}
    assert filed["asked"]["verdict"] != "Fail"
    scenario.note(report, f"rolled back after {lasted(status):.0f} s: {why[:100]}")


def holes(share=1.0):
    """Return samples whose first measurement is missing: a system upstream does not send it any more."""
    for number, request in enumerate(cells.requests()):
        if number % 100 < share * 100:
            request["body"]["inputs"][0]["data"][0] = None
        yield request


def test_a_model_that_fails_for_a_feature_upstream_is_told_by_the_missing_inputs(scenario, modelserver):
    radius = {"name": "radius", "path": "inputs[0].data[0]"}
    missing = {
        "name": "missing",
        "inputs": {"feature": "radius", "signal": "missing"},
        "threshold": {"max": 0.02, "minRequests": 50},
    }
    analysed = {
        **analysis(missing, monitor={"metrics": ["missing"], "interval": "10s"}),
        "inputs": {"percent": 100, "features": [radius]},
    }
    scenario.apply(released(modelserver, cells, "cells-v1", canary(50), analysed))
    scenario.stable()
    with asking(scenario, cells, list(holes())) as traffic:
        status = scenario.expect("it drifts", drifting, 120)
        report = traffic.stop()
    told = condition(status, "Drifting")
    # The model server fails each of them and hangs up, now and then on a request that is under way.
    assert report["requests"] > 200
    assert report["ok"] == 0
    assert report["model"] > report["requests"] / 2
    assert told["message"].startswith("missing"), told
    scenario.note(report, f"the model fails, and why is told: {told['message'][:90]}")


def drifting(status):
    return (condition(status, "Drifting") or {}).get("status") == "True"
