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

MOST = 12
"""Examples of one model: enough for every field and every pair of what excludes each other."""


def examples(model: type[ApiModel]) -> list[dict[str, Any]]:
    """Return valid configs as a person writes them: each subset of the optional fields that the model accepts."""
    fields = {field.alias or name: (field, _values(field)) for name, field in model.model_fields.items()}
    required = [name for name, (field, _) in fields.items() if field.is_required()]
    optional = [name for name in fields if name not in required]
    found: list[dict[str, Any]] = []
    # All of them, and none of them, come first: they show the most.
    sizes = [len(optional), 0, *range(1, len(optional))]
    for subset in itertools.chain.from_iterable(
        itertools.combinations(optional, size) for size in dict.fromkeys(sizes)
    ):
        chosen = [*required, *subset]
        for row in _rows([fields[name][1] for name in chosen]):
            config = dict(zip(chosen, row, strict=True))
            if config not in found and _valid(model, config):
                found.append(config)
                if len(found) == MOST:
                    return found
    return found


def _rows(columns: list[list[Any]]) -> Iterator[tuple[Any, ...]]:
    """Vary one column at a time."""
    firsts = [column[0] for column in columns]
    yield tuple(firsts)
    for index, column in enumerate(columns):
        for value in column[1:]:
            yield (*firsts[:index], value, *firsts[index + 1 :])


def _valid(model: type[ApiModel], config: dict[str, Any]) -> bool:
    try:
        model.model_validate(config)
    except ValidationError:
        return False
    return True


def _values(field: FieldInfo) -> list[Any]:
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
    return [[value] for value in values] + [[one, two] for one, two in itertools.permutations(values[:6], 2)]


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
    low = least if least is not None else above + 1 if above is not None else 0  # type: ignore[operator]
    high = most if most is not None else low + 1  # type: ignore[operator]
    return list(dict.fromkeys([kind(low), kind(high)]))  # type: ignore[arg-type]
