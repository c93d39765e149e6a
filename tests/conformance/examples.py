"""Example configs, derived from the models alone: a plugin is tested the day its file exists, and writes none itself."""

import itertools
import types
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from modelrollout.schema import ApiModel, format_duration

MOST = 16
"""Examples of one model, shared by the kinds that it has; each kind has two at least."""


def examples(model: type[ApiModel]) -> list[dict[str, Any]]:
    """Return valid configs as a person writes them: every field in one of them at least, and what excludes others too."""
    values = {field.alias or name: _values(field) for name, field in model.model_fields.items()}
    kinds = list(_kinds(model, values))
    each = max(2, MOST // (len(kinds) or 1))
    turns = itertools.zip_longest(*(itertools.islice(_configs(model, values, kind), each) for kind in kinds))
    found: list[dict[str, Any]] = []
    found += (config for turn in turns for config in turn if config is not None and config not in found)
    for kind in _subsets(model, values):
        room = max(0, MOST - len(found))
        found += itertools.islice((config for config in _configs(model, values, kind) if config not in found), room)
    return found


def _kinds(model: type[ApiModel], values: dict[str, list[Any]]) -> Iterator[tuple[str, ...]]:
    """Yield as many fields as go together, what excludes some of these with what goes with it, and the required ones alone."""
    seen: set[str] = set()
    *subsets, least = _subsets(model, values)
    for kind in subsets:
        if not seen.issuperset(kind) and next(_configs(model, values, kind), None) is not None:
            seen |= {*kind}
            yield kind
    if next(_configs(model, values, least), None) is not None:
        yield least


def _subsets(model: type[ApiModel], values: dict[str, list[Any]]) -> Iterator[tuple[str, ...]]:
    """Yield the required fields with every subset of the others, the largest ones first."""
    required = [field.alias or name for name, field in model.model_fields.items() if field.is_required()]
    optional = [name for name in values if name not in required]
    for size in range(len(optional), -1, -1):
        for subset in itertools.combinations(optional, size):
            yield *required, *subset


def _configs(model: type[ApiModel], values: dict[str, list[Any]], kind: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    configs = (dict(zip(kind, row, strict=True)) for row in _rows([values[name] for name in kind]))
    return (config for config in configs if _valid(model, config))


def _rows(columns: list[list[Any]]) -> Iterator[tuple[Any, ...]]:
    """Vary one column at a time, each of them once before any of them again; then all of them at once, each a step further."""
    firsts, most = [column[0] for column in columns], max(map(len, columns), default=0)
    yield tuple(firsts)
    for turn in range(1, most):
        for index, column in enumerate(columns):
            if turn < len(column):
                yield (*firsts[:index], column[turn], *firsts[index + 1 :])
    for turn in range(most):
        yield tuple(column[(turn + index) % len(column)] for index, column in enumerate(columns))


def _valid(model: type[ApiModel], config: dict[str, Any]) -> bool:
    try:
        model.model_validate(config)
    except ValidationError:
        return False
    return True


def _values(field: FieldInfo) -> list[Any]:
    said = field.json_schema_extra
    if isinstance(said, dict) and isinstance(said.get("enum"), list):
        return list(said["enum"])  # type: ignore[arg-type]
    return _of(field.annotation, list(field.metadata))


def _of(annotation: Any, metadata: list[Any]) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _of(inner, [*more, *metadata])
    if origin in (Union, types.UnionType):
        return [value for part in get_args(annotation) if part is not type(None) for value in _of(part, metadata)]
    if origin is Literal:
        return list(get_args(annotation))
    if origin is tuple:
        return _lists(_of(get_args(annotation)[0], []))
    if isinstance(annotation, type):
        return _of_class(annotation, metadata)
    raise AssertionError(f"no example of {annotation}: teach it to tests/conformance/examples.py")


def _lists(values: list[Any]) -> list[Any]:
    """Return lists of one and of two items in turn."""
    ones, twos = [[value] for value in values], [[*pair] for pair in itertools.permutations(values[:6], 2)]
    return [item for pair in itertools.zip_longest(ones, twos) for item in pair if item is not None]


def _of_class(kind: type, metadata: list[Any]) -> list[Any]:
    if issubclass(kind, ApiModel):
        return list(examples(kind))
    if issubclass(kind, StrEnum):
        return [value.value for value in kind]
    if kind is bool:
        return [True, False]
    if issubclass(kind, timedelta):
        return [format_duration(timedelta(minutes=1))]
    if issubclass(kind, int | float):
        return _numbers(kind, [*metadata, *itertools.chain(*(getattr(item, "metadata", ()) for item in metadata))])
    if issubclass(kind, str):
        return ["x", "xy"]
    raise AssertionError(f"no example of {kind}: teach it to tests/conformance/examples.py")


def _numbers(kind: type[int | float], metadata: list[Any]) -> list[Any]:
    least = next((item.ge for item in metadata if isinstance(item, Ge)), None)
    above = next((item.gt for item in metadata if isinstance(item, Gt)), None)
    most = next((item.le for item in metadata if isinstance(item, Le)), None)
    below = next((item.lt for item in metadata if isinstance(item, Lt)), None)
    if above is not None and below is not None:
        return [(above + below) / 2]
    # Half a unit is a fraction of 1, too, where that is asked for.
    after = 1 if kind is int else 0.5
    low = least if least is not None else above + after if above is not None else 0  # type: ignore[operator]
    high = most if most is not None else low + 1  # type: ignore[operator]
    return list(dict.fromkeys([kind(low), kind(high)]))  # type: ignore[arg-type]
