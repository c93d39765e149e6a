"""What a real Envoy shows of copied requests: both answers under one id, and never a byte more or less to the client."""

import json
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelrollout.domain.capture import CAPTURE_FILE, Capture, Extraction, Observed, Part
from modelrollout.domain.route import Mirror, Route
from modelrollout.names import mirror_cluster
from modelrollout.routers._collector import BOUND
from modelrollout.routers._envoy_bootstrap import COLLECTOR_PORT, HTTP_PORT, ROUTES_FILE, STATUS_PORT, bootstrap
from modelrollout.routers._envoy_capture import HEAP, LARGEST_BODY, LARGEST_ID
from modelrollout.routers.envoy import PLUGIN, EnvoyConfig
from tests.api.capturing import ANSWERS, EVENTS, LARGE, PATIENCE, PREDICTION, Answer, Log, Seen, model, post, recorder
from tests.api.envoy import Envoy, binary, start
from tests.api.test_envoy import ONE, SETUP, TWO, arms, ask

PARTS = (Part(name="light=dark", header="light", value="dark"), Part(name="age=1", path="age", value="1"))
CAPTURE = Capture(stable=ONE, candidate=TWO, parts=PARTS, extractions=(Extraction(),))
CANDIDATE = Mirror(revision=TWO, percent=100)
FORMS = (*ANSWERS, "/gzip", "/events")
DRAIN = timedelta(seconds=5)


@dataclass(frozen=True)
class World:
    """A router, and everybody around it.

    Attributes:
        envoy: the router.
        stable: what reached the revision that answers.
        candidate: what reached the one that gets copies.
        shown: what reached the collector's place; empty where nobody is there.
        backends: ports of the models.
    """

    envoy: Envoy
    stable: Log
    candidate: Log
    shown: Log
    backends: dict[str, int]

    def post(self, path: str = "/json", body: bytes = b"{}", method: str = "POST", **headers: str) -> Answer:
        return post(self.envoy.ports[HTTP_PORT], path, body, method, **headers)


def files(capture: Capture | None, *mirrors: Mirror, serial: int = 1, route: Route | None = None) -> dict[str, str]:
    asked = ask(serial, route or Route(arms=arms(one=100), mirrors=mirrors or (CANDIDATE,)))
    data: dict[str, str] = PLUGIN.objects(EnvoyConfig(), replace(SETUP, capture=capture), asked)[-1]["data"]
    return data


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return binary(tmp_path_factory.mktemp("envoy"))


Make = Callable[..., World]


@pytest.fixture
def make(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Return what makes a router; ``collects=False`` leaves the collector's place empty."""
    with _making(program, tmp_path_factory) as made:
        yield made


@pytest.fixture(scope="module")
def router(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a router for all tests that only look at requests of their own."""
    with _making(program, tmp_path_factory) as made:
        yield made()


@contextmanager
def _making(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    with ExitStack() as stack:

        def made(
            capture: Capture | None = CAPTURE,
            *mirrors: Mirror,
            collects: bool = True,
            born: dict[str, Any] | None = None,
            serving: tuple[str, ...] = (ONE, TWO),
            route: Route | None = None,
        ) -> World:
            logs = {name: Log() for name in (ONE, TWO)}
            ports = {}
            for name in serving:
                ports[name], logs[name] = stack.enter_context(model())
            directory = tmp_path_factory.mktemp("router")
            boot = born or bootstrap(DRAIN, captures=capture is not None)
            envoy = stack.enter_context(start(program, directory, boot, files(capture, *mirrors, route=route), ports))
            shown = stack.enter_context(recorder(envoy.ports[COLLECTOR_PORT]))[1] if collects else Log()
            return World(envoy, logs[ONE], logs[TWO], shown, ports)

        yield made


@pytest.mark.parametrize(
    ("path", "body", "skipped"),
    [
        ("/json", PREDICTION, None),
        ("/charset", PREDICTION, None),
        ("/broken", ANSWERS["/broken"][1], None),
        ("/binary", ANSWERS["/binary"][1], None),
        ("/just", b"1" * LARGEST_BODY, None),
        ("/fail", ANSWERS["/fail"][1], None),
        ("/large", b"", "tooLarge"),
        ("/empty", b"", "empty"),
        ("/text", b"", "notJson"),
        ("/none", b"", "notJson"),
        ("/events", b"", "stream"),
    ],
)
def test_both_answers_are_shown_under_one_id(router: World, path: str, body: bytes, skipped: str | None) -> None:
    router.post(path, x_request_id=path, light="dark")
    primary, copy = router.shown.one("/primary", path), router.shown.one("/copy", path)
    for shown, arm in ((primary, ONE), (copy, mirror_cluster(TWO))):
        assert shown.headers["x-arm"] == arm
        assert shown.headers["x-status"] == ("500" if path == "/fail" else "200")
        assert shown.headers.get("x-skipped") == skipped
        assert shown.headers.get("content-type", "") == (ANSWERS[path][0] if path in ANSWERS else "text/event-stream")
        assert shown.body == body
    assert primary.headers["x-part-light"] == "dark"


def test_a_compressed_answer_is_shown_as_it_is(router: World) -> None:
    answer = router.post("/gzip", x_request_id="compressed")
    for path in ("/primary", "/copy"):
        shown = router.shown.one(path, "compressed")
        assert (shown.headers["content-encoding"], shown.body) == ("gzip", answer.body)


def test_the_request_is_shown_where_a_part_of_the_traffic_is_in_it(router: World) -> None:
    router.post(body=b'{"age": 1}', x_request_id="with")
    router.post(body=b"[" + b"1," * LARGEST_BODY + b"1]", x_request_id="large")
    router.post(body=b"", method="GET", x_request_id="without", content_type="")
    assert router.shown.one("/request", "with").body == b'{"age": 1}'
    assert router.shown.one("/request", "large").headers["x-skipped"] == "tooLarge"
    assert router.shown.one("/request", "without").headers["x-skipped"] == "empty"


def test_the_request_is_not_shown_where_no_part_is_in_it(make: Make) -> None:
    world = make(CAPTURE.model_copy(update={"parts": PARTS[:1]}))
    world.post(x_request_id="id-1")
    world.shown.one("/primary", "id-1")
    world.shown.one("/copy", "id-1")
    assert world.shown.of("/request") == []


def _seen(world: World) -> tuple[list[Answer], list[list[Seen]]]:
    """Return what clients get, and what reaches both models, in every form there is."""
    sent = {"light": "dark", "x_capture": "7"}
    answers = [world.post(path, x_request_id=f"id-{path}", **sent) for path in FORMS]
    answers += [world.post("/json", LARGE, x_request_id="large"), world.post("/json", b"", "GET", x_request_id="get")]
    world.candidate.wait(lambda: len(world.candidate.seen) == len(answers))
    arrived = []
    for log in (world.stable, world.candidate):
        # The port in it is another one each time.
        ones = [replace(one, headers={**one.headers, "host": ""}) for one in log.seen]
        arrived.append(sorted(ones, key=lambda one: one.headers["x-request-id"]))
    return answers, arrived


def test_clients_and_models_see_nothing_of_it(make: Make) -> None:
    answers, (stable, candidate) = _seen(make())
    as_ever, (stable_as_ever, candidate_as_ever) = _seen(make(None))
    assert answers == as_ever
    assert {answer.status for answer in answers} == {200, 500}
    assert answers[len(FORMS) - 1].body == b"".join(EVENTS)
    assert stable == stable_as_ever
    assert {one.headers["x-shadow"] for one in candidate} == {"true"}
    # A header of that name is the filter's: the copy loses what a client calls so.
    assert not any("x-capture" in one.headers for one in candidate)
    for one in candidate_as_ever:
        one.headers.pop("x-capture", None)
    assert candidate == candidate_as_ever


@pytest.mark.parametrize(
    "given", ["", " ", "a,b", "a b\t c", "\xff\xfe", "a" * 128, "a" * 129, "x" * 8000, "%00'\"{}\\"]
)
def test_any_id_of_a_client_is_answered_and_both_sides_agree_on_it(make: Make, given: str) -> None:
    world = make()
    assert world.post(x_request_id=given).body == PREDICTION
    # An id that is too long is none; another request follows, so that there is something to wait for.
    world.post(x_request_id="next")
    shown = 1 if len(given) > LARGEST_ID else 2
    world.shown.wait(lambda: len(world.shown.of("/primary")) == len(world.shown.of("/copy")) == shown)
    ids = [sorted(one.headers["x-request-id"] for one in world.shown.of(path)) for path in ("/primary", "/copy")]
    assert ids[0] == ids[1]


def _hash(request: str) -> int:
    found = 0
    for byte in request.encode():
        found = (found * 31 + byte) % 2**32
    return found


@pytest.mark.parametrize("percent", [1, 10, 100])
def test_both_sides_choose_the_same_requests_by_their_ids(make: Make, percent: int) -> None:
    world = make(CAPTURE.model_copy(update={"percent": percent, "parts": ()}))
    ids = [f"{number:08x}-5f0e-4a55-8d59-7c1d3fb9a1e0" for number in range(0, 400 * 7919, 7919)]
    wanted = {one for one in ids if _hash(one) % 100 < percent}
    with ThreadPoolExecutor(8) as pool:
        assert {answer.status for answer in pool.map(lambda one: world.post(x_request_id=one), ids)} == {200}
    for path in ("/primary", "/copy"):
        world.shown.wait(lambda path=path: len(world.shown.of(path)) >= len(wanted))
        assert {one.headers["x-request-id"] for one in world.shown.of(path)} == wanted
    assert abs(len(wanted) / len(ids) - percent / 100) < 0.05


def test_only_requests_that_are_copied_are_shown_and_stable_answers_some_of_them_twice(make: Make) -> None:
    mirrors = (Mirror(revision=TWO, percent=50), Mirror(revision=ONE, percent=20))
    world = make(CAPTURE.model_copy(update={"parts": ()}), *mirrors)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: world.post(x_request_id=f"id-{number}"), range(400)))
    assert {(answer.status, dict(answer.headers)["x-model-revision"]) for answer in answers} == {(200, ONE)}
    world.shown.wait(lambda: len(world.shown.of("/copy")) == len(world.candidate.seen) + len(world.stable.seen) - 400)
    copied, again = len(world.candidate.seen), len(world.stable.seen) - 400
    ids = {
        arm: {one.headers["x-request-id"] for one in world.shown.of("/copy") if one.headers["x-arm"] == arm}
        for arm in (mirror_cluster(TWO), mirror_cluster(ONE))
    }
    primaries = {one.headers["x-request-id"] for one in world.shown.of("/primary")}
    assert primaries == ids[mirror_cluster(TWO)]
    assert ids[mirror_cluster(ONE)] < primaries
    assert (len(primaries), len(ids[mirror_cluster(ONE)])) == (copied, again)
    assert 140 < copied < 260
    assert 40 < again < 130


def test_a_router_without_its_collector_answers_everybody(make: Make) -> None:
    world = make(collects=False)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(world.post, [path for path in FORMS for _ in range(10)]))
    assert {answer.status for answer in answers} == {200, 500}
    assert sum(answer.status == 500 for answer in answers) == 10
    assert post(world.envoy.ports[STATUS_PORT], "/predictions", b"", "GET").status == 503


def test_a_collector_that_never_answers_costs_no_client_anything(make: Make) -> None:
    world = make(collects=False)
    with socket.create_server(("127.0.0.1", world.envoy.ports[COLLECTOR_PORT]), backlog=16):
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: world.post("/just"), range(600)))
        assert {(answer.status, len(answer.body)) for answer in answers} == {(200, LARGEST_BODY)}
        page = post(
            world.envoy.ports[STATUS_PORT], "/stats/prometheus?filter=cluster.collector", b"", "GET"
        ).body.decode()
        dropped = [line for line in page.splitlines() if line.startswith("envoy_cluster_upstream_rq_pending_overflow")]
        assert sum(float(line.split()[-1]) for line in dropped) > 0, "what is too much is dropped, and counted"


def test_clients_that_leave_hurt_nobody(router: World) -> None:
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", router.envoy.ports[HTTP_PORT])) as client:
            client.sendall(b"POST /large HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nx-request-id: gone\r\n\r\n{}")
            client.recv(100)
    assert router.post(x_request_id="stays").body == PREDICTION
    assert router.shown.one("/copy", "stays").body == PREDICTION


def test_an_error_that_the_router_makes_itself_is_shown_as_stables(make: Make) -> None:
    world = make(serving=(TWO,))
    answer = world.post(x_request_id="id-1")
    shown = world.shown.one("/primary", "id-1")
    assert answer.status == 503
    assert (shown.headers["x-status"], shown.headers["x-arm"]) == ("503", ONE)
    assert world.shown.one("/copy", "id-1").headers["x-status"] == "200"


def test_bodies_are_let_go_when_there_are_too_many_at_once(make: Make) -> None:
    text = json.dumps(bootstrap(DRAIN, captures=True)).replace(f"{LARGEST_BODY}, {HEAP}", f"{LARGEST_BODY}, 0")
    world = make(born=json.loads(text))
    assert world.post(x_request_id="id-1").body == PREDICTION
    assert world.shown.one("/primary", "id-1").headers["x-skipped"] == "tooLarge"


def test_what_the_collector_counted_is_read_through_the_status_port(router: World) -> None:
    port = router.envoy.ports[STATUS_PORT]
    for path in ("/predictions", "/predictions/metrics"):
        assert json.loads(post(port, path, b"", "GET").body) == {"asked": path}
    for path, method in (
        ("/predictions", "POST"),
        ("/primary", "POST"),
        ("/primary", "GET"),
        ("/predictions/x", "GET"),
    ):
        assert post(port, path, b"", method).status == 404


@pytest.mark.parametrize("born", [False, True], ids=["old pod", "new pod"])
def test_pods_and_files_of_different_age_lose_nothing(make: Make, born: bool) -> None:
    # When a spec begins to compare predictions, old pods read new files, and new pods may read old ones.
    world = make(None, born=bootstrap(DRAIN, captures=born))
    for serial, capture in enumerate((CAPTURE, None, CAPTURE), start=2):
        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(world.post) for _ in range(100)]
            wanted = files(capture, serial=serial)
            assert world.envoy.take(wanted, world.backends) == json.loads(wanted[ROUTES_FILE])["version_info"]
            assert {answer.result() for answer in answers} == {answers[0].result()}
    sent = len(world.candidate.seen)
    assert world.post(x_request_id="last").status == 200
    world.candidate.wait(lambda: len(world.candidate.seen) > sent)
    if born:
        world.shown.one("/primary", "last")
        world.shown.one("/copy", "last")
    else:
        assert world.shown.seen == []
    assert (world.envoy.directory.parent / "envoy.log").read_text() == ""


@contextmanager
def _collector(envoy: Envoy) -> Iterator[None]:
    """Run the collector beside a router until the end of the block, bound as its container binds it."""
    words = [sys.executable, "-m", "modelrollout.collector", "--file", str(envoy.directory / CAPTURE_FILE)]
    words += ["--port", str(envoy.ports[COLLECTOR_PORT])]
    process = subprocess.Popen(["/bin/sh", "-c", f"{BOUND}\nexec {shlex.join(words)}"])
    try:
        end = time.monotonic() + 20
        while post(envoy.ports[STATUS_PORT], "/predictions", b"", "GET").status != 200:
            assert process.poll() is None
            assert time.monotonic() < end, "the collector does not start"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def test_the_collector_counts_what_the_router_shows_it(make: Make) -> None:
    extraction = Extraction(path="predictions[0]")
    world = make(CAPTURE.model_copy(update={"extractions": (extraction,)}), collects=False)
    wanted = {"pairs": 14.0, "score/1": 12.0, "bad/invalidJson/both": 1.0}
    with _collector(world.envoy):
        for number in range(6):
            world.post("/json", b'{"age": 1}', x_request_id=f"json-{number}", light="dark")
            world.post("/gzip", b'{"age": 2}', x_request_id=f"gzip-{number}")
        for path in ("/broken", "/fail", "/events"):
            world.post(path, x_request_id=path)
        end = time.monotonic() + PATIENCE
        found: dict[tuple[str, str], float] = {}
        while time.monotonic() < end and any(found.get(("", series)) != value for series, value in wanted.items()):
            page = json.loads(post(world.envoy.ports[STATUS_PORT], "/predictions", b"", "GET").body)
            found = {(part, series): value for _, part, series, value in page["counters"]}
            time.sleep(0.05)
        assert {series: found.get(("", series)) for series in wanted} == wanted, page
        assert (page["stable"], page["candidate"]) == (ONE, TWO)
        assert {part: found[part, "pairs"] for part in ("light=dark", "age=1")} == {"light=dark": 6, "age=1": 6}
        assert page["totals"]["skipped/stream"] >= 1
        metrics = post(world.envoy.ports[STATUS_PORT], "/predictions/metrics", b"", "GET")
        assert metrics.status == 200
        assert metrics.body


OBSERVED = CAPTURE.model_copy(update={"observed": Observed(percent=100, output=Extraction(path="predictions"))})
SPLIT = Route(arms=arms(one=50, two=50))


def test_requests_that_nobody_gets_a_copy_of_are_shown_with_who_answered_and_cost_no_client_anything(
    make: Make,
) -> None:
    plain, watched = make(None, route=SPLIT), make(OBSERVED, route=SPLIT)
    large = b"[" + b"1," * LARGEST_BODY + b"1]"
    for path in FORMS:
        for body in (b'{"age": 1}', large):
            expected, found = (world.post(path, body, x_request_id=f"{path}-{len(body)}") for world in (plain, watched))
            assert (found.status, found.body) == (expected.status, expected.body)
            assert {name for name, _ in found.headers} == {name for name, _ in expected.headers}
    for path in FORMS:
        asked = watched.shown.one("/request", f"{path}-10")
        assert (asked.body, asked.headers.get("x-skipped")) == (b'{"age": 1}', None)
        assert watched.shown.one("/request", f"{path}-{len(large)}").headers["x-skipped"] == "tooLarge"
        primary = watched.shown.one("/primary", f"{path}-10")
        assert primary.headers["x-part-x-request-id"] == f"{path}-10"
        assert primary.headers["x-arm"] in (ONE, TWO)
    assert {one.headers["x-arm"] for one in watched.shown.of("/primary")} == {ONE, TWO}
    assert not watched.shown.of("/copy")
    for log in (watched.stable, watched.candidate):
        assert not any(name.startswith(("x-capture", "x-part")) for one in log.seen for name in one.headers)


def test_of_some_copied_requests_the_others_are_shown_as_not_copied(make: Make) -> None:
    world = make(OBSERVED, Mirror(revision=TWO, percent=50))
    for number in range(60):
        world.post(body=b'{"age": 1}', x_request_id=f"id-{number}")
    world.shown.wait(lambda: len(world.shown.of("/primary")) == 60 and len(world.shown.of("/request")) == 60)
    single = [one for one in world.shown.of("/primary") if "x-part-x-request-id" in one.headers]
    assert 0 < len(single) < 60
    world.shown.wait(lambda: len(world.shown.of("/copy")) == 60 - len(single))


def test_an_observing_router_without_its_collector_answers_everybody(make: Make) -> None:
    world = make(OBSERVED, collects=False, route=SPLIT)
    answers = [world.post(body=b'{"age": 1}') for _ in range(50)]
    assert {(answer.status, answer.body) for answer in answers} == {(200, PREDICTION)}


def test_the_collector_counts_what_a_router_without_copies_shows_it(make: Make) -> None:
    world = make(OBSERVED, collects=False, route=SPLIT)
    with _collector(world.envoy):
        for number in range(20):
            world.post(body=b'{"age": %d}' % (1 + number % 2), x_request_id=f"id-{number}", light="dark")
        end = time.monotonic() + PATIENCE
        rows: list[tuple[str, str, str, float]] = []
        while time.monotonic() < end and _sum(rows, "in/age/count") != 20:
            page = json.loads(post(world.envoy.ports[STATUS_PORT], "/predictions", b"", "GET").body)
            rows = page["observed"]
            time.sleep(0.05)
        for part, requests in (("", 20), ("light=dark", 20), ("age=1", 10)):
            assert _sum(rows, "requests", part) == _sum(rows, "in/age/count", part) == requests
            assert _sum(rows, "out/is=3", part) == requests
        assert (_sum(rows, "in/age/at=1"), _sum(rows, "in/age/at=2")) == (10, 10)
        assert all(_sum(rows, "requests", arm=arm) for arm in (ONE, TWO))
        assert "unpaired" not in page["totals"]


def _sum(rows: list[tuple[str, str, str, float]], wanted: str, part: str = "", arm: str | None = None) -> float:
    return sum(
        value for name, where, series, value in rows if (where, series) == (part, wanted) and arm in (None, name)
    )
