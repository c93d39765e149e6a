"""How much of a rollout ``simulate`` plays in a second of processor, beside a fixed loop that tells how fast the machine is.

    python -m tests.bench.simulated

It needs no cluster. Figures of two machines are compared by hours per second times seconds of the loop.
"""

import asyncio
import logging
import time
from collections.abc import Iterator

from modelrollout.simulation.trial import Setting, run_trial
from tests.cost import loop

Row = tuple[str, str]
RUNS = 2
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
        "strategy": {"canary": {"steps": [{"weight": 50, "hold": "1h"}]}},
        "analysis": {
            "interval": "10s",
            "minDuration": "1h",
            "metrics": [{"name": "errors", "router": {"signal": "errorRate"}, "compare": {}}],
        },
    },
}
"""One metric that is compared, for an hour; 10 requests a second."""


def measure() -> Iterator[Row]:
    """Yield the figures."""
    # The operator says what it does, which is not what is measured.
    logging.getLogger("modelrollout").setLevel(logging.CRITICAL + 1)
    hours = spent = 0.0
    for seed in range(RUNS):
        begun = time.process_time()
        outcome = asyncio.run(run_trial(Setting(document=DOCUMENT, rate=10.0), seed))
        spent += time.process_time() - begun
        hours += outcome.verdict.at / 3600
    beside = loop()
    yield (
        "simulate: hours of a rollout per second of processor",
        f"{hours / spent:.2f} ({hours:.1f} hours in {spent:.1f} s)",
    )
    yield "a fixed loop on the same machine, just then", f"{beside * 1000:.2f} ms"


if __name__ == "__main__":
    for name, value in measure():
        print(f"{name:<75} {value}")
