"""Every query of the dashboard and of the alerts is answered by a real Prometheus, on what the three exporters really show.

Envoy is a real one that has routed, failed and copied requests; the operator's page is made of statuses, and the collector's of
answers, by the code that makes them. The end-to-end tests ask the same of a cluster.
"""

import contextlib
import itertools
import json
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from modelrollout.collector.collector import Collector, Message
from modelrollout.collector.labels import Item
from modelrollout.controller.telemetry import Telemetry
from modelrollout.domain.capture import Capture, Extraction, Feature, FeatureKind, Kind, Labelled, Observed
from modelrollout.domain.conditions import Condition
from modelrollout.domain.evidence import Evidence
from modelrollout.domain.monitoring import Monitoring
from modelrollout.domain.status import Past, Rollout, Status
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.names import mirror_cluster
from modelrollout.routers._envoy_bootstrap import STATUS_PORT
from tests.api.envoy import _free_ports, binary
from tests.api.test_capture import _making
from tests.cluster.project import prometheus
from tests.monitoring import queries

AT = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = 60.0


def operator() -> str:
    """The page of an operator that has seen a rollout run, wait, stall and end."""
    telemetry = Telemetry()
    telemetry.leader.set(1)
    telemetry.reconcile_seconds.observe(0.01)
    telemetry.reconciles.labels("ok").inc()
    telemetry.reconciles.labels("KubeError").inc()
    telemetry.requests.labels("GET", "200").inc()
    telemetry.requests.labels("POST", "403").inc()
    telemetry.requests.labels("GET", "503").inc()
    telemetry.polls.labels("routers", "ok").inc()
    telemetry.polls.labels("routers", "error").inc()
    past = Past(revision="one", attempt=1, strategy="canary", outcome="Completed", started_at=AT, ended_at=AT)
    gate = Gate(name="errors", verdict=Verdict.PASS, state="Value", evidence=Evidence(against=-1.0, within=3.5))
    rollout = Rollout(revision="two", strategy="canary", started_at=AT, stage_at=AT, gates=(gate,))
    waits = Condition(type="Ready", status="False", reason="Paused", last_transition_time=AT)
    telemetry.saw(("ml", "digits"), Status(phase="Ready"))
    watch = Monitoring(revision="one", since=AT, gates=(gate,))
    telemetry.saw(("ml", "watched"), Status(phase="Ready", monitor=watch))
    telemetry.saw(
        ("ml", "digits"),
        Status(phase="Paused", weight=10, rollout=rollout, history=(past,), conditions=(waits,)),
    )
    for name, reason in (("a", "RolloutAborted"), ("b", "InvalidSpec")):
        stalled = Condition(type="Stalled", status="True", reason=reason, last_transition_time=AT)
        telemetry.saw(("ml", name), Status(phase="Stalled", conditions=(stalled,)))
    return generate_latest(telemetry.registry).decode()


AGE, COLOUR = Feature(name="age", path="age"), Feature(name="colour", path="colour", kind=FeatureKind.CATEGORY)


class Collected:
    """The page of a collector that sees more requests from one scrape to the next, cannot compare all, and gets labels."""

    def __init__(self, output: Extraction) -> None:
        self._collector = Collector(
            Capture(
                stable="one",
                candidate="two",
                extractions=(output,),
                observed=Observed(features=(AGE, COLOUR), output=output),
                labelled=Labelled(output=output, within=timedelta(seconds=1)),
            )
        )
        self._rounds = itertools.count()

    def page(self) -> str:
        now = next(self._rounds) * 1000.0
        for request, body in {"same": b'{"predictions": [1]}', "broken": b"{", "lonely": None}.items():
            name = f"{request}-{now}"
            self._collector.request(Message(name, body=b'{"age": 40, "colour": "red"}'), now)
            self._collector.primary(Message(name, arm="one", body=b'{"predictions": [1]}'), now)
            if body is not None:
                self._collector.copy(Message(name, arm=mirror_cluster("two"), body=body), now)
        known = f"same-{now}"
        self._collector.labels.take([Item(known, 1), Item(known, event="click"), Item(known, 1)], now)
        return self._collector.metrics()


@contextlib.contextmanager
def serving(page: Callable[[], str]) -> Iterator[int]:
    """Serve a page at every path until the end of the block; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(page().encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def asking(directory: Path, jobs: Mapping[str, tuple[int, str]]) -> Iterator[Callable[[str], list[Any]]]:
    """Run Prometheus until the end of the block; yield what asks it.

    Args:
        directory: for its files.
        jobs: port and path of what it scrapes.
    """
    pod = {"namespace": "ml", "modelrollout_dev_name": "digits", "pod": "digits-router-1"}
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {
                "job_name": job,
                "metrics_path": path,
                "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {} if job == "operator" else pod}],
            }
            for job, (port, path) in jobs.items()
        ],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (port,) = _free_ports(1)
    command = [
        str(prometheus() / "prometheus"),
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]

    def ask(query: str) -> list[Any]:
        with contextlib.suppress(ConnectionError, urllib.error.URLError):
            address = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
            with urllib.request.urlopen(address, timeout=5) as answer:
                found: list[Any] = json.load(answer)["data"]["result"]
                return found
        return []

    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
    try:
        yield ask
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return binary(tmp_path_factory.mktemp("envoy"))


def test_every_query_is_answered(program: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(_making(program, tmp_path_factory))()
        jobs = {
            "operator": (stack.enter_context(serving(operator)), "/metrics"),
            "routers": (world.envoy.ports[STATUS_PORT], "/stats/prometheus"),
            **{
                str(kind): (
                    stack.enter_context(serving(Collected(Extraction(path="predictions", kind=kind)).page)),
                    "/predictions/metrics",
                )
                for kind in (Kind.LABEL, Kind.NUMBER)
            },
        }
        ask = stack.enter_context(asking(tmp_path, jobs))
        left = queries("ml", "digits", "10s")
        end = time.monotonic() + PATIENCE
        while left and time.monotonic() < end:
            for path in ("/json", "/fail"):
                world.post(path)
            left = {what: query for what, query in left.items() if not ask(query)}
            time.sleep(0.2)
        assert left == {}
