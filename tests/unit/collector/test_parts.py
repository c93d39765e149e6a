"""Which parts of the traffic a request belongs to."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.collector.collector import Collector, Message
from modelrollout.collector.parts import Parts
from modelrollout.domain.capture import Part
from tests.unit.collector.pairs import capture, copy, counters, primary

SECRET = hashlib.sha256(b"user-7").hexdigest()[:16]
PARTS = (
    Part(name="light=dark", path="instances[*].light", value="dark"),
    Part(name="light=3", path="instances[*].light", value="3"),
    Part(name="age<18", path="age", high=18),
    Part(name="18<=age<65", path="age", low=18, high=65),
    Part(name="age>=65", path="age", low=65),
    Part(name="flag", path="flag", value="true"),
    Part(name="region", header="x-region", value="eu"),
    Part(name="user", header="x-user", value=SECRET, hashed=True),
    Part(name="size>=10", header="x-size", low=10),
)


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ({"instances": [{"light": "dim"}, {"light": "dark"}]}, ["light=dark"]),
        ({"instances": [{"light": 3.0}, {"light": "dark"}]}, ["light=dark", "light=3"]),
        ({"instances": [{}, None, 5]}, []),
        ({"instances": {"light": "dark"}}, []),
        ({"age": 17.999}, ["age<18"]),
        ({"age": 18}, ["18<=age<65"]),
        ({"age": "64"}, ["18<=age<65"]),
        ({"age": 65}, ["age>=65"]),
        ({"age": 10**400}, []),
        ({"age": 1e999}, ["age>=65"]),
        ({"age": True}, []),
        ({"age": None}, []),
        ({"age": "NaN"}, []),
        ({"age": {"a": 1}}, []),
        ({"flag": True}, ["flag"]),
        ({"flag": {}}, []),
        ("dark", []),
        (None, []),
    ],
)
def test_by_the_body(document: object, names: list[str]) -> None:
    assert Parts(PARTS).of_document(document) == names


@pytest.mark.parametrize(
    ("headers", "names"),
    [
        ({"x-region": "eu"}, ["region"]),
        ({"x-region": "EU"}, []),
        ({"x-user": "user-7", "x-other": "eu"}, ["user"]),
        ({"x-size": "10.0"}, ["size>=10"]),
        ({"x-size": "big"}, []),
        ({"x-size": ""}, []),
        ({"x-user": "\udcff"}, []),
        ({}, []),
    ],
)
def test_by_headers(headers: dict[str, str], names: list[str]) -> None:
    parts = Parts(PARTS)
    assert parts.headers == {"x-region", "x-user", "x-size"}
    assert parts.of_headers(headers) == names


def test_only_the_first_values_are_looked_at() -> None:
    assert Parts(PARTS).of_document({"instances": [{}] * 100_000 + [{"light": "dark"}]}) == []


def test_parts_are_counted_beside_the_whole() -> None:
    collector = Collector(capture(parts=PARTS))
    for request, label, light, region in (("a", 1, "dark", "eu"), ("b", 2, "dark", "us"), ("c", 1, "dim", "eu")):
        collector.request(Message(request, body=json.dumps({"instances": [{"light": light}]}).encode()), 0)
        collector.primary(primary(request, [1], headers={"x-region": region}), 0)
        collector.copy(copy(request, [label]), 0)
    pairs = {
        part: (counters(collector, part).get("pairs", 0), counters(collector, part).get("score/1", 0))
        for part in ("", "light=dark", "region", "age<18")
    }
    assert pairs == {"": (3, 2), "light=dark": (2, 1), "region": (2, 2), "age<18": (0, 0)}


def test_a_request_without_json_belongs_to_no_part() -> None:
    collector = Collector(capture(parts=PARTS))
    collector.request(Message("a", body=b"", skipped="notJson"), 0)
    collector.primary(primary("a", [1]), 0)
    collector.copy(copy("a", [1]), 0)
    assert counters(collector)["pairs"] == 1
    assert {row[1] for row in collector.page()["counters"] if row[3]} == {""}


values = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=3),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.just("light"), below),
    max_leaves=8,
)


@given(values)
def test_any_value_is_in_some_parts_or_none(value: object) -> None:
    found = Parts(PARTS).of_document({"age": value, "flag": value, "instances": value})
    assert set(found) <= {part.name for part in PARTS}
