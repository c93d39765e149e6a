"""All pods of ours, held in memory and kept current by one list and one watch, so that a reconcile lists nothing.

Of each pod only what is ever looked at is kept: there are thousands, and a change that nobody looks at wakes nobody.

Kopf's watcher loses deletions that happen while a watch is down; this one compares the next list with what it knew.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Protocol

from modelrollout.adapters.protocols import Object
from modelrollout.adapters.reading import read_pod
from modelrollout.domain.observation import PodSeen
from modelrollout.errors import KubeError, RefusedError
from modelrollout.names import LABEL_COMPONENT, LABEL_NAME

Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""

SILENCE = 400.0
"""Seconds after which a watch without any line is stale: it is renewed every 290 and bookmarked every 60."""
BRIEF = 5.0
"""Seconds that a watch lives at least when all is well; after a shorter one the next try waits."""


class Watchable(Protocol):
    """What the informer needs of the API server."""

    async def list_all(self, kind: str, namespace: str, selector: str) -> tuple[list[Object], str]:
        """Return objects and the resourceVersion from which a watch continues."""
        ...

    def watch(self, kind: str, namespace: str, selector: str, resource_version: str) -> AsyncGenerator[bytes, None]:
        """Return the lines of one watch; closing it ends the watch."""
        ...


class PodStore:
    """Implements :class:`modelrollout.adapters.protocols.Pods`; tells whose pods changed.

    Args:
        wake: called with the key of the ModelDeployment at every change that matters to it.
    """

    def __init__(self, wake: Callable[[Key], None]) -> None:
        self._wake = wake
        self._pods: dict[Key, dict[str, PodSeen]] = {}
        self._owner: dict[str, Key] = {}

    def of(self, namespace: str, name: str) -> Sequence[PodSeen]:
        """Return the pods, model and router, that carry our name label."""
        return tuple(self._pods.get((namespace, name), {}).values())

    def replace(self, namespace: str, pods: Iterable[Object]) -> None:
        """Take over a complete list of one namespace (of all, when it is empty): what is not in it is gone."""
        listed = {pod["metadata"]["uid"]: pod for pod in pods}
        gone = [uid for uid, key in self._owner.items() if uid not in listed and (not namespace or key[0] == namespace)]
        for uid in gone:
            self.remove(uid)
        for pod in listed.values():
            self.put(pod)

    def put(self, raw: Object) -> None:
        """Take over one pod."""
        pod, metadata = read_pod(raw), raw["metadata"]
        uid, name = pod.uid, (metadata.get("labels") or {}).get(LABEL_NAME)
        key = (metadata["namespace"], name) if name else None
        before = self._owner.get(uid)
        if before is not None and before != key:
            self.remove(uid)
        if key is None or self._pods.get(key, {}).get(uid) == pod:
            return
        self._pods.setdefault(key, {})[uid] = pod
        self._owner[uid] = key
        self._wake(key)

    def remove(self, uid: str) -> None:
        """Forget one pod."""
        key = self._owner.pop(uid, None)
        if key is None:
            return
        of_key = self._pods[key]
        del of_key[uid]
        if not of_key:
            del self._pods[key]
        self._wake(key)


class PodInformer:
    """Keeps a store current for one namespace, or for all.

    Args:
        kube: lists and watches.
        store: what to keep current.
        namespace: empty for all.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        kube: Watchable,
        store: PodStore,
        namespace: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._kube = kube
        self._store = store
        self._namespace = namespace
        self._sleep = sleep
        self.synced = asyncio.Event()
        self._heard = time.monotonic()

    @property
    def stale(self) -> bool:
        """Whether nothing was heard from the API server for longer than a healthy watch is silent."""
        return time.monotonic() - self._heard > SILENCE

    async def run(self) -> None:
        """List and watch until cancelled."""
        version, pause = "", 0.5
        while True:
            begun = time.monotonic()
            try:
                version = await self.watch(version or await self.list())
            except KubeError:
                # The store keeps what it knew.
                version = ""
            if time.monotonic() - begun >= BRIEF:
                pause = 0.5
                continue
            # Jitter keeps replicas from returning at the same moment.
            await self._sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  # spreads load, protects nothing
            pause = min(pause * 2, 30.0)

    async def list(self) -> str:
        """Replace the store's content; return the resourceVersion from which to watch.

        Raises:
            KubeError: the list failed.
        """
        pods, version = await self._kube.list_all("Pod", self._namespace, LABEL_COMPONENT)
        self._store.replace(self._namespace, pods)
        self._heard = time.monotonic()
        self.synced.set()
        return version

    async def watch(self, version: str) -> str:
        """Follow one watch to its end; return where to continue, or an empty string when a new list is needed.

        Raises:
            KubeError: the watch failed in a way that a new list is needed for.
        """
        try:
            async with aclosing(self._kube.watch("Pod", self._namespace, LABEL_COMPONENT, version)) as lines:
                async for line in lines:
                    self._heard = time.monotonic()
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        # Mostly 410: the version is too old to continue from.
                        return ""
                    item = event["object"]
                    version = item["metadata"]["resourceVersion"]
                    match event["type"]:
                        case "ADDED" | "MODIFIED":
                            self._store.put(item)
                        case "DELETED":
                            self._store.remove(item["metadata"]["uid"])
                        case _:
                            # A bookmark: only its resourceVersion matters.
                            pass
        except RefusedError:
            return ""
        except ValueError:
            return ""
        return version
