"""What people read: limits, messages, and why a config is refused."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.tally import Histogram, Mean, Rate, Shares
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.judges import _words
from modelrollout.judges.compare import PLUGIN, CompareConfig
from tests.unit.judges.streams import always, evidence, rates

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULT = CompareConfig()
OPEN = Evidence(
    against=0.2, within=1.0, candidate=0.006, stable=0.005, low=-0.01, high=0.01, requests=1240, needed=1874
)
PASSING = OPEN.model_copy(update={"within": 3.1, "needed": 0})
WORSE = Evidence(against=7.55, within=-20, candidate=0.0712, stable=0.005, low=0.01, high=0.1, requests=500)


def gate(config: CompareConfig, found: Evidence | None, state: State = State.VALUE, **others: Any) -> Gate:
    reading = Reading("errors", "e", NOW, state, evidence=found, message="Why.")
    return PLUGIN.judge(config, reading, None, **others)


def test_an_open_comparison_says_how_far_it_is() -> None:
    said = gate(DEFAULT, OPEN)
    assert (said.verdict, said.value, said.requests, said.evidence) == (Verdict.UNDECIDED, 0.006, 1240, OPEN)
    assert said.limit == "≤ stable + 0.5 pp or × 1.25"
    assert said.message == (
        "not decided: 0.6 % against 0.5 % (margin +0.5 pp or × 1.25), 1,240 requests, about 1,900 more needed"
    )


def test_it_passes_at_beta_with_enough_requests_and_never_before() -> None:
    assert gate(DEFAULT, PASSING).verdict is Verdict.PASS
    assert gate(DEFAULT, PASSING).message.startswith("within the margin: 0.6 % against 0.5 % (")
    assert gate(DEFAULT, PASSING, beta=0.01).verdict is Verdict.UNDECIDED
    few = gate(CompareConfig(min_requests=1300), PASSING)
    assert few.verdict is Verdict.UNDECIDED
    assert few.message.endswith(", 1,240 requests, 60 more needed")


def test_it_never_fails_by_itself() -> None:
    assert gate(DEFAULT, WORSE).verdict is Verdict.UNDECIDED


def test_one_that_is_not_required_holds_nothing_up() -> None:
    veto = CompareConfig(required=False)
    assert gate(veto, OPEN).ignored
    assert gate(veto, None).ignored
    assert not gate(veto, PASSING).ignored
    assert not gate(DEFAULT, OPEN).ignored


@pytest.mark.parametrize("state", [state for state in State if state is not State.VALUE])
def test_in_any_other_state_nothing_passes_and_the_evidence_stays(state: State) -> None:
    said = gate(DEFAULT, PASSING, state)
    assert (said.verdict, said.state, said.value, said.message, said.evidence) == (
        Verdict.UNDECIDED,
        state,
        None,
        "Why.",
        PASSING,
    )


def test_the_guilty_one_is_told_by_how_much_and_how_sure() -> None:
    assert PLUGIN.blame_words(DEFAULT, WORSE, 0.05) == (
        "worse than the margin by 6.1 pp: 7.1 % against 0.5 % (chance of this if it were within the margin: 1 in 1,900)"
    )
    suspect = PLUGIN.blame_words(DEFAULT, WORSE.model_copy(update={"against": 1.0}), 0.05)
    assert suspect.startswith("suspected to be worse than the margin by 6.1 pp: ")
    strict = PLUGIN.blame_words(CompareConfig(sensitivity="strict"), WORSE, 0.05)
    assert strict.startswith("worse by 6.6 pp: 7.1 % against 0.5 % (chance of this if it were no worse: 1 in")
    calm = PLUGIN.blame_words(DEFAULT, WORSE.model_copy(update={"candidate": 0.006}), 0.05)
    assert calm.startswith("worse than the margin: 0.6 % against 0.5 % (")


def test_real_evidence_makes_whole_sentences() -> None:
    found = evidence(DEFAULT, rates(1, always(0.5), always(0.01)), 10)
    assert "pp: " in PLUGIN.blame_words(DEFAULT, found, 0.05)
    assert "less than 1 in 1,000,000,000" in PLUGIN.blame_words(DEFAULT, found, 0.05)


def test_a_quantile_and_a_mean_are_told_in_their_unit() -> None:
    p99 = CompareConfig(quantile={"q": 0.99, "ratio": 1.2})
    values = Evidence(against=5, candidate=0.65, stable=0.4, requests=100)
    assert gate(p99, values).limit == "p99 ≤ 1.2 × stable"
    assert PLUGIN.blame_words(p99, values, 0.05).startswith("worse than the margin by 0.17: 0.65 against 0.4 (")
    mean = CompareConfig(margin={"absolute": 0.1}, worse="lower")
    values = Evidence(against=5, candidate=0.5, stable=0.8, requests=100)
    assert gate(mean, values).limit == "≥ stable − 0.1"
    assert PLUGIN.blame_words(mean, values, 0.05).startswith("worse than the margin by 0.2: 0.5 against 0.8 (")
    either = CompareConfig(margin={"absolute": 0.1}, worse="different")
    assert gate(either, values).limit == "stable ± 0.1"


def test_numbers_have_the_digits_that_are_of_use() -> None:
    assert [_words.percent(share) for share in (0, 0.00052, 0.0052, 0.123, 1)] == [
        "0 %",
        "0.052 %",
        "0.52 %",
        "12.3 %",
        "100 %",
    ]
    assert [_words.chance(log) for log in (-5, math.log(20), 100)] == [
        "1 in 1",
        "1 in 20",
        "less than 1 in 1,000,000,000",
    ]
    assert _words.count(1, "request") == "1 request"


MEAN, RATE, HISTOGRAM, SHARES = (frozenset({form}) for form in (Mean, Rate, Histogram, Shares))


@pytest.mark.parametrize(
    ("config", "forms", "paths"),
    [
        ({}, RATE, []),
        ({}, HISTOGRAM, []),
        ({}, SHARES, []),
        ({}, frozenset(), ["compare"]),
        ({}, MEAN, ["compare.margin.absolute"]),
        ({"margin": {"absolute": 20}}, MEAN, []),
        ({"margin": {"absolute": 20, "ratio": 2}}, MEAN, ["compare.margin.ratio"]),
        ({"margin": {"ratio": 2}}, SHARES, ["compare.margin.ratio"]),
        ({"margin": {"absolute": 0.5}, "lowest": 0, "highest": 0.5}, MEAN, ["compare.margin.absolute"]),
        ({"margin": {"absolute": 2}}, RATE, ["compare.margin.absolute"]),
        ({"margin": {"absolute": 1}}, HISTOGRAM, ["compare.margin.absolute"]),
        ({"lowest": 0, "highest": 1, "worse": "lower"}, RATE, ["compare.lowest", "compare.highest", "compare.worse"]),
        ({"quantile": {"q": 0.9, "ratio": 2}}, RATE, ["compare.quantile"]),
        ({"quantile": {"q": 0.9, "ratio": 2}}, HISTOGRAM, []),
        ({"quantile": {"q": 0.9, "ratio": 2}, "margin": {"ratio": 2}}, HISTOGRAM, ["compare.margin"]),
        ({"quantile": {"q": 0.9, "ratio": 2}}, MEAN, ["compare.quantile"]),
    ],
)
def test_what_it_cannot_compare(config: dict[str, Any], forms: frozenset[type], paths: list[str]) -> None:
    found = PLUGIN.problems(CompareConfig(**config), counts=True, forms=forms)
    assert [problem.path for problem in found] == paths
    assert bool(paths) or forms <= PLUGIN.forms(CompareConfig(**config))


def test_a_margin_in_percent_is_refused_with_the_fraction_that_was_meant() -> None:
    (problem,) = PLUGIN.problems(CompareConfig(margin={"absolute": 2}), counts=True, forms=RATE)
    assert str(problem) == "compare.margin.absolute: 2 is no fraction of 1. Write 0.02 for 2 %."


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"margin": {}}, "leaves no room"),
        ({"margin": {"ratio": 1}}, "leaves no room"),
        ({"margin": {"absolute": 0}}, "greater than 0"),
        ({"margin": {"ratio": 0.9}}, "greater than or equal to 1"),
        ({"lowest": 0}, "names one end"),
        ({"lowest": 1, "highest": 0}, "is not below highest"),
        ({"quantile": {"q": 1, "ratio": 1.2}}, "less than 1"),
        ({"sensitivity": "high"}, "'margin' or 'strict'"),
    ],
)
def test_configs_that_say_nothing_or_contradict_themselves(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        CompareConfig(**config)
