"""The endpoint for labels over HTTP: who may speak, how much of it is heard, and how routers ask one another."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from modelrollout.collector.bearer import Token, presented
from modelrollout.collector.bucket import Bucket
from modelrollout.collector.feedback import ITEMS, LARGEST, Feedback
from modelrollout.collector.labels import Labels
from modelrollout.collector.peers import OFFER, Peers, by_name
from tests.unit.collector.labelled import capture_of, counted, said

RIGHT = {"Authorization": "Bearer right"}
Answer = tuple[int, dict[str, str], Any]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Pod:
    """A router's pod, as far as labels are concerned."""

    def __init__(self, secret: Path, places: list[str], client: ClientSession) -> None:
        self.labels = Labels()
        self.labels.configure(capture_of().model_copy(update={"candidate": None}))
        self.port = free_port()
        self.place = f"http://127.0.0.1:{self.port}"
        self._client = client

        async def resolve() -> Sequence[str]:
            return places

        self.feedback = Feedback(self.labels, Token(secret), Peers(resolve), self.port)

    async def listen(self, **fields: Any) -> None:
        await self.feedback.obey(capture_of(**fields).labelled)

    def knows(self, *requests: str, arm: str = "old") -> None:
        for request in requests:
            self.labels.remember(request, arm, [], said("cat"), asyncio.get_running_loop().time())

    async def post(self, body: object, headers: dict[str, str] | None = None, path: str = "/labels") -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self._client.post(f"{self.place}{path}", data=data, headers=RIGHT | (headers or {})) as answer:
            text = await answer.text()
            return answer.status, dict(answer.headers), json.loads(text) if text else None

    def total(self, name: str) -> float:
        return self.labels.told()[name]


@asynccontextmanager
async def pods(tmp_path: Path, number: int = 1, **fields: Any) -> AsyncIterator[list[Pod]]:
    """Yield pods that find one another, and themselves."""
    secret = tmp_path / "token"
    secret.write_text("right\n")
    places: list[str] = []
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(ClientSession())
        found = [Pod(secret, places, client) for _ in range(number)]
        places += [pod.place for pod in found]
        for pod in found:
            await pod.listen(**fields)
            stack.push_async_callback(pod.feedback.close)
        yield found


async def test_labels_and_events_are_joined_and_misses_are_told_by_reason(tmp_path: Path) -> None:
    async with pods(tmp_path) as (pod,):
        pod.knows("a", "b")
        assert (await pod.post({"id": "a", "label": "cat"}))[::2] == (200, {"joined": 1, "missed": {}})
        items = [{"id": "a", "label": "dog"}, {"id": "b", "label": "dog"}, {"id": "c", "label": 1}, {"x": 1}]
        answer = await pod.post({"labels": [*items, {"id": "b", "event": "click"}]})
        assert answer[::2] == (200, {"joined": 2, "missed": {"duplicate": 1, "unknown": 1, "unusable": 1}})
        assert counted(pod.labels)["labels"] == 2


@pytest.mark.parametrize(
    "shown", ["Bearer wrong", "Bearer righ", "Bearer right2", "Basic right", "right", "", "Bearer "]
)
async def test_without_the_token_nothing_is_taken_and_nothing_is_said(tmp_path: Path, shown: str) -> None:
    async with pods(tmp_path) as (pod,):
        pod.knows("a")
        status, headers, body = await pod.post({"id": "a", "label": "cat"}, {"Authorization": shown})
        assert (status, headers["WWW-Authenticate"], body) == (401, "Bearer", None)
        assert counted(pod.labels) == {"requests": 1}


async def test_a_missing_secret_takes_nothing_and_one_that_changes_counts_at_once(tmp_path: Path) -> None:
    async with pods(tmp_path) as (pod,):
        secret = tmp_path / "token"
        secret.unlink()
        assert (await pod.post({"labels": []}))[0] == 503
        secret.write_text(" \n")
        assert (await pod.post({"labels": []}))[0] == 503
        secret.write_text("newer")
        assert (await pod.post({"labels": []}))[0] == 401
        assert (await pod.post({"labels": []}, {"Authorization": "bearer newer"}))[0] == 200


def test_an_empty_token_is_shown_by_nobody() -> None:
    assert not presented(b"", "Bearer ")
    assert not presented(b"", "")
    assert presented(b"a", "Bearer a")
    assert not presented(b"a", "Bearer \udc80")


async def test_what_is_no_document_is_refused(tmp_path: Path) -> None:
    async with pods(tmp_path) as (pod,):
        for body in (b"", b"secret", b"[" * 100_000, b"\xff", b"{}", b"[]", b'{"labels": 1}'):
            status, _, told = await pod.post(body)
            assert status == 400
            assert "secret" not in told["error"]
        async with ClientSession() as client, client.get(f"{pod.place}/labels", headers=RIGHT) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert (await pod.post({}, path="/predictions"))[0] == 404


async def test_a_request_is_bounded(tmp_path: Path) -> None:
    async with pods(tmp_path) as (pod,):
        item = {"id": "a", "label": 1}
        assert (await pod.post({"labels": [item] * ITEMS}))[0] == 200
        assert (await pod.post({"labels": [item] * (ITEMS + 1)}))[0] == 413
        assert (await pod.post(b" " * (LARGEST + 1)))[0] == 413

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(LARGEST // 1024 + 1):
                yield b" " * 1024

        async with (
            ClientSession() as client,
            client.post(f"{pod.place}/labels", data=chunks(), headers=RIGHT) as answer,
        ):
            assert answer.status == 413


def test_a_bucket_gives_its_rate_and_says_when_there_is_more() -> None:
    bucket = Bucket(10, 20, 0.0)
    assert [bucket.take(number, 0.0) for number in (15, 5, 1, 20)] == [0, 0, 1, 2]
    assert [bucket.take(5, now) for now in (0.4, 0.5, 0.6)] == [1, 0, 1]
    assert bucket.take(20, 1000.0) == 0
    assert bucket.take(1, 1000.0) == 1


async def test_what_comes_too_fast_is_asked_to_come_later(tmp_path: Path) -> None:
    async with pods(tmp_path, rate=1) as (pod,):
        assert (await pod.post({"labels": [{"id": "a", "label": 1}] * ITEMS}))[0] == 200
        status, headers, body = await pod.post({"labels": [{"id": "a", "label": 1}] * 100})
        assert (status, body) == (429, None)
        assert 90 <= int(headers["Retry-After"]) <= 100
        assert pod.total("refused") == 100


async def test_a_label_finds_its_request_whichever_router_has_it_and_counts_once(tmp_path: Path) -> None:
    async with pods(tmp_path, 3) as found:
        one, two, three = found
        one.knows("a")
        two.knows("b", "b2", arm="new")
        three.knows("c")
        names = ["a", "b", "c", "nobody", "b2", "b"]
        answer = await one.post({"labels": [{"id": name, "label": "cat"} for name in names]})
        assert answer[::2] == (200, {"joined": 4, "missed": {"duplicate": 1, "unknown": 1}})
        assert [pod.total("joined") for pod in found] == [1, 2, 1]
        assert [pod.total("unknown") for pod in found] == [1, 0, 0], "only who was asked by the client counts it"
        assert counted(two.labels, "new")["right"] == 2
        again = await three.post({"labels": [{"id": "a", "label": "cat"}, {"id": "c", "event": "click"}]})
        assert again[2] == {"joined": 1, "missed": {"duplicate": 1}}


async def test_what_was_offered_goes_no_further(tmp_path: Path) -> None:
    async with pods(tmp_path, 2) as (one, two):
        two.knows("b")
        status, _, body = await one.post({"id": "b", "label": "cat"}, {OFFER: "1"})
        assert (status, body) == (200, {"outcomes": ["unknown"]})
        assert one.total("unknown") == two.total("joined") == 0


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def _silence(request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(30)
    raise AssertionError


async def _nonsense(request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({"outcomes": ["joined?", 3]})


async def _refusal(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=401)


async def _too_many(request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({"outcomes": ["unknown"] * 10})


@pytest.mark.parametrize("handler", [_silence, _nonsense, _refusal, _too_many])
async def test_a_router_that_does_not_answer_as_it_should_costs_a_second_and_nothing_else(
    tmp_path: Path, handler: Handler
) -> None:
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.01)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    secret = tmp_path / "token"
    secret.write_text("right")
    async with ClientSession() as client:
        places = ["http://127.0.0.1:1", f"http://127.0.0.1:{port}"]
        one, two = Pod(secret, places, client), Pod(secret, places, client)
        places.append(two.place)
        two.knows("b")
        for pod in (one, two):
            await pod.listen()
        began = asyncio.get_running_loop().time()
        answer = await one.post({"labels": [{"id": "b", "label": "cat"}, {"id": "c", "label": "cat"}]})
        assert answer[2] == {"joined": 1, "missed": {"unknown": 1}}
        assert asyncio.get_running_loop().time() - began < 3
        for pod in (one, two):
            await pod.feedback.close()
    await runner.cleanup()


async def test_it_listens_only_while_labels_are_asked_for(tmp_path: Path) -> None:
    async with pods(tmp_path) as (pod,):
        assert (await pod.post({"labels": []}))[0] == 200
        await pod.feedback.obey(None)
        with pytest.raises(OSError, match="onnect"):
            await asyncio.open_connection("127.0.0.1", pod.port)
        await pod.listen()
        assert (await pod.post({"labels": []}))[0] == 200


async def test_a_port_that_is_taken_is_said_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with pods(tmp_path) as (pod,):
        labels = Labels()
        labels.configure(capture_of())
        other = Feedback(labels, Token(tmp_path / "token"), Peers(by_name("", pod.port)), pod.port)
        for _ in range(3):
            await other.obey(capture_of().labelled)
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        await pod.feedback.close()
        await other.obey(capture_of().labelled)
        assert (await pod.post({"labels": []}))[0] == 200
        await other.close()


async def test_nothing_that_was_sent_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with pods(tmp_path) as (pod,):
        for body in (b"secret", {"id": "secret", "label": "secret"}, {"labels": [{"id": "secret", "event": "secret"}]}):
            await pod.post(body)
        reader, writer = await asyncio.open_connection("127.0.0.1", pod.port)
        writer.write(b"secret\r\n\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
    assert "secret" not in caplog.text


async def test_routers_are_found_by_name() -> None:
    assert "http://127.0.0.1:9905" in await by_name("localhost", 9905)()
    assert await by_name("", 9905)() == ()
    assert await by_name("nobody.invalid.", 9905)() == ()
