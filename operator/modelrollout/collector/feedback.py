"""The endpoint for labels and events, on a port of its own: whoever has the token says what would have been right.

    POST /labels   {"id": "…", "label": 3} or {"id": "…", "event": "click"} or {"labels": [ … ]}

It listens only while the spec asks for labels. Everything is bounded: bytes, items, their rate, requests at once, and the time
that the other routers get. What a label says is neither logged nor shown in an error.
"""

import asyncio
import json
import logging
from collections import Counter

from aiohttp import web

from modelrollout.collector.bearer import Token, presented
from modelrollout.collector.bucket import Bucket
from modelrollout.collector.labels import Item, Labels, Outcome, parse_items
from modelrollout.collector.peers import MOST, OFFER, Peers
from modelrollout.domain.capture import Labelled

LARGEST = 256 * 1024
"""Bytes of a body."""
ITEMS = 1000
"""Labels and events of one request."""
_PATIENCE = 10.0
"""Seconds until a body must be there."""
_AT_ONCE = 64
"""Requests that are read at the same time; the others are asked to come again."""
_IDLE = 15.0
"""Seconds that a connection is kept without a request."""
_GRACE = 0.01

_log = logging.getLogger(__name__)
_silent = logging.getLogger("modelrollout.collector.feedback.http")
_silent.disabled = True
"""What aiohttp says of a broken message may hold the message, or the token."""


class Feedback:
    """Takes labels.

    Args:
        labels: where they go.
        token: what a request must show.
        peers: the other routers.
        port: of all addresses of the pod.
    """

    def __init__(self, labels: Labels, token: Token, peers: Peers, port: int) -> None:
        self._labels = labels
        self._token = token
        self._peers = peers
        self._port = port
        self._runner: web.ServerRunner | None = None
        self._reading = 0
        self._failed = False
        self._open(Labelled.model_fields["rate"].default)

    async def obey(self, labelled: Labelled | None) -> None:
        """Listen while labels are asked for, at the rate that is."""
        if labelled is None:
            await self.close()
            return
        if labelled.rate != self._rate:
            self._open(labelled.rate)
        if self._runner is None:
            await self._listen()

    async def close(self) -> None:
        """Stop listening."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            await self._peers.close()

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer a request."""
        if request.path != "/labels":
            return _ended(404)
        if request.method != "POST":
            return _ended(405, {"Allow": "POST"})
        token = self._token.read()
        if not token:
            return _ended(503)
        if not presented(token, request.headers.get("Authorization", "")):
            return _ended(401, {"WWW-Authenticate": "Bearer"})
        if self._reading >= _AT_ONCE:
            return _ended(503, {"Retry-After": "1"})
        self._reading += 1
        try:
            return await self._take(request, token)
        finally:
            self._reading -= 1

    def _open(self, rate: int) -> None:
        now = asyncio.get_running_loop().time()
        self._rate = rate
        # The largest request must fit in at some time.
        self._bucket = Bucket(rate, max(rate, ITEMS), now)
        self._offered = Bucket(rate * MOST, max(rate, ITEMS) * MOST, now)

    async def _listen(self) -> None:
        server = web.Server(
            self.handle, access_log=None, auto_decompress=False, logger=_silent, keepalive_timeout=_IDLE
        )
        runner = web.ServerRunner(server, shutdown_timeout=_GRACE)
        await runner.setup()
        try:
            await web.TCPSite(runner, None, self._port).start()
        except OSError as exc:
            await runner.cleanup()
            if not self._failed:
                _log.error("labels cannot be taken on port %d: %s", self._port, exc.strerror)
            self._failed = True
            return
        self._failed = False
        self._runner = runner

    async def _take(self, request: web.BaseRequest, token: bytes) -> web.Response:
        try:
            async with asyncio.timeout(_PATIENCE):
                body = await _read(request)
        except TimeoutError:
            return _ended(408)
        if body is None:
            return _refused(413, f"A request may have {LARGEST} bytes and {ITEMS} labels.")
        try:
            items = parse_items(json.loads(body))
        except (ValueError, RecursionError):
            words = 'Send {"id": …, "label": …}, {"id": …, "event": …} or {"labels": [ … ]}.'
            return _refused(400, words)
        if len(items) > ITEMS:
            return _refused(413, f"A request may have {LARGEST} bytes and {ITEMS} labels.")
        offered = OFFER in request.headers
        now = asyncio.get_running_loop().time()
        if wait := (self._offered if offered else self._bucket).take(len(items), now):
            self._labels.refuse(len(items))
            return web.Response(status=429, headers={"Retry-After": str(wait)})
        outcomes = self._labels.take(items, now)
        if offered:
            return web.json_response({"outcomes": [str(outcome) for outcome in outcomes]})
        return web.json_response(_told(await self._ask_others(items, outcomes, token)))

    async def _ask_others(self, items: list[Item], outcomes: list[Outcome], token: bytes) -> list[Outcome]:
        """Return what became of all; what nobody knows counts as such here, and only here."""
        unknown = [index for index, outcome in enumerate(outcomes) if outcome is Outcome.UNKNOWN]
        if not unknown:
            return outcomes
        found = await self._peers.offer([items[index] for index in unknown], token)
        for index, outcome in zip(unknown, found, strict=True):
            outcomes[index] = outcome
        self._labels.miss(found.count(Outcome.UNKNOWN))
        return outcomes


async def _read(request: web.BaseRequest) -> bytes | None:
    """Return a body; None when it is too large, as soon as that is known."""
    if (request.content_length or 0) > LARGEST:
        return None
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > LARGEST:
            return None
    return bytes(body)


def _told(outcomes: list[Outcome]) -> dict[str, object]:
    counts = Counter(outcomes)
    joined = counts.pop(Outcome.JOINED, 0)
    return {"joined": joined, "missed": {str(outcome): count for outcome, count in sorted(counts.items())}}


def _ended(status: int, headers: dict[str, str] | None = None) -> web.Response:
    """Return an answer without words, and read nothing more from there."""
    response = web.Response(status=status, headers=headers)
    response.force_close()
    return response


def _refused(status: int, words: str) -> web.Response:
    response = web.json_response({"error": words}, status=status)
    response.force_close()
    return response
