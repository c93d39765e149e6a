"""The few building blocks that every model of our API is made of.

Restricted on purpose to what a structural OpenAPI schema can say: objects, lists, bounded scalars, enums and optional
fields, so that ``api/crd.py`` can translate all of it and never has to weaken anything silently.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

DURATION_PATTERN = r"^([0-9]+(ms|s|m|h|d))+$"
_PART = re.compile(r"([0-9]+)(ms|s|m|h|d)")
_UNIT = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_LONGEST = timedelta(days=366)
"""A clock plus a hold must stay a date."""
_LENGTH = 20


class RuleError(ValueError):
    """A value breaks a rule.

    Args:
        rule: which one.
        message: what it says of the value.
    """

    def __init__(self, rule: "Rule", message: str) -> None:
        super().__init__(message)
        self.rule = rule


@dataclass(frozen=True)
class Rule:
    """A rule said twice, in Python for us and in CEL for the API server, with the same words.

    Stands in ``Annotated`` for one field, or in ``rules`` of a model.

    Attributes:
        holds: whether a value obeys it.
        cel: the same as a CEL expression; ``self`` is the value.
        message: what is wrong, and after the first full stop what to do.
        path: the field below the value that is to blame, such as ``strategy.shadow``; empty: the value itself.
        tell: the message with numbers of the value in it; absent: ``message`` as it is.
        cel_tell: the same as a CEL expression.
    """

    holds: Callable[[Any], bool]
    cel: str
    message: str
    path: str = ""
    tell: Callable[[Any], str] | None = None
    cel_tell: str = ""

    def check(self, value: Any) -> Any:  # noqa: ANN401  # any field's value
        """Return the value.

        Raises:
            RuleError: it breaks the rule.
        """
        if not self.holds(value):
            raise RuleError(self, self.tell(value) if self.tell is not None else self.message)
        return value

    def extend(self, schema: JsonSchemaValue) -> JsonSchemaValue:
        """Return a schema with this rule for the API server."""
        said: dict[str, str] = {"rule": self.cel, "message": self.message}
        if self.path:
            said["fieldPath"] = f".{self.path}"
        if self.cel_tell:
            said["messageExpression"] = self.cel_tell
        return {**schema, "x-kubernetes-validations": [*schema.get("x-kubernetes-validations", ()), said]}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401  # pydantic's signature
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return self.extend(handler(schema))


class ApiModel(BaseModel):
    """Base of every model in spec and status: camelCase outside, immutable, unknown fields refused.

    Docstrings are descriptions.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        ser_json_timedelta="float",
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """What must hold between the fields."""

    @model_validator(mode="after")
    def _obey(self) -> Self:
        for rule in self.rules:
            rule.check(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Add the rules for the API server."""
        said = handler.resolve_ref_schema(handler(schema))
        for rule in cls.rules:
            said = rule.extend(said)
        return said

    def dump(self) -> dict[str, Any]:
        """Return the JSON form as the API server stores it: aliases, nothing absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def parse_duration(value: object) -> timedelta:
    """Read ``1h30m``; accept a timedelta as it is.

    Raises:
        ValueError: anything else, with the remedy.
    """
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.fullmatch(DURATION_PATTERN, value) or len(value) > _LENGTH:
        raise ValueError("is not a duration. Write a number and a unit without spaces: 30s, 5m, 1h30m")
    parts = _PART.findall(value)
    if sum(int(number) * (_UNIT[unit] / timedelta(days=1)) for number, unit in parts) > _LONGEST.days:
        raise ValueError("is longer than a year. Write at most 366d")
    return sum((int(number) * _UNIT[unit] for number, unit in parts), timedelta())


def format_duration(value: timedelta) -> str:
    """Write a timedelta as ``1h30m``; the inverse of :func:`parse_duration`."""
    left = round(value / timedelta(milliseconds=1))
    text = ""
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "maxLength": _LENGTH}),
]
"""A span of time, written ``30s``, ``5m`` or ``1h30m``."""

AtLeastASecond = Annotated[
    Duration,
    Rule(
        lambda value: value >= timedelta(seconds=1),
        # Go's durations have no days.
        "self.contains('d') || duration(self) >= duration('1s')",
        "is shorter than a second. Write at least 1s.",
    ),
]
"""A span of time that is not shorter than a second."""
