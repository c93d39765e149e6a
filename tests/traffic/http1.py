"""One HTTP/1.1 client connection, written out so that nothing about a broken answer is smoothed over.

An HTTP library retries, pools and reports a reset, a clean close and a cut body in its own words. A client that counts
losses must know them apart, and must know the moment a connection is closed, or it would blame the server for its own
use of a dead connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

NO_BODY = (204, 304)
"""Statuses whose answers have no body, and need not say so."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class BrokenAnswerError(Exception):
    """The connection ended before the answer did."""

    def __init__(self, kind: str, body: bytes = b"") -> None:
        """Kind is `reset`, `closed` (no byte of an answer), `cut` (a part of one) or `garbled`; body is what came."""
        super().__init__(kind)
        self.kind = kind
        self.body = body


class Connection(asyncio.Protocol):
    """Sends one request at a time and parses its answer; `usable` is false from the first sign of an end."""

    def __init__(self, number: int, lost: Callable[[Connection], None]) -> None:
        self.number = number
        self.usable = False
        self.requests = 0
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Response] | None = None
        self._heard: Callable[[], None] | None = None
        self._forget()

    def _forget(self) -> None:
        self._raw = bytearray()
        self._body = bytearray()
        self._head: tuple[int, dict[str, str]] | None = None
        self._left: int | None = None

    def ask(self, request: bytes, heard: Callable[[], None] | None = None) -> asyncio.Future[Response]:
        """Send a whole request; `heard` is called whenever bytes arrive, for streams whose time-out starts again."""
        if self._transport is None or not self.usable:
            raise BrokenAnswerError("closed")
        self._forget()
        self.requests += 1
        self._heard = heard
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiting

    def close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    # What follows is called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.usable = transport, True

    def eof_received(self) -> None:
        self.usable = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        if self._head is not None and self._left is None and exc is None and not self._chunked:
            self._finish()  # an answer without a length ends with its connection
        elif self._head is not None or self._raw:
            self._break("cut")
        else:
            self._break("closed" if exc is None else "reset")
        self._lost(self)

    def data_received(self, data: bytes) -> None:
        if self._waiting is None or self._waiting.done():
            self.close()  # bytes that nobody waits for: whatever comes next could not be told apart from an answer
            return
        if self._heard is not None:
            self._heard()
        self._raw += data
        try:
            self._parse()
        except (ValueError, IndexError):
            self._break("garbled")
            self.close()

    @property
    def _chunked(self) -> bool:
        return self._head is not None and self._head[1].get("transfer-encoding", "").lower() == "chunked"

    def _parse(self) -> None:
        if self._head is None and not self._parse_head():
            return
        if self._chunked:
            self._parse_chunks()
        elif self._left is None:
            self._body += self._raw
            self._raw.clear()
        elif len(self._raw) >= self._left:
            self._body += self._raw[: self._left]
            del self._raw[: self._left]
            self._finish()

    def _parse_head(self) -> bool:
        end = self._raw.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = self._raw[:end].decode("latin1").split("\r\n")
        del self._raw[: end + 4]
        version, code, *_ = first.split(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(first)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._head = int(code), headers
        self._left = int(headers["content-length"]) if "content-length" in headers else None
        if self._head[0] in NO_BODY:
            self._left = 0
        return True

    def _parse_chunks(self) -> None:
        while (end := self._raw.find(b"\r\n")) >= 0:
            size = int(self._raw[:end].split(b";")[0], 16)
            if len(self._raw) < end + 2 + size + 2:
                return
            self._body += self._raw[end + 2 : end + 2 + size]
            del self._raw[: end + 2 + size + 2]
            if size == 0:
                self._finish()
                return

    def _finish(self) -> None:
        assert self._head is not None
        status, headers = self._head
        if self._raw or headers.get("connection", "").lower() == "close":
            self.usable = False  # bytes beyond the answer are as good as an end: nobody asked for them
        waiting, self._waiting = self._waiting, None
        body = bytes(self._body)
        self._forget()
        if waiting is not None and not waiting.done():
            waiting.set_result(Response(status, headers, body))

    def _break(self, kind: str) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(BrokenAnswerError(kind, bytes(self._body)))
