"""A model server that misbehaves on command: the other end of the tests' traffic.

It speaks enough of the V2 inference protocol to stand where a real server stands, names its revision in every answer,
and can be slow, wrong, noisy, hung, crashing or never ready, and leave in each of the ways that servers leave on SIGTERM.
One file, standard library only: it is the whole content of its image. Everything is set by the environment:

REVISION        named in header x-model-revision and as model_version            ("v1")
POD             named in header x-model-pod                                      (host name)
PORT            (8080)
DELAY_MS        time per inference; a request's header x-delay-ms overrides it   (5)
ERROR_RATE      share of inferences answered 500 with header x-model-error       (0)
LABELS          predict one of so many labels, the sum of the first input modulo LABELS; 0: the length of the body  (0)
DIFFERENT       share of all possible inputs that get the next label instead, always the same ones                 (0)
NOISE           share of inferences that get any of the labels                                                     (0)
MISTAKEN        the one sum of an input that gets the next label instead                                           ()
MODE            ok | hang (never answers) | crash (dies of the first inference) | never-ready
START_DELAY_S   seconds before it listens at all                                 (0)
TERM_MODE       graceful: close idle connections, finish running requests, leave (what uvicorn does)
                abrupt:   leave at once
                drain:    answer on for DRAIN_S (3) seconds, each answer with "connection: close", then leave
                ignore:   stay until killed
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import zlib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """How the server behaves."""

    revision: str = "v1"
    pod: str = ""
    port: int = 8080
    delay_ms: float = 5.0
    error_rate: float = 0.0
    labels: int = 0
    different: float = 0.0
    noise: float = 0.0
    mistaken: int | None = None
    mode: str = "ok"
    start_delay_s: float = 0.0
    term_mode: str = "graceful"
    drain_s: float = 3.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables of the module's docstring; a mode nobody knows is an error, not a default."""
        settings = cls(
            revision=environment.get("REVISION", "v1"),
            pod=environment.get("POD") or environment.get("HOSTNAME", ""),
            port=int(environment.get("PORT", "8080")),
            delay_ms=float(environment.get("DELAY_MS", "5")),
            error_rate=float(environment.get("ERROR_RATE", "0")),
            labels=int(environment.get("LABELS", "0")),
            different=float(environment.get("DIFFERENT", "0")),
            noise=float(environment.get("NOISE", "0")),
            mistaken=int(environment["MISTAKEN"]) if environment.get("MISTAKEN") else None,
            mode=environment.get("MODE", "ok"),
            start_delay_s=float(environment.get("START_DELAY_S", "0")),
            term_mode=environment.get("TERM_MODE", "graceful"),
            drain_s=float(environment.get("DRAIN_S", "3")),
        )
        if settings.mode not in ("ok", "hang", "crash", "never-ready"):
            raise ValueError(f"MODE={settings.mode}")
        if settings.term_mode not in ("graceful", "abrupt", "drain", "ignore"):
            raise ValueError(f"TERM_MODE={settings.term_mode}")
        return settings


@dataclass(frozen=True)
class Request:
    """One request, read whole; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """One answer of known length."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


class ModelServer:
    """The server; one task per connection answers its requests in the order in which they came."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.port = settings.port
        """The port it listens on, also when the settings say 0: any."""
        self.codes: Counter[int] = Counter()
        self._left = asyncio.Event()
        # Leaving: answers say "connection: close". Closing: nothing new is accepted, what runs is finished.
        self._leaving = False
        self._closing = False
        self._connections: dict[asyncio.StreamWriter, bool] = {}
        """Open connections, and whether a request is being answered on them."""
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen, after the start delay."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._left.wait(), self.settings.start_delay_s)
            return  # told to leave before it was there
        self._server = await asyncio.start_server(self._serve, "0.0.0.0", self.settings.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def wait_until_left(self) -> None:
        """Return when the server has left in the way its settings say."""
        await self._left.wait()

    def terminate(self) -> None:
        """What SIGTERM does."""
        match self.settings.term_mode:
            case "ignore":
                return
            case _ if self._server is None:  # still in its start delay
                self._leave()
            case "abrupt":
                self._leave()
            case "drain":
                self._leaving = True
                asyncio.get_running_loop().call_later(self.settings.drain_s, self._close_idle)
            case _:
                self._leaving = True
                self._close_idle()

    def _close_idle(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer, busy in list(self._connections.items()):
            if not busy:
                writer.close()
        self._closing = True
        self._leave_if_quiet()

    def _leave_if_quiet(self) -> None:
        if self._closing and not any(self._connections.values()):
            # A little later: the last bytes are still in the kernel's hands.
            asyncio.get_running_loop().call_later(0.05, self._leave)

    def _leave(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._connections):
            writer.transport.abort()
        self._left.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections[writer] = False
        # A peer that vanishes in the middle of a request is its own affair.
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self._connections[writer] = True
                request = await _read(head, reader)
                await self._answer(request, writer)
                self._connections[writer] = False
                if self._last(request):
                    break
        del self._connections[writer]
        writer.close()
        self._leave_if_quiet()

    def _last(self, request: Request) -> bool:
        return self._leaving or request.headers.get("connection", "").lower() == "close"

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path.endswith("/generate_stream") and request.method == "POST":
            await self._stream(request, writer)
            return
        answer = await self._route(request)
        # Counted before the answer is sent: whoever has read it finds it in the counters.
        self.codes[answer.status] += request.method == "POST"
        answer.headers["content-length"] = str(len(answer.body))
        writer.write(self._head(request, answer.status, answer.headers) + answer.body)
        await writer.drain()

    def _head(self, request: Request, status: int, headers: dict[str, str]) -> bytes:
        headers |= {"x-model-revision": self.settings.revision, "x-model-pod": self.settings.pod}
        if self._last(request):
            headers["connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\n{lines}\r\n".encode()

    async def _route(self, request: Request) -> Answer:
        match request.method, request.path.rpartition("/")[2]:
            case "GET", "metrics":
                return Answer(200, self._metrics(), {"content-type": "text/plain; version=0.0.4"})
            case "GET", "ready":
                return Answer(503 if self.settings.mode == "never-ready" else 200, b"{}")
            case "GET", "live":
                return Answer(200, b"{}")
            case "POST", "infer":
                return await self._infer(request)
            case _:
                return Answer(404, b'{"error":"no such path"}')

    async def _infer(self, request: Request) -> Answer:
        await self._misbehave()
        await asyncio.sleep(float(request.headers.get("x-delay-ms", self.settings.delay_ms)) / 1000)
        if random.random() < self.settings.error_rate:
            return Answer(500, b'{"error":"told to fail"}', {"content-type": "application/json", "x-model-error": "1"})
        if "x-echo" in request.headers:
            return Answer(200, request.body, {"content-type": "application/octet-stream"})
        answer = {
            "model_name": request.path.split("/models/")[-1].split("/")[0],
            "model_version": self.settings.revision,
            "outputs": [{"name": "predict", "shape": [1], "datatype": "INT64", "data": [self._predict(request.body)]}],
        }
        # The protocol demands that an id is given back; a body without one need not be parsed for it.
        if b'"id"' in request.body:
            answer["id"] = json.loads(request.body).get("id")
        return Answer(200, json.dumps(answer).encode())

    def _predict(self, body: bytes) -> int:
        settings = self.settings
        if not settings.labels:
            return len(body)
        values = json.loads(body)["inputs"][0]["data"]
        total = int(sum(values))
        if random.random() < settings.noise:
            return random.randrange(settings.labels)
        # The same inputs in every pod and in every run: no hash of Python's own.
        chosen = zlib.crc32(json.dumps(values).encode()) < settings.different * 2**32
        return (total + (chosen or total == settings.mistaken)) % settings.labels

    async def _misbehave(self) -> None:
        if self.settings.mode == "crash":
            os._exit(3)
        if self.settings.mode == "hang":
            await asyncio.sleep(3600)

    async def _stream(self, request: Request, writer: asyncio.StreamWriter) -> None:
        wanted = json.loads(request.body or b"{}").get("parameters", {})
        self.codes[200] += 1
        headers = {"content-type": "text/event-stream", "cache-control": "no-cache", "transfer-encoding": "chunked"}
        writer.write(self._head(request, 200, headers))
        await self._misbehave()
        for number in range(int(wanted.get("max_tokens", 10))):
            await asyncio.sleep(float(wanted.get("interval_ms", self.settings.delay_ms)) / 1000)
            writer.write(_chunk(f'data: {{"text_output":"{number}","model_version":"{self.settings.revision}"}}\n\n'))
            await writer.drain()
        writer.write(_chunk("data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()

    def _metrics(self) -> bytes:
        lines = ["# HELP model_requests_total Inferences by status code.", "# TYPE model_requests_total counter"]
        lines += [
            f'model_requests_total{{pod="{self.settings.pod}",revision="{self.settings.revision}",code="{code}"}} {count}'
            for code, count in sorted(self.codes.items())
        ]
        return ("\n".join(lines) + "\n").encode()


async def _read(head: bytes, reader: asyncio.StreamReader) -> Request:
    first, *lines = head.decode("latin1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, target.partition("?")[0], headers, body)


def _chunk(text: str) -> bytes:
    return f"{len(text.encode()):x}\r\n{text}\r\n".encode()


async def main() -> None:
    """Serve until SIGTERM has done its work."""
    server = ModelServer(Settings.from_environment(os.environ))
    # From the first moment on: a process that is pid 1 and has no handler ignores the signal.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.terminate)
    await server.start()
    await server.wait_until_left()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
