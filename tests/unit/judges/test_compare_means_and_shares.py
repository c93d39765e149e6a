"""Means and shares of classes against stable's."""

import math
from itertools import chain, islice

import pytest

from modelrollout.domain.tally import Block, Shares
from modelrollout.judges._shares import MOST_CLASSES
from modelrollout.judges.compare import PLUGIN, CompareConfig
from tests.unit.judges.streams import alone, classes, evidence, gathered, means, outcomes

SCORE = {"margin": {"absolute": 0.1}, "lowest": 0, "highest": 1}
TOKENS = {"margin": {"absolute": 20}}
SHARES = CompareConfig()


@pytest.mark.parametrize(
    ("config", "candidate", "end"),
    [
        (SCORE, 0.5, "pass"),
        (SCORE, 0.8, "rollback"),
        (SCORE, 0.2, "rollback"),
        ({**SCORE, "worse": "lower"}, 0.8, "pass"),
        ({**SCORE, "worse": "lower"}, 0.2, "rollback"),
        ({**SCORE, "worse": "higher"}, 0.2, "pass"),
        ({**SCORE, "worse": "higher"}, 0.8, "rollback"),
    ],
)
def test_a_mean_of_values_with_a_range(config: dict, candidate: float, end: str) -> None:
    found = outcomes(
        CompareConfig(**config), lambda seed: means(seed, candidate, 0.5, spread=0.2, low=0, high=1), 2, 200
    )
    assert found[end] == 2


@pytest.mark.parametrize(
    ("config", "candidate", "end"),
    [
        (TOKENS, 200, "pass"),
        (TOKENS, 260, "rollback"),
        (TOKENS, 140, "rollback"),
        ({**TOKENS, "worse": "higher"}, 140, "pass"),
        ({**TOKENS, "worse": "lower"}, 140, "rollback"),
    ],
)
def test_a_mean_of_any_values(config: dict, candidate: float, end: str) -> None:
    found = outcomes(CompareConfig(**config), lambda seed: means(seed, candidate, 200, spread=50), 2, 200)
    assert found[end] == 2


@pytest.mark.parametrize(
    ("config", "equal", "other", "spread"), [(SCORE, 0.5, 0.56, 0.1), (TOKENS, 200.0, 212.0, 20.0)]
)
def test_strict_finds_a_tenth_of_the_margin(config: dict, equal: float, other: float, spread: float) -> None:
    strict = CompareConfig(**config, sensitivity="strict")
    worse = evidence(strict, means(1, other, equal, spread=spread), 150)
    assert worse.against == worse.worse > 3
    assert evidence(CompareConfig(**config), means(1, other, equal, spread=spread), 150).against < 1


def test_a_mean_is_shown_in_its_unit() -> None:
    for config in (SCORE, TOKENS):
        shown = evidence(CompareConfig(**config), means(1, 0.7, 0.5, spread=0.1), 30)
        assert (shown.candidate, shown.stable) == (pytest.approx(0.7, abs=0.03), pytest.approx(0.5, abs=0.03))


def test_equal_shares_pass_and_moved_ones_are_rolled_back() -> None:
    here, there = {"cat": 0.6, "dog": 0.3, "fox": 0.1}, {"cat": 0.3, "dog": 0.6, "fox": 0.1}
    assert outcomes(SHARES, lambda seed: classes(seed, here, here), 3, 200)["pass"] == 3
    assert outcomes(SHARES, lambda seed: classes(seed, there, here), 3, 200)["rollback"] == 3


def test_a_class_that_only_the_candidate_has_is_found() -> None:
    found = outcomes(SHARES, lambda seed: classes(seed, {"a": 0.6, "null": 0.4}, {"a": 1.0}), 3, 200)
    assert found["rollback"] == 3


def test_a_class_that_appears_counts_from_the_next_block_on() -> None:
    first = Block(Shares({"a": 50.0, "b": 50.0}), Shares({"a": 500.0}), 10.0)
    assert evidence(SHARES, iter([first]), 1).against == 0.0
    assert evidence(SHARES, iter([first, first]), 2).against > 3


def test_many_rare_classes_are_no_evidence() -> None:
    shares = {f"class-{number}": 1 / 60 for number in range(60)}
    assert outcomes(SHARES, lambda seed: classes(seed, shares, shares), 2, 60)["rollback"] == 0
    ledger = gathered(SHARES, classes(1, shares, shares), 40)
    assert len(ledger.kept.classes) == MOST_CLASSES
    assert PLUGIN.evidence(SHARES, ledger).within > 0


def test_too_many_classes_are_compared_as_one() -> None:
    shares = {f"class-{number}": 1 / 60 for number in range(60)}
    moved = {**{name: share * 0.4 for name, share in shares.items()}, **{f"new-{number}": 0.06 for number in range(10)}}
    start = islice(classes(1, shares, shares), 3)
    shown = evidence(SHARES, chain(start, classes(2, moved, shares)), 40)
    assert shown.against > 3


@pytest.mark.parametrize(("config", "world"), [(SHARES, classes(1, {"a": 1.0}, {"a": 1.0}))])
def test_nothing_is_watched_without_stable(config: CompareConfig, world) -> None:
    ledger = gathered(config, world, 5)
    assert gathered(config, alone(world), 5, ledger=ledger) == ledger


def test_evidence_stays_finite_for_values_that_never_differ() -> None:
    shown = evidence(CompareConfig(**TOKENS), means(1, 200, 200, spread=0), 60)
    assert math.isfinite(shown.against)
    assert math.isfinite(shown.within)
