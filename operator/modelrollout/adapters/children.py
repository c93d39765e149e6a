"""Which children exist, by name only, so that those of a revision that no status names are found without a list.

Fed by watches, so it may lag; the reader asks for each object itself before it believes in it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from modelrollout.names import LABEL_NAME

Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""
Child = tuple[str, str]
"""Kind and name of a child."""

WATCHED = ("Deployment", "Service", "ConfigMap", "ControllerRevision")
"""Kinds of children that are watched. A PodDisruptionBudget that is changed is repaired at the next full pass."""


class Version(NamedTuple):
    """Which object, in which state."""

    uid: str
    resource_version: str


class Children:
    """The names of all objects that carry our name label, with their versions."""

    def __init__(self) -> None:
        self._known: dict[Key, dict[Child, Version]] = {}

    def of(self, namespace: str, name: str) -> Mapping[Child, Version]:
        """Return kind and name of each known child, with its version."""
        return dict(self._known.get((namespace, name), {}))

    def put(self, kind: str, raw: Mapping[str, Any]) -> Key | None:
        """Take over one object; return whose child it is, None when it is nobody's or nothing new."""
        key, child, version = parent_of(raw), (kind, raw["metadata"]["name"]), version_of(raw)
        if key is None or self._known.get(key, {}).get(child) == version:
            return None
        self._known.setdefault(key, {})[child] = version
        return key

    def remove(self, kind: str, raw: Mapping[str, Any]) -> Key | None:
        """Forget one object; return whose child it was."""
        key, child = parent_of(raw), (kind, raw["metadata"]["name"])
        if key is not None:
            known = self._known.get(key, {}).get(child)
            # Events of different objects overtake each other: its successor of the same name may be known already.
            if known is not None and known.uid == version_of(raw).uid:
                self.forget(key, child, known)
        return key

    def forget(self, key: Key, child: Child, version: Version) -> None:
        """Forget one child that turned out to be gone, unless another version of it is known by now."""
        known = self._known.get(key, {})
        if known.get(child) == version:
            del known[child]
            if not known:
                del self._known[key]

    def replace(self, kind: str, namespace: str, items: Iterable[Mapping[str, Any]]) -> frozenset[Key]:
        """Take over a complete list of one kind in one namespace (empty: in all); return whose children changed."""
        listed: dict[Key, dict[Child, Version]] = {}
        for raw in items:
            key = parent_of(raw)
            if key is not None:
                listed.setdefault(key, {})[kind, raw["metadata"]["name"]] = version_of(raw)
        changed = set()
        for key in {*listed, *(key for key in self._known if not namespace or key[0] == namespace)}:
            known = self._known.get(key, {})
            before = {child: version for child, version in known.items() if child[0] == kind}
            after = listed.get(key, {})
            if before != after:
                changed.add(key)
                rest = {child: version for child, version in known.items() if child[0] != kind}
                self._known[key] = {**rest, **after}
                if not self._known[key]:
                    del self._known[key]
        return frozenset(changed)


def parent_of(raw: Mapping[str, Any]) -> Key | None:
    """Return the ModelDeployment that an object's label names."""
    metadata = raw["metadata"]
    name = (metadata.get("labels") or {}).get(LABEL_NAME)
    return (metadata["namespace"], name) if name else None


def version_of(raw: Mapping[str, Any]) -> Version:
    """Return which object it is, in which state."""
    return Version(raw["metadata"]["uid"], raw["metadata"]["resourceVersion"])
