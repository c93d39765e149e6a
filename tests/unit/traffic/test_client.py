"""The client must see every kind of loss: each test injects one and expects exactly that one to be counted."""

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.traffic import client as client_module
from tests.traffic.client import Blame, Client, Load
from tests.unit.traffic.servers import OK, close, reset, say, scripted, serving, silence

ROOT = Path(__file__).parents[3]


def load(port, **changes):
    return Load(**({"host": "127.0.0.1", "port": port, "rate": 200, "connections": 2, "time_out": 2.0} | changes))


async def sent(act, count=20, rate=400, **changes):
    """Send about `count` requests to a server with this script."""
    async with scripted(act) as server:
        client = Client(load(server.port, rate=rate, **changes))
        report = await client.run(duration=count / rate)
    return client, server, report


def once(number, act):
    return lambda request: act if request == number else say(OK)


async def test_answered_requests_are_no_losses_and_keep_their_connections():
    # As many connections as requests: not even a moment of standstill can make it need another one.
    client, server, report = await sent(lambda _: say(OK), connections=20)

    assert report.requests == report.ok == len(server.requests) == 20 - client.skipped
    assert (report.ours, report.model, report.results) == (0, 0, {"200": report.requests})
    assert report.revisions == {"a": report.requests}
    assert len(server.connections) == client.load.connections


@pytest.mark.parametrize(
    ("act", "result"),
    [
        (reset, "reset"),
        (close, "closed"),
        (say(b"HTTP/1.1 200 OK\r\ncontent-le", close), "cut"),
        (say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nten bytes.", close), "cut"),
        (say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", close), "cut"),
        (say(b"SSH-2.0-OpenSSH\r\n\r\n"), "garbled"),
        (say(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"), "503"),
        (say(b"HTTP/1.1 503 Service Unavailable\r\nx-flags: UF,URX\r\ncontent-length: 0\r\n\r\n"), "503:UF,URX"),
        (say(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"), "404"),
        (say(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"), "204"),
        (say(b"HTTP/1.1 204 No Content\r\n\r\n"), "204"),
    ],
)
async def test_one_injected_loss_is_counted_once_and_is_ours(act, result):
    _, _, report = await sent(once(7, act))

    assert report.ours == 1
    assert report.results == {"200": report.requests - 1, result: 1}
    assert [loss.result for loss in report.losses] == [result]


async def test_an_answer_that_never_comes_is_a_time_out():
    _, _, report = await sent(once(3, silence), time_out=0.2)

    assert report.results == {"200": report.requests - 1, "timeout": 1}
    assert report.ours == 1
    assert 200 <= report.losses[0].latency_ms < 1500


async def test_refused_connections_are_losses():
    async with scripted(lambda _: say(OK)) as server:
        pass
    client = Client(load(server.port))
    report = await client.run(duration=0.1)

    assert report.results == {"refused": report.requests}
    assert report.ours == report.requests == 20 - client.skipped


async def test_open_loop_a_silent_server_gets_the_full_load():
    client, server, report = await sent(lambda _: silence, time_out=0.3)

    # A client that waited for answers would have sent as many as it has connections. One that the machine freezes skips
    # what it owes, or gives a request up before it was sent.
    assert report.requests == 20 - client.skipped
    assert client.load.connections < len(server.requests) <= len(server.connections)
    assert report.results == {"timeout": report.requests}


@pytest.mark.parametrize(
    ("answer", "blame"),
    [
        (b"x-model-error: 1\r\ncontent-length: 0\r\n\r\n", Blame.MODEL),
        (b'content-length: 16\r\n\r\n{"error":"shape"}'[:-1] + b"}", Blame.OURS),
        (b'content-length: 17\r\n\r\n{"error":"shape"}', Blame.MODEL),
        (b"content-length: 11\r\n\r\nno upstream", Blame.OURS),
        (b"content-length: 0\r\nx-model-revision: a\r\n\r\n", Blame.OURS),
        (b"server: uvicorn\r\ncontent-length: 21\r\n\r\nInternal Server Error", Blame.MODEL),
        (b"server: uvicorn\r\nx-flags: UC\r\ncontent-length: 0\r\n\r\n", Blame.OURS),
        (b"x-flags: -\r\nx-model-error: 1\r\ncontent-length: 0\r\n\r\n", Blame.MODEL),
        # A router that adds its headers to its own answers must not be able to blame the model.
        (b"x-flags: UC\r\nx-model-error: 1\r\ncontent-length: 0\r\n\r\n", Blame.OURS),
    ],
)
async def test_only_an_error_that_the_model_server_marked_is_the_models(answer, blame):
    client, _, report = await sent(lambda _: say(b"HTTP/1.1 500 Error\r\n" + answer), count=5)

    assert {record.blame for record in client.records} == {blame}
    assert (report.model, report.ours) == ((report.requests, 0) if blame is Blame.MODEL else (0, report.requests))


async def test_a_program_that_is_overloaded_or_leaves_is_our_loss():
    busy = b"HTTP/1.1 503 Service Unavailable\r\nserver: uvicorn\r\ncontent-length: 0\r\n\r\n"
    *_, report = await sent(lambda _: say(busy), count=5)
    assert report.ours == report.requests > 0


@pytest.mark.parametrize("goodbye", [close, reset])
async def test_connections_closed_while_idle_are_replaced_and_no_loss(goodbye):
    # Driven by hand: a request that is sent while a goodbye is under way is rightly a loss.
    async with scripted(lambda _: say(OK)) as server:
        client = Client(load(server.port))
        await asyncio.gather(client._refill(), client._refill())
        await until(lambda: len(server.connections) == 2)
        for transport in list(server.connections):
            goodbye(transport)
        await until(lambda: client.idle_closes == len(client._idle) == 2)
        client._spawn(1)
        await until(lambda: client.records)
        client.stop()
        for connection in list(client._open):
            connection.close()

    assert [(record.ok, record.fresh) for record in client.records] == [(True, False)]
    assert len(server.connections) == 4


async def until(claim):
    async with asyncio.timeout(5):
        while not claim():  # noqa: ASYNC110  # connections tell nobody of their state
            await asyncio.sleep(0.001)


async def test_a_connection_that_said_close_is_not_used_again():
    client, server, report = await sent(lambda _: say(OK.replace(b"200 OK\r\n", b"200 OK\r\nconnection: close\r\n")))

    assert report.ok == report.requests
    assert all(record.connection for record in client.records)
    assert len(server.connections) >= report.connections == report.requests


async def test_connections_can_be_worn_out():
    client, _, report = await sent(lambda _: say(OK), requests_per_connection=5)

    assert report.ok == report.requests
    assert max(Counter(record.connection for record in client.records).values()) <= 5
    assert report.connections >= report.requests / 5


async def test_long_requests_are_mixed_in():
    _, server, report = await sent(lambda _: say(OK), long_every=5, long_ms=1234)

    assert sum(b"x-delay-ms: 1234\r\n" in request for request in server.requests) == report.kinds["long"]
    assert report.kinds["long"] == report.requests // 5


async def test_bodies_are_sent_in_turn_and_answers_checked():
    async with scripted(lambda _: say(OK)) as server:
        client = Client(
            load(server.port, bodies=[b"zero", b"one!"]),
            check=lambda number, answer: f"{number % 2}{answer.body.decode()}",
        )
        report = await client.run(duration=0.1)

    assert {request.split(b"\r\n\r\n")[1] for request in server.requests} == {b"zero", b"one!"}
    assert set(report.notes["a"]) == {"0ok", "1ok"}


async def test_a_failing_check_ends_the_run_and_hides_nothing():
    def check(number, answer):
        raise KeyError(number)

    async with scripted(lambda _: say(OK)) as server:
        with pytest.raises(KeyError):
            await Client(load(server.port), check=check).run()


def events(*texts, end=b"0\r\n\r\n"):
    head = b"HTTP/1.1 200 OK\r\nx-model-revision: a\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(text), text) for text in texts) + end


WHOLE = (b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n", b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("act", "result", "tokens"),
    [
        (say(events(*WHOLE)), "200", 3),
        (say(events(*WHOLE[:2], end=b""), close), "cut", 2),
        (say(events(*WHOLE[:2], end=b""), reset), "cut", 2),
        # Well-formed HTTP, and yet the client did not get what it asked for.
        (say(events(*WHOLE[:3])), "cut", 3),
        (say(events(*WHOLE[1:])), "cut", 2),
    ],
)
async def test_a_stream_counts_only_when_it_is_whole(act, result, tokens):
    client, _, report = await sent(lambda _: act, count=4, stream_every=1, stream_tokens=3)

    assert report.results == {result: report.requests}
    assert report.ours == (0 if result == "200" else report.requests)
    assert {record.tokens for record in client.records} == {tokens}


async def test_a_stream_may_last_longer_than_the_time_out_but_not_fall_silent():
    asked = {"stream_every": 1, "stream_tokens": 5, "time_out": 0.3}
    async with serving() as model:
        steady = await Client(load(model.port, stream_interval_ms=100, **asked)).run(duration=0.02)
        stalled = await Client(load(model.port, stream_interval_ms=500, **asked)).run(duration=0.02)

    assert steady.results == {"200": steady.requests}
    assert steady.tokens == 5 * steady.requests
    assert stalled.results == {"timeout": stalled.requests}


async def test_a_frozen_client_skips_what_it_owes(monkeypatch):
    monkeypatch.setattr(client_module, "GIVE_UP_BEHIND", 0.3)
    async with scripted(lambda _: say(OK)) as server:
        client = Client(load(server.port))
        running = asyncio.create_task(client.run())
        await asyncio.sleep(0.05)
        asyncio.get_running_loop().call_soon(lambda: subprocess.run(["sleep", "0.5"], check=True))
        await asyncio.sleep(0.05)
        client.stop()
        report = await running

    assert client.skipped >= 90
    assert report.ok == report.requests < 80


def read(out):
    summary = Path(f"{out}.summary.json").read_text()
    return [json.loads(line) for line in out.read_text().splitlines()], json.loads(summary)


async def test_each_body_goes_with_its_own_headers():
    bodies, headers = [b"1", b"22", b"333"], [{"x-light": "a"}, {"x-light": "bb"}, {"x-light": "ccc"}]
    _, server, _ = await sent(lambda _: say(OK), bodies=bodies, body_headers=headers)

    for request in server.requests:
        head, _, body = request.partition(b"\r\n\r\n")
        (light,) = (line for line in head.split(b"\r\n") if line.startswith(b"x-light: "))
        assert len(light.removeprefix(b"x-light: ")) == len(body)


async def test_the_command_line_drains_on_sigterm_and_writes_everything(tmp_path):
    out, samples = tmp_path / "out", tmp_path / "samples"
    bodies = [{"id": "1"}, {"id": "22"}]
    samples.write_text("".join(json.dumps({"body": body, "expect": [11]}) + "\n" for body in bodies))
    options = ["--rate", "100", "--connections", "3", "--long-every", "10", "--long-ms", "400", "--live", "0.2"]
    async with serving(revision="b", pod="pod-1") as model:
        command = [sys.executable, "-m", "tests.traffic.client", "127.0.0.1", str(model.port), *options]
        process = await asyncio.create_subprocess_exec(
            *command, "--out", out, "--requests", samples, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        while json.loads(await process.stderr.readline())["ok"] <= 10:
            continue  # on a busy machine few requests are answered before the first line
        process.send_signal(signal.SIGTERM)
        printed, _ = await process.communicate()

    records, summary = read(out)
    assert process.returncode == 0
    assert json.loads(printed) == summary
    assert summary["requests"] == summary["ok"] == len(records) > 10
    assert summary["results"] == {"200": len(records)}
    assert summary["kinds"]["long"] == len(records) // 10
    assert set(summary["notes"]["b"]) == {"right", "wrong"}
    assert {(record["revision"], record["pod"], record["blame"]) for record in records} == {("b", "pod-1", "nobody")}
    assert max(record["latency_ms"] for record in records) > 400
