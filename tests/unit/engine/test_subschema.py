"""The subset of JSON Schema."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.engine.subschema import KEYWORDS, mistakes, same, violation

DIGIT = {
    "type": "object",
    "required": ["label", "scores"],
    "properties": {
        "label": {"type": "integer", "minimum": 0, "maximum": 9},
        "scores": {"type": "array", "minItems": 2, "maxItems": 3, "items": {"type": "number"}},
        "note": {"type": ["string", "null"], "minLength": 1, "maxLength": 3},
        "unit": {"enum": ["px", 1]},
    },
}
GOOD = {"label": 7, "scores": [0.1, 1]}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"label": 7.0}, None),
        ({"note": None}, None),
        ({"unit": 1.0}, None),
        ({"more": "than asked"}, None),
        ({"label": True}, "type integer at label"),
        ({"label": 7.5}, "type integer at label"),
        ({"label": -1}, "minimum 0 at label"),
        ({"label": 10}, "maximum 9 at label"),
        ({"scores": [1]}, "minItems 2 at scores"),
        ({"scores": [1, 2, 3, 4]}, "maxItems 3 at scores"),
        ({"scores": [1, "2"]}, "type number at scores[1]"),
        ({"scores": [1, False]}, "type number at scores[1]"),
        ({"note": ""}, "minLength 1 at note"),
        ({"note": "long"}, "maxLength 3 at note"),
        ({"note": 3}, "type string or null at note"),
        ({"unit": True}, "one of the enum at unit"),
    ],
)
def test_a_value_obeys_or_the_first_violation_is_named(changes, says):
    assert list(mistakes(DIGIT, "expect.schema")) == []
    assert violation(DIGIT, {**GOOD, **changes}) == says


def test_what_is_required_must_be_there():
    assert violation(DIGIT, {"label": 7}) == "required scores"
    assert violation(DIGIT, []) == "type object"


def test_a_number_that_is_none_breaks_every_bound():
    assert violation({"minimum": 0}, float("nan")) == "minimum 0"
    assert violation({"maximum": 0}, float("nan")) == "maximum 0"


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"pattern": "a"}, "expect.schema.pattern is not supported"),
        ({"$ref": "#"}, "expect.schema.$ref is not supported"),
        ({"additionalProperties": False}, "expect.schema.additionalProperties is not supported"),
        ({"type": "float"}, "expect.schema.type is no type"),
        ({"type": []}, "expect.schema.type is no type"),
        ({"enum": []}, "expect.schema.enum is no list with entries"),
        ({"required": "label"}, "expect.schema.required is no list of names"),
        ({"properties": []}, "expect.schema.properties is no object"),
        ({"properties": {"a": {"format": "x"}}}, "expect.schema.properties.a.format is not supported"),
        ({"items": [{}]}, "expect.schema.items is no object"),
        ({"items": {"minimum": "0"}}, "expect.schema.items.minimum is no number"),
        ({"minLength": 1.5}, "expect.schema.minLength is no whole number from 0 on"),
        (True, "expect.schema is no object"),
    ],
)
def test_a_schema_that_is_not_understood_is_refused_by_name(schema, says):
    (found,) = mistakes(schema, "expect.schema")
    assert found.startswith(says)


def test_a_schema_has_a_depth():
    schema = {}
    for _ in range(100):
        schema = {"items": schema}
    (found,) = mistakes(schema, "schema")
    assert "20 levels" in found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(sorted(KEYWORDS)) | st.text(max_size=4)


@given(st.dictionaries(KEYS, JSON, max_size=4), JSON)
def test_any_schema_is_refused_or_can_be_held_against_anything(schema, value):
    if not list(mistakes(schema, "schema")):
        assert violation(schema, value) is None or isinstance(violation(schema, value), str)


@given(JSON)
def test_an_empty_schema_takes_everything_and_an_enum_what_is_in_it(value):
    assert violation({}, value) is None
    assert violation({"enum": [value]}, value) is None
    assert same(value, value)
