"""Kubernetes Events, aggregated: the same words about the same object are one Event that counts up.

They are told in the background and may be lost: a slow Event must never delay a write that matters.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from modelrollout.adapters.kinds import kind as kind_of
from modelrollout.adapters.transport import Call, Transport
from modelrollout.domain.plan import Event
from modelrollout.errors import ConflictError, KubeError, RefusedError
from modelrollout.names import FIELD_MANAGER

WAITING = 500
"""Events that may wait to be posted; more are dropped."""
REMEMBERED = 2000
"""Events whose count is known without asking."""

logger = logging.getLogger(__name__)


class EventPoster:
    """Posts Events from a bounded queue.

    Args:
        transport: sends calls.
        clock: the current time, with its zone.
        instance: name of this replica, shown as the Event's reporter.
    """

    def __init__(self, transport: Transport, clock: Callable[[], datetime], instance: str) -> None:
        self._transport = transport
        self._clock = clock
        self._instance = instance
        self._queue: asyncio.Queue[tuple[Mapping[str, Any], Event, datetime]] = asyncio.Queue(WAITING)
        self._counts: OrderedDict[str, int] = OrderedDict()
        self.dropped = 0

    def offer(self, regarding: Mapping[str, Any], event: Event) -> None:
        """Queue one Event; a full queue drops it."""
        try:
            self._queue.put_nowait((regarding, event, self._clock()))
        except asyncio.QueueFull:
            self.dropped += 1

    async def run(self) -> None:
        """Post queued Events until cancelled."""
        while True:
            regarding, event, at = await self._queue.get()
            try:
                await self.post(regarding, event, at)
            except KubeError as exc:
                self.dropped += 1
                logger.warning("an Event was lost", extra={"reason": event.reason, "error": str(exc)})

    async def post(self, regarding: Mapping[str, Any], event: Event, at: datetime) -> None:
        """Post one Event, or count it up when it was posted before.

        Raises:
            KubeError: it could not be posted.
        """
        name = event_name(regarding, event)
        stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        if name in self._counts:
            try:
                return await self._count(name, regarding, stamp, self._counts[name] + 1)
            except RefusedError as exc:
                # It has expired on the server.
                if exc.status != 404:
                    raise
        try:
            await self._create(name, regarding, event, stamp)
        except ConflictError:
            # Told before by an earlier process: the answer to this patch says how often.
            known = await self._patch(name, regarding, {"lastTimestamp": stamp})
            await self._count(name, regarding, stamp, int(known.get("count") or 1) + 1)
        else:
            self._remember(name, 1)

    async def _count(self, name: str, regarding: Mapping[str, Any], stamp: str, count: int) -> None:
        await self._patch(name, regarding, {"lastTimestamp": stamp, "count": count})
        self._remember(name, count)

    def _remember(self, name: str, count: int) -> None:
        self._counts[name] = count
        self._counts.move_to_end(name)
        if len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)

    async def _create(self, name: str, regarding: Mapping[str, Any], event: Event, stamp: str) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": regarding["namespace"]},
            "involvedObject": dict(regarding),
            "type": "Warning" if event.warning else "Normal",
            "reason": event.reason,
            "message": event.message[:1024],
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": self._instance,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        path = kind_of("Event").path(regarding["namespace"])
        await self._transport.json(
            Call("post an Event", "POST", path, {"fieldManager": FIELD_MANAGER}, body, again=False)
        )

    async def _patch(self, name: str, regarding: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
        path = kind_of("Event").path(regarding["namespace"], name)
        content = "application/merge-patch+json"
        return await self._transport.json(
            Call("count an Event", "PATCH", path, {"fieldManager": FIELD_MANAGER}, dict(change), content)
        )


def event_name(regarding: Mapping[str, Any], event: Event) -> str:
    """Return the one name of what is said: the object's uid, the reason and the words decide it."""
    text = f"{regarding['uid']}\0{event.reason}\0{event.message}"
    return f"{regarding['name']}.{hashlib.sha256(text.encode()).hexdigest()[:16]}"
