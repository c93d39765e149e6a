"""From a pydantic model to a structural schema, strictly: what cannot be said exactly is refused with its path.

A schema that is silently weaker than the model would let the API server store what the operator then refuses.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from modelrollout.api.paths import fields_of, model_in
from modelrollout.errors import SchemaError
from modelrollout.schema import format_duration

Schema = dict[str, Any]

_CAMEL_CASE = re.compile(r"[a-z][a-zA-Z0-9]*")
_INT32 = 2**31
_SCALARS = frozenset({"string", "integer", "number", "boolean"})
_KEPT = (
    *("description", "type", "format", "default", "enum", "pattern", "minLength", "maxLength", "minItems", "maxItems"),
    *("maxProperties", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "required"),
    *("x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
    "x-kubernetes-validations",
)
_TRANSLATED = frozenset({"$ref", "$defs", "anyOf", "const", "title", "properties", "items", "additionalProperties"})


def structural(model: type[BaseModel], path: str, *, defaults: bool) -> Schema:
    """Return the structural schema of a model.

    Args:
        model: made of what ``schema.py`` allows.
        path: where it stands, for errors.
        defaults: keep defaults, so that the API server writes them into stored objects.

    Raises:
        SchemaError: a union, a recursion, a tuple of fixed length, a list without ``maxItems``, a string without a bound,
            a field without a description of its own, or a name that is not camelCase.
    """
    _check_descriptions(model, path)
    whole = model.model_json_schema(by_alias=True, mode="validation", schema_generator=_Generator)
    translator = _Translator(whole.get("$defs", {}), defaults=defaults)
    return translator.translate(whole, path, ())


class _Generator(GenerateJsonSchema):
    """Writes defaults as users would: pydantic's own form of a duration is PT30S."""

    def encode_default(self, dft: Any) -> Any:  # noqa: ANN401  # pydantic's signature
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


class _Translator:
    def __init__(self, definitions: Mapping[str, Schema], *, defaults: bool) -> None:
        self._definitions = definitions
        self._defaults = defaults

    def translate(self, schema: Schema, path: str, inside: tuple[str, ...]) -> Schema:
        """Return one node. ``inside``: the definitions that it is part of."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            if name in inside:
                raise SchemaError(path, "a model must not contain itself")
            merged = {**self._definitions[name], **{key: value for key, value in schema.items() if key != "$ref"}}
            return self.translate(merged, path, (*inside, name))
        if "anyOf" in schema:
            return self.translate(_without_null(schema, path), path, inside)
        if unknown := schema.keys() - _TRANSLATED - set(_KEPT):
            raise SchemaError(path, f"{', '.join(sorted(unknown))} cannot be said in a structural schema")
        node = self._own(schema, path)
        if schema.get("type") == "object":
            node |= self._object(schema, path, inside)
        elif schema.get("type") == "array":
            node["items"] = self.translate(_items(schema, path), f"{path}[]", inside)
        return {key: node[key] for key in (*_KEPT, "properties", "items", "additionalProperties") if key in node}

    def _own(self, schema: Schema, path: str) -> Schema:
        node = {key: schema[key] for key in _KEPT if key in schema}
        if "description" in node:
            # Where a line of the source ends means nothing; kubectl explain wraps by itself.
            node["description"] = " ".join(node["description"].split())
        if "const" in schema:
            node["enum"] = [schema["const"]]
        for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if exclusive in node:
                node |= {bound: node[exclusive], exclusive: True}
        if not self._defaults or node.get("default") in (None, [], {}):
            node.pop("default", None)
        kind = schema.get("type")
        if kind == "integer":
            node["format"] = "int32" if schema.get("maximum", _INT32) < _INT32 else "int64"
        if kind == "string" and not node.keys() & {"enum", "maxLength"} and schema.get("format") != "date-time":
            raise SchemaError(path, "a string needs max_length")
        if kind not in (*_SCALARS, "object", "array"):
            raise SchemaError(path, f"{kind or 'no type'} is not possible here")
        return node

    def _object(self, schema: Schema, path: str, inside: tuple[str, ...]) -> Schema:
        """Return what makes an object: its fields, its free keys, or that it is kept as it is."""
        if "properties" in schema:
            fields = schema["properties"].items()
            return {"properties": {name: self._field(name, field, path, inside) for name, field in fields}}
        match schema.get("additionalProperties", False):
            case True:
                return {"x-kubernetes-preserve-unknown-fields": True}
            case False:
                return {}
            case values:
                return {"additionalProperties": self.translate(values, f"{path}[*]", inside)}

    def _field(self, name: str, field: Schema, parent: str, inside: tuple[str, ...]) -> Schema:
        path = f"{parent}.{name}"
        if not _CAMEL_CASE.fullmatch(name):
            raise SchemaError(path, "is not camelCase")
        return self.translate(field, path, inside)


def _check_descriptions(model: type[BaseModel], path: str) -> None:
    """Refuse a field that would show the description of its type: it says what a thing is, not what it is for here."""
    for name, field in fields_of(model).items():
        if not field.description:
            raise SchemaError(f"{path}.{name}", "has no description: write a docstring below it")
        inner = model_in(field.annotation)
        if inner is not None:
            _check_descriptions(inner, f"{path}.{name}")


def _without_null(schema: Schema, path: str) -> Schema:
    branches = [branch for branch in schema["anyOf"] if branch != {"type": "null"}]
    if len(branches) != 1 or len(schema["anyOf"]) != 2:
        raise SchemaError(path, "a union is not possible: use one field for each, and exactly_one")
    # What stands at the field wins over what stands in the type. Null is absent for the API server, so it is not said.
    return {**branches[0], **{key: value for key, value in schema.items() if key != "anyOf"}}


def _items(schema: Schema, path: str) -> Schema:
    if "maxItems" not in schema:
        raise SchemaError(path, "a list needs max_length")
    if "items" not in schema:
        raise SchemaError(path, "a tuple of fixed length is not possible: use a model")
    items: Schema = schema["items"]
    return items
