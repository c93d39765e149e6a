"""Server-side apply: who owns which field. Pure.

An apply sets the fields it names and removes those that the same manager named before and now does not, unless another
manager owns them too. Field sets have the form of the API server's ``fieldsV1``: nested maps whose leaves are empty.
"""

import json
from collections.abc import Mapping
from typing import Any

Fields = dict[str, Any]

_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port"),
    "ownerReferences": ("uid",),
}
"""Lists whose items have an identity. All other lists are one value."""
_IDENTITY = frozenset({"name", "namespace", "uid", "resourceVersion"})


def owned(body: Mapping[str, Any]) -> Fields:
    """Return the fields that an apply of this body owns."""
    metadata = {key: value for key, value in body["metadata"].items() if key not in _IDENTITY}
    rest = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")}
    return _fields({**rest, **({"metadata": metadata} if metadata else {})}, "")


def merge(live: Mapping[str, Any], body: Mapping[str, Any], before: Fields, others: Fields) -> dict[str, Any]:
    """Return the live object after an apply.

    Args:
        live: as it is.
        body: what is applied.
        before: what the same manager owned until now.
        others: what other managers own.
    """
    left = _without(live, _minus(_minus(before, owned(body)), others), "")
    merged = _overlay(left, body, "")
    assert isinstance(merged, dict)
    return merged


def union(one: Fields, other: Fields) -> Fields:
    """Return all fields of both sets."""
    return {
        key: union(one.get(key, {}), other.get(key, {}))
        if key in one and key in other
        else one.get(key, other.get(key))
        for key in {**one, **other}
    }


def take_over(theirs: Fields, ours: Fields, live: Mapping[str, Any], merged: Mapping[str, Any]) -> Fields:
    """Return what another manager still owns after a forced apply: a field with an equal value is owned by both."""
    return _minus(theirs, _changed(ours, live, merged, ""))


def _changed(ours: Fields, live: Any, merged: Any, name: str) -> Fields:  # noqa: ANN401  # JSON
    """Return the leaves of a field set whose values differ."""
    found = {}
    for key, below in ours.items():
        was, now = _at(live, key, name), _at(merged, key, name)
        rest = _changed(below, was, now, key.removeprefix("f:"))
        if rest or (not below and was != now):
            found[key] = rest
    return found


def _at(value: Any, key: str, name: str) -> Any:  # noqa: ANN401  # JSON
    match value:
        case Mapping():
            return value.get(key.removeprefix("f:"))
        case list():
            return next((item for item in value if _key(name, item) == key), None)
        case _:
            return None


def _fields(value: Any, name: str) -> Fields:  # noqa: ANN401  # JSON
    match value:
        case Mapping():
            return {f"f:{key}": _fields(item, key) for key, item in value.items()}
        case list() if _is_keyed(name, value):
            return {_key(name, item): {"f:.": {}, **_fields(item, "")} for item in value}
        case _:
            return {}


def _minus(one: Fields, other: Fields) -> Fields:
    """Return what is in the first set and not in the second; an inner node goes with its last leaf."""
    left = {}
    for key, below in one.items():
        if key not in other:
            left[key] = below
        elif below and other[key]:
            rest = _minus(below, other[key])
            if rest:
                left[key] = rest
    return left


def _without(value: Any, gone: Fields, name: str) -> Any:  # noqa: ANN401  # JSON
    if not gone:
        return value
    match value:
        case Mapping():
            kept = {}
            for key, item in value.items():
                below = gone.get(f"f:{key}")
                if below is None:
                    kept[key] = item
                elif below:
                    rest = _without(item, below, key)
                    if rest not in ({}, []):
                        kept[key] = rest
            return kept
        case list() if _is_keyed(name, value):
            parts = [(item, gone.get(_key(name, item), {})) for item in value]
            return [_without(item, below, "") for item, below in parts if "f:." not in below]
        case _:
            return value


def _overlay(value: Any, body: Any, name: str) -> Any:  # noqa: ANN401  # JSON
    match value, body:
        case Mapping(), Mapping():
            return {**value, **{key: _overlay(value.get(key), item, key) for key, item in body.items()}}
        case list(), list() if _is_keyed(name, body) and _is_keyed(name, value):
            wanted = {_key(name, item): item for item in body}
            kept = [_overlay(item, wanted.pop(_key(name, item), {}), "") for item in value]
            return [*kept, *wanted.values()]
        case _:
            return body


def _is_keyed(name: str, items: list[Any]) -> bool:
    return name in _KEYS and all(isinstance(item, Mapping) for item in items)


def _key(name: str, item: Mapping[str, Any]) -> str:
    return "k:" + json.dumps({key: item[key] for key in _KEYS[name] if key in item}, sort_keys=True)
