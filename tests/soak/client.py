"""A client that knows every answer beforehand and counts each one that is not exactly that; some of its kind just leave.

Open loop and kept connections, as in `tests.traffic.client`, whose connection handling it is.
"""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import Iterable

from tests.soak.exchanges import Exchange, unseen
from tests.traffic.client import Client, Load
from tests.traffic.http1 import Response
from tests.traffic.record import Blame

CONNECTIONS = 24
LEAVES_EVERY = 25
"""Every so many requests somebody leaves, in one of these ways."""
MOST = 400
"""Requests under way at once. A machine that is too busy for the rate gets fewer; whatever is stuck is still found."""
TIME_OUT = 30.0
WAYS = ("amid the head", "amid the request", "before the answer", "amid the answer")
NOT_COMPARED = {"date"}


class ExactClient(Client):
    """Sends a mix, and compares status, headers and body of each answer byte by byte."""

    def __init__(self, port: int, mix: Iterable[Exchange], rate: float, revision: str, *, leavers: bool = True) -> None:
        """Revision is what the router must name in each answer."""
        super().__init__(Load(host="127.0.0.1", port=port, rate=rate, connections=CONNECTIONS, time_out=TIME_OUT))
        weighted = [exchange for exchange in mix for _ in range(exchange.times)]
        random.Random(1).shuffle(weighted)
        self._mix = weighted
        self._named = {_key(number): exchange for number, exchange in enumerate(weighted)}
        self._revision = revision
        self._leavers = leavers
        self.left: Counter[str] = Counter()
        """Clients that left, by the moment when they did."""

    @property
    def wrong(self) -> list[str]:
        """What became of each request that was not answered exactly as it must be."""
        wrong = [record for record in self.records if not record.ok]
        return [f"{self._named[record.kind].path}: {record.result}" for record in wrong]

    def mean(self, method: str) -> float:
        """Return how many milliseconds small predictions took: those that are copied, or those that are not."""
        like = unseen(1)
        took = [
            record.latency_ms
            for record in self.records
            if self._named[record.kind].path == like.path and self._named[record.kind].method == method
        ]
        return sum(took) / max(1, len(took))

    def _spawn(self, number: int) -> None:
        if len(self._tasks) >= MOST:
            self.skipped += 1
            return
        index = number % len(self._mix)
        self._track(self._one(number, _key(index)))
        if self._leavers and number % LEAVES_EVERY == 0:
            self._track(self._leave(WAYS[number // LEAVES_EVERY % len(WAYS)], self._mix[-index - 1]))

    def _request(self, number: int, kind: str) -> bytes:
        return self._named[kind].request

    def _judge(self, answer: Response, kind: str) -> tuple[str, Blame]:
        exchange = self._named[kind]
        if said := difference(exchange, answer, self._revision):
            return f"after {exchange.method} of {len(exchange.body)} bytes: {said}", Blame.OURS
        return str(answer.status), Blame.NOBODY

    async def _leave(self, way: str, exchange: Exchange) -> None:
        try:
            async with asyncio.timeout(self.load.time_out):
                reader, writer = await asyncio.open_connection(self.load.host, self.load.port)
                request = exchange.request
                amid = {"amid the head": 20, "amid the request": len(request) - len(exchange.body) // 2 - 1}
                writer.write(request[: amid.get(way, len(request))])
                await writer.drain()
                if way == "amid the answer":
                    await reader.read(1)
                else:
                    # What was written must have reached the router, or nothing but a connection would be lost.
                    await asyncio.sleep(0.005)
                # Half of them with a reset, the others in good order.
                if sum(self.left.values()) % 2:
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    writer.transport.abort()
                writer.close()
        except OSError:
            self.left["could not even come"] += 1
        else:
            self.left[way] += 1


def difference(exchange: Exchange, answer: Response, revision: str) -> str:
    """Say how an answer is not what it must be; empty when it is."""
    known = exchange.answer
    if answer.status != known.status:
        return f"status {answer.status}, not {known.status}: {answer.body[:120]!r}"
    expected = {**known.headers, "x-model-revision": revision, "x-model-pod": "loopback"}
    if known.chunked:
        expected["transfer-encoding"] = "chunked"
    elif known.status != 204:
        expected["content-length"] = str(len(known.body))
    got = {name: value for name, value in answer.headers.items() if name not in NOT_COMPARED}
    if got != expected:
        return f"headers {sorted(set(got.items()) ^ set(expected.items()))}"
    if answer.body != known.body:
        first = next((at for at, (a, b) in enumerate(zip(answer.body, known.body, strict=False)) if a != b), "the end")
        return f"{len(answer.body)} bytes, not {len(known.body)}; they differ at {first}"
    return ""


def _key(number: int) -> str:
    return f"#{number}"
