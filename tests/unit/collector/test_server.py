"""The collector as a process: it is started, spoken to over loopback, given another file, and stopped."""

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from modelrollout.domain.capture import CAPTURE_FILE, Capture, Extraction, Labelled, Part
from modelrollout.domain.exposition import parse_exposition
from tests.unit.collector.pairs import body, capture

PART = Part(name="eu", header="x-region", value="eu")
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "operator")}


class Process:
    """A running collector and a connection to it."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / CAPTURE_FILE
        self._log = directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.token = directory / "token"
        with socket.socket() as free, socket.socket() as other:
            free.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            self.port, self.labels_port = free.getsockname()[1], other.getsockname()[1]

    def start(self) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                _command(self.port, "--file", str(self._path), *self._about_labels()), env=_ENVIRONMENT, stderr=log
            )
        self._until(self._answers)

    def _about_labels(self) -> tuple[str, ...]:
        return "--token", str(self.token), "--labels-port", str(self.labels_port)

    def feed(self, body: object) -> tuple[int, str]:
        """Send labels."""
        headers = {"Authorization": "Bearer right"}
        with closing(HTTPConnection("127.0.0.1", self.labels_port, timeout=30)) as connection:
            connection.request("POST", "/labels", json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def configure(self, said: Capture) -> None:
        self._path.with_suffix(".new").write_text(said.model_dump_json())
        self._path.with_suffix(".new").rename(self._path)
        if self._process is not None:
            self._until(lambda: (self.page()["stable"], self.page()["candidate"]) == (said.stable, said.candidate))

    def post(self, path: str, data: bytes, headers: Mapping[str, str]) -> int:
        return self._ask("POST", path, data, {"content-type": "application/json", **headers})[0]

    def get(self, path: str) -> str:
        status, text = self._ask("GET", path)
        assert status == 200
        return text

    def page(self) -> Mapping[str, Any]:
        page: Mapping[str, Any] = json.loads(self.get("/predictions"))
        return page

    def count(self, series: str, part: str = "") -> float:
        return sum(value for _, *name, value in self.page()["counters"] if name == [part, series])

    def pair(self, request: str, stable: object, candidate: object, region: str = "eu") -> None:
        about = {"x-request-id": request, "x-status": "200"}
        answer = {"x-arm": "stable", "x-part-x-region": region}
        copy = {"x-arm": "candidate-mirror", "content-encoding": "gzip"}
        assert self.post("/primary", body(stable), about | answer) == 204
        assert self.post("/copy", gzip.compress(body(candidate)), about | copy) == 204

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def ended(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    def terminate(self) -> int:
        """Send SIGTERM; return the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(5)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        assert self.ended is None, self.log
        try:
            return self.get("/healthz") == "ok"
        except ConnectionError:
            return False

    def _ask(
        self, method: str, path: str, data: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        with closing(connection):
            connection.request(method, path, data, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    @staticmethod
    def _until(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _command(port: int, *more: str) -> list[str]:
    return [sys.executable, "-m", "modelrollout.collector", "--port", str(port), *more]


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    process.stop()


def test_a_life(collector: Process) -> None:
    collector.configure(capture(parts=(PART,)))
    collector.start()
    assert collector.post("/request", b"{}", {"x-request-id": "a"}) == 204
    collector.pair("a", [1, "word"], [1, "another"])
    collector.pair("b", [1], [1], region="us")
    assert (collector.count("pairs"), collector.count("pairs", "eu")) == (2, 1)
    assert collector.count("score/0.5", "eu") == 1
    points = list(parse_exposition(collector.get("/predictions/metrics")))
    assert {point.value for point in points if point.name == "modelrollout_predictions_pairs_total"} == {1, 2}

    collector.configure(capture(candidate="newer", parts=(PART,)))
    assert (collector.count("pairs"), collector.page()["totals"]) == (0, {})

    assert collector.terminate() == 0
    assert [json.loads(line)["candidate"] for line in collector.log.splitlines()] == ["candidate", "newer"]


def test_labels_are_taken_while_the_file_asks_for_them(collector: Process) -> None:
    collector.token.write_text("right")
    collector.start()
    with pytest.raises(ConnectionError):
        collector.feed({"labels": []})
    labelled = capture().model_copy(update={"labelled": Labelled(output=Extraction())})
    collector.configure(labelled)
    collector._until(lambda: "labels" in collector.page())
    assert collector.feed({"id": "nobody", "label": 1}) == (200, '{"joined": 0, "missed": {"unknown": 1}}')
    assert collector.page()["labelTotals"]["unknown"] == 1
    names = {point.name for point in parse_exposition(collector.get("/predictions/metrics"))}
    assert {"modelrollout_predictions_labels_missed_total", "modelrollout_predictions_label_horizon_seconds"} <= names
    collector.token.unlink()
    assert collector.feed({"labels": []})[0] == 503
    collector.configure(capture(candidate="newer"))
    collector._until(lambda: "labels" not in collector.page())
    with pytest.raises(ConnectionError):
        collector.feed({"labels": []})


def test_it_waits_idle_for_its_file(collector: Process) -> None:
    collector.start()
    collector.pair("a", [1], [1])
    assert collector.page()["counters"] == []
    collector.configure(capture())
    collector.pair("b", [1], [1])
    assert collector.count("pairs") == 1
    assert collector.log.count("nothing is compared") == 1


def test_no_message_ends_it_and_none_is_told(collector: Process) -> None:
    collector.configure(capture(parts=(PART, Part(name="dark", path="light", value="dark"))))
    collector.start()
    about = {"x-request-id": "secret-1", "x-arm": "stable", "x-status": "200"}
    for data in (b"", b"secret", b"[" * 100_000, b'{"predictions": ' + b"9" * 5000 + b"}", b"\xffsecret"):
        for path in ("/request", "/primary", "/copy"):
            for more in ({}, {"content-encoding": "gzip"}, {"content-encoding": "secret"}, {"x-status": "\xb2"}):
                assert collector.post(path, data, about | more) == 204
    assert collector.post("/primary", b"{}", {}) == 204
    too_large = b"POST /primary HTTP/1.1\r\nhost: a\r\ncontent-length: 2000000\r\n\r\n" + b"secret " * 250_000
    for raw in (
        b"secret\r\n\r\n",
        b"POST /copy HTTP/1.1\r\ncontent-length: secret\r\n\r\n",
        b"POST /copy HTTP/1.1\r\n",
        too_large,
    ):
        with socket.create_connection(("127.0.0.1", collector.port), 30) as connection, suppress(ConnectionError):
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1000)
    collector.pair("after", [1], [1])
    assert collector.count("pairs") == 1
    assert collector.page()["totals"]["oversized"] == 1
    assert collector.ended is None
    assert "secret" not in collector.log


def test_it_stops_at_once_with_a_message_half_sent(collector: Process) -> None:
    collector.configure(capture())
    collector.start()
    with socket.create_connection(("127.0.0.1", collector.port), 30) as connection:
        connection.sendall(b"POST /primary HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{")
        collector.pair("a", [1], [1])
        assert collector.terminate() == 0


def test_a_port_that_is_taken_is_said(collector: Process) -> None:
    collector.start()
    done = subprocess.run(
        _command(collector.port), env=_ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert f"Serving the collector on port {collector.port}" in done.stderr
