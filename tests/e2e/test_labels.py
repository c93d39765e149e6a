"""What becomes known later: labels find the requests that they are about, whatever router answered those, and can take back."""

import json
import time
from functools import cache

from tests.demo.models import digits
from tests.e2e.scenario import ERRORS, condition, lost_nothing, model_deployment, moment
from tests.e2e.served import served

TOKEN = "a-token-of-the-tests"  # nobody else's
RATE = 40
SOME = 80
"""Labels that are told at a time, at least."""
MOST = 20_000
"""Requests that have an id and a label."""
WRONG = {"name": "wrong", "labels": {"signal": "wrong"}, "threshold": {"max": 0.4, "minRequests": 50}}
ASKED = {"name": "asked", "inputs": {}, "drift": {"required": False}}
LABELS = {"tokenSecret": {"name": "feedback"}}


def requests():
    """Yield digits, over and over, each request with an id of its own."""
    images = list(digits.requests())
    for number in range(MOST):
        image = images[number % len(images)]
        yield {**image, "headers": {**image["headers"], "x-request-id": f"digit-{number}"}}


@cache
def true_digits():
    return [request["expect"][0] for request in requests()]


def analysis(*metrics, **more):
    return {
        "interval": "1s",
        "inputs": {"percent": 100},
        "labels": LABELS,
        "metrics": [*metrics, ERRORS],
        **more,
    }


def allow(scenario):
    """Make the Secret with the token."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "feedback"}, "stringData": {"token": TOKEN}}
    scenario.kubectl("apply", "-f", "-", body=secret)


def install(scenario, image, version, strategy, analysed):
    spec = served(image, version, digits)
    first = scenario.apply(model_deployment(spec.pop("template"), strategy, analysis=analysed, **spec))
    scenario.stable()
    return first


def tell(scenario, numbers, token=TOKEN, shift=0):
    """Post the labels of some requests to one router, which asks the others; return its answer."""
    known = true_digits()
    labels = [{"id": f"digit-{number}", "label": (known[number] + shift) % 10} for number in numbers]
    address = f"{scenario.routers()[0]['status']['podIP']}:9905"
    status, _, text = scenario.post_to(
        address, "/labels", json.dumps({"labels": labels}).encode(), authorization=f"Bearer {token}"
    )
    return status, json.loads(text) if status == 200 else text


class Sent:
    """How many requests the client has surely sent by now."""

    def __init__(self, rate=RATE):
        self._begun, self._rate, self._told = time.monotonic(), rate, 0

    def fresh(self):
        """Wait for some that nobody was told of yet; return their numbers."""
        while (until := self._sent()) - self._told < SOME:
            time.sleep(0.2)
        numbers = range(self._told, until)[-900:]
        self._told = until
        return numbers

    def _sent(self):
        return min(int((time.monotonic() - self._begun - 1) * self._rate), MOST)


def test_flipped_labels_on_unchanged_inputs_are_told_by_the_labels_alone(scenario, modelserver):
    allow(scenario)
    monitor = {"metrics": ["wrong", "asked"], "interval": "10s", "reference": {"learn": 300}}
    install(
        scenario,
        modelserver,
        "v1",
        {"canary": {"steps": [{"weight": 50, "hold": "2s"}]}},
        analysis(WRONG, ASKED, monitor=monitor),
    )
    path = ("--path", f"/v2/models/{digits.NAME}/infer")
    with scenario.traffic(RATE, long_every=0, samples=requests(), extra=path) as traffic:
        sent = Sent()
        # The kubelet needs a while to show a Secret that is younger than the pod.
        scenario.until("labels are taken", lambda: tell(scenario, [0])[0] == 200, 120)
        assert tell(scenario, [1], token="another")[0] == 401  # a wrong one
        joined = 0

        def passes():
            nonlocal joined
            joined += tell(scenario, sent.fresh())[1]["joined"]
            return watched(scenario.status(), "wrong").get("verdict") == "Pass"

        scenario.until("the labels agree", passes, 120)
        before = watched(scenario.status(), "wrong")

        def drifts():
            tell(scenario, sent.fresh(), shift=1)
            return (condition(scenario.status(), "Drifting") or {}).get("status") == "True"

        scenario.until("it drifts", drifts, 180)
        status = scenario.status()
        report = traffic.stop()
    lost_nothing(report)
    assert joined > 100
    told = condition(status, "Drifting")["message"]
    assert [each["metric"] for each in status["monitor"]["drifting"]] == ["wrong"]
    scenario.note(report, f"{joined} labels joined, {before['value']:.3f} wrong; flipped: {told[:90]}")


def watched(status, name):
    gates = (status.get("monitor") or {}).get("gates", ())
    return next((gate for gate in gates if gate["name"] == name), {})


def test_labels_that_come_late_turn_the_bake_into_a_rollback(scenario, modelserver):
    allow(scenario)
    strategy = {"canary": {"steps": [{"weight": 50, "hold": "3s"}], "bake": "5m"}}
    waiting = {**LABELS, "wait": {"min": 50, "maxAge": "5s"}}
    analysed = analysis(WRONG, labels=waiting)
    first = install(scenario, modelserver, "v1", strategy, analysed)
    path = ("--path", f"/v2/models/{digits.NAME}/infer")
    with scenario.traffic(RATE, long_every=0, samples=requests(), extra=path) as traffic:
        sent = Sent()
        spec = served(modelserver, "v2-rc1", digits)
        second = scenario.apply(model_deployment(spec.pop("template"), strategy, analysis=analysed, **spec))
        scenario.stage("bake", 120)
        passed = scenario.status()["rollout"]

        def taken_back():
            status, answer = tell(scenario, sent.fresh())
            assert status in (200, 503), answer
            return (scenario.status().get("rollout") or {}).get("state") in ("Aborting", "Aborted")

        scenario.until("the labels speak", taken_back, 180)
        status = scenario.aborted("GateFailed", 60)
        report = traffic.stop()
    lost_nothing(report)
    assert status["stable"] == first
    why = status["rollout"]["cause"]["message"]
    assert why.startswith("wrong: "), why
    assert not any(gate["verdict"] == "Pass" for gate in passed.get("settled", ()) if gate["name"] == "wrong")
    lasted = moment(status["history"][0]["endedAt"]) - moment(status["history"][0]["startedAt"])
    scenario.note(report, f"rolled back in the bake after {lasted:.0f} s: {why[:90]}")
    assert scenario.report(second)["lastStage"] == "bake"
