"""Record what collectors count in a quiet quarter of an hour of real traffic, for tests that replay it on a virtual clock.

    python -m tests.e2e.quiet FILE

needs the test cluster with the operator. A client sends digits to a real model, somebody labels what was answered, and every ten
seconds the page of each router's collector is kept: what was observed, and what became of labels.
"""

import gzip
import json
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from tests.cluster.api import ensure_up
from tests.cluster.project import tag
from tests.demo.models import digits
from tests.e2e.scenario import Scenario, forget, model_deployment
from tests.e2e.served import served
from tests.e2e.test_labels import ASKED, WRONG, Sent, allow, analysis, requests, tell

RATE = 20
"""Requests a second: as long as this lasts no id is used twice."""
EVERY = 10.0
"""Seconds between two looks."""
LOOKS = 91
KEPT = ("v", "stable", "candidate", "counters", "examples", "totals", "observed", "labels", "labelTotals")
_GET = "import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=5).read())"


def main() -> None:
    """Record."""
    cluster = ensure_up("modelrollout")
    namespace = f"quiet-{uuid4().hex[:6]}"
    cluster.kubectl("create", "namespace", namespace)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            looks = _record(Scenario(cluster, namespace, Path(scratch)))
    finally:
        forget(cluster, namespace)
    with gzip.GzipFile(sys.argv[1], "wb", mtime=0) as file:
        file.write(json.dumps(looks, separators=(",", ":")).encode())


def _record(scenario: Scenario) -> list[dict[str, object]]:
    allow(scenario)
    spec = served(tag("modelserver"), "v1", digits)
    strategy = {"canary": {"steps": [{"weight": 50, "hold": "2s"}]}}
    asked = analysis(WRONG, ASKED, {"name": "answered", "outputs": {}, "drift": {"required": False}})
    scenario.apply(model_deployment(spec.pop("template"), strategy, analysis=asked, **spec))
    scenario.stable()
    scenario.until("labels are taken", lambda: tell(scenario, [0])[0] == 200, 120)
    looks = []
    path = ("--path", f"/v2/models/{digits.NAME}/infer")
    with scenario.traffic(RATE, long_every=0, samples=requests(), extra=path):
        sent, begun = Sent(RATE), time.monotonic()
        for number in range(LOOKS):
            time.sleep(max(0.0, begun + number * EVERY - time.monotonic()))
            tell(scenario, sent.fresh())
            pages = {pod["metadata"]["name"]: _page(scenario, pod["status"]["podIP"]) for pod in scenario.routers()}
            looks.append({"after": number * EVERY, "pages": pages})
            print(f"{number + 1} of {LOOKS}", file=sys.stderr)
    return looks


def _page(scenario: Scenario, address: str) -> dict[str, object]:
    words = [sys.executable, "-c", _GET, f"http://{address}:9902/predictions"]
    page = json.loads(scenario.cluster.run(words, capture_output=True, check=True).stdout)
    return {key: page[key] for key in KEPT if key in page}


if __name__ == "__main__":
    main()
