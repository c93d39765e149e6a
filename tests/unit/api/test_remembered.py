"""A spec that was read before is not read again, and nothing that differs is ever taken for it."""

import copy

import pytest

from modelrollout.api.validate import REMEMBERED, parse_spec
from tests.unit.simulation.worlds import document

NAMED = {"name": "digits"}


def test_an_equal_spec_gives_the_same_objects():
    raw = document()["spec"]
    spec, _ = parse_spec(raw, NAMED)
    assert spec is not None
    assert parse_spec(copy.deepcopy(raw), NAMED)[0] is spec


def test_what_was_changed_is_read_anew():
    raw = document()["spec"]
    before, _ = parse_spec(raw, NAMED)
    raw["replicas"] = 3
    after, _ = parse_spec(raw, NAMED)
    assert (before.replicas, after.replicas) == (2, 3)


@pytest.mark.parametrize("value", [True, 1.0, "1"])
def test_values_that_python_takes_for_equal_are_told_apart(value):
    assert parse_spec(document(replicas=1)["spec"], NAMED)[0] is not None
    assert parse_spec(document(replicas=value)["spec"], NAMED)[0] is None


def test_another_name_is_another_question():
    raw = document()["spec"]
    assert parse_spec(raw, {"name": "digits"})[1] == ()
    assert parse_spec(raw, {"name": "Digits"})[1] != ()
    assert parse_spec(raw, {})[1] != ()


def test_only_so_many_are_kept():
    first = parse_spec(document(replicas=1)["spec"], NAMED)[0]
    for number in range(REMEMBERED + 1):
        parse_spec(document(replicas=1)["spec"], {"name": f"d{number}"})
    again = parse_spec(document(replicas=1)["spec"], NAMED)[0]
    assert again == first
    assert again is not first
