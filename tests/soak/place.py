"""Everything on loopback: two models, the real Envoy with what the router renders, and whatever answers as the collector.

Nothing here knows how capturing works: it is configured as the operator does, and looked at from outside.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from modelrollout.domain.capture import CAPTURE_FILE, Capture, Extraction, Kind, Part, Protocol
from modelrollout.domain.observation import Limits
from modelrollout.domain.route import Arm, Mirror, Route, RouteAsk
from modelrollout.names import mirror_cluster, revision_name
from modelrollout.resources.revision import build_revision
from modelrollout.routers._base import Setup
from modelrollout.routers._collector import BOUND
from modelrollout.routers._envoy_bootstrap import ADMIN_PORT, COLLECTOR_PORT, HTTP_PORT, STATUS_PORT, bootstrap
from modelrollout.routers.envoy import PLUGIN, EnvoyConfig
from tests.api.envoy import Envoy, start
from tests.cluster.paths import REPOSITORY
from tests.soak.exchanges import CANDIDATE, STABLE
from tests.soak.model import WROTE

CONTENTS = [{"template": {"spec": {"containers": [{"name": "m", "image": f"m:{n}"}]}}, "targetPort": 80} for n in "12"]
REVISIONS = {name: build_revision(content, Limits()) for content in CONTENTS if (name := revision_name(content))}
ONE, TWO = REVISIONS
BASELINE = 10
"""Percent of the requests that stable answers twice."""
LOOKS = 10.0
"""Seconds until a process that was started must answer."""
DROPS = ("upstream_rq_pending_overflow", "upstream_rq_timeout", "upstream_cx_connect_fail", "upstream_rq_5xx")
"""What Envoy counts of the collector when something did not reach it, or came back wrong."""


@dataclass
class Place:
    """What runs.

    Attributes:
        directory: for files and logs.
        envoy: the router.
        backends: ports of the models by revision.
        collector: what answers on the collector's port.
        standing_in: that is not the collector.
        serial: of the last route.
    """

    directory: Path
    envoy: Envoy
    backends: dict[str, int]
    collector: subprocess.Popen[str] | None = None
    standing_in: bool = False
    serial: int = 1

    @property
    def real(self) -> subprocess.Popen[str] | None:
        """The collector itself, while it runs."""
        return None if self.standing_in else self.collector

    @property
    def port(self) -> int:
        """Where clients ask."""
        return self.envoy.ports[HTTP_PORT]

    def configure(self, asked: Capture | None, *, copies: bool = True) -> None:
        """Give the router another route, as the operator does, and wait until it runs."""
        self.serial += 1
        files = render(self.serial, asked, copies=copies)
        version = self.envoy.take(files, self.backends)
        assert version == PLUGIN.version(EnvoyConfig(), setup(asked), ask(self.serial, copies=copies)), version

    def page(self) -> dict[str, Any] | None:
        """Return what the operator would read of the collector, None while it cannot."""
        try:
            status, _, text = self.envoy.get(STATUS_PORT, "/predictions")
        except TimeoutError:
            return None
        if status == 200:
            found: dict[str, Any] = json.loads(text)
            return found
        assert status in (503, 504), f"{status}: {text}"
        return None

    def pairs(self) -> int:
        """Return how many pairs the collector has seen; 0 while it does not answer."""
        return (self.page() or {"totals": {}})["totals"].get("pairs", 0)

    def drops(self) -> dict[str, int]:
        """Return what Envoy counts of the collector's cluster and is not 0."""
        _, _, text = self.envoy.get(ADMIN_PORT, "/stats?filter=^cluster.collector.")
        stats = dict(line.rpartition(": ")[::2] for line in text.splitlines())
        return {name: count for name in DROPS if (count := int(stats.get(f"cluster.collector.{name}", 0)))}

    def collect(self) -> None:
        """Make the real collector answer, a new one unless one already does."""
        if self.real is not None:
            return
        self.end()
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "operator")}
        log = (self.directory / "collector.log").open("a")
        with log:
            # With the bound of its container: what it needs above that is refused.
            options = f"--file {self.envoy.directory / CAPTURE_FILE} --port {self.envoy.ports[COLLECTOR_PORT]}"
            line = f"{BOUND}; exec {sys.executable} -m modelrollout.collector {options}"
            command = ["/bin/sh", "-c", line]
            self.collector = subprocess.Popen(command, stdout=log, stderr=log, text=True, env=environment)
        end = time.monotonic() + LOOKS
        while self.page() is None:
            assert self.collector.poll() is None, (self.directory / "collector.log").read_text()
            assert time.monotonic() < end, "the collector does not answer"
            time.sleep(0.05)

    def stand_in(self, kind: str) -> None:
        """Make something else answer where the collector should be."""
        self.end()
        self.standing_in = True
        self.collector, _ = _serving("tests.soak.stand_in", kind, str(self.envoy.ports[COLLECTOR_PORT]))

    def signal(self, number: int) -> None:
        """Send a signal to what answers as the collector."""
        assert self.collector is not None
        self.collector.send_signal(number)

    def end(self) -> None:
        """Kill what answers as the collector."""
        if self.collector is not None:
            _kill(self.collector)
        self.collector, self.standing_in = None, False

    def complaints(self) -> str:
        """Return what Envoy has written that it should not: it is silent unless something is wrong."""
        return (self.directory / "envoy.log").read_text()


def capture(percent: int = 100) -> Capture:
    """Return what is captured: labels, texts by a path of the answer, and two parts of the traffic."""
    return Capture(
        stable=ONE,
        candidate=TWO,
        protocol=Protocol.OPEN_INFERENCE,
        percent=percent,
        baseline=BASELINE,
        parts=(
            Part(name="light=dark", path="parameters.light", value="dark"),
            Part(name="light=day", path="parameters.light", value="day"),
        ),
        extractions=(Extraction(), Extraction(path="model_name", kind=Kind.TEXT)),
    )


def setup(asked: Capture | None) -> Setup:
    """Return what the router renders from."""
    return Setup("digits", "ml", (), "digits", 80, REVISIONS, 3, Limits(), capture=asked)


def ask(serial: int, *, copies: bool) -> RouteAsk:
    """Return a route: stable answers, and the candidate gets everything and stable itself a tenth once more."""
    mirrors = (Mirror(revision=TWO, percent=100), Mirror(revision=ONE, percent=BASELINE)) if copies else ()
    route = Route(arms=(Arm(revision=ONE, weight=100),), mirrors=mirrors)
    clusters = (ONE, TWO, mirror_cluster(ONE), mirror_cluster(TWO))
    return RouteAsk(serial=serial, route=route, clusters=tuple(sorted(clusters)))


def render(serial: int, asked: Capture | None, *, copies: bool = True) -> dict[str, str]:
    """Return the files of the router's ConfigMap."""
    data: dict[str, str] = PLUGIN.objects(EnvoyConfig(), setup(asked), ask(serial, copies=copies))[-1]["data"]
    return data


@contextlib.contextmanager
def place(program: Path, directory: Path) -> Iterator[Place]:
    """Run models and router until the end of the block; there is no collector yet, and everything is to be captured."""
    with contextlib.ExitStack() as stack:
        backends: dict[str, int] = {}
        for revision, arm in ((ONE, STABLE), (TWO, CANDIDATE)):
            process, backends[revision] = _serving("tests.soak.model", arm)
            stack.callback(_kill, process)
        boot = bootstrap(timedelta(seconds=5), captures=True)
        envoy = stack.enter_context(start(program, directory, boot, render(1, capture()), backends))
        made = Place(directory, envoy, backends)
        stack.callback(made.end)
        yield made


def _serving(module: str, *arguments: str) -> tuple[subprocess.Popen[str], int]:
    """Start a server of ours, and return it with its port."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said.startswith(WROTE), f"{module} {arguments} said {said!r}"
    return process, int(said.removeprefix(WROTE))


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
