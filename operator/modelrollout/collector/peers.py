"""The other routers: a label is told to one of them, and any of them may have answered the request that it is about.

Asked once and never passed on, in bounded time, and only for what this router does not know. A router that is asked by itself
does no harm: it knows no more than before.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from modelrollout.collector.labels import Item, Outcome

OFFER = "x-modelrollout-offer"
"""Header of what one router asks another, which goes no further."""
PATIENCE = 1.0
"""Seconds for everything together."""
MOST = 100
"""Routers that are asked."""
_AT_ONCE = 4
"""Documents that are offered at the same time; further ones wait, within their patience."""
_CONNECTIONS = 32

Resolve = Callable[[], Awaitable[Sequence[str]]]
"""Returns where the routers take labels, such as ``http://10.0.0.7:9905``."""


class Peers:
    """Asks the other routers.

    Args:
        resolve: finds them.
    """

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._session: ClientSession | None = None

    async def offer(self, items: Sequence[Item], token: bytes) -> list[Outcome]:
        """Return what became of labels that this router does not know; whoever does not answer in time knows none."""
        found = [Outcome.UNKNOWN] * len(items)
        # What came in time counts, whoever else did not answer.
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE), self._at_once:
                places = list(await self._resolve())[:MOST]
                await asyncio.gather(*(self._ask(place, items, token, found) for place in places))
        return found

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, place: str, items: Sequence[Item], token: bytes, found: list[Outcome]) -> None:
        if self._session is None:
            self._session = ClientSession(connector=TCPConnector(limit=_CONNECTIONS))
        headers = {"Authorization": f"Bearer {token.decode('utf-8', 'surrogateescape')}", OFFER: "1"}
        body = {"labels": [_dump(item) for item in items]}
        with suppress(ClientError, OSError, ValueError, KeyError, TypeError):
            timeout = ClientTimeout(total=PATIENCE)
            async with self._session.post(
                f"{place}/labels", json=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                if answer.status == 200:
                    said = [Outcome(text) for text in (await answer.json())["outcomes"]]
                    _merge(found, said)


def _merge(found: list[Outcome], said: Sequence[Outcome]) -> None:
    for index, outcome in enumerate(said[: len(found)]):
        if found[index] is Outcome.UNKNOWN and outcome is not Outcome.NOT_SAMPLED:
            found[index] = outcome


def _dump(item: Item) -> dict[str, Any]:
    return {"id": item.id, "event": item.event} if item.event else {"id": item.id, "label": item.label}


def by_name(host: str, port: int) -> Resolve:
    """Return what finds routers by the name of a headless Service; nobody without a name, or while it is not known."""

    async def resolve() -> Sequence[str]:
        if not host:
            return ()
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            return ()
        addresses = sorted({str(address[0]) for *_, address in found})
        return [f"http://[{one}]:{port}" if ":" in one else f"http://{one}:{port}" for one in addresses]

    return resolve
