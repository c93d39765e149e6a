"""Field paths as the API server writes them, and the models behind them."""

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Place = tuple[int | str, ...]


def field_path(place: Iterable[int | str]) -> str:
    """Return ``spec.strategy.canary.steps[1].weight`` for a place below ``spec``."""
    return "spec" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)


def find(root: type[BaseModel], place: Place) -> tuple[type[BaseModel], FieldInfo | None]:
    """Return the innermost model around a place, and the place's field in it, None when there is no such field."""
    model, field = root, None
    for index, part in enumerate(place):
        if isinstance(part, int):
            continue
        field = fields_of(model).get(part)
        inner = model_in(field.annotation) if field else None
        if inner is None or index == len(place) - 1:
            break
        model = inner
    return model, field


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model by the name that users write."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401  # an annotation can be anything
    """Return the model inside an annotation such as ``tuple[Step, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := model_in(part))), None)
