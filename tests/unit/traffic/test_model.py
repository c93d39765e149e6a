"""The scriptable model server: what it promises to tests that stand on it."""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.traffic.client import Client, Load
from tests.traffic.http1 import BrokenAnswerError, Connection
from tests.traffic.model import Settings
from tests.unit.traffic.servers import serving

MODEL = Path(__file__).parents[3] / "tests" / "traffic" / "model.py"


async def connect(port):
    made = Connection(1, lambda _: None)
    await asyncio.get_running_loop().create_connection(lambda: made, "127.0.0.1", port)
    return made


def post(body=b"{}", path="/v2/models/digits/infer", **headers):
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


def get(path):
    return f"GET {path} HTTP/1.1\r\n\r\n".encode()


async def test_an_inference_names_revision_and_pod_and_gives_the_id_back():
    async with serving() as server:
        answer = await (await connect(server.port)).ask(post(b'{"id":"42","inputs":[]}'))

    body = json.loads(answer.body)
    assert answer.status == 200
    assert (answer.headers["x-model-revision"], answer.headers["x-model-pod"]) == ("r1", "p1")
    assert (body["model_name"], body["model_version"], body["id"]) == ("digits", "r1", "42")
    assert body["outputs"][0]["data"] == [len(b'{"id":"42","inputs":[]}')]


async def test_pipelined_requests_are_answered_in_their_order():
    delays = [60, 1, 30, 1]
    bodies = [b"a", b"bb", b"ccc", b"dddd"]
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"".join(post(body, x_delay_ms=ms, x_echo=1) for body, ms in zip(bodies, delays, strict=True)))
        got = []
        for body in bodies:
            await reader.readuntil(b"\r\n\r\n")
            got.append(await reader.readexactly(len(body)))
        writer.close()

    assert got == bodies


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
async def test_an_echo_is_equal_to_the_last_byte(size):
    body = os.urandom(size)
    async with serving() as server:
        connection = await connect(server.port)
        for _ in range(2):
            answer = await connection.ask(post(body, x_echo=1))
            assert answer.body == body


async def test_bodies_without_a_length_are_understood():
    head = b"POST /v2/models/m/infer HTTP/1.1\r\nx-echo: 1\r\ntransfer-encoding: chunked\r\n\r\n"
    async with serving() as server:
        connection = await connect(server.port)
        answers = [await connection.ask(head + b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n") for _ in range(2)]

    assert [answer.body for answer in answers] == [b"abc0123456789"] * 2


async def test_delay_comes_from_the_request_or_else_from_the_environment():
    async with serving(delay_ms=3_600_000) as server, asyncio.timeout(5):
        assert (await (await connect(server.port)).ask(post(x_delay_ms=1))).status == 200
    async with serving(delay_ms=80) as server:
        connection = await connect(server.port)
        begun = time.monotonic()
        await connection.ask(post())

    assert time.monotonic() - begun >= 0.08


async def test_errors_come_at_their_rate_are_marked_and_are_in_the_metrics():
    async with serving(error_rate=0.3) as server:
        report = await Client(Load(host="127.0.0.1", port=server.port, rate=1000, connections=4)).run(duration=0.4)
        metrics = (await (await connect(server.port)).ask(get("/metrics"))).body.decode()

    assert report.ours == 0
    # Six standard deviations: a false alarm in a thousand million runs.
    assert report.model == pytest.approx(0.3 * report.requests, abs=6 * (0.21 * report.requests) ** 0.5)
    assert report.model_errors == {"r1": report.model}
    assert f'model_requests_total{{pod="p1",revision="r1",code="500"}} {report.model}\n' in metrics
    assert f'model_requests_total{{pod="p1",revision="r1",code="200"}} {report.ok}\n' in metrics


async def labels(values, **settings):
    """Ask once for each value; return the labels."""
    async with serving(delay_ms=0, **settings) as server:
        connection = await connect(server.port)
        answers = [
            await connection.ask(post(json.dumps({"inputs": [{"data": [value, 1]}]}).encode())) for value in values
        ]
    return [json.loads(answer.body)["outputs"][0]["data"][0] for answer in answers]


async def test_a_label_is_the_sum_of_the_input():
    assert await labels(range(12), labels=10) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]


async def test_one_that_is_mistaken_about_one_sum_is_right_about_all_others():
    assert await labels(range(12), labels=10, mistaken=5) == [1, 2, 3, 4, 6, 6, 7, 8, 9, 0, 1, 2]


async def test_one_that_is_different_always_differs_in_the_same_inputs():
    usual, one, other = [await labels(range(1000), labels=10, different=share) for share in (0, 0.02, 0.02)]
    different = [value for value in range(1000) if one[value] != usual[value]]

    assert one == other
    assert 5 < len(different) < 40
    assert all(one[value] == (usual[value] + 1) % 10 for value in different)


async def test_one_that_is_noisy_answers_the_same_input_in_different_ways():
    found = await labels([0] * 500, labels=10, noise=0.2)

    # Nine in ten guesses show; six standard deviations to either side.
    assert 0.18 * 500 - 52 < sum(label != 1 for label in found) < 0.18 * 500 + 52
    assert set(found) == set(range(10))


async def test_probes():
    async with serving() as good, serving(mode="never-ready") as bad:
        statuses = {
            (server, path): (await (await connect(server.port)).ask(get(path))).status
            for server in (good, bad)
            for path in ("/ready", "/v2/health/ready", "/v2/health/live", "/nothing")
        }

    assert [statuses[good, path] for path in ("/ready", "/v2/health/ready", "/v2/health/live", "/nothing")] == [
        200,
        200,
        200,
        404,
    ]
    assert [statuses[bad, path] for path in ("/ready", "/v2/health/ready", "/v2/health/live")] == [503, 503, 200]


async def test_a_hung_model_is_ready_and_never_answers():
    async with serving(mode="hang") as server:
        connection = await connect(server.port)
        assert (await connection.ask(get("/ready"))).status == 200
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connection.ask(post())


async def test_a_stream_delivers_its_tokens():
    asked = json.dumps({"parameters": {"max_tokens": 4, "interval_ms": 5}}).encode()
    async with serving() as server:
        connection = await connect(server.port)
        answer = await connection.ask(post(asked, "/v2/models/m/generate_stream"))
        after = await connection.ask(post())

    assert answer.body.count(b"data: {") == 4
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert answer.headers["content-type"] == "text/event-stream"
    assert after.status == 200


async def leaving(term_mode):
    """Terminate with one idle connection, and one with a request in flight; tell what became of each."""
    async with serving(term_mode=term_mode, drain_s=0.3) as server:
        idle, busy = await connect(server.port), await connect(server.port)
        await idle.ask(post())
        in_flight = busy.ask(post(x_delay_ms=150))
        await asyncio.sleep(0.05)
        server.terminate()
        await asyncio.sleep(0.02)
        try:
            later = (await idle.ask(post())).headers.get("connection", "keep-alive")
        except BrokenAnswerError as broken:
            later = broken.kind
        try:
            running = (await in_flight).headers.get("connection", "keep-alive")
        except BrokenAnswerError as broken:
            running = broken.kind
        try:
            async with asyncio.timeout(0.5):
                await server.wait_until_left()
            left = True
        except TimeoutError:
            left = False
    return later, running, left


@pytest.mark.parametrize(
    ("term_mode", "later", "running", "left"),
    [
        ("graceful", "closed", "close", True),
        ("abrupt", "closed", "closed", True),
        ("drain", "close", "close", True),
        ("ignore", "keep-alive", "keep-alive", False),
    ],
)
async def test_each_way_to_leave(term_mode, later, running, left):
    assert await leaving(term_mode) == (later, running, left)


async def run(**environment):
    return await asyncio.create_subprocess_exec(sys.executable, MODEL, env={"PORT": "0", **environment})


@pytest.mark.parametrize(("environment", "code"), [({}, 0), ({"START_DELAY_S": "60"}, 0), ({"TERM_MODE": "abrupt"}, 0)])
async def test_the_process_leaves_on_sigterm(environment, code):
    process = await run(**environment)
    async with asyncio.timeout(10):
        while not _handles_sigterm(process.pid):  # noqa: ASYNC110  # another process has no event to wait for
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == code


def _handles_sigterm(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.split("SigCgt:")[1].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("environment", [{"MODE": "sometimes"}, {"TERM_MODE": "politely"}])
async def test_an_unknown_mode_is_refused(environment):
    with pytest.raises(ValueError, match="MODE="):
        Settings.from_environment(environment)


async def test_a_crash_takes_the_process_with_it(unused_tcp_port):
    process = await run(MODE="crash", PORT=str(unused_tcp_port))
    async with asyncio.timeout(5):
        while True:
            try:
                connection = await connect(unused_tcp_port)
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
        assert (await connection.ask(get("/ready"))).status == 200
        with pytest.raises(BrokenAnswerError):
            await connection.ask(post())
        assert await process.wait() == 3
