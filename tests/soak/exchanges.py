"""What is asked and exactly what must be answered: both ends compute it from the path and the request's body alone.

So a client can tell a single changed byte, in either direction: the answer names the checksum of the body that arrived. The
candidate answers otherwise, and misbehaves more: a byte of it in a client's hands is a failure.
"""

import gzip
import json
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

STABLE = "stable"
CANDIDATE = "candidate"
KIB = 1024
MIB = KIB * KIB
KEPT = 256 * KIB
"""Bytes. The largest answer that is compared."""
HUGE = 10_000_000
LABELS = ("cat", "dog", "bird")
DIFFERS_EVERY = 10
"""The candidate says something else to every so many-th body, and to another one only half an answer."""
JSON = {"content-type": "application/json"}
STREAM = "data: [DONE]\n\n"


@dataclass(frozen=True)
class Answer:
    """What a model server sends.

    Attributes:
        status: the status code.
        headers: without length and framing.
        pieces: of the body; more than one are sent in chunks.
        pause: seconds before each piece.
        chunked: without a length.
        cut: the server closes the connection in the middle of the body.
    """

    status: int
    headers: dict[str, str]
    pieces: tuple[bytes, ...]
    pause: float = 0.0
    chunked: bool = False
    cut: bool = False

    @cached_property
    def body(self) -> bytes:
        return b"".join(self.pieces)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and its answer.

    Attributes:
        path: says what the model does.
        times: how often it is in a mix.
        body: of the request.
        headers: of the request, beyond those it must have.
        method: a GET has no length and is not copied.
    """

    path: str
    times: int = 1
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    method: str = "POST"

    @cached_property
    def request(self) -> bytes:
        headers = {"host": "model", **self.headers}
        if self.method == "POST":
            headers["content-length"] = str(len(self.body))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{self.method} {self.path} HTTP/1.1\r\n{head}\r\n".encode() + self.body

    @cached_property
    def answer(self) -> Answer:
        return answer(STABLE, self.path, self.body)


def answer(arm: str, path: str, body: bytes) -> Answer:
    """Return what an arm answers to a request; the last two parts of the path are what to do, and a number."""
    return _answer(arm, path, zlib.crc32(body))


@lru_cache(maxsize=512)
def _answer(arm: str, path: str, checksum: int) -> Answer:
    what, number = path.split("/")[-2:]
    size, candidate = int(number), arm != STABLE
    differs = candidate and checksum % DIFFERS_EVERY == 0
    document = _document(arm, LABELS[(checksum + differs) % len(LABELS)], checksum, size)
    cut = candidate and checksum % DIFFERS_EVERY == 1
    match what:
        case "json":
            return Answer(200, JSON, (document,), cut=cut)
        case "chunked":
            half = size // 2
            return Answer(200, JSON, (document[:half], document[half:]), chunked=True, cut=cut)
        case "gzip":
            return Answer(200, {**JSON, "content-encoding": "gzip"}, (gzip.compress(document, 1, mtime=0),), cut=cut)
        case "broken":
            return Answer(200, JSON, (document[:-1] + b"\x00",))
        case "binary":
            return Answer(200, {"content-type": "application/octet-stream"}, (_noise(size),))
        case "sse":
            events = (f'data: {{"token": {each}, "by": "{arm}"}}\n\n'.encode() for each in range(size))
            headers = {"content-type": "text/event-stream", "cache-control": "no-cache"}
            return Answer(200, headers, (*events, STREAM.encode()), pause=0.02, chunked=True, cut=cut)
        case "slow":
            return Answer(200, JSON, (_document(arm, LABELS[0], checksum, 300),), pause=size / 1000)
        case "status":
            return Answer(size, JSON, () if size == 204 else (_document(arm, "none", checksum, 300),))
        case _:
            return Answer(404, JSON, (b"{}",))


def _document(arm: str, label: str, checksum: int, size: int) -> bytes:
    """Return JSON of exactly this size: an Open Inference answer as far as one fits."""
    output = {"name": "label", "shape": [1], "datatype": "BYTES", "data": [label]}
    whole = {"model_name": arm, "id": str(checksum), "outputs": [output], "parameters": {"pad": ""}}
    text = json.dumps(whole).encode()
    if size < len(text):
        return b"{}".ljust(size) if size >= 2 else b"1"[:size]
    pad = _noise((size - len(text) + 1) // 2).hex().encode()[: size - len(text)]
    return text[:-3] + pad + text[-3:]


@lru_cache(maxsize=32)
def _noise(size: int) -> bytes:
    # No two places look alike: pieces in the wrong order would be seen.
    return random.Random(size).randbytes(size)


def _body(number: int, size: int = 0) -> bytes:
    inputs = [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [number, number / 7]}]
    text = json.dumps({"id": str(number), "inputs": inputs, "parameters": {"light": ("dark", "day")[number % 2]}})
    return text.encode().ljust(size)


def small(count: int = 60, size: int = 400) -> Iterator[Exchange]:
    """Yield plain predictions of a few hundred bytes."""
    for number in range(count):
        yield Exchange(path=f"/v2/models/m/infer/json/{size}", body=_body(number))


def unseen(times: int) -> Exchange:
    """Return what a small prediction would be if the router did not copy it, and so captured nothing: it has no length."""
    return Exchange(path="/v2/models/m/infer/json/400", method="GET", headers={}, times=times)


def middling() -> Iterator[Exchange]:
    """Yield exchanges of about 100 KB in both directions, and a few small ones."""
    for number in range(20):
        yield Exchange(path="/v2/models/m/infer/json/110000", body=_body(number, 90_000))
    yield from small(10)
    yield unseen(3)


def mixed() -> Iterator[Exchange]:
    """Yield everything a model server may do, 0 B to 10 MB in both directions."""
    infer = "/v2/models/m/infer"
    yield from small(180)
    for number, size in enumerate((0, 1, 2, 4 * KIB, KEPT - 1, KEPT, KEPT + 1)):
        yield Exchange(path=f"{infer}/json/{size}", body=_body(number), times=3)
    for size in (4 * KIB, 40_000, KEPT, KEPT + 1):
        yield Exchange(path=f"{infer}/chunked/{size}", body=_body(size), times=4)
        yield Exchange(path=f"{infer}/gzip/{size}", body=_body(size), times=4)
        yield Exchange(path=f"{infer}/broken/{size}", body=_body(size), times=4)
        yield Exchange(path=f"{infer}/binary/{size}", body=_body(size), times=2)
        yield Exchange(path=f"{infer}/json/300", body=_body(size, size), times=4)
    for number in range(4):
        yield Exchange(path=f"{infer}/sse/{5 + 10 * number}", body=_body(number), times=4)
        yield Exchange(path=f"{infer}/slow/{100 * number}", body=_body(number), times=3)
    for status in (204, 400, 422, 500, 503):
        yield Exchange(path=f"{infer}/status/{status}", body=_body(status), times=3)
    yield Exchange(path=f"{infer}/json/300", times=4)
    yield unseen(20)
    yield Exchange(path=f"{infer}/json/301", body=b'{"inputs": [', times=4)
    zipped = {**JSON, "content-encoding": "gzip"}
    yield Exchange(path=f"{infer}/json/302", body=gzip.compress(_body(1, 5000), mtime=0), headers=zipped, times=4)
    # Exactly the largest request that is copied, the next one, and what is far beyond both.
    for size in (MIB, MIB + 1, HUGE):
        yield Exchange(path=f"{infer}/json/303", body=_body(size, size))
        yield Exchange(path=f"{infer}/json/{size}", body=_body(size))
    yield Exchange(path=f"{infer}/json/{MIB}", body=_body(7, MIB))
