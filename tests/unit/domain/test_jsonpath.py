"""Paths into JSON: few words, followed in any document without ever failing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.domain.jsonpath import ABSENT, MAX_VALUES, covers, parse_path, read_path, replace_path

DOCUMENT = {"a": {"b": [{"c": 1}, {"c": None}, {"d": 3}]}, "x-y z": [[1, 2], [3]], "$": 7, "n": None}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from("abc"), below, max_size=3),
    max_leaves=20,
)
paths = st.lists(st.sampled_from(["a", "b", "[0]", "[*]", "[2]", "."]), max_size=6).map("".join)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b[0].c", 1),
        ("$.a.b[0].c", 1),
        ("$", DOCUMENT),
        ("a.b[1].c", None),
        ("n", None),
        ("a.b[*].c", [1, None, None]),
        ("x-y z[*][*]", [1, 2, 3]),
        ("x-y z[*][1]", [2, None]),
        ("x-y z[1]", [3]),
        ("a.b[3].c", ABSENT),
        ("a.b.c", ABSENT),
        ("a[0]", ABSENT),
        ("a[*]", ABSENT),
        ("n.m", ABSENT),
        ("", ABSENT),
        ("a..b", ABSENT),
        ("a[-1]", ABSENT),
        ("a[b]", ABSENT),
        ("a[0", ABSENT),
    ],
)
def test_a_path_finds_its_value(path: str, value: object) -> None:
    assert read_path(DOCUMENT, path) == value


def test_a_document_may_be_a_list() -> None:
    assert read_path([{"a": 5}], "[0].a") == 5
    assert read_path([{"a": 5}], "$[0].a") == 5


def test_no_more_values_than_the_limit_are_found() -> None:
    found = read_path([[[1]] * 1000] * 1000, "[*][*][0]")
    assert found == [1] * MAX_VALUES


@pytest.mark.parametrize(
    ("path", "after"),
    [
        ("a.b[*].c", {"a": {"b": [{"c": "-"}, {"c": "-"}, {"d": 3}]}}),
        ("a.b[0]", {"a": {"b": ["-", {"c": 2}, {"d": 3}]}}),
        ("a.b[*]", {"a": {"b": ["-", "-", "-"]}}),
        ("a.x", {"a": {"b": [{"c": 1}, {"c": 2}, {"d": 3}]}}),
        ("a.b[9]", {"a": {"b": [{"c": 1}, {"c": 2}, {"d": 3}]}}),
        ("a.b..", {"a": {"b": [{"c": 1}, {"c": 2}, {"d": 3}]}}),
        ("$", "-"),
    ],
)
def test_a_path_is_replaced_wherever_it_leads(path: str, after: object) -> None:
    document = {"a": {"b": [{"c": 1}, {"c": 2}, {"d": 3}]}}
    assert replace_path(document, path, "-") == after


@pytest.mark.parametrize(
    ("path", "other", "covered"),
    [
        ("a.b", "a.b", True),
        ("a", "a.b[0]", True),
        ("a.b[0].c", "a", True),
        ("a[*].b", "a[3].b", True),
        ("a[*].b", "a[3].c", False),
        ("a.b", "a.c", False),
        ("a[1]", "a[2]", False),
        ("a[*]", "a.b", False),
        ("$", "a.b", True),
        ("", "a", False),
    ],
)
def test_what_covers_what(path: str, other: str, covered: bool) -> None:
    assert covers(path, other) is covered


@given(json_values, paths)
def test_any_path_is_followed_in_any_document(document: object, path: str) -> None:
    found = read_path(document, path)
    if parse_path(path) is None:
        assert found is ABSENT
    else:
        after = replace_path(json.loads(json.dumps(document)), path, "new")
        if found is not ABSENT and "*" not in path:
            assert read_path(after, path) == "new" or path == "$"
