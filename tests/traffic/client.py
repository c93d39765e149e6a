"""An open-loop client that counts every loss: the judge of "zero failed requests".

Open loop: requests start by the clock, whether or not earlier ones have been answered, so that a stalled server meets
the full load and not a client that politely waits. Kept-alive connections stay open, because a rollout hurts those.
There are no retries, and no connection is used that is known to be closed: what is counted here, a real client loses.

    python3 -m tests.traffic.client HOST PORT --rate 240 --connections 24 --long-every 50 --out FILE

ends on SIGTERM, SIGINT or after --duration, waits for what is in flight, writes one JSON line per request to FILE and
the sum to FILE.summary.json.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field

from tests.traffic.http1 import BrokenAnswerError, Connection, Response
from tests.traffic.record import Blame, Record, Report, blame, flags, revision

__all__ = ["Blame", "Client", "Load", "Record", "Report", "Response"]

BODY = b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}'

GIVE_UP_BEHIND = 1.0
"""Seconds. A client that was frozen longer skips the requests it owes: a flood of them would itself cause losses."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is sent where, and how often."""

    host: str
    port: int
    rate: float = 240.0
    """Requests per second."""
    connections: int = 24
    """Connections kept open; more are opened when all are busy, and closed again."""
    requests_per_connection: int = 0
    """Close a connection after so many requests; 0: never."""
    path: str = "/v2/models/m/infer"
    bodies: Sequence[bytes] = (BODY,)
    """Sent in turn."""
    body_headers: Sequence[Mapping[str, str]] = ({},)
    """Further headers, in turn as well: the first with the first body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    long_every: int = 0
    """Every so many requests one takes `long_ms`, so that something is always in flight; 0: never."""
    long_ms: int = 1500
    stream_every: int = 0
    """Every so many requests one is a stream of `stream_tokens` server-sent events, `stream_interval_ms` apart."""
    stream_path: str = "/v2/models/m/generate_stream"
    stream_tokens: int = 60
    stream_interval_ms: int = 1000
    time_out: float = 10.0
    """Seconds for an answer; for a stream, between two pieces of it."""
    model_header: str = "x-model-error"
    """The header that marks an error as the model's own."""


class Client:
    """Sends a load until it is stopped; `records` grows as requests end."""

    def __init__(self, load: Load, *, check: Callable[[int, Response], str] | None = None) -> None:
        """Check, if given, gets a request's number and its 200 answer, and returns the record's note."""
        self.load = load
        self.records: list[Record] = []
        self.skipped = 0
        """Requests never sent because the client itself had been frozen."""
        self.idle_closes = 0
        """Connections that ended while no request was on them: legal, and no loss."""
        self._check = check
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._opened = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._bug: BaseException | None = None

    def stop(self) -> None:
        """Send nothing more; `run` returns when what is in flight has ended."""
        self._stop.set()

    def report(self, since: float = 0.0, until: float = float("inf")) -> Report:
        """Add up the requests that were sent in a span of time (seconds since the epoch)."""
        return Report.of(record for record in self.records if since <= record.start < until)

    async def run(self, duration: float | None = None) -> Report:
        """Send the load until `stop` or for so many seconds, then wait for what is in flight."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(self._refill() for _ in range(self.load.connections)))
        due, number = loop.time(), 0
        # By what is due and not by a timer: a machine that is busy for a moment must not make the load smaller.
        end = due + (float("inf") if duration is None else duration - 0.5 / self.load.rate)
        while not self._stop.is_set() and due < end:
            number += 1
            self._spawn(number)
            due += 1 / self.load.rate
            behind = loop.time() - due
            if behind > GIVE_UP_BEHIND:
                owed = int(behind * self.load.rate)
                self.skipped += owed
                due += owed / self.load.rate
            # Also when late: without a pause no answer would get in.
            await asyncio.sleep(max(0.0, due - loop.time()))
        self.stop()
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._idle.clear()
        for connection in list(self._open):
            connection.close()
        if self._bug is not None:
            raise self._bug
        return self.report()

    def _spawn(self, number: int) -> None:
        load = self.load
        if load.stream_every and number % load.stream_every == 0:
            kind = "stream"
        elif load.long_every and number % load.long_every == 0:
            kind = "long"
        else:
            kind = "short"
        self._track(self._one(number, kind))

    async def _connect(self) -> Connection:
        self._opened += 1
        made = Connection(self._opened, self._lost)
        await asyncio.get_running_loop().create_connection(lambda: made, self.load.host, self.load.port)
        if made.usable:
            self._open.add(made)
        return made

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
            self.idle_closes += 1
        if len(self._open) < self.load.connections and not self._stop.is_set():
            # A server that accepts and closes at once must not be asked in a tight loop.
            self._track(self._refill(pause=0.0 if connection.requests else 0.1))

    def _track(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        # A request that is neither a success nor a counted loss would make every number here a lie.
        if not task.cancelled() and (bug := task.exception()) is not None:
            self._bug = bug
            self.stop()

    async def _refill(self, pause: float = 0.0) -> None:
        # A pool that shrinks would hide losses: fewer kept connections are there to be cut.
        await asyncio.sleep(pause)
        try:
            async with asyncio.timeout(self.load.time_out):
                connection = await self._connect()
        except OSError:
            return  # no request was lost; the next one opens its own connection, and counts
        if connection.usable:
            self._idle.append(connection)

    async def _one(self, number: int, kind: str) -> None:
        loop = asyncio.get_running_loop()
        start, begun = time.time(), loop.time()  # noqa: TID251 -- a client owns a clock
        connection: Connection | None = None
        answer: Response | None = None
        fresh, body = False, b""
        try:
            async with asyncio.timeout(self.load.time_out) as limit:
                connection = self._take()
                if connection is None:
                    fresh, connection = True, await self._connect()
                heard = (lambda: limit.reschedule(loop.time() + self.load.time_out)) if kind == "stream" else None
                answer = await connection.ask(self._request(number, kind), heard)
            body = answer.body
            result, whose = self._judge(answer, kind)
        except BrokenAnswerError as broken:
            result, whose, body = broken.kind, Blame.OURS, broken.body
        except TimeoutError:
            result, whose = "timeout", Blame.OURS
        except ConnectionRefusedError:
            result, whose = "refused", Blame.OURS
        except OSError as unreachable:
            result, whose = f"connect:{type(unreachable).__name__}", Blame.OURS
        headers = {} if answer is None else answer.headers
        self.records.append(
            Record(
                start=start,
                latency_ms=round((loop.time() - begun) * 1000, 2),
                kind=kind,
                result=result,
                blame=whose,
                revision="" if answer is None else revision(answer),
                pod=headers.get("x-model-pod", ""),
                router=headers.get("x-router", ""),
                connection=0 if connection is None else connection.number,
                fresh=fresh,
                tokens=_tokens(body) if kind == "stream" else 0,
                note=self._note(number, answer, whose),
            )
        )
        if connection is not None:
            self._give_back(connection, answered=answer is not None)

    def _note(self, number: int, answer: Response | None, whose: Blame) -> str:
        if answer is None:
            return ""
        if whose is Blame.OURS:
            # A router says in the body of an answer that it made up why it had to.
            return answer.body[:120].decode(errors="replace")
        return self._check(number, answer) if self._check and whose is Blame.NOBODY else ""

    def _take(self) -> Connection | None:
        while self._idle:
            connection = self._idle.popleft()
            if connection.usable:
                return connection
            self.idle_closes += 1
        return None

    def _give_back(self, connection: Connection, *, answered: bool) -> None:
        worn = 0 < self.load.requests_per_connection <= connection.requests
        if answered and connection.usable and not worn and len(self._idle) < self.load.connections:
            self._idle.append(connection)
        else:
            connection.close()

    def _judge(self, answer: Response, kind: str) -> tuple[str, Blame]:
        whose = blame(answer, self.load.model_header)
        if kind == "stream" and whose is Blame.NOBODY:
            whole = answer.body.endswith(b"data: [DONE]\n\n") and _tokens(answer.body) == self.load.stream_tokens
            return ("200", Blame.NOBODY) if whole else ("cut", Blame.OURS)
        return f"{answer.status}:{flags(answer)}".rstrip(":"), whose

    def _request(self, number: int, kind: str) -> bytes:
        load = self.load
        headers = {"host": load.host, "content-type": "application/json", **load.headers}
        headers |= load.body_headers[number % len(load.body_headers)]
        path, body = load.path, load.bodies[number % len(load.bodies)]
        if kind == "long":
            headers["x-delay-ms"] = str(load.long_ms)
        elif kind == "stream":
            path = load.stream_path
            settings = {"max_tokens": load.stream_tokens, "interval_ms": load.stream_interval_ms}
            body = json.dumps({"text_input": "count", "parameters": settings}).encode()
        headers["content-length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def _tokens(events: bytes) -> int:
    return events.count(b"data: ") - events.count(b"data: [DONE]")


if __name__ == "__main__":
    from tests.traffic.command import main

    main()
