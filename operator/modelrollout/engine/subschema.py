"""The part of JSON Schema that golden examples may use: small, written down, and anything else refused by name."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Any

DEEPEST = 20


def is_number(value: Json) -> bool:
    """Return whether a JSON value is a number; true is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Mapping[str, Callable[[Json], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: is_number(value) and float(value).is_integer(),
    "number": is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _types(value: Json) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(name, str) and name in _TYPES for name in names)


def _size(value: Json) -> bool:
    return is_number(value) and value >= 0 and float(value).is_integer()


@dataclass(frozen=True)
class _Keyword:
    """What may stand after a keyword, and the same in words."""

    holds: Callable[[Json], bool]
    what: str


_NUMBER, _SIZE = _Keyword(is_number, "number"), _Keyword(_size, "whole number from 0 on")
KEYWORDS: Mapping[str, _Keyword] = {
    "type": _Keyword(_types, f"type: write {', '.join(_TYPES)}, or a list of them"),
    "enum": _Keyword(lambda value: isinstance(value, list) and bool(value), "list with entries"),
    "properties": _Keyword(lambda value: isinstance(value, dict), "object"),
    "required": _Keyword(
        lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value), "list of names"
    ),
    "items": _Keyword(lambda value: isinstance(value, dict), "object"),
    "minimum": _NUMBER,
    "maximum": _NUMBER,
    "minLength": _SIZE,
    "maxLength": _SIZE,
    "minItems": _SIZE,
    "maxItems": _SIZE,
}
"""The keywords that are understood."""


def mistakes(schema: Json, place: str, depth: int = 0) -> Iterator[str]:
    """Yield everything in a schema that is not understood: place and reason."""
    if not isinstance(schema, dict):
        yield f"{place} is no object"
        return
    if depth > DEEPEST:
        yield f"{place} is nested more than {DEEPEST} levels deep"
        return
    for key, value in schema.items():
        here = f"{place}.{key}"
        if key not in KEYWORDS:
            yield f"{here} is not supported: write only {', '.join(KEYWORDS)}"
        elif key == "items":
            yield from mistakes(value, here, depth + 1)
        elif not KEYWORDS[key].holds(value):
            yield f"{here} is no {KEYWORDS[key].what}"
        elif key == "properties":
            for name, inner in value.items():
                yield from mistakes(inner, f"{here}.{name}", depth + 1)


def violation(schema: Mapping[str, Json], value: Json, place: str = "") -> str | None:
    """Return the first way in which a value breaks a schema, None when it obeys."""
    here = f" at {place}" if place else ""
    names = schema.get("type")
    if names is not None:
        wanted = names if isinstance(names, list) else [names]
        if not any(_TYPES[name](value) for name in wanted):
            return f"type {' or '.join(wanted)}{here}"
    if "enum" in schema and not any(same(value, one) for one in schema["enum"]):
        return f"one of the enum{here}"
    match value:
        case dict():
            return _of_object(schema, value, place)
        case list():
            return _of_array(schema, value, place)
        case str():
            return _bounds(schema, len(value), ("minLength", "maxLength"), here)
        case int() | float() if is_number(value):
            return _bounds(schema, value, ("minimum", "maximum"), here)
        case _:
            return None


def _of_object(schema: Mapping[str, Json], value: Mapping[str, Json], place: str) -> str | None:
    missing = [name for name in schema.get("required", ()) if name not in value]
    if missing:
        return f"required {missing[0]}{f' at {place}' if place else ''}"
    for name, inner in schema.get("properties", {}).items():
        if name in value and (found := violation(inner, value[name], f"{place}.{name}".removeprefix("."))):
            return found
    return None


def _of_array(schema: Mapping[str, Json], value: list[Json], place: str) -> str | None:
    if found := _bounds(schema, len(value), ("minItems", "maxItems"), f" at {place}" if place else ""):
        return found
    inner = schema.get("items", {})
    found_in = (violation(inner, item, f"{place}[{index}]") for index, item in enumerate(value)) if inner else ()
    return next((found for found in found_in if found), None)


def _bounds(schema: Mapping[str, Json], value: float, names: tuple[str, str], here: str) -> str | None:
    least, most = names
    # Written so that NaN breaks every bound.
    if least in schema and not value >= schema[least]:
        return f"{least} {schema[least]:g}{here}"
    if most in schema and not value <= schema[most]:
        return f"{most} {schema[most]:g}{here}"
    return None


def same(one: Json, other: Json) -> bool:
    """Return whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    if is_number(one) and is_number(other):
        return bool(one == other)
    if type(one) is not type(other):
        return False
    match one:
        case dict():
            return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
        case list():
            return len(one) == len(other) and all(map(same, one, other))
        case _:
            return bool(one == other)
