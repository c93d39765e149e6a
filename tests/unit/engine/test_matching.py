"""Whether an answer is the expected one."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelrollout.domain.golden import LONGEST_SHOWN, Answer, Example, Sent, Tolerance
from modelrollout.engine.matching import match, near
from modelrollout.engine.subschema import same

SENT = Sent("POST", "/infer")
V2 = {"outputs": [{"name": "predict", "data": [7, 1.5, "cat", None]}]}


def answered(value, status=200):
    return Answer(status, json.dumps(value).encode())


def expecting(**fields):
    return Example("seven-3", SENT, **fields)


@pytest.mark.parametrize(
    ("fields", "ok"),
    [
        ({}, True),
        ({"path": "outputs[0].name"}, True),
        ({"path": "outputs[0].data[0]", "equals": 7}, True),
        ({"path": "outputs[0].data[0]", "equals": 7.0}, True),
        ({"path": "outputs[0].data[0]", "equals": "7"}, False),
        ({"path": "outputs[0].data[3]", "equals": None}, True),
        ({"path": "outputs[0].data[3]", "equals": 0}, False),
        ({"path": "outputs[0].data[4]", "equals": None}, False),
        ({"path": "outputs[0].data", "equals": [7, 1.5, "cat", None]}, True),
        ({"path": "outputs[0].data", "equals": [7, 1.5, "cat"]}, False),
        ({"path": "outputs[*].name", "equals": ["predict"]}, True),
        ({"equals": V2}, True),
        ({"path": "outputs[0].data[0]", "one_of": (1, 7)}, True),
        ({"path": "outputs[0].data[0]", "one_of": (1, "7")}, False),
        ({"path": "outputs[0].data[1]", "tolerance": Tolerance(1.45, absolute=0.1)}, True),
        ({"path": "outputs[0].data[1]", "tolerance": Tolerance(1.3, absolute=0.1)}, False),
        ({"path": "outputs[0].data[1]", "tolerance": Tolerance(1.45, relative=0.1)}, True),
        ({"path": "outputs[0].data[2]", "tolerance": Tolerance(1.45, relative=0.1)}, False),
        ({"path": "outputs[0]", "schema": {"type": "object", "required": ["name"]}}, True),
        ({"path": "outputs[0]", "schema": {"type": "object", "required": ["shape"]}}, False),
    ],
)
def test_an_answer_is_held_against_what_is_expected(fields, ok):
    assert match(expecting(**fields), answered(V2)).ok is ok


def test_a_failure_says_what_was_expected_and_what_came():
    wrong = match(expecting(path="outputs[0].data[0]", equals=1), answered(V2))
    assert wrong.words() == "example seven-3: expected 1, got 7"


@pytest.mark.parametrize(
    ("fields", "answer", "expected", "got"),
    [
        ({}, Answer(500, b"boom\nand more"), "HTTP 200", "HTTP 500 boom and more"),
        ({"status": 422}, Answer(200, b""), "HTTP 422", "HTTP 200"),
        ({"equals": 1}, Answer(200, b"<html>"), "JSON", "<html>"),
        ({"equals": 1}, Answer(200, b""), "JSON", "an empty answer"),
        ({"path": "a.b"}, Answer(200, b'{"a":1}'), "something at a.b", '{"a":1}'),
        ({"one_of": (1, 2)}, Answer(200, b"3"), "one of [1,2]", "3"),
        ({"tolerance": Tolerance(2, 0.5, 0.01)}, Answer(200, b"3"), "2 ± 0.5 or 1 %", "3"),
        ({"tolerance": Tolerance([2], 0, 0.01)}, Answer(200, b"[3]"), "[2] ± 1 %", "[3]"),
        ({"schema": {"minimum": 4}}, Answer(200, b"3"), "minimum 4", "3"),
        ({"schema": {"items": {"type": "string"}}}, Answer(200, b'["a",3]'), "type string at [1]", '["a",3]'),
    ],
)
def test_each_failure_has_its_words(fields, answer, expected, got):
    result = match(expecting(**fields), answer)
    assert (result.ok, result.expected, result.got) == (False, expected, got)


def test_a_status_that_is_expected_is_none_that_fails():
    assert match(expecting(status=422), Answer(422, b"no")).ok


@pytest.mark.parametrize("body", [b"NaN", b"[NaN]", b"1e999", b"-Infinity", b"[" * 100_000, b"1" * 5000])
def test_numbers_that_are_none_are_near_nothing(body):
    assert not match(expecting(tolerance=Tolerance(1.0, 1e300, 1e300)), Answer(200, body)).ok


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_every_value_equals_itself_and_one_of_a_list_with_it(value):
    assert match(expecting(equals=value), answered(value)).ok
    assert match(expecting(one_of=("x" * 9, value)), answered(value)).ok


@given(JSON, JSON)
def test_what_is_not_the_same_is_a_failure_both_ways(one, other):
    assume(not same(one, other))
    assert not match(expecting(equals=one), answered(other)).ok
    assert not match(expecting(equals=other), answered(one)).ok


@given(st.binary(max_size=400), st.integers(100, 599))
def test_whatever_is_answered_gives_words_of_one_short_line(body, status):
    result = match(expecting(path="a[0]", equals="b" * 500), Answer(status, body))
    assert not result.ok
    for words in (result.expected, result.got):
        assert len(words) <= LONGEST_SHOWN
        assert words.isprintable()


NUMBERS = st.floats(-1e6, 1e6)


@given(NUMBERS, NUMBERS, st.floats(0, 10), st.floats(0, 1))
def test_a_wider_tolerance_never_refuses_what_a_narrower_accepts(wanted, found, absolute, relative):
    if near(Tolerance(wanted, absolute, relative), found):
        assert near(Tolerance(wanted, absolute * 2, relative), found)
        assert near(Tolerance(wanted, absolute, relative * 2), found)
    assert near(Tolerance(wanted, absolute, relative), wanted)


@given(st.lists(NUMBERS, min_size=1, max_size=5), st.integers(0, 4))
def test_one_number_of_a_list_that_is_far_off_is_enough(wanted, place):
    found = list(wanted)
    found[place % len(found)] += 1.0
    assert near(Tolerance(wanted, absolute=0.1), list(wanted))
    assert not near(Tolerance(wanted, absolute=0.1), found)
    assert not near(Tolerance(wanted, absolute=0.1), wanted[:-1])
