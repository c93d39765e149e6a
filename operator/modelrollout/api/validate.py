"""From a raw spec to an accepted one, or to everything that is wrong with it: path, reason, remedy.

The same function serves ``modelrollout validate`` and the operator, so what the command says is what becomes ``Stalled``.
"""

import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from modelrollout.api.consistency import consistency_problems
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.paths import field_path, fields_of, find
from modelrollout.api.presets import expanded, preset_problems
from modelrollout.api.template import template_problems
from modelrollout.api.words import explain, rule_path
from modelrollout.domain.problem import Problem
from modelrollout.names import API_VERSION, KIND, MAX_NAME, NAME_PATTERN

Parsed = tuple[ModelDeploymentSpec | None, tuple[Problem, ...]]
"""A spec and no problems, or None and every problem found, sorted by path."""

REMEMBERED = 256
"""Specs whose result is kept: each pass over a ModelDeployment reads the same one several times."""
_remembered: OrderedDict[tuple[str, str], Parsed] = OrderedDict()


def parse_spec(raw: Mapping[str, Any], metadata: Mapping[str, Any]) -> Parsed:
    """Read a spec. A spec that was read before gives the same objects again; they are never changed.

    Args:
        raw: the spec as written, with or without the API server's defaults.
        metadata: at least the name.

    Returns:
        The spec and no problems, or None and every problem found, sorted by path.
    """
    # As text, because Python takes 1, 1.0 and True for equal, and a spec may hold only one of them.
    key = (json.dumps(raw), json.dumps(metadata.get("name")))
    found = _remembered.get(key)
    if found is None:
        found = _remembered[key] = _parse(raw, metadata)
        if len(_remembered) > REMEMBERED:
            _remembered.popitem(last=False)
    return found


def _parse(raw: Mapping[str, Any], metadata: Mapping[str, Any]) -> Parsed:
    problems = [*_name_problems(metadata)]
    if isinstance(raw.get("template"), Mapping):
        problems += template_problems(raw["template"])
    try:
        spec = _read(_without_nulls(raw))
    except ValidationError as exc:
        problems += [_problem(error) for error in _causes(exc.errors(include_url=False))]
    else:
        problems += [*consistency_problems(spec, str(metadata.get("name", ""))), *preset_problems(spec)]
        if not problems:
            return spec, ()
    return None, tuple(sorted(set(problems)))


def _read(raw: dict[str, Any]) -> ModelDeploymentSpec:
    """Return the spec with its preset written out: nobody behind this module knows that there are presets."""
    spec = _validated(raw)
    if spec.analysis is None or spec.analysis.preset is None:
        return spec
    return _validated({**raw, "analysis": expanded(raw["analysis"], spec)})


def _validated(raw: dict[str, Any]) -> ModelDeploymentSpec:
    return ModelDeploymentSpec.model_validate_json(json.dumps(raw), strict=True, by_alias=True, by_name=False)


def parse_object(raw: Mapping[str, Any]) -> Parsed:
    """Read a whole ModelDeployment, as in a file; the result is that of :func:`parse_spec`."""
    problems = [
        Problem(field, f"is {raw.get(field)!r}" if field in raw else "is missing", f"Write {field}: {right}.")
        for field, right in (("apiVersion", API_VERSION), ("kind", KIND))
        if raw.get(field) != right
    ]
    problems += [
        Problem(field, "is no field", "Write apiVersion, kind, metadata and spec.")
        for field in sorted(raw.keys() - {"apiVersion", "kind", "metadata", "spec", "status"})
    ]
    metadata, spec = raw.get("metadata"), raw.get("spec")
    if not isinstance(metadata, Mapping):
        problems.append(Problem("metadata", "is missing", "Give the ModelDeployment a name."))
        metadata = {"name": "x"}
    if not isinstance(spec, Mapping):
        problems.append(Problem("spec", "is missing", "Write at least template, service and strategy."))
        return None, (*problems, *_name_problems(metadata))
    parsed, found = parse_spec(spec, metadata)
    return (None if problems else parsed), (*problems, *found)


def _name_problems(metadata: Mapping[str, Any]) -> list[Problem]:
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        return [Problem("metadata.name", "is missing", "Give the ModelDeployment a name.")]
    if len(name) > MAX_NAME:
        remedy = f"Use at most {MAX_NAME}: the names of its children are longer, and end at 63."
        return [Problem("metadata.name", f"has {len(name)} characters", remedy)]
    if not re.fullmatch(NAME_PATTERN, name):
        remedy = "Use lower-case letters, digits and '-', beginning with a letter and ending with a letter or a digit."
        return [Problem("metadata.name", f"{name!r} is no name for a Service", remedy)]
    return []


def _without_nulls(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec as the API server stores it: a field that says null is absent. The template is kept as it is."""
    return {name: value if name == "template" else _pruned(value) for name, value in raw.items() if value is not None}


def _pruned(value: Any) -> Any:  # noqa: ANN401  # JSON
    match value:
        case Mapping():
            return {name: _pruned(item) for name, item in value.items() if item is not None}
        case list():
            return [_pruned(item) for item in value]
        case _:
            return value


def _causes(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out that a list is too short when that is only because its items are wrong."""
    places = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if error["type"] != "too_short"
        or not any(len(place) > len(error["loc"]) and place[: len(error["loc"])] == error["loc"] for place in places)
    ]


def _problem(error: ErrorDetails) -> Problem:
    place = error["loc"]
    model, field = find(ModelDeploymentSpec, place)
    reason, remedy = explain(error, fields_of(model), (field.description or "") if field else "")
    below = rule_path(error)
    return Problem(field_path(place) + (f".{below}" if below else ""), reason, remedy)
