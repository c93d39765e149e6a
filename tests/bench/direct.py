"""What `traffic.direct` loses with a real model server: MLServer, which knows nothing of `connection: close` while it leaves."""

import json
from collections.abc import Iterator

from tests.cluster.project import ensure_images, tag
from tests.demo.models.digits import requests
from tests.demo.objects import PATH, pods
from tests.e2e.scenario import Scenario, canary, model_deployment

Row = tuple[str, str]
ROUNDS = 3


def measure(scenario: Scenario) -> Iterator[Row]:
    """Yield one row for each way in which clients keep connections."""
    ensure_images(scenario.cluster, ["modelserver"])
    file = scenario.scratch / "digits.jsonl"
    file.write_text("".join(json.dumps(request) + "\n" for request in requests()))
    for kept, words in (("of 20 requests", ("--requests-per-connection", "20")), ("kept for ever", ())):
        lost, sent = [], 0
        for number in range(ROUNDS):
            # The same two versions over and over: each round is a rollout of the one that is not stable.
            version, other = ("v1", "v2") if number % 2 else ("v2", "v1")
            scenario.apply(_spec(other))
            scenario.stable(240)
            with scenario.traffic(
                100, long_every=0, extra=(*words, "--path", f"{PATH}/infer", "--requests", str(file))
            ) as traffic:
                old = scenario.status()["stable"]
                scenario.apply(_spec(version))
                scenario.stable(240)
                scenario.gone(old)
                report = traffic.stop()
            lost.append(report["ours"])
            sent += report["requests"]
        yield f"traffic.direct with MLServer, connections {kept}: lost in each rollout", f"{lost} of {sent} requests"


def _spec(version: str) -> dict[str, object]:
    strategy = canary(50, hold="8s")
    return model_deployment(pods(tag("modelserver"), version), strategy, traffic={"direct": {}})
