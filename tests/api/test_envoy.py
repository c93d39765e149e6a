"""Every shape that the router renders, against a real Envoy: it accepts it, and says so in the words that we read."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from modelrollout.domain.observation import Limits
from modelrollout.domain.reading import State
from modelrollout.domain.route import Arm, Mirror, Route, RouteAsk
from modelrollout.names import revision_name
from modelrollout.resources.revision import build_revision
from modelrollout.routers import _envoy_bootstrap
from modelrollout.routers._base import Setup
from modelrollout.routers._envoy_bootstrap import (
    CLUSTERS_FILE,
    HTTP_PORT,
    PROBE_HEADER,
    PROBE_PATH,
    PROBE_VALUE,
    ROUTES_FILE,
    STARTED_PATH,
    STATUS_PORT,
    bootstrap,
)
from modelrollout.routers._envoy_routes import REVISION_HEADER
from modelrollout.routers.envoy import PLUGIN, EnvoyConfig
from modelrollout.sources._base import Scope
from modelrollout.sources.router import PLUGIN as ROUTER
from modelrollout.sources.router import RouterConfig, Signal
from tests.api.envoy import START, Envoy, binary, start
from tests.traffic.http1 import Response
from tests.traffic.record import Blame, blame

CONTENTS = [{"template": {"spec": {"containers": [{"name": "m", "image": f"m:{n}"}]}}, "targetPort": 80} for n in "123"]
REVISIONS = {name: build_revision(content, Limits()) for content in CONTENTS if (name := revision_name(content))}
ONE, TWO, THREE = REVISIONS
SETUP = Setup("digits", "ml", (), "digits", 80, REVISIONS, 3, Limits())


def ask(serial: int, route: Route, *more: str) -> RouteAsk:
    return RouteAsk(serial=serial, route=route, clusters=tuple(sorted({*route.clusters(), *more})))


def arms(**weights: int) -> tuple[Arm, ...]:
    names = dict(zip(("one", "two", "three"), REVISIONS, strict=True))
    return tuple(Arm(revision=names[name], weight=weight) for name, weight in weights.items())


def files(ask: RouteAsk, config: EnvoyConfig | None = None) -> dict[str, str]:
    data: dict[str, str] = PLUGIN.objects(config or EnvoyConfig(), SETUP, ask)[-1]["data"]
    return data


def without_pods(files: dict[str, str], *names: str) -> dict[str, str]:
    content = json.loads(files[CLUSTERS_FILE])
    for cluster in content["resources"]:
        if cluster["name"] in names:
            cluster["load_assignment"]["endpoints"] = []
    return {**files, CLUSTERS_FILE: json.dumps(content)}


class _Model(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(500 if self.path == "/fail" else 200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return binary(tmp_path_factory.mktemp("envoy"))


@pytest.fixture(scope="module")
def backends() -> Iterator[dict[str, int]]:
    servers = {name: ThreadingHTTPServer(("127.0.0.1", 0), _Model) for name in REVISIONS}
    for server in servers.values():
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield {name: server.server_address[1] for name, server in servers.items()}
    for server in servers.values():
        server.shutdown()
        server.server_close()


FIRST = ask(1, Route(arms=arms(one=100)), *REVISIONS, f"{TWO}-mirror")


@pytest.fixture
def envoy(program: Path, tmp_path: Path, backends: dict[str, int]) -> Iterator[Envoy]:
    with start(program, tmp_path, bootstrap(timedelta(seconds=5)), files(FIRST), backends) as running:
        yield running


def test_every_shape_is_accepted_and_its_version_is_read_back(envoy: Envoy, backends: dict[str, int]) -> None:
    mirrors = (Mirror(revision=TWO, percent=20),)
    shapes: list[tuple[Route, EnvoyConfig]] = [
        (Route(arms=arms(one=100)), EnvoyConfig()),
        (Route(arms=arms(one=99, two=1)), EnvoyConfig()),
        (Route(arms=arms(one=34, two=33, three=33)), EnvoyConfig()),
        (Route(arms=arms(one=100), mirrors=mirrors), EnvoyConfig()),
        (Route(arms=arms(one=50, three=50), mirrors=mirrors), EnvoyConfig()),
        (Route(arms=arms(one=100), preview=TWO), EnvoyConfig(preview_header="x-try")),
        (Route(arms=arms(one=100), mirrors=mirrors, preview=TWO), EnvoyConfig(preview_header="x-try")),
        (Route(arms=arms(one=100)), EnvoyConfig(stream_idle_timeout=timedelta(seconds=1))),
    ]
    for serial, (route, config) in enumerate(shapes, start=2):
        wanted = ask(serial, route, *FIRST.clusters)
        assert envoy.take(files(wanted, config), backends) == PLUGIN.version(config, SETUP, wanted)


def test_a_router_boots_with_the_route_it_finds(envoy: Envoy) -> None:
    assert PLUGIN.parse(envoy.status()).version == PLUGIN.version(EnvoyConfig(), SETUP, FIRST)
    assert envoy.get(HTTP_PORT, "/")[1][REVISION_HEADER] == ONE


def test_a_route_without_its_cluster_is_refused_and_the_old_one_stays(envoy: Envoy, backends: dict[str, int]) -> None:
    # A cluster that never was: which of the two files an Envoy reads first differs from process to process.
    wanted = files(ask(2, Route(arms=arms(two=100)), ONE))
    broken = {**wanted, ROUTES_FILE: wanted[ROUTES_FILE].replace(TWO, "0" * len(TWO))}
    assert envoy.take(broken, backends) is None, "clusters and routes carry different versions"
    assert envoy.get(HTTP_PORT, "/")[1][REVISION_HEADER] == ONE


def test_a_router_without_a_route_is_not_ready(
    program: Path, envoy: Envoy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    probe = {PROBE_HEADER: PROBE_VALUE}
    assert envoy.get(HTTP_PORT, PROBE_PATH, probe)[0] == 200
    with start(program, tmp_path_factory.mktemp("empty"), bootstrap(timedelta(seconds=5))) as empty:
        assert empty.get(HTTP_PORT, PROBE_PATH, probe)[0] == 404


def test_a_router_starts_once_it_knows_a_member_of_each_revision_that_has_weight(
    program: Path, tmp_path: Path, backends: dict[str, int]
) -> None:
    route = Route(arms=arms(one=50, three=50), mirrors=(Mirror(revision=TWO, percent=20),))
    asks = [ask(serial, route, *FIRST.clusters) for serial in range(4)]
    young = without_pods(files(asks[0]), ONE, THREE)
    with start(program, tmp_path, bootstrap(timedelta(seconds=5)), young, backends) as router:
        assert router.get(HTTP_PORT, "/")[0] == 503, "it listens, and nobody is there to answer"
        assert router.get(STATUS_PORT, STARTED_PATH)[::2] == (503, f"no member of {min(ONE, THREE)} is known")
        assert router.take(without_pods(files(asks[1]), THREE), backends)
        assert router.get(STATUS_PORT, STARTED_PATH)[::2] == (503, f"no member of {THREE} is known")
        assert router.take(without_pods(files(asks[2]), TWO, f"{TWO}-mirror"), backends)
        assert router.get(STATUS_PORT, STARTED_PATH)[0] == 200
        assert router.get(HTTP_PORT, "/")[0] == 200


def test_a_revision_with_weight_and_no_pods_delays_a_router_and_does_not_stop_it(
    program: Path, tmp_path: Path, backends: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_envoy_bootstrap, "LONGEST_START", timedelta(seconds=1))
    deserted = without_pods(files(FIRST), ONE)
    with start(program, tmp_path, bootstrap(timedelta(seconds=5)), deserted, backends) as router:
        end = time.monotonic() + START
        while router.get(STATUS_PORT, STARTED_PATH)[0] != 200:
            assert time.monotonic() < end


def test_what_clients_get_is_counted_by_revision(envoy: Envoy, backends: dict[str, int]) -> None:
    config = EnvoyConfig(preview_header="x-try")
    envoy.take(files(ask(2, Route(arms=arms(one=100), preview=TWO), *FIRST.clusters), config), backends)
    scope = Scope("ml", "digits", TWO, TWO, ONE, ())
    errors = RouterConfig(signal=Signal.ERROR_RATE)

    def counters() -> dict[str, float]:
        sample = ROUTER.parse(errors, scope, {"router": envoy.status()}, None)  # type: ignore[arg-type]  # nobody asks when
        assert sample.state is State.VALUE
        found: dict[str, float] = {}
        for key, value in sample.counters.items():
            if key.arm == TWO:
                found[key.series] = found.get(key.series, 0) + value
        return found

    def chosen() -> list[int]:
        report = PLUGIN.parse(envoy.status())
        return [report.tries[cluster] - report.retries.get(cluster, 0) for cluster in (ONE, TWO)]

    before, sent = counters(), chosen()
    for path in ("/", "/", "/", "/fail"):
        answer = envoy.get(HTTP_PORT, path, {"x-try": "candidate"})
        assert answer[1][REVISION_HEADER] == TWO
        assert envoy.get(HTTP_PORT, path)[1][REVISION_HEADER] == ONE
    end = time.monotonic() + 5
    grown: dict[str, float] = {}
    while time.monotonic() < end and grown.get("completed") != 4:
        grown = {series: value - before.get(series, 0) for series, value in counters().items()}
    measured = ROUTER.measure(errors, grown, 1)
    assert (measured.value, measured.requests) == (0.25, 4)
    assert [now - then for now, then in zip(chosen(), sent, strict=True)] == [4, 4]


def test_a_500_of_the_model_server_is_told_from_what_the_router_makes_up(
    envoy: Envoy, backends: dict[str, int]
) -> None:
    def whose(path: str) -> tuple[int, Blame]:
        status, headers, body = envoy.get(HTTP_PORT, path)
        answer = Response(status, {name.lower(): value for name, value in headers.items()}, body.encode())
        return status, blame(answer, "x-model-error")

    assert whose("/fail") == (500, Blame.MODEL)
    gone = ask(2, Route(arms=arms(two=100)), *FIRST.clusters)
    assert envoy.take(files(gone), {ONE: backends[ONE]})
    assert whose("/fail") == (503, Blame.OURS)
    # Nothing that the router says of itself names a program.
    assert "server" not in {name.lower() for name in envoy.get(HTTP_PORT, "/")[1]}


def test_members_are_known_by_address(envoy: Envoy) -> None:
    report = PLUGIN.parse(envoy.status())
    assert report.members == {cluster: frozenset({"127.0.0.1"}) for cluster in FIRST.clusters}
    assert report.active == dict.fromkeys(FIRST.clusters, 0)
    assert report.mirrored == {f"{TWO}-mirror": 0}
