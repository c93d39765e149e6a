"""Predictions that agree far enough pass, those that do not are stopped, and the numbers are told as people know them."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.tally import Block, Crossed, Histogram, Mean, Paired, Rate, Scores, Shares
from modelrollout.domain.verdict import Verdict
from modelrollout.judges._base import Question
from modelrollout.judges._kappa import Kappa
from modelrollout.judges._scale import Agreement, Excess
from modelrollout.judges._scores import ScoreLedger
from modelrollout.judges._scores import tests as score_tests
from modelrollout.judges.agreement import PLUGIN, AgreementConfig
from tests.unit.judges.predictions import PAIRS, Draw, alike, couple, couples, noisy, rare, scores
from tests.unit.judges.streams import ALPHA, BETA, ENOUGH, outcome, question

MIN = AgreementConfig(min=0.97)
KAPPA = AgreementConfig(min=0.6)
MARGIN = AgreementConfig(margin=0.02)
UNKNOWN = Question.unknown(ALPHA, BETA, 360)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORLDS: dict[str, tuple[AgreementConfig, Callable[[int], Iterator[Block]]]] = {
    "agreement": (MIN, lambda seed: scores(seed, alike(0.02))),
    "kappa": (KAPPA, lambda seed: couples(seed, alike(0.1))),
    "excess": (MARGIN, lambda seed: noisy(seed, 0.05, 0.06)),
}


def gathered(config: AgreementConfig, world: Iterator[Block], blocks: int) -> ScoreLedger:
    ledger = None
    for block in islice(world, blocks):
        if ledger is None:
            ledger = PLUGIN.begin(config, question(type(block.candidate)))
        ledger = PLUGIN.weigh(config, ledger, block, 1.0, math.inf)
    assert ledger is not None
    return ledger


def ends(config: AgreementConfig, world: Callable[[int], Iterator[Block]], blocks: int, runs: int = 20) -> list[str]:
    return [outcome(config, world(seed), blocks, judge=PLUGIN)[0] for seed in range(runs)]


def test_an_agreement_of_99_percent_passes_97() -> None:
    assert ends(MIN, lambda seed: scores(seed, alike(0.01)), 200).count("pass") >= 18


def test_an_agreement_of_90_percent_is_stopped_at_97_within_some_hundred_pairs() -> None:
    found = [outcome(MIN, scores(seed, alike(0.1)), 60, judge=PLUGIN) for seed in range(20)]
    assert [end for end, _ in found] == ["rollback"] * 20
    assert sorted(number for _, number in found)[10] * PAIRS <= 300


def test_a_candidate_that_always_says_no_fails_kappa_although_it_agrees_in_99_percent() -> None:
    never: Draw = rare(0.01, missed=1.0)
    assert ends(KAPPA, lambda seed: couples(seed, never), 200) == ["rollback"] * 20
    assert "rollback" not in ends(MIN, lambda seed: scores(seed, never), 100)
    shown = PLUGIN.evidence(KAPPA, gathered(KAPPA, couples(1, never), 200))
    assert shown.candidate == pytest.approx(0.0, abs=0.15)


def test_a_candidate_that_finds_most_of_the_rare_ones_passes_kappa() -> None:
    good: Draw = rare(0.1, missed=0.05, invented=0.002)
    assert ends(KAPPA, lambda seed: couples(seed, good), 300).count("pass") >= 18


def test_a_model_as_noisy_as_stable_passes_a_margin_and_would_be_stopped_by_a_limit() -> None:
    def world(seed: int) -> Iterator[Block]:
        return noisy(seed, 0.03, 0.03)

    assert ends(MARGIN, world, 400).count("pass") >= 18
    assert ends(MIN, world, 400).count("rollback") >= 18


def test_a_model_that_is_noisier_than_the_margin_is_stopped() -> None:
    found = ends(MARGIN, lambda seed: noisy(seed, 0.03, 0.2), 200)
    assert found == ["rollback"] * 20


def test_a_failure_that_begins_late_is_found_although_all_was_well_before() -> None:
    def world(seed: int) -> Iterator[Block]:
        yield from islice(scores(seed, alike(0.0)), 150)
        yield from scores(seed, alike(0.2))

    found = []
    for seed in range(10):
        ledger, stream = gathered(MIN, world(seed), 1), islice(world(seed), 1, 200)
        for number, block in enumerate(stream, 2):
            ledger = PLUGIN.weigh(MIN, ledger, block, 1.0, math.inf)
            if PLUGIN.evidence(MIN, ledger).against >= ENOUGH:
                found.append(number)
                break
    assert len(found) == 10
    assert min(found) > 150
    assert max(found) <= 190


def test_one_label_alone_proves_nothing_and_is_told() -> None:
    ledger = gathered(KAPPA, couples(1, lambda random: (False, False)), 100)
    evidence = PLUGIN.evidence(KAPPA, ledger)
    assert (evidence.against, evidence.within, evidence.candidate) == (0.0, 0.0, None)
    gate = PLUGIN.judge(KAPPA, Reading("m", "e", NOW, State.VALUE, None, 2000, evidence=evidence), None)
    assert gate.verdict is Verdict.UNDECIDED
    assert gate.message == "Both versions said one and the same label in 2,000 pairs: that has no κ."


@pytest.mark.parametrize("labels", [2, 3])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_couple_says_what_chance_agrees_in_and_cannot_win_while_kappa_holds(labels: int, data: st.DataObject) -> None:
    """Every law of two labels' pairs: exactly, over all couples."""
    raw = data.draw(st.lists(st.integers(0, 20), min_size=labels**2, max_size=labels**2).filter(any))
    law = {pair: weight / sum(raw) for pair, weight in zip(product(range(labels), repeat=2), raw, strict=True)}
    differ = sum(chance for (x, y), chance in law.items() if x != y)
    first = [sum(chance for (x, _), chance in law.items() if x == label) for label in range(labels)]
    second = [sum(chance for (_, y), chance in law.items() if y == label) for label in range(labels)]
    crossed = 1 - sum(one * other for one, other in zip(first, second, strict=True))
    seen: Counter[tuple[int, int]] = Counter()
    for (one, p), (other, q) in product(law.items(), repeat=2):
        seen[couple(*one, *other)] += p * q  # type: ignore[assignment]  # a chance
    assert sum(chance * d / 2 for (d, _), chance in seen.items()) == pytest.approx(differ)
    assert sum(chance * c / 2 for (_, c), chance in seen.items()) == pytest.approx(crossed)
    kappa = 1 - differ / crossed if crossed > 1e-12 else 1.0
    for least in (0.2, 0.6, 0.95):
        scale = Kappa(least)
        against, within = score_tests(scale, 3)
        test = against if kappa >= least else within
        won = 0.0
        for (one, p), (other, q) in product(seen.items(), repeat=2):
            state = test.start()
            for cell in (one, other):
                state = test.step(state, scale.counts(Crossed({cell: 1.0})))
            won += p * q * math.exp(test.log_e(state))
        assert won <= 1 + 1e-9


def test_scores_that_binary_fractions_miss_by_a_little_are_counted() -> None:
    agreement, excess = Agreement(0.97), Excess(0.02)
    assert agreement.counts(Scores({0.15000000000000002: 2.0, 1.0: 3.0}))[3] == 2.0
    assert excess.counts(Scores({1.0: 4.0}, {-1.0: 1.0, 0.05 - 0.1: 3.0}))[0:20:19] == (1.0, 3.0)
    assert excess.values[19] == -0.05


def test_without_a_second_answer_a_margin_says_nothing() -> None:
    evidence = PLUGIN.evidence(MARGIN, gathered(MARGIN, scores(1, alike(0.5)), 10))
    assert (evidence.against, evidence.within, evidence.candidate, evidence.stable_requests) == (0.0, 0.0, None, 0)
    gate = PLUGIN.judge(MARGIN, Reading("m", "e", NOW, State.VALUE, None, 200, evidence=evidence), None)
    assert gate.verdict is Verdict.UNDECIDED
    assert gate.message == "200 pairs, and stable answered none of these requests a second time yet."


def test_of_a_margin_pairs_are_all_of_them_also_those_that_are_still_needed() -> None:
    found = [PLUGIN.evidence(MARGIN, gathered(MARGIN, noisy(3, 0.05, 0.05, twice=twice), 100)) for twice in (1.0, 0.25)]
    assert [one.requests for one in found] == [2000, 2000]
    assert found[0].stable_requests == 2000
    assert 400 <= found[1].stable_requests <= 600
    assert found[0].needed is not None
    assert found[1].needed is not None
    assert found[1].needed > 2 * (found[0].needed + 1000)


def test_of_a_margin_both_agreements_are_shown_and_worse_asks_for_a_tenth() -> None:
    evidence = PLUGIN.evidence(MARGIN, gathered(MARGIN, noisy(3, 0.05, 0.065), 2000))
    assert evidence.candidate == pytest.approx(1 - 0.05 * 0.935 - 0.95 * 0.065, abs=0.004)
    assert evidence.stable == pytest.approx(1 - 2 * 0.05 * 0.95, abs=0.004)
    assert evidence.against < 0 < evidence.worse


def test_evidence_is_divided_and_capped() -> None:
    block = next(scores(1, alike(0.5)))
    start = PLUGIN.begin(MIN, question(Scores))

    def against(noise: float, cap: float) -> float:
        return PLUGIN.evidence(MIN, PLUGIN.weigh(MIN, start, block, noise, cap)).against

    assert against(3.0, math.inf) < against(1.0, math.inf)
    assert against(1.0, 0.5) <= 0.5


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize("blocks", [1, 2, 30, 300])
def test_a_ledger_is_small_and_survives_a_restart_with_no_more_evidence(kind: str, blocks: int) -> None:
    config, world = WORLDS[kind]
    before = gathered(config, world(blocks), blocks)
    text = json.dumps(PLUGIN.dump(before), separators=(",", ":"), allow_nan=False)
    assert len(text.encode()) <= 1024
    after = PLUGIN.load(config, UNKNOWN, json.loads(text))
    assert json.dumps(PLUGIN.dump(after), separators=(",", ":")) == text
    old, new = PLUGIN.evidence(config, before), PLUGIN.evidence(config, after)
    for field in ("against", "within", "worse"):
        assert getattr(old, field) - 0.001 <= getattr(new, field) <= getattr(old, field), field
    assert (new.requests, new.candidate, new.stable, new.about) == (old.requests, old.candidate, old.stable, old.about)
    block = next(world(blocks))
    went, on = (PLUGIN.weigh(config, ledger, block, 1.0, math.inf) for ledger in (before, after))
    assert PLUGIN.evidence(config, on).against == pytest.approx(PLUGIN.evidence(config, went).against, abs=0.002)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *((0, 1), (1, "kappa"), (1, "excess"), (1, None), (2, 100), (3, -1), (3, 1.5), (4, [1.0]), (4, [-1.0] * 21)),
        *((5, [3.0, 1.0]), (6, [[0.0] * 7]), (6, [[0.0] * 6] * 2), (6, [[math.inf] * 7] * 2)),
    ],
)
def test_a_ledger_of_something_else_is_refused(place: int, value: Any) -> None:
    raw = PLUGIN.dump(gathered(MIN, scores(1, alike(0.1)), 5))
    raw[place] = value
    with pytest.raises(ValueError, match="ledger"):
        PLUGIN.load(MIN, UNKNOWN, raw)


@pytest.mark.parametrize("written", [{}, {"min": 0.9, "margin": 0.02}, {"min": 0}, {"min": 1}, {"margin": -0.1}])
def test_it_asks_for_one_of_min_and_margin_as_fractions(written: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        AgreementConfig.model_validate(written)


@pytest.mark.parametrize(("field", "value"), [("min", 97), ("margin", 2), ("min", 1)])
def test_percent_are_refused_with_what_to_write(field: str, value: float) -> None:
    with pytest.raises(ValidationError, match=r"no fraction below 1\. Write a number between 0 and 1: 0\.97 for 97 %"):
        AgreementConfig.model_validate({field: value})


@pytest.mark.parametrize(
    ("form", "words"),
    [(Rate, "bad requests"), (Histogram, "by size"), (Mean, "a mean"), (Shares, "classes"), (Paired, "bad answers")],
)
def test_other_metrics_are_refused_by_what_they_count(form: type, words: str) -> None:
    (problem,) = PLUGIN.problems(MIN, counts=True, forms=frozenset({form}))
    assert words in problem.reason
    assert "signal agreement or kappa" in problem.remedy


def test_gauges_and_a_margin_of_kappa_are_refused_by_name() -> None:
    (problem,) = PLUGIN.problems(MIN, counts=False, forms=frozenset())
    assert problem.remedy.startswith("Use threshold")
    (problem,) = PLUGIN.problems(MARGIN, counts=True, forms=frozenset({Crossed}))
    assert (problem.path, problem.remedy[:15]) == ("agreement.margin", "Set min instead")
    for config, form in ((MIN, Scores), (KAPPA, Crossed), (MARGIN, Scores)):
        assert PLUGIN.problems(config, counts=True, fraction=True, forms=frozenset({form})) == ()


def test_only_a_margin_needs_stable_to_answer_twice() -> None:
    assert PLUGIN.needs_baseline(MARGIN)
    assert not PLUGIN.needs_baseline(MIN)


@pytest.mark.parametrize(
    ("config", "world"),
    [(MIN, lambda seed: scores(seed, alike(0.01))), (MARGIN, lambda seed: noisy(seed, 0.01, 0.01, twice=1.0))],
    ids=["min", "margin"],
)
def test_a_pass_takes_about_as_many_pairs_as_forecast(config: AgreementConfig, world: Any) -> None:
    rate = 0.01 if config.min else 2 * 0.01 * 0.99
    forecast = PLUGIN.needed(config, Scores, rate, 1.0, BETA)
    assert forecast is not None
    found = sorted(outcome(config, world(seed), 400, judge=PLUGIN)[1] * PAIRS for seed in range(21))
    assert 0.5 <= found[10] / forecast <= 1.6


def test_the_forecast_ends_where_nothing_can_be_proven_and_never_below_the_least() -> None:
    assert PLUGIN.needed(MIN, Scores, 0.03, 1.0, BETA) is None
    assert PLUGIN.needed(KAPPA, Crossed, 0.01, 1.0, BETA) is None
    assert PLUGIN.needed(AgreementConfig(min=0.5, min_requests=5000), Scores, 0.0, 1.0, BETA) == 5000


def test_what_is_still_needed_shrinks_until_the_pass() -> None:
    left = [PLUGIN.evidence(MIN, gathered(MIN, scores(5, alike(0.01)), blocks)).needed for blocks in (1, 10, 25)]
    assert all(number is not None for number in left)
    assert left == sorted(left, reverse=True)
    hopeless = PLUGIN.evidence(MIN, gathered(MIN, scores(5, alike(0.2)), 20))
    assert hopeless.needed is None


def read(config: AgreementConfig, evidence: Evidence) -> Any:
    return PLUGIN.judge(config, Reading("m", "e", NOW, State.VALUE, 0.5, 10, evidence=evidence), None)


def test_it_says_agreement_bound_and_pairs() -> None:
    bad = Evidence(about="agreement", candidate=0.912, against=12.0, requests=1240, enough=True)
    gate = read(MIN, bad)
    assert gate.limit == "agreement ≥ 97 %"
    assert gate.message == "not decided: agreement 91.2 % (bound 97 %), 1,240 pairs"
    words = PLUGIN.blame_words(MIN, bad, 0.05)
    assert words == (
        "agreement 91.2 % (bound 97 %), 1,240 pairs (chance of this if it were within the bound: 1 in 160,000)"
    )
    suspect = bad.model_copy(update={"against": 1.0})
    assert PLUGIN.blame_words(MIN, suspect, 0.05).startswith("suspected: agreement 91.2 % (bound 97 %), 1,240 pairs")


def test_it_says_kappa_as_a_number() -> None:
    bad = Evidence(about="kappa", candidate=0.123, against=12.0, requests=900)
    assert read(KAPPA, bad).limit == "κ ≥ 0.6"
    assert PLUGIN.blame_words(KAPPA, bad, 0.05).startswith("κ 0.12 (bound 0.6), 900 pairs")


def test_it_says_how_far_stable_agrees_with_itself() -> None:
    good = Evidence(about="agreement", candidate=0.941, stable=0.9432, within=4.0, requests=3000)
    gate = read(MARGIN, good)
    assert gate.verdict is Verdict.PASS
    assert gate.limit == "agreement ≥ stable with itself − 2 pp"
    assert gate.message == "within the margin: agreement 94.1 %, stable with itself 94.3 % (margin 2 pp), 3,000 pairs"


@pytest.mark.parametrize(
    ("share", "words"),
    [(1.0, "100 %"), (0.9995, "99.95 %"), (0.99, "99 %"), (0.9912, "99.12 %"), (0.985, "98.5 %"), (0.0, "0 %")],
)
def test_the_digits_that_matter_near_1_are_told(share: float, words: str) -> None:
    evidence = Evidence(about="agreement", candidate=share, requests=100)
    assert read(MIN, evidence).message.startswith(f"not decided: agreement {words} (bound 97 %), 100 pairs")


def test_a_metric_that_is_not_required_never_holds_up() -> None:
    config = AgreementConfig(min=0.97, required=False)
    assert read(config, Evidence(about="agreement", candidate=0.98, requests=10)).ignored
