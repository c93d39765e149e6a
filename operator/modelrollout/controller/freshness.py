"""Is what the watches tell still true? A watch can go silent without an error; a list now and then finds out.

The same list is the safety net of the loop: every ModelDeployment is looked at again, so what was missed is repaired.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Protocol

from modelrollout.adapters.children import WATCHED, Children, Version, version_of
from modelrollout.controller.queue import Key
from modelrollout.controller.telemetry import Telemetry
from modelrollout.names import KIND, LABEL_NAME

EVERY = 600.0
"""Seconds between two lists."""
GRACE = 30.0
"""Seconds after which a watch must have told what a list has shown."""


class Lister(Protocol):
    """What this needs of the API server."""

    async def list_all(
        self, kind: str, namespace: str, selector: str, *, metadata_only: bool = False
    ) -> tuple[list[dict[str, Any]], str]:
        """Return all objects that match."""
        ...


class Freshness:
    """Compares watches with lists.

    Args:
        kube: lists.
        namespaces: which ones; empty for the whole cluster.
        children: names of children, corrected by each list.
        wake: has a key looked at.
        clock: the current time, for the metric.
        telemetry: shows when a watch last spoke.
        sleep: waits so many seconds.
    """

    def __init__(  # noqa: PLR0913  # the ports of one object, each injected
        self,
        *,
        kube: Lister,
        namespaces: Collection[str],
        children: Children,
        wake: Callable[[Key], None],
        clock: Callable[[], datetime],
        telemetry: Telemetry,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._kube = kube
        self._namespaces = tuple(namespaces) or ("",)
        self._children = children
        self._wake = wake
        self._clock = clock
        self._telemetry = telemetry
        self._sleep = sleep
        self._seen: dict[Key, Version] = {}
        self._missed: frozenset[Key] = frozenset()

    def saw(self, kind: str, event: str | None, body: Mapping[str, Any]) -> None:
        """Take note of one event of a watch."""
        self._telemetry.watch_event.labels(kind).set(self._clock().timestamp())
        if kind != KIND:
            return
        key, version = _key(body), version_of(body)
        if event != "DELETED":
            self._seen[key] = version
        elif key in self._seen and self._seen[key].uid == version.uid:
            # Events of different objects overtake each other: its successor of the same name may be known already.
            del self._seen[key]

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the watch on ModelDeployments is not to be trusted."""
        if not self._missed:
            return ()
        return (f"the watch on {KIND} did not tell {len(self._missed)} changes that a list shows",)

    async def prime(self) -> None:
        """Learn the names of all children; before the first pass, so that none overlooks one.

        Raises:
            KubeError: a list failed.
        """
        for namespace in self._namespaces:
            for kind in WATCHED:
                items, _ = await self._kube.list_all(kind, namespace, LABEL_NAME, metadata_only=True)
                for key in self._children.replace(kind, namespace, items):
                    self._wake(key)

    async def relist(self) -> None:
        """List everything, have every ModelDeployment looked at, and find out whether the watch had told it all.

        Raises:
            KubeError: a list failed.
        """
        before = dict(self._seen)
        listed: dict[Key, Version] = {}
        for namespace in self._namespaces:
            items, _ = await self._kube.list_all(KIND, namespace, "", metadata_only=True)
            listed |= {_key(item): version_of(item) for item in items}
        await self.prime()
        for key in {*before, *listed}:
            self._wake(key)
        # A watch that lives has by now told either what was listed or something newer: anything but what it told before.
        if any(self._unchanged(key, before) for key in _differing(before, listed)):
            await self._sleep(GRACE)
        missed = {key for key in _differing(before, listed) if self._unchanged(key, before)}
        for key in missed - listed.keys():
            # A deletion while a watch was down is never told. The pass that was just asked for has taken care of it.
            del self._seen[key]
        self._missed = frozenset(missed & listed.keys())

    def _unchanged(self, key: Key, before: Mapping[Key, Version]) -> bool:
        return self._seen.get(key) == before.get(key)


def _differing(before: Mapping[Key, Version], listed: Mapping[Key, Version]) -> frozenset[Key]:
    return frozenset(key for key in {*before, *listed} if before.get(key) != listed.get(key))


def _key(raw: Mapping[str, Any]) -> Key:
    return raw["metadata"]["namespace"], raw["metadata"]["name"]
