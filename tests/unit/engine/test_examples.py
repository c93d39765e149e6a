"""Reading the ConfigMap of golden examples: what is right is read, and every mistake is named."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.domain.golden import ABSENT, Sent, Tolerance
from modelrollout.engine.examples import LARGEST, read_examples

ROOT = Path(__file__).parents[3]
REQUEST = {"path": "/infer", "body": {"inputs": [7]}}


def one(**fields):
    return {"seven": json.dumps({"request": REQUEST, "expect": {"equals": 7}, **fields})}


def test_an_example_is_read_with_its_defaults():
    (example,), wrong = read_examples(one())
    assert wrong == ""
    assert example.name == "seven"
    assert example.sent == Sent("POST", "/infer", {"content-type": "application/json"}, b'{"inputs":[7]}')
    assert (example.status, example.path, example.equals) == (200, "", 7)


def test_yaml_is_read_like_json():
    text = """
    request: {method: PUT, path: "/infer?x=1", headers: {Content-Type: text/json}, body: [1, 2]}
    expect: {status: 201, path: "outputs[0].data", tolerance: {value: [1, 2.5], absolute: 0.1, relative: 0.01}}
    """
    (example,), wrong = read_examples({"near": text})
    assert wrong == ""
    assert example.sent == Sent("PUT", "/infer?x=1", {"Content-Type": "text/json"}, b"[1,2]")
    assert (example.status, example.path) == (201, "outputs[0].data")
    assert example.tolerance == Tolerance([1, 2.5], 0.1, 0.01)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("2026-01-01", "2026-01-01"),
        ("12:30", "12:30"),
        ("yes", "yes"),
        ("0x10", "0x10"),
        (".5", ".5"),
        ("1_000", "1_000"),
        (".nan", ".nan"),
        ("007", "007"),
        ("1e3", 1000.0),
        ("-0.5", -0.5),
        ("7", 7),
        ("true", True),
        ("null", None),
        ("'7'", "7"),
        ("", None),
    ],
)
def test_a_plain_word_of_yaml_is_what_json_knows_or_a_text(word, value):
    (example,), wrong = read_examples({"plain": f"request: {{path: /}}\nexpect:\n  equals: {word}\n"})
    assert wrong == ""
    assert (example.equals, type(example.equals)) == (value, type(value))


def test_null_can_be_expected_and_nothing_need_be():
    null, nothing = (read_examples(one(expect=expect))[0][0] for expect in ({"equals": None}, {}))
    assert null.equals is None
    assert nothing.equals is ABSENT


def test_the_example_that_we_hand_out_can_be_read():
    text = (ROOT / "manifests" / "examples" / "canary-golden.yaml").read_text(encoding="utf-8")
    config_map, deployment = yaml.safe_load_all(text)
    assert deployment["spec"]["analysis"]["golden"]["configMap"] == config_map["metadata"]["name"]
    examples, wrong = read_examples(config_map["data"])
    assert wrong == ""
    assert [example.name for example in examples] == ["metadata", "seven", "three"]


def test_a_get_has_no_body():
    (example,), _ = read_examples(one(request={"method": "GET", "path": "/v2/health/ready"}))
    assert example.sent == Sent("GET", "/v2/health/ready")


def test_examples_come_in_the_order_of_their_names():
    text = one()["seven"]
    assert [example.name for example in read_examples({"b": text, "c": text, "a": text})[0]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"requests": {}}, "requests is no field. Write request, expect"),
        ({"request": None}, "request is no object"),
        ({"request": {}}, "request.path is no path"),
        ({"request": {"path": "infer"}}, "request.path is no path"),
        ({"request": {"path": "/in fer"}}, "request.path is no path"),
        ({"request": {"path": "/infer#end"}}, "request.path is no path"),
        ({"request": {"path": "/", "method": "DELETE"}}, "request.method is none of POST, GET, PUT"),
        ({"request": {"path": "/", "method": "GET", "body": 1}}, "request.body cannot go with GET"),
        ({"request": {"path": "/", "timeout": 1}}, "request.timeout is no field"),
        ({"request": {"path": "/", "headers": {"a b": "c"}}}, "request.headers.a b is no header"),
        ({"request": {"path": "/", "headers": {"a": "b\r\nc: d"}}}, "request.headers.a is no header"),
        ({"request": {"path": "/", "headers": {"a": 1}}}, "request.headers.a is no header"),
        ({"request": {"path": "/", "headers": {"Host": "x"}}}, "request.headers.Host says how the request is sent"),
        ({"expect": []}, "expect is no object"),
        ({"expect": {"equal": 7}}, "expect.equal is no field"),
        ({"expect": {"equals": 7, "oneOf": [7]}}, "expect has equals and oneOf"),
        ({"expect": {"status": "200"}}, "expect.status is no HTTP status"),
        ({"expect": {"status": True}}, "expect.status is no HTTP status"),
        ({"expect": {"path": "outputs[x]"}}, "expect.path is no path"),
        ({"expect": {"path": 3}}, "expect.path is no path"),
        ({"expect": {"tolerance": 1}}, "expect.tolerance is no object"),
        ({"expect": {"tolerance": {"value": 1}}}, "neither absolute nor relative"),
        ({"expect": {"tolerance": {"value": "1", "absolute": 1}}}, "expect.tolerance.value is no number"),
        ({"expect": {"tolerance": {"value": [], "absolute": 1}}}, "expect.tolerance.value is no number"),
        ({"expect": {"tolerance": {"value": 1, "absolute": -1}}}, "expect.tolerance.absolute is no number from 0"),
        ({"expect": {"oneOf": []}}, "expect.oneOf is no list with entries"),
        ({"expect": {"schema": {"pattern": "a"}}}, "expect.schema.pattern is not supported"),
    ],
)
def test_a_mistake_is_named_by_example_and_field(fields, says):
    examples, wrong = read_examples(one(**fields))
    assert examples == ()
    assert wrong.startswith("example seven: ")
    assert says in wrong


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("just words", "no object with request and expect"),
        ("a: [1", "neither JSON nor YAML (line"),
        ("request: &a {path: /}\nexpect: *a", "aliases are not supported"),
        ("request: {path: /, body: {[1]: 2}}\nexpect: {}", "neither JSON nor YAML"),
        ("request: {path: /, body: 1e999}\nexpect: {}", "no JSON"),
        ('{"request": {"path": "/", "body": NaN}, "expect": {}}', "NaN is no JSON"),
        ('{"request": {"path": "/", "path": "/"}, "expect": {}}', "the key path stands there twice"),
        ("request: {path: /}\nexpect: {}\nexpect: {}", "the key expect stands there twice"),
        ("[" * 100_000, "nested too deep"),
        ("a: " + "[" * 50_000, "nested too deep"),
        ("!!python/object/apply:os.system [ls]", "neither JSON nor YAML"),
    ],
)
def test_what_cannot_be_read_is_said(text, says):
    examples, wrong = read_examples({"seven": text})
    assert examples == ()
    assert wrong.startswith("example seven: ")
    assert says in wrong


def test_one_mistake_is_enough_to_have_no_examples():
    examples, wrong = read_examples({**one(), "eight": "{}"})
    assert examples == ()
    assert wrong == "example eight: request is missing"


def test_the_first_mistakes_are_told_and_the_others_counted():
    _, wrong = read_examples({f"e{number}": "{}" for number in range(5)})
    assert wrong == (
        "example e0: request is missing; example e1: request is missing; example e2: request is missing; and 2 more"
    )


@pytest.mark.parametrize("data", [None, {}])
def test_no_example_is_a_mistake(data):
    assert read_examples(data) == ((), "there is no example in its data")


def test_there_is_a_limit_to_number_and_size():
    text = one()["seven"]
    assert read_examples({f"e{number}": text for number in range(50)})[1] == ""
    assert "51 examples" in read_examples({f"e{number}": text for number in range(51)})[1]
    assert "at most 256" in read_examples({"large": "x" * (LARGEST + 1)})[1]


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=60), max_size=4))
def test_whatever_stands_there_is_read_or_named(data):
    examples, wrong = read_examples(data)
    assert bool(examples) != bool(wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_any_json_can_be_asked_and_expected(body, expected):
    text = json.dumps({"request": {"path": "/", "body": body}, "expect": {"equals": expected}})
    (example,), wrong = read_examples({"any": text})
    assert wrong == ""
    assert json.loads(example.sent.body) == body
    assert example.equals == expected


@given(JSON)
def test_any_json_object_is_read_or_named(raw):
    examples, wrong = read_examples({"any": json.dumps({"request": raw, "expect": raw})})
    assert bool(examples) != bool(wrong)
