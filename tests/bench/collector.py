"""How many pairs one core compares in the collector, and how many requests it observes: the real process on loopback, in
seconds of its own CPU.

    python -m tests.bench.collector [NUMBER OF PAIRS]

Each pair is what the router sends of one request: both answers, and with parts of the traffic the request as well. The same
is measured without HTTP, to tell what the comparison itself costs.
"""

import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from modelrollout.collector.collector import Collector, Message
from modelrollout.domain.capture import CAPTURE_FILE, PLAIN, Capture, Extraction, Kind, Observed, Part, Protocol

Row = tuple[str, str]
PAIRS = 5000
ROUNDS = 3
WARM = 500
WORDS = 340
"""Words of a text of 2 kB."""
ARMS = ("stable", "candidate-mirror")
MIB = 1024 * 1024


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        kind: of the predictions.
        parts: of the traffic, a quarter of them told by the body; each request is in some of them.
        counted: what the collector calls a whole request.
    """

    kind: Kind
    parts: int
    counted: str = "pairs"

    def __str__(self) -> str:
        """Name it."""
        what = "labels" if self.kind is Kind.LABEL else "texts of 2 kB"
        return f"{what}, {self.parts} slices: pairs"

    @property
    def capture(self) -> Capture:
        """What the collector is told."""
        names = (f"slice-{number}" for number in range(self.parts))
        parts = (_part(name, number) for number, name in enumerate(names))
        protocol = Protocol.OPEN_AI if self.kind is Kind.TEXT else Protocol.OPEN_INFERENCE
        extractions = (Extraction(kind=self.kind),)
        return Capture(
            stable=ARMS[0], candidate="candidate", protocol=protocol, extractions=extractions, parts=tuple(parts)
        )

    def messages(self, number: int) -> Iterator[tuple[str, Message]]:
        """Yield what the router says of one request."""
        chance = random.Random(number)
        request = f"{number:08x}-0000-4000-8000-{number:012x}"
        if self.parts:
            inputs = {"inputs": [{"name": "x", "shape": [1, 64], "datatype": "FP64", "data": [0.5] * 64}]}
            asked = json.dumps(inputs | {"light": chance.choice("ab")}).encode()
            yield "request", Message(request, body=asked)
        headers = {"x-region": chance.choice("abcd")} if self.parts else {}
        said = self._said(chance)
        yield "primary", Message(request, ARMS[0], body=said, headers=headers)
        yield "copy", Message(request, ARMS[1], body=said if chance.random() < 0.95 else self._said(chance))

    def _said(self, chance: random.Random) -> bytes:
        if self.kind is Kind.TEXT:
            text = " ".join(chance.choices(_VOCABULARY, k=WORDS))
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            return json.dumps({"object": "chat.completion", "choices": [choice]}).encode()
        output = {"name": "predict", "shape": [1, 1], "datatype": "INT64", "data": [chance.randrange(10)]}
        return json.dumps({"model_name": "digits", "outputs": [output]}).encode()


@dataclass(frozen=True)
class Watching:
    """Requests that nobody gets a copy of: 64 numbers as digits have them, and the label that was predicted.

    Attributes:
        parts: as above.
        counted: as above.
    """

    parts: int
    counted: str = "primary"

    def __str__(self) -> str:
        """Name it."""
        return f"64 numbers, {self.parts} slices: observed requests"

    @property
    def capture(self) -> Capture:
        """What the collector is told."""
        pairs = Case(Kind.LABEL, self.parts).capture
        observed = Observed(percent=100, output=Extraction())
        return pairs.model_copy(update={"candidate": None, "extractions": (), "observed": observed})

    def messages(self, number: int) -> Iterator[tuple[str, Message]]:
        """Yield what the router says of one request."""
        chance = random.Random(number)
        request = f"{number:08x}-0000-4000-8000-{number:012x}"
        data = [float(chance.randrange(17)) for _ in range(64)]
        inputs = {"inputs": [{"name": "image", "shape": [1, 64], "datatype": "FP64", "data": data}]}
        yield "request", Message(request, body=json.dumps(inputs | {"light": chance.choice("ab")}).encode())
        headers = {"x-region": chance.choice("abcd")} if self.parts else {}
        output = {"name": "predict", "shape": [1, 1], "datatype": "INT64", "data": [chance.randrange(10)]}
        said = json.dumps({"model_name": "digits", "outputs": [output]}).encode()
        yield "primary", Message(request, ARMS[0], body=said, headers=headers, copied=False)


_VOCABULARY = ("the", "model", "said", "that", "it", "was", "so", "and", "not", "other", "than", "what", "we", "know")
CASES: tuple[Case | Watching, ...] = (
    *(Case(kind, parts) for kind in (Kind.LABEL, Kind.TEXT) for parts in (0, 5, 20)),
    *(Watching(parts) for parts in (0, 5, 20)),
)


def measure(pairs: int = PAIRS) -> Iterator[Row]:
    """Yield one row for each figure."""
    for case in CASES:
        messages = [[*case.messages(number)] for number in range(pairs)]
        alone = statistics.median(_alone(case, messages) for _ in range(ROUNDS))
        served = [_served(case, messages) for _ in range(ROUNDS)]
        seconds, resident = statistics.median(spent for spent, _ in served), max(found for _, found in served)
        name = f"collector: {case} per second and core"
        yield name, f"{pairs / seconds:,.0f} (comparison alone {pairs / alone:,.0f}), {resident / MIB:.0f} MiB resident"


def _part(name: str, number: int) -> Part:
    value = "abcd"[number % 4]
    return Part(name=name, header="x-region", value=value) if number % 4 else Part(name=name, path="light", value=value)


def _alone(case: Case | Watching, messages: Sequence[Sequence[tuple[str, Message]]]) -> float:
    """Return the seconds of CPU that the comparison takes."""
    collector = Collector(case.capture)
    began = time.process_time()
    for number, pair in enumerate(messages):
        for kind, message in pair:
            getattr(collector, kind)(message, number / 200)
    spent = time.process_time() - began
    assert collector.totals[case.counted] == len(messages)
    return spent


def _served(case: Case | Watching, messages: Sequence[Sequence[tuple[str, Message]]]) -> tuple[float, int]:
    """Return the process's seconds of CPU, and its memory in the end."""
    raw = [b"".join(_raw(kind, message) for kind, message in pair) for pair in messages]
    with _running(case.capture) as (process, connection):
        for pair in raw[:WARM]:
            _send(connection, pair)
        before = _cpu(process)
        for pair in raw[WARM:]:
            _send(connection, pair)
        spent = _cpu(process) - before
        port = connection.getpeername()[1]
        asked = HTTPConnection("127.0.0.1", port)
        asked.request("GET", "/predictions")
        assert json.loads(asked.getresponse().read())["totals"][case.counted] == len(messages)
        asked.close()
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return spent * len(raw) / (len(raw) - WARM), pages * os.sysconf("SC_PAGE_SIZE")


def _raw(kind: str, message: Message) -> bytes:
    headers = {"host": "collector", "x-request-id": message.id, "x-arm": message.arm, "x-status": str(message.status)}
    headers |= {f"x-part-{name}": value for name, value in message.headers.items()}
    headers |= {f"x-part-{PLAIN}": message.id} if kind == "primary" and not message.copied else {}
    headers |= {"content-type": "application/json", "content-length": str(len(message.body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /{kind} HTTP/1.1\r\n{lines}\r\n".encode() + message.body


def _send(connection: socket.socket, pair: bytes) -> None:
    """Send the messages of a request, and wait until all are answered."""
    connection.sendall(pair)
    waiting = pair.count(b"POST /")
    found = b""
    while found.count(b"\r\n\r\n") < waiting:
        found += connection.recv(65536)


def _cpu(process: "subprocess.Popen[bytes]") -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _running(capture: Capture) -> Iterator[tuple["subprocess.Popen[bytes]", socket.socket]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / CAPTURE_FILE
        file.write_text(capture.model_dump_json())
        command = [sys.executable, "-m", "modelrollout.collector", "--file", str(file), "--port", str(port)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            with _connected(port) as connection:
                yield process, connection
        finally:
            process.terminate()
            process.wait(10)


def _connected(port: int) -> socket.socket:
    deadline = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 30)
        except ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    for name, value in measure(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS):
        print(f"{name:<75} {value}", flush=True)
