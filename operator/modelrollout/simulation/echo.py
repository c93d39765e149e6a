"""Echoes: a watch tells the operator of its own writes, too, and most of them bring it no news.

A quiet hour holds hundreds of live values that are written to the status, and a pass after each finds everything as it has just
left it. Leaving these passes out changes no decision: the pass that wrote has already decided with what it wrote. Whatever else
changes (a route, a stage, a phase, an object that somebody else wrote) is told as ever.
"""

from collections.abc import Mapping
from typing import Any

from modelrollout.adapters.protocols import Kube, Object
from modelrollout.domain.plan import Event
from modelrollout.names import KIND
from modelrollout.routers._envoy_bootstrap import CLUSTERS_FILE

_LIVE = frozenset({"message", "conditions", "rollout"})
_LIVE_OF_ROLLOUT = frozenset({"gates", "gatesAt", "against", "watched", "watchedAt", "forecast"})


class Echo:
    """Implements :class:`modelrollout.adapters.protocols.Kube` and remembers what was written through it.

    Args:
        kube: the API server.
    """

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._last: dict[tuple[str, str], str] = {}

    def repeats(self, stored: Object, before: Object | None) -> bool:
        """Return whether a change is this operator's own, and of nothing but live values."""
        if before is None or self._last.get(_place(stored)) != stored["metadata"]["resourceVersion"]:
            return False
        if stored["kind"] == KIND:
            rollout = (stored.get("status") or {}).get("rollout", {})
            is_watched = bool(rollout.get("gates") or rollout.get("watched"))
            return is_watched and _without_live(stored["status"]) == _without_live(before.get("status") or {})
        # Of all that is written, only a checkpoint of evidence says nothing that a pass could act upon.
        return bool(stored["kind"] == "ConfigMap" and CLUSTERS_FILE not in (stored.get("data") or {}))

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return one object."""
        return await self._kube.get(kind, namespace, name)

    async def apply(self, body: Mapping[str, Any], fence: str | None = None) -> Object:
        """Server-side apply."""
        return self._note(await self._kube.apply(body, fence))

    async def dry_run(self, body: Mapping[str, Any]) -> None:
        """Ask whether an apply would be accepted."""
        await self._kube.dry_run(body)

    async def delete(self, kind: str, namespace: str, name: str, uid: str, resource_version: str) -> None:
        """Delete one object."""
        await self._kube.delete(kind, namespace, name, uid, resource_version)

    async def patch_status(self, namespace: str, name: str, status: Mapping[str, Any], resource_version: str) -> Object:
        """Replace the status."""
        return self._note(await self._kube.patch_status(namespace, name, status, resource_version))

    async def nudge(self, namespace: str, pod: str, value: str) -> None:
        """Set our annotation on a router pod."""
        await self._kube.nudge(namespace, pod, value)

    async def emit(self, regarding: Mapping[str, Any], event: Event) -> None:
        """Post an Event."""
        await self._kube.emit(regarding, event)

    def _note(self, written: Object) -> Object:
        self._last[_place(written)] = written["metadata"]["resourceVersion"]
        return written


def _place(stored: Object) -> tuple[str, str]:
    return stored["kind"], stored["metadata"]["name"]


def _without_live(status: Mapping[str, Any]) -> list[Any]:
    rollout = status.get("rollout") or {}
    return [
        {key: value for key, value in status.items() if key not in _LIVE},
        {key: value for key, value in rollout.items() if key not in _LIVE_OF_ROLLOUT},
        [(item["type"], item["status"], item["reason"]) for item in status.get("conditions", ())],
    ]
