"""What surrounds a real Envoy whose answers are captured: models of all forms, and what stands in for the collector."""

import contextlib
import gzip
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE = 5.0
"""Seconds until what was sent must have arrived."""
PREDICTION = b'{"predictions": [1, 2, 3]}'
LARGE = b"[" + b"1," * 500_000 + b"1]"
ANSWERS: Mapping[str, tuple[str, bytes]] = {
    "/json": ("application/json", PREDICTION),
    "/charset": ("Application/JSON; charset=utf-8", PREDICTION),
    "/broken": ("application/json", b'{"predictions": [1, 2'),
    "/binary": ("application/json", bytes(range(256))),
    "/just": ("application/json", b"1" * 256 * 1024),
    "/large": ("application/json", LARGE),
    "/empty": ("application/json", b""),
    "/text": ("text/plain", b"cat"),
    "/none": ("", b"cat"),
    "/fail": ("application/json", b'{"error": "no"}'),
}
EVENTS = [b"data: one\n\n", b"data: two\n\n"]


@dataclass(frozen=True)
class Seen:
    """One request that arrived: at a model, or in the collector's place."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Log:
    """What arrived, in its order."""

    seen: list[Seen] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, one: Seen) -> None:
        """Take one more."""
        with self._changed:
            self.seen.append(one)
            self._changed.notify_all()

    def of(self, path: str, request: str | None = None) -> list[Seen]:
        """Return what arrived at a path, of one request or of all."""
        with self._changed:
            return [one for one in self.seen if one.path == path and request in (None, one.headers.get("x-request-id"))]

    def wait(self, enough: Callable[[], bool]) -> None:
        """Return when it is so."""
        end = time.monotonic() + PATIENCE
        with self._changed:
            while not enough():
                left = end - time.monotonic()
                assert left > 0, [(one.path, dict(one.headers), len(one.body)) for one in self.seen]
                self._changed.wait(left)

    def one(self, path: str, request: str) -> Seen:
        """Return the only thing that arrived at a path of one request."""
        self.wait(lambda: bool(self.of(path, request)))
        (found,) = self.of(path, request)
        return found


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log: Log

    def take(self) -> None:
        """Remember a request, with its whole body."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.log.add(Seen(self.path, {name.lower(): value for name, value in self.headers.items()}, body))

    def give(self, status: int, kind: str, body: bytes, **more: str) -> None:
        """Answer."""
        self.send_response(status)
        headers = {"content-type": kind, "content-length": str(len(body)), **more}
        for name, value in headers.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:  # answers are compared byte by byte
        """Return the same time always."""
        return "Thu, 01 Jan 2026 00:00:00 GMT"

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Model(_Quiet):
    def do_POST(self) -> None:
        """Answer in the form that the path names."""
        self.take()
        if self.path == "/gzip":
            self.give(200, "application/json", gzip.compress(PREDICTION, mtime=0), content_encoding="gzip")
        elif self.path == "/events":
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for event in [*EVENTS, b""]:
                self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        else:
            self.give(500 if self.path == "/fail" else 200, *ANSWERS[self.path])

    do_GET = do_POST  # noqa: N815  # as the base class has it


class _Recorder(_Quiet):
    def do_POST(self) -> None:
        """Take what the router saw."""
        self.take()
        self.give(204, "", b"")

    def do_GET(self) -> None:
        """Show a page, as a collector does."""
        self.give(200, "application/json", json.dumps({"asked": self.path}).encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that are cut: some tests do just that."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def _serving(handler: type[_Quiet], port: int = 0) -> Iterator[tuple[int, Log]]:
    log = Log()
    server = _Server(("127.0.0.1", port), type("Handler", (handler,), {"log": log}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1], log
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def model() -> contextlib.AbstractContextManager[tuple[int, Log]]:
    """Serve a model until the end of the block."""
    return _serving(_Model)


def recorder(port: int) -> contextlib.AbstractContextManager[tuple[int, Log]]:
    """Take the collector's place until the end of the block."""
    return _serving(_Recorder, port)


@dataclass(frozen=True)
class Answer:
    """What a client got, in every byte but those that say when."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def post(port: int, path: str, body: bytes = b"{}", method: str = "POST", **headers: str) -> Answer:
    """Send a request as a client does; underscores in names of headers are dashes."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"content-type": "application/json", **named})
        answer = connection.getresponse()
        return Answer(answer.status, tuple(answer.getheaders()), answer.read())
    finally:
        connection.close()
