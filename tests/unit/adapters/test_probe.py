"""Pinned requests over real HTTP on loopback, and the prober that sends them there."""

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from modelrollout.adapters import http as http_module
from modelrollout.adapters.http import HttpClient
from modelrollout.controller.probing import Prober
from modelrollout.domain.golden import GoldenWants, Sent, Target
from modelrollout.errors import SourceError

SOON = timedelta(seconds=5)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SENT = Sent("POST", "/v2/models/digits/infer?x=1", {"content-type": "application/json", "x-user": "golden"}, b'{"a":1}')


def address(server) -> tuple[str, int]:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return host, int(port)


async def probe(server, sent=SENT, limit=SOON):
    async with HttpClient() as client:
        return await client.probe(*address(server), sent, limit)


async def test_a_request_arrives_as_it_is_pinned(server):
    seen = {}

    async def handle(request):
        seen.update(method=request.method, path=request.path_qs, user=request.headers["x-user"])
        seen.update(type=request.content_type, body=await request.read())
        return web.json_response({"outputs": [{"data": [7]}]})

    server.handle = handle
    answer = await probe(server)
    assert seen == {
        "method": "POST",
        "path": SENT.path,
        "user": "golden",
        "type": "application/json",
        "body": SENT.body,
    }
    assert (answer.status, json.loads(answer.body)) == (200, {"outputs": [{"data": [7]}]})
    assert 0 < answer.seconds < 5


async def test_without_a_body_none_is_sent(server):
    server.say("ok")
    assert (await probe(server, Sent("GET", "/v2/health/ready"))).body == b"ok"
    assert (server.asked[0].method, server.asked[0].body) == ("GET", None)


@pytest.mark.parametrize("status", [302, 404, 422, 500])
async def test_every_status_is_an_answer_and_redirects_are_not_followed(server, status):
    server.say((status, {"why": "so"}, {"Location": "/elsewhere"}), "followed")
    answer = await probe(server)
    assert (answer.status, json.loads(answer.body)) == (status, {"why": "so"})
    assert len(server.asked) == 1


async def test_a_compressed_answer_is_read(server):
    async def handle(_request):
        return web.Response(body=gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"})

    server.handle = handle
    assert (await probe(server)).body == b'{"a": 1}'


async def test_a_model_that_hangs_gives_no_answer_in_time(server):
    server.say("hang")
    with pytest.raises(SourceError, match=r"^no answer within 50ms$"):
        await probe(server, limit=timedelta(milliseconds=50))


async def test_a_model_that_breaks_off_gives_no_answer(server):
    server.say("reset")
    with pytest.raises(SourceError, match=r"^no answer: \w+$"):
        await probe(server)


async def test_a_pod_that_refuses_gives_no_answer_and_the_words_name_no_address():
    async with HttpClient() as client:
        with pytest.raises(SourceError, match=r"^no answer: ClientConnectorError$"):
            await client.probe("127.0.0.1", 1, SENT, SOON)


async def test_an_answer_that_is_too_large_is_none(server, monkeypatch):
    monkeypatch.setattr(http_module, "PROBE_BYTES", 2048)
    server.say("x" * 2049)
    with pytest.raises(SourceError, match="larger than 2 KiB"):
        await probe(server)


async def test_a_small_answer_that_unpacks_to_a_large_one_is_none(server, monkeypatch):
    monkeypatch.setattr(http_module, "PROBE_BYTES", 64 * 1024)

    async def handle(_request):
        return web.Response(body=gzip.compress(b"x" * 10_000_000), headers={"Content-Encoding": "gzip"})

    server.handle = handle
    with pytest.raises(SourceError, match="larger than 64 KiB"):
        await probe(server)


class OneMap:
    """An API server with one ConfigMap in it."""

    def __init__(self, **examples):
        self.data = {name: json.dumps(example) for name, example in examples.items()}

    async def get(self, kind, namespace, name):
        assert (kind, namespace, name) == ("ConfigMap", "ml", "digits-golden")
        return {"metadata": {"uid": "u", "resourceVersion": "1"}, "data": self.data}


def example(digit):
    return {
        "request": {"path": "/v2/models/digits/infer", "body": {"inputs": [{"data": [digit]}]}},
        "expect": {"path": "outputs[0].data[0]", "equals": digit},
    }


async def test_the_prober_asks_a_model_over_http_and_names_what_is_wrong(server):
    """A model that takes every 3 for an 8, asked by the prober's own task."""

    async def handle(request):
        (digit,) = (await request.json())["inputs"][0]["data"]
        return web.json_response({"outputs": [{"data": [8 if digit == 3 else digit]}]})

    server.handle = handle
    woken = asyncio.Event()
    host, port = address(server)
    async with HttpClient() as client:
        examples = OneMap(one=example(1), seven=example(7), three=example(3))
        prober = Prober(examples, client, lambda: NOW, lambda _key: woken.set())
        pods = (Target("u1", "p1", host),)
        prober.want(("ml", "digits"), GoldenWants("q", "ml", "digits-golden", pods, port, SOON))
        async with asyncio.timeout(10):
            while (probes := prober.probed(("ml", "digits"))) is None or len(probes.results) < 3:
                await woken.wait()
                woken.clear()
        prober.stop()
        await asyncio.sleep(0)
    assert [(result.name, result.ok) for result in probes.results] == [("one", True), ("seven", True), ("three", False)]
    assert probes.failed[0].words() == "example three: expected 3, got 8"


async def test_the_prober_warms_a_model_over_http(server):
    asked = []

    async def handle(request):
        asked.append(request.path)
        return web.json_response({})

    server.handle = handle
    host, port = address(server)
    async with HttpClient() as client:
        prober = Prober(OneMap(one=example(1)), client, lambda: NOW, lambda _key: None, background=False)
        pods = (Target("u1", "p1", host),)
        wants = GoldenWants("q", "ml", "digits-golden", pods, port, SOON, examples=False, warm_up=50)
        prober.want(("ml", "digits"), wants)
        await prober.probe(("ml", "digits"))
        probes = prober.probed(("ml", "digits"))
    assert probes is not None
    assert probes.warm == {"u1"}
    assert 10 <= len(asked) <= 50
