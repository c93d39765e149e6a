"""A limit that is judged by evidence: below it, above it, or not decided."""

import json
import math
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
from pydantic import ValidationError

from modelrollout.domain.reading import Reading, State
from modelrollout.domain.tally import Histogram, Mean, Rate, Shares
from modelrollout.domain.verdict import Verdict
from modelrollout.judges._base import Question
from modelrollout.judges.threshold import PLUGIN, ThresholdConfig
from tests.unit.judges.streams import (
    ALPHA,
    BETA,
    World,
    alone,
    always,
    latencies,
    outcomes,
    question,
    rates,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = ThresholdConfig(max=0.02, evidence="sequential")
SLOWEST = ThresholdConfig(max=1.0, evidence="sequential")
QUICK = (always(0.2), always(0.0))


def ends(config: ThresholdConfig, world: Any, runs: int, blocks: int) -> dict[str, int]:
    return outcomes(config, world, runs, blocks, judge=PLUGIN, quantile=0.99)


@pytest.mark.parametrize(("rate", "end"), [(0.005, "pass"), (0.08, "rollback")])
@pytest.mark.parametrize("bake", [False, True])
def test_a_share_of_requests(rate: float, end: str, bake: bool) -> None:
    def world(seed: int) -> World:
        stream = rates(seed, always(rate), always(0.3), weight=0.5)
        return alone(stream) if bake else stream

    assert ends(LIMIT, world, 5, 100)[end] == 5


def test_at_the_limit_it_stays_open() -> None:
    found = ends(LIMIT, lambda seed: rates(seed, always(0.02), always(0.02), weight=0.5), 15, 100)
    assert found["rollback"] <= 3
    assert found["pass"] <= 3


@pytest.mark.parametrize(("slow", "end"), [(0.0, "pass"), (0.05, "rollback")])
def test_a_quantile_of_a_histogram(slow: float, end: str) -> None:
    found = ends(SLOWEST, lambda seed: latencies(seed, (always(0.2), always(slow)), QUICK, weight=0.5), 3, 60)
    assert found[end] == 3


@pytest.mark.parametrize("healthy", [60, 600])
def test_a_failure_in_the_bake_is_found_as_soon_after_a_long_one_as_after_a_short_one(healthy: int) -> None:
    """So many healthy blocks at 100 %, then 8 % of the requests fail; the rate that is told is that since then."""
    ledger = PLUGIN.begin(LIMIT, question(Rate))
    for number, block in enumerate(
        alone(rates(3, lambda at: 0.08 if at >= healthy else 0.005, always(0.0), weight=1.0))
    ):
        ledger = PLUGIN.weigh(LIMIT, ledger, block, 1.0, math.inf)
        found = PLUGIN.evidence(LIMIT, ledger)
        if found.alarm or number > healthy + 50:
            break
    assert 0 < number - healthy < 10
    assert found.alarm
    assert found.against >= math.log(1 / ALPHA)
    assert found.candidate == pytest.approx(0.08, abs=0.04)


def test_the_watch_over_a_limit_hardly_ever_gives_a_false_alarm() -> None:
    ledger = PLUGIN.begin(LIMIT, question(Rate))
    for block in islice(alone(rates(4, always(0.015), always(0.0), weight=1.0)), 2000):
        ledger = PLUGIN.weigh(LIMIT, ledger, block, 1.0, math.inf)
        assert not PLUGIN.evidence(LIMIT, ledger).alarm


def gathered(config: ThresholdConfig, world: World, blocks: int) -> Any:
    ledger = None
    for block in islice(world, blocks):
        if ledger is None:
            ledger = PLUGIN.begin(config, question(type(block.candidate), quantile=0.99))
        ledger = PLUGIN.weigh(config, ledger, block, 1.0, math.inf)
    return ledger


@pytest.mark.parametrize(
    ("config", "world"),
    [
        (LIMIT, lambda: rates(1, always(0.05), always(0.01))),
        (SLOWEST, lambda: latencies(1, (always(0.2), always(0.02)), QUICK)),
    ],
)
@pytest.mark.parametrize("blocks", [1, 50])
def test_it_survives_a_restart_with_no_more_evidence(config: ThresholdConfig, world: Any, blocks: int) -> None:
    before = gathered(config, world(), blocks)
    text = json.dumps(PLUGIN.dump(before), allow_nan=False)
    after = PLUGIN.load(config, Question.unknown(ALPHA, BETA, 360), json.loads(text))
    assert json.dumps(PLUGIN.dump(after)) == text
    assert len(text) < 1000
    old, new = PLUGIN.evidence(config, before), PLUGIN.evidence(config, after)
    assert old.against - 0.001 <= new.against <= old.against
    assert old.within - 0.001 <= new.within <= old.within
    assert (new.candidate, new.requests, new.needed) == (old.candidate, old.requests, old.needed)


@pytest.mark.parametrize("raw", [None, [], {}, [1] * 9, [1, "rate", 360, 0, 1, [5, 2], [[], []], [], [0]]])
def test_what_is_no_ledger_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError, match="ledger"):
        PLUGIN.load(LIMIT, Question.unknown(ALPHA, BETA, 360), raw)


def test_what_people_read() -> None:
    found = PLUGIN.evidence(LIMIT, gathered(LIMIT, rates(1, always(0.2), always(0.01)), 30))
    reading = Reading("errors", "e", NOW, State.VALUE, evidence=found)
    said = PLUGIN.judge(LIMIT, reading, None)
    assert (said.verdict, said.limit) == (Verdict.UNDECIDED, "≤ 0.02")
    assert said.message.startswith("not decided: 0.")
    assert PLUGIN.blame_words(LIMIT, found, 0.05).startswith("above the limit of 0.02 by 0.1")
    passing = found.model_copy(update={"within": 3.1, "needed": 0})
    said = PLUGIN.judge(LIMIT, Reading("errors", "e", NOW, State.VALUE, evidence=passing), None)
    assert said.verdict is Verdict.PASS
    assert said.message.startswith("within the limit: ")
    assert PLUGIN.judge(LIMIT, Reading("errors", "e", NOW, State.VALUE, value=0.5), None).verdict is Verdict.UNDECIDED


def test_only_with_evidence_it_weighs() -> None:
    assert PLUGIN.weighs(LIMIT)
    assert not PLUGIN.weighs(ThresholdConfig(max=1))
    assert (PLUGIN.min_requests(LIMIT), PLUGIN.min_requests(ThresholdConfig(max=1))) == (50, 0)


@pytest.mark.parametrize(
    ("most", "forms", "paths"),
    [
        (0.02, {Rate}, []),
        (0.5, {Histogram}, []),
        (0.0, {Rate}, ["threshold.max"]),
        (1.0, {Rate}, ["threshold.max"]),
        (2.0, {Mean}, ["threshold.evidence"]),
        (2.0, {Shares}, ["threshold.evidence"]),
        (2.0, set(), ["threshold.evidence"]),
    ],
)
def test_what_it_cannot_judge(most: float, forms: set[type], paths: list[str]) -> None:
    config = ThresholdConfig(max=most, evidence="sequential")
    found = PLUGIN.problems(config, counts=True, fraction=forms == {Rate}, forms=frozenset(forms))
    assert [problem.path for problem in found] == paths


@pytest.mark.parametrize(
    ("config", "words"),
    [({"min": 1}, "is gathered about max alone"), ({"max": 1, "failures": 2}, "knows no windows")],
)
def test_evidence_beside_what_it_does_not_know(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ThresholdConfig(**config, evidence="sequential")
