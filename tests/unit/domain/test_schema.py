"""The building blocks of every model: durations as people write them, and rules that are said twice."""

from datetime import timedelta
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from modelrollout.schema import ApiModel, Duration, Rule, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("0s", 0),
        ("250ms", 0.25),
        ("2d", 172800),
        ("1m1m", 120),
        ("366d", 31622400),
    ],
)
def test_a_duration_is_numbers_with_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "5 min", "5", 5, 5.0, None, "1.5h", "-5s", "5M", "s", "PT30S", "5m ", "1h 30m", "9" * 21 + "s", "367d", "1y"],
)
def test_anything_else_is_refused_with_what_to_write(text: object) -> None:
    with pytest.raises(ValueError, match=r"Write "):
        parse_duration(text)


@given(st.timedeltas(timedelta(0), timedelta(days=366)))
def test_what_is_written_is_read_back_to_the_millisecond(value: timedelta) -> None:
    read = parse_duration(format_duration(value))
    assert abs(read - value) <= timedelta(microseconds=500)


class Pair(ApiModel):
    """A pair."""

    first: Annotated[int, Rule(lambda value: value != 13, "self != 13", "is unlucky. Write another.")] = 0
    """One."""
    second_one: Duration | None = None
    """Another."""

    rules = (Rule(lambda pair: pair.first < 100, "self.first < 100", "is too large. Write less.", "first"),)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"first": 13}, "is unlucky"),
        ({"first": 100}, "is too large"),
        ({"third": 1}, "Extra inputs"),
        ({"secondOne": "5 min"}, "is not a duration"),
    ],
)
def test_a_model_refuses_what_breaks_a_rule(raw: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Pair.model_validate(raw)


def test_both_rules_are_in_the_schema_with_the_same_words() -> None:
    schema = Pair.model_json_schema()
    assert schema["properties"]["first"]["x-kubernetes-validations"] == [
        {"rule": "self != 13", "message": "is unlucky. Write another."}
    ]
    assert schema["x-kubernetes-validations"] == [
        {"rule": "self.first < 100", "message": "is too large. Write less.", "fieldPath": ".first"}
    ]


def test_a_model_is_dumped_as_the_api_server_stores_it() -> None:
    assert Pair(second_one=timedelta(minutes=90)).dump() == {"first": 0, "secondOne": "1h30m"}
    assert Pair().dump() == {"first": 0}
    assert Pair.model_validate({"secondOne": "1h30m"}) == Pair(second_one=timedelta(minutes=90))
