"""A tiny API server on loopback: it answers what a test tells it to, and remembers what it was asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client.configuration import Configuration

from modelrollout.adapters import transport as transport_module
from modelrollout.adapters.connect import connection
from modelrollout.adapters.transport import Transport


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    content_type: str
    body: Any


@dataclass
class FakeServer:
    """Answers from a list, in order; the last one for ever."""

    answers: list[Any] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    hang: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, *answers: Any) -> None:
        self.answers = list(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.content_type == "application/x-www-form-urlencoded":
            body: Any = dict(await request.post())
        else:
            text = await request.text()
            body = json.loads(text) if text else None
        self.asked.append(Asked(request.method, request.path, dict(request.query), request.content_type, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        match answer:
            case "reset":
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case "hang":
                await self.hang.wait()
                return web.Response()
            case (int() as status, dict() as content):
                return web.json_response(content, status=status)
            case (int() as status, dict() as content, dict() as headers):
                return web.json_response(content, status=status, headers=headers)
            case str():
                return web.Response(text=answer)
            case list():
                return await _stream(request, answer)
        raise AssertionError(answer)


async def _stream(request: web.Request, chunks: list[bytes]) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for chunk in chunks:
        await response.write(chunk)
    await response.write_eof()
    return response


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    fake = FakeServer()
    app = web.Application()

    async def handle(request: web.Request) -> web.StreamResponse:
        # Looked up at each request, so that a test may put something in between.
        return await fake.handle(request)

    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    fake.hang.set()
    await runner.cleanup()


@pytest.fixture
async def make_transport(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Transport]]:
    monkeypatch.setattr(transport_module, "PAUSES", (0.001, 0.001))
    made = connection(Configuration(host=server.url))
    yield lambda **options: Transport(made, **options)
    await made.close()
