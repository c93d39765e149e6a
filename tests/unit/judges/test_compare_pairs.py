"""Bad answers to the same requests: what lies in the request cancels out, and few pairs that differ tell much."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.tally import Block, Crossed, Paired, Rate, Scores
from modelrollout.judges.compare import PLUGIN, CompareConfig
from modelrollout.judges.threshold import PLUGIN as THRESHOLD
from modelrollout.judges.threshold import ThresholdConfig
from tests.unit.judges.predictions import PAIRS, answers
from tests.unit.judges.streams import BETA, ENOUGH, evidence, outcome, question

DEFAULT = CompareConfig()
WIDE = CompareConfig.model_validate({"margin": {"absolute": 0.02}})
STRICT = CompareConfig(sensitivity="strict")
PAIRED = frozenset({Paired})
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ends(config: Any, world: Any, blocks: int = 200, runs: int = 20, judge: Any = PLUGIN) -> list[str]:
    return [outcome(config, world(seed), blocks, judge=judge)[0] for seed in range(runs)]


def test_failures_that_hit_both_versions_pass_where_two_rates_would_need_many_more() -> None:
    def joined(seed: int) -> Iterator[Block]:
        return answers(seed, 0.1, 0.001, 0.001)

    def apart(seed: int) -> Iterator[Block]:
        for block in joined(seed):
            pairs = block.candidate
            assert isinstance(pairs, Paired)
            yield Block(
                Rate(pairs.both + pairs.candidate, pairs.total), Rate(pairs.both + pairs.stable, pairs.total), 10.0
            )

    absolute = CompareConfig.model_validate({"margin": {"absolute": 0.01}})
    assert ends(absolute, joined, 60).count("pass") >= 18
    assert ends(absolute, apart, 60).count("pass") <= 2


def test_a_candidate_that_fails_alone_is_stopped() -> None:
    assert ends(DEFAULT, lambda seed: answers(seed, 0.01, 0.05, 0.002)) == ["rollback"] * 20


def test_within_the_margin_only_strict_stops() -> None:
    def worse(seed: int) -> Iterator[Block]:
        return answers(seed, 0.01, 0.012, 0.0)

    strict = CompareConfig.model_validate({"margin": {"absolute": 0.02}, "sensitivity": "strict"})
    assert "rollback" not in ends(WIDE, worse, 100)
    found = [evidence(strict, worse(seed), 100).against for seed in range(20)]
    assert sum(against >= ENOUGH for against in found) >= 15


def test_worse_at_all_is_shown_beside_the_margin() -> None:
    found = evidence(WIDE, answers(1, 0.01, 0.012, 0.0), 200)
    assert found.against < 0 < ENOUGH < found.worse
    assert found.candidate == pytest.approx(0.022, abs=0.006)
    assert found.stable == pytest.approx(0.01, abs=0.005)
    assert (found.requests, found.stable_requests) == (200 * PAIRS, 200 * PAIRS)


def test_a_block_needs_no_stable_beside_it_and_one_of_another_form_says_nothing() -> None:
    ledger = PLUGIN.begin(DEFAULT, question(Paired))
    one = PLUGIN.weigh(DEFAULT, ledger, Block(Paired(candidate=5.0, neither=5.0), None, 10.0), 1.0, math.inf)
    assert PLUGIN.evidence(DEFAULT, one).requests == 10
    assert PLUGIN.weigh(DEFAULT, one, Block(Rate(1.0, 10.0), None, 10.0), 1.0, math.inf) == one


def test_a_pass_takes_about_as_many_pairs_as_forecast() -> None:
    forecast = PLUGIN.needed(WIDE, Paired, 0.01, 0.5, BETA)
    assert forecast is not None
    alone = 0.01 * 0.99
    found = sorted(outcome(WIDE, answers(seed, 1e-4, alone, alone), 400)[1] * PAIRS for seed in range(21))
    assert 0.5 <= found[10] / forecast <= 1.6
    assert PLUGIN.needed(CompareConfig(min_requests=9000), Paired, 0.0, 0.5, BETA) == 9000


def test_the_default_margin_is_told_without_a_ratio() -> None:
    shown = evidence(DEFAULT, answers(1, 0.01, 0.05, 0.0), 100)
    gate = PLUGIN.judge(DEFAULT, Reading("m", "e", NOW, State.VALUE, 0.5, 10, evidence=shown), None)
    assert gate.limit == "≤ stable + 0.5 pp"
    assert "(the same requests; margin +0.5 pp), 2,000 requests" in gate.message
    words = PLUGIN.blame_words(DEFAULT, shown, 0.05)
    assert words.startswith("worse than the margin by ")
    assert "against" in words


def test_a_ratio_is_refused_by_name() -> None:
    ratio = CompareConfig.model_validate({"margin": {"ratio": 1.5}})
    (problem,) = PLUGIN.problems(ratio, counts=True, fraction=True, forms=PAIRED)
    assert (problem.path, problem.remedy) == ("compare.margin.ratio", "Set margin.absolute instead.")
    assert Paired not in PLUGIN.forms(ratio)
    for config in (DEFAULT, WIDE, STRICT):
        assert PLUGIN.problems(config, counts=True, fraction=True, forms=PAIRED) == ()
        assert Paired in PLUGIN.forms(config)


@pytest.mark.parametrize("form", [Scores, Crossed])
def test_agreement_is_refused_with_the_judge_that_knows_it(form: type) -> None:
    (problem,) = PLUGIN.problems(DEFAULT, counts=True, forms=frozenset({form}))
    assert problem.path == "compare"
    assert problem.remedy.startswith("Use agreement")
    limit = ThresholdConfig(max=0.5, evidence="sequential")
    (problem,) = THRESHOLD.problems(limit, counts=True, forms=frozenset({form}))
    assert (problem.path, problem.remedy) == ("threshold.evidence", "Use agreement with min, or leave it out.")
    assert THRESHOLD.problems(ThresholdConfig(min=0.9), counts=True, forms=frozenset({form})) == ()


@pytest.mark.parametrize(("candidate", "end"), [(0.005, "pass"), (0.08, "rollback")])
def test_a_limit_is_about_the_candidates_own_bad_answers(candidate: float, end: str) -> None:
    limit = ThresholdConfig(max=0.02, evidence="sequential")
    assert THRESHOLD.problems(limit, counts=True, fraction=True, forms=PAIRED) == ()
    world = ends(limit, lambda seed: answers(seed, 0.0, candidate, 0.3), 100, 10, THRESHOLD)
    assert world == [end] * 10
    assert THRESHOLD.needed(limit, Paired, 0.01, 0.5, BETA) == THRESHOLD.needed(limit, Rate, 0.01, 0.5, BETA)


def test_a_limit_of_pairs_survives_a_restart() -> None:
    limit = ThresholdConfig(max=0.02, evidence="sequential")
    ledger = THRESHOLD.begin(limit, question(Paired))
    ledger = THRESHOLD.weigh(limit, ledger, next(answers(1, 0.1, 0.1, 0.1)), 1.0, math.inf)
    again = THRESHOLD.load(limit, question(Paired), THRESHOLD.dump(ledger))
    assert isinstance(THRESHOLD.evidence(limit, again), Evidence)
    assert THRESHOLD.evidence(limit, again).candidate == THRESHOLD.evidence(limit, ledger).candidate
