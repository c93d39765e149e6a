"""The reference of the API for people, from the same schema that the API server gets."""

from collections.abc import Iterator
from typing import Any

from modelrollout.api.crd import root_schema
from modelrollout.names import API_VERSION, KIND, MAX_NAME
from modelrollout.schema import DURATION_PATTERN

Schema = dict[str, Any]

_HEAD = f"""\
<!-- Written by `modelrollout generate`. Do not edit: change operator/modelrollout/api and run it again. -->
# {KIND} ({API_VERSION})

A `{KIND}` is one model server and the way it goes from one version to the next. `kubectl explain mdep.spec` shows the
same on a terminal. Its name has at most {MAX_NAME} characters: lower-case letters, digits and `-`, beginning with a letter.

Durations are a number and a unit, such as `30s`, `5m` or `1h30m`. Rates are fractions of 1. A field that is not listed
here is refused.
"""


def reference() -> str:
    """Return the page ``docs/reference/modeldeployment.md``."""
    parts = root_schema()["properties"]
    lines = [_HEAD]
    for name, title in (("spec", "What you write"), ("status", "What the operator says")):
        lines += [f"## {title}: `{name}`", "", "| field | type | default | meaning |", "|---|---|---|---|"]
        lines += _rows(parts[name], name)
        lines += ["", *_rules(parts[name], name)]
    return "\n".join(lines).rstrip() + "\n"


def _rows(schema: Schema, path: str) -> Iterator[str]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        place = f"{path}.{name}"
        default = "required" if name in required else _code(field.get("default"))
        yield f"| `{place}` | {_type(field)} | {default} | {_cell(field['description'])} |"
        inner, place = (field["items"], f"{place}[]") if field["type"] == "array" else (field, place)
        yield from _rows(inner, place)


def _rules(schema: Schema, path: str) -> list[str]:
    found = list(_each_rule(schema, path))
    return ["What must hold between fields:", "", *found, ""] if found else []


def _each_rule(schema: Schema, path: str) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield f"- `{path}{rule.get('fieldPath', '')}` {rule['message']}"
    for name, field in schema.get("properties", {}).items():
        yield from _each_rule(field, f"{path}.{name}")
    if "items" in schema:
        yield from _each_rule(schema["items"], f"{path}[]")


def _type(field: Schema) -> str:
    kind: str = field["type"]
    if "enum" in field:
        return " \\| ".join(f"`{value}`" for value in field["enum"])
    if field.get("pattern") == DURATION_PATTERN:
        return "duration"
    if kind == "array":
        return f"list of {_type(field['items'])}, at most {field['maxItems']}"
    if field.get("format") == "date-time":
        return "time"
    return ", ".join((kind, *_bounds(field)))


def _bounds(field: Schema) -> Iterator[str]:
    for name, exclusive, signs in (("minimum", "exclusiveMinimum", "≥>"), ("maximum", "exclusiveMaximum", "≤<")):
        if name in field:
            yield f"{signs[field.get(exclusive, False)]} {field[name]:g}"


def _code(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case dict():
            inner = ", ".join(f"{name}: {{}}" for name in value)
            return f"`{{{inner}}}`"
        case _:
            return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
