"""Where the simulated API server keeps its objects: versions, uids, generations, and who is told of a change.

Objects are never changed in place, a write puts a new one. So what was read stays as it was, without copies.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from itertools import count
from typing import Any

Object = dict[str, Any]
Place = tuple[str, str, str]
"""Kind, namespace and name."""


class Change(StrEnum):
    """Kinds of watch events."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


Watcher = Callable[[Change, Object, Object | None], None]
"""Told the kind of change, the object, and the object before."""

HAVE_GENERATION = frozenset({"ModelDeployment", "Deployment", "PodDisruptionBudget"})


class Store:
    """All objects.

    Args:
        now: the current time.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._objects: dict[Place, Object] = {}
        self._versions = count(101)
        self._uids = count(1)
        self.watchers: list[Watcher] = []

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return one object, None when it does not exist."""
        return self._objects.get((kind, namespace, name))

    def every(self, kind: str, labels: Mapping[str, str] | None = None) -> Iterator[Object]:
        """Yield all objects of a kind that carry some labels."""
        wanted = (labels or {}).items()
        for (of, _, _), found in tuple(self._objects.items()):
            if of == kind and wanted <= (found["metadata"].get("labels") or {}).items():
                yield found

    def all(self) -> Iterator[Object]:
        """Yield all objects."""
        yield from tuple(self._objects.values())

    def put(self, body: Object) -> Object:
        """Create or replace one object; return it with a new version, or the old one when nothing differs."""
        place = place_of(body)
        before = self._objects.get(place)
        metadata = dict(body["metadata"])
        if before is None:
            metadata["uid"] = f"uid-{next(self._uids)}"
            metadata["creationTimestamp"] = self._now().isoformat()
            metadata["generation"] = 1
        else:
            was = before["metadata"]
            metadata.update({key: was[key] for key in ("uid", "creationTimestamp", "generation", "resourceVersion")})
            if {**body, "metadata": metadata} == before:
                return before
            if place[0] in HAVE_GENERATION and body.get("spec") != before.get("spec"):
                metadata["generation"] = was["generation"] + 1
        metadata["resourceVersion"] = str(next(self._versions))
        stored = self._objects[place] = {**body, "metadata": metadata}
        self._tell(Change.ADDED if before is None else Change.MODIFIED, stored, before)
        return stored

    def remove(self, found: Object) -> None:
        """Remove one object; gone already is fine."""
        gone = self._objects.get(place_of(found))
        if gone is not None and gone["metadata"]["uid"] == found["metadata"]["uid"]:
            del self._objects[place_of(found)]
            self._tell(Change.DELETED, gone, gone)

    def _tell(self, change: Change, stored: Object, before: Object | None) -> None:
        for watcher in tuple(self.watchers):
            watcher(change, stored, before)


def place_of(body: Mapping[str, Any]) -> Place:
    """Return where an object is."""
    return body["kind"], body["metadata"]["namespace"], body["metadata"]["name"]
