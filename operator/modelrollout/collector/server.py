"""The collector's HTTP: the router posts what it saw, the operator and Prometheus get the counters.

Everything is answered at once and nothing is waited for. What a message holds is neither logged nor shown in an error.
"""

import asyncio
import logging
from collections.abc import Callable

from aiohttp import web

from modelrollout.collector.bearer import Token
from modelrollout.collector.collector import Collector, Message
from modelrollout.collector.config import CaptureFile
from modelrollout.collector.feedback import Feedback
from modelrollout.collector.peers import Peers
from modelrollout.domain.capture import PLAIN, Capture
from modelrollout.errors import RolloutError

HOST = "127.0.0.1"
PORT = 9904
_PERIOD = 1.0
"""Seconds between two looks at the file."""
_GRACE = 0.01
"""Seconds that a message under way gets when the process ends; 0 would be for ever."""
_PART = "x-part-"

_log = logging.getLogger(__name__)
_silent = logging.getLogger("modelrollout.collector.http")
_silent.disabled = True
"""What aiohttp says of a broken message may hold the message."""
Take = Callable[[Message, float], None]


class Server:
    """Serves a collector on loopback, and takes labels from everywhere while the spec asks for them.

    Args:
        file: what to compare.
        token: what who sends labels must show.
        peers: the other routers.
        labels_port: of all addresses of the pod, for labels.
    """

    def __init__(self, file: CaptureFile, token: Token, peers: Peers, labels_port: int) -> None:
        self._file = file
        self._token = token
        self._peers = peers
        self._labels_port = labels_port
        self._collector = Collector(file.changed() or Capture())
        self._failures: set[str] = set()

    async def run(self, port: int, stop: asyncio.Event) -> None:
        """Serve until told to stop.

        Raises:
            RolloutError: the port cannot be used.
        """
        # The body stays compressed: it is the collector that bounds what comes out of it.
        server = web.Server(self._handle, access_log=None, auto_decompress=False, logger=_silent)
        runner = web.ServerRunner(server, shutdown_timeout=_GRACE)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as exc:
            await runner.cleanup()
            raise RolloutError(
                f"Serving the collector on port {port}: {exc.strerror}. Nothing else in the router's pod may use it."
            ) from exc
        feedback = Feedback(self._collector.labels, self._token, self._peers, self._labels_port)
        while not stop.is_set():
            self._look()
            await feedback.obey(self._collector.capture.labelled)
            try:
                await asyncio.wait_for(stop.wait(), _PERIOD)
            except TimeoutError:
                continue
        await feedback.close()
        await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        """Answer a request; without aiohttp's routing, which costs as much as a comparison."""
        match request.method, request.path:
            case "POST", "/primary":
                return await self._take(self._collector.primary, request)
            case "POST", "/copy":
                return await self._take(self._collector.copy, request)
            case "POST", "/request":
                return await self._take(self._collector.request, request)
            case "GET", "/predictions":
                return web.json_response(self._collector.page())
            case "GET", "/predictions/metrics":
                page = self._collector.metrics().encode("utf-8", "replace")
                return web.Response(body=page, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
            case "GET", "/healthz":
                return web.Response(text="ok")
            case _:
                return web.Response(status=404)

    def _look(self) -> None:
        """Obey the file, and give up what has waited too long."""
        if (capture := self._file.changed()) is not None:
            self._collector.configure(capture)
        self._collector.tick(asyncio.get_running_loop().time())

    async def _take(self, take: Take, request: web.BaseRequest) -> web.Response:
        try:
            # Up to 1 MiB, aiohttp's own limit.
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            self._collector.totals["oversized"] += 1
            raise
        try:
            take(self._message(request, body), asyncio.get_running_loop().time())
        except Exception as exc:  # noqa: BLE001  # whatever one message holds, the next one is taken
            self._failed(exc)
        return web.Response(status=204)

    def _message(self, request: web.BaseRequest, body: bytes) -> Message:
        headers = request.headers
        return Message(
            id=headers.get("x-request-id", ""),
            arm=headers.get("x-arm", ""),
            status=_status(headers.get("x-status", "")),
            body=body,
            encoding=headers.get("content-encoding", ""),
            skipped=headers.get("x-skipped", ""),
            copied=_PART + PLAIN not in headers,
            headers={name: headers[_PART + name] for name in self._collector.headers if _PART + name in headers},
        )

    def _failed(self, exc: Exception) -> None:
        """Say once of each kind of failure that there was one, and not of what: the words may hold a prediction."""
        self._collector.totals["failed"] += 1
        kind = type(exc).__name__
        if kind not in self._failures:
            self._failures.add(kind)
            _log.error("a message could not be taken", extra={"error": kind})


def _status(text: str) -> int:
    """Return an answer's status; one that is none counts as a failure."""
    return int(text) if text.isascii() and text.isdigit() and len(text) == 3 else 599
