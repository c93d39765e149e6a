"""What became known later, as numbers that judges see: which way each goes, what it rests on, and that nothing is no pass."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from modelrollout.domain.reading import Key, State
from modelrollout.domain.tally import Histogram, Rate
from modelrollout.sources._base import Scope
from modelrollout.sources.labels import PLUGIN, LabelsConfig
from tests.unit.sources import collected

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = Scope("ml", "digits", "candidate", "candidate", "stable", ())
TRUTHS = {
    "truth/cat/cat": 6.0,
    "truth/cat/dog": 2.0,
    "truth/dog/cat": 4.0,
    "truth/dog/dog": 8.0,
    "labels": 20.0,
    "right": 14.0,
}
EVENTS = {"ripe": 50.0, "event/click": 5.0, "event/shown": 20.0, "both/click/shown": 4.0}
GROUPS = {
    "group/sex%3Df/total": 40.0, "group/sex%3Df/positive": 10.0,
    "group/sex%3Dm/total": 30.0, "group/sex%3Dm/positive": 15.0,
    "group/sex%3Df/actualPositive": 10.0, "group/sex%3Df/truePositive": 5.0,
    "group/sex%3Dm/actualPositive": 20.0, "group/sex%3Dm/truePositive": 18.0,
}  # fmt: skip


def config(**fields: Any) -> LabelsConfig:
    return LabelsConfig.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "value", "rests_on"),
    [
        ({}, 0.3, 20),
        ({"signal": "accuracy"}, 0.7, 20),
        ({"signal": "missed", "of": "cat"}, 0.4, 10),
        ({"signal": "recall", "of": "cat"}, 0.6, 10),
        ({"signal": "falseAlarms", "of": "cat"}, 0.25, 8),
        ({"signal": "precision", "of": "cat"}, 0.75, 8),
        ({"signal": "f1", "of": "cat"}, 2 * 6 / (8 + 10), 9),
        ({"signal": "events", "of": "click"}, 0.1, 50),
        ({"signal": "events", "of": "click", "goal": "less"}, 0.1, 50),
        ({"signal": "events", "of": "click", "goal": "more"}, 0.9, 50),
        ({"signal": "events", "of": "click", "per": "shown", "goal": "more"}, 0.8, 20),
        ({"signal": "events", "of": "shown", "per": "click"}, 0.8, 5),
        ({"signal": "parity"}, 0.25, 30),
        ({"signal": "ratio"}, 0.5, 30),
        ({"signal": "equalOpportunity"}, 0.4, 10),
    ],
)
def test_the_number_that_a_limit_is_held_against(fields: dict[str, Any], value: float, rests_on: int) -> None:
    measured = PLUGIN.measure(config(**fields), TRUTHS | EVENTS | GROUPS, 10.0)
    assert (measured.value, measured.requests) == (pytest.approx(value), rests_on)


@pytest.mark.parametrize(
    ("fields", "tally"),
    [
        ({}, Rate(6, 20)),
        ({"signal": "missed", "of": "cat"}, Rate(4, 10)),
        ({"signal": "falseAlarms", "of": "cat"}, Rate(2, 8)),
        ({"signal": "events", "of": "click", "goal": "less"}, Rate(5, 50)),
        ({"signal": "events", "of": "click", "goal": "more", "per": "shown"}, Rate(16, 20)),
    ],
)
def test_what_is_compared_is_what_is_bad_and_the_value_is_its_share(fields: dict[str, Any], tally: Rate) -> None:
    measure = PLUGIN.measure_arm(config(**fields), TRUTHS | EVENTS)
    assert measure is not None
    assert measure.tally == tally
    assert PLUGIN.measure(config(**fields), TRUTHS | EVENTS, 1.0).value == pytest.approx(tally.bad / tally.total)


@pytest.mark.parametrize(
    "signal", ["accuracy", "precision", "recall", "f1", "events", "parity", "ratio", "equalOpportunity"]
)
def test_what_is_better_when_it_is_more_cannot_be_compared(signal: str) -> None:
    named = {"of": "x"} if signal in ("precision", "recall", "f1", "events") else {}
    asked = config(signal=signal, **named)
    assert PLUGIN.forms(asked) == frozenset()
    assert PLUGIN.measure_arm(asked, TRUTHS | EVENTS | GROUPS) is None


def test_distances_are_a_histogram_with_every_bound() -> None:
    measure = PLUGIN.measure_arm(config(signal="error"), {"error/at=0.5": 90.0, "error/at=5": 9.0, "error/at=inf": 1.0})
    assert measure is not None
    assert isinstance(measure.tally, Histogram)
    assert (measure.tally.total, measure.tally.above(0.2), measure.tally.above(0.5), measure.tally.above(5)) == (
        100,
        100,
        10,
        1,
    )
    assert PLUGIN.measure(
        config(signal="error"), {"error/at=0.5": 99.0, "error/at=5": 1.0}, 1.0
    ).value == pytest.approx(0.5)


def test_a_model_that_always_says_no_is_found_by_recall_and_by_f1_and_not_by_accuracy() -> None:
    lazy = {"truth/no/no": 990.0, "truth/no/yes": 10.0, "labels": 1000.0, "right": 990.0}
    assert PLUGIN.measure(config(signal="accuracy"), lazy, 1.0).value == 0.99
    assert PLUGIN.measure(config(signal="recall", of="yes"), lazy, 1.0).value == 0
    assert PLUGIN.measure(config(signal="f1", of="yes"), lazy, 1.0).value == 0


@pytest.mark.parametrize("signal", ["parity", "ratio", "equalOpportunity"])
def test_one_group_alone_is_compared_with_nobody(signal: str) -> None:
    alone = {series: count for series, count in GROUPS.items() if "sex%3Df" in series}
    measured = PLUGIN.measure(config(signal=signal), alone, 1.0)
    assert (measured.value, measured.requests) == (None, 0)


def test_counters_belong_to_who_answered_and_to_the_part() -> None:
    counts = {"old": {"labels": 5.0, "right": 4.0}, "candidate": {"requests": 9.0, "labels": 3.0, "truth/a/b": 1.0}}
    sample = PLUGIN.parse(config(), SCOPE, {"r": collected.labelled(counts, part="light=dark")}, NOW)
    assert sample.counters == {
        Key("candidate", "r", "requests"): 0.0,
        Key("stable", "r", "requests"): 0.0,
        Key("candidate", "r", "requests", "light=dark"): 9.0,
        Key("candidate", "r", "labels", "light=dark"): 3.0,
    }


def test_before_the_first_label_there_are_counters_and_no_number() -> None:
    sample = PLUGIN.parse(config(), SCOPE, {"r": collected.labelled({})}, NOW)
    assert sample.state is State.VALUE
    assert {key.arm for key in sample.counters} == {"candidate", "stable"}
    grown = {key.series: value for key, value in sample.counters.items()}
    assert PLUGIN.measure(config(), grown, 1.0).value is None


def test_how_far_back_labels_reach_is_said_for_the_router_that_forgets_first() -> None:
    answers = {"r": collected.labelled(), "s": collected.labelled().replace("83.4", "301")}
    assert PLUGIN.parse(config(), SCOPE, answers, NOW).note == "2,400 requests of the last 1m23s can be labelled"


def test_routers_that_take_no_labels_are_told_from_silence() -> None:
    none = PLUGIN.parse(config(), SCOPE, {"r": collected.page("x", {})}, NOW)
    assert (none.state, none.message) == (State.NO_METRIC, "No collector takes labels yet.")
    some = {"r": collected.page("x", {}), "s": collected.labelled({"candidate": {"labels": 1.0}})}
    assert {key.pod for key in PLUGIN.parse(config(), SCOPE, some, NOW).counters} == {"s"}


def test_it_is_measured_where_clients_are_answered() -> None:
    assert not PLUGIN.sees_copies(config())
    assert not PLUGIN.needs_copies(config())


@pytest.mark.parametrize(
    "fields",
    [
        {"of": "cat"},
        {"signal": "recall"},
        {"signal": "events"},
        {"signal": "wrong", "goal": "more"},
        {"per": "shown"},
        {"signal": "events", "of": "click", "per": "click"},
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**fields)
