"""How much of a rollout ``simulate`` plays in a second of processor, beside a fixed loop that tells how fast the machine is.

An hour costs a fixed part (it is installed, rolled out, decided) and one for each poll; longer holds show the second alone.

    python -m tests.bench.simulated

It needs no cluster. Figures of two machines are compared by hours per second times seconds of the loop.
"""

import asyncio
import copy
import logging
import time
from collections.abc import Iterator
from typing import Any

from modelrollout.simulation.trial import Setting, run_trial
from tests.cost import loop

Row = tuple[str, str]
RUNS = 2
CASES = (("10s", 1), ("10s", 6), ("10s", 24), ("30s", 6), ("60s", 6))
"""Time between two polls, and hours of a hold."""
DOCUMENT = {
    "apiVersion": "modelrollout.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "simulated", "namespace": "bench"},
    "spec": {
        "replicas": 3,
        "template": {
            "spec": {
                "containers": [
                    {"name": "model", "image": "model:1", "ports": [{"name": "http", "containerPort": 8080}]}
                ]
            }
        },
        "service": {"port": 80, "targetPort": 8080},
        "strategy": {"canary": {"steps": [{"weight": 50}]}},
        "analysis": {"metrics": [{"name": "errors", "router": {"signal": "errorRate"}, "compare": {}}]},
    },
}
"""One metric that is compared."""


def measure() -> Iterator[Row]:
    """Yield the figures."""
    # The operator says what it does, which is not what is measured.
    logging.getLogger("modelrollout").setLevel(logging.CRITICAL + 1)
    for interval, hours in CASES:
        beside = loop()
        speed = max(_speed(interval, hours, seed) for seed in range(RUNS))
        yield (
            f"simulate: hours of a rollout per second of processor, {hours} h, polls each {interval}",
            f"{speed:.2f} (a fixed loop just before: {beside * 1000:.2f} ms)",
        )


def _speed(interval: str, hours: int, seed: int) -> float:
    document = copy.deepcopy(DOCUMENT)
    spec: Any = document["spec"]
    spec["strategy"]["canary"]["steps"][0]["hold"] = f"{hours}h"
    spec["analysis"].update(interval=interval, minDuration=f"{hours}h")
    begun = time.process_time()
    outcome = asyncio.run(run_trial(Setting(document=document, rate=10.0), seed))
    return outcome.verdict.at / 3600 / (time.process_time() - begun)


if __name__ == "__main__":
    for name, value in measure():
        print(f"{name:<85} {value}")
