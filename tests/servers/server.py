"""A model server on loopback, asked over HTTP as anybody asks it."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START = 90.0
"""Seconds; importing what a model server imports takes long on a busy machine."""


@dataclass(frozen=True)
class Answer:
    """One answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Server:
    """A server that is ready."""

    port: int

    def ask(self, path: str, body: object, **headers: str) -> Answer:
        """Post JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        return _open(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, sent))


@contextmanager
def running(port: int, probe: str, start: Callable[[], "subprocess.Popen[bytes]"], log: Path) -> Iterator[Server]:
    """Start a server and wait until a path of it answers 200; end it with the block."""
    process = start()
    try:
        end = time.monotonic() + START
        while not _answers(f"http://127.0.0.1:{port}{probe}"):
            code = process.poll()
            assert code is None, f"the server ended with {code}:\n{log.read_text()[-3000:]}"
            assert time.monotonic() < end, f"the server was not ready within {START:.0f} s:\n{log.read_text()[-3000:]}"
            time.sleep(0.1)
        yield Server(port)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    """Return ports on loopback that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _answers(address: str) -> bool:
    try:
        return _open(urllib.request.Request(address)).status == 200
    except OSError:
        return False


def _open(request: urllib.request.Request) -> Answer:
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Answer(answer.status, _lower(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lower(error.headers), error.read())


def _lower(headers: object) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}  # type: ignore[attr-defined]
