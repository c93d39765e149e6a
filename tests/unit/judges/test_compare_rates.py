"""Error rates against stable's: what is rolled back, what passes, and what stays open.

Twenty worlds find a judge that is wrong in two of five with a chance of 95 %. How often ours is wrong, tests/verdicts measures.
"""

import math
from itertools import chain, islice

import pytest

from modelrollout.domain.tally import Block, Rate
from modelrollout.judges.compare import PLUGIN, CompareConfig
from tests.unit.judges.streams import (
    ENOUGH,
    alone,
    always,
    during,
    evidence,
    gathered,
    outcome,
    outcomes,
    question,
    rates,
)

DEFAULT = CompareConfig()
STRICT = CompareConfig(sensitivity="strict")


@pytest.mark.parametrize("config", [DEFAULT, STRICT])
def test_an_equal_candidate_is_not_rolled_back(config: CompareConfig) -> None:
    found = outcomes(config, lambda seed: rates(seed, always(0.02), always(0.02)), 20, 120)
    assert found["rollback"] <= 2


def test_an_equal_candidate_passes_once_there_were_enough_requests() -> None:
    found = outcomes(DEFAULT, lambda seed: rates(seed, always(0.005), always(0.005), weight=0.5), 20, 200)
    assert found["pass"] >= 18
    assert found["rollback"] == 0


@pytest.mark.parametrize(
    ("config", "candidate", "within"), [(DEFAULT, 0.05, 40), (STRICT, 0.05, 25), (DEFAULT, 0.3, 6), (DEFAULT, 1.0, 3)]
)
def test_a_worse_candidate_is_rolled_back_and_never_passes(
    config: CompareConfig, candidate: float, within: int
) -> None:
    found = [outcome(config, rates(seed, always(candidate), always(0.005))) for seed in range(20)]
    assert {name for name, _ in found} == {"rollback"}
    assert sorted(blocks for _, blocks in found)[len(found) // 2] <= within


def test_beyond_the_margin_nothing_passes_and_at_its_edge_hardly_anything() -> None:
    edge = outcomes(DEFAULT, lambda seed: rates(seed, always(0.01), always(0.005), weight=0.5), 20, 150)
    assert edge["pass"] <= 4
    assert edge["rollback"] <= 4


def test_strict_rolls_back_what_is_worse_within_the_margin() -> None:
    wide = {"margin": {"absolute": 0.05}}

    def world(seed: int):
        return rates(seed, always(0.03), always(0.005), requests=300)

    assert outcomes(CompareConfig(**wide), world, 5, 100)["rollback"] == 0
    assert outcomes(CompareConfig(**wide, sensitivity="strict"), world, 5, 100)["rollback"] == 5


def test_strict_never_accepts_more_than_the_margin() -> None:
    narrow = CompareConfig(margin={"absolute": 0.0002}, sensitivity="strict")
    worse = evidence(narrow, rates(1, always(0.002), always(0.0003), requests=2000, weight=0.5), 60)
    assert (
        worse.against > evidence(STRICT, rates(1, always(0.002), always(0.0003), requests=2000, weight=0.5), 60).against
    )


def test_an_incident_that_hits_both_is_no_evidence_against_the_candidate() -> None:
    level = during(20, 40, 0.3, 0.005)
    found = outcomes(DEFAULT, lambda seed: rates(seed, level, level), 20, 90)
    assert found["rollback"] <= 3


def test_a_weight_that_rises_with_the_level_is_no_evidence_and_not_shown_as_a_difference() -> None:
    """Pooled over the ramp the candidate looks twice as bad: most of its requests come at the bad end."""
    calm = islice(rates(3, always(0.01), always(0.01), requests=400, weight=0.02), 40)
    busy = islice(rates(4, always(0.10), always(0.10), requests=400, weight=0.5), 40)
    shown = evidence(DEFAULT, chain(calm, busy), 80)
    assert shown.against < 1
    assert shown.candidate is not None
    assert shown.stable is not None
    assert shown.candidate == pytest.approx(shown.stable, rel=0.1)
    assert shown.low is not None
    assert shown.high is not None
    assert shown.low < 0 < shown.high


def test_a_late_failure_is_not_masked_by_a_healthy_past() -> None:
    found = [
        outcome(DEFAULT, rates(seed, during(150, 999, 0.2, 0.005), always(0.005), weight=0.03)) for seed in range(8)
    ]
    late = [blocks for name, blocks in found if name == "rollback"]
    assert all(150 < blocks <= 190 for blocks in late)
    assert len(late) + sum(name == "pass" for name, _ in found) == 8
    assert len(late) >= 4


def test_noise_and_cap_only_take_evidence_away() -> None:
    def world():
        return rates(5, always(0.2), always(0.005))

    plain = evidence(DEFAULT, world(), 20).against
    assert evidence(DEFAULT, world(), 20, noise=2.0).against < 0.7 * plain
    capped = evidence(DEFAULT, world(), 5, cap=ENOUGH / 4)
    assert capped.against <= 5 * ENOUGH / 4
    assert evidence(DEFAULT, world(), 3, cap=ENOUGH / 4).against < ENOUGH


@pytest.mark.parametrize("margin", [{"absolute": 0.01}, {"ratio": 1.5}, {"absolute": 0.01, "ratio": 1.5}])
def test_each_part_of_a_margin_may_stand_alone(margin: dict[str, float]) -> None:
    config = CompareConfig(margin=margin)
    assert outcome(config, rates(1, always(0.3), always(0.02)))[0] == "rollback"
    assert outcome(config, rates(1, always(0.02), always(0.02), requests=2000, weight=0.5), 200)[0] == "pass"


def test_the_larger_part_of_a_margin_counts() -> None:
    """1.4 percentage points more is beyond the absolute part and within the ratio."""

    def world(seed: int):
        return rates(seed, always(0.084), always(0.07), requests=1500, weight=0.5)

    assert outcomes(CompareConfig(margin={"absolute": 0.002}), world, 3, 150)["rollback"] == 3
    both = outcomes(CompareConfig(margin={"absolute": 0.002, "ratio": 1.5}), world, 3, 150)
    assert both == {"rollback": 0, "pass": 3, "undecided": 0}


def test_what_is_still_needed_shrinks_to_nothing() -> None:
    needed = [
        evidence(DEFAULT, rates(2, always(0.005), always(0.005), weight=0.5), blocks).needed for blocks in (5, 100, 300)
    ]
    assert needed[0] is not None
    assert needed[0] > 500
    assert needed[2] == 0


def test_without_any_request_there_is_no_value_and_no_evidence() -> None:
    shown = PLUGIN.evidence(DEFAULT, gathered(DEFAULT, iter([Block(Rate(0.0, 0.0), Rate(0.0, 0.0), 10.0)]), 1))
    assert (shown.against, shown.within, shown.candidate, shown.requests) == (0.0, 0.0, None, 0)


def test_more_bad_requests_than_requests_are_no_more_than_all_of_them() -> None:
    shown = evidence(DEFAULT, iter([Block(Rate(7.0, 5.0), Rate(-1.0, 50.0), 10.0)]), 1)
    assert (shown.candidate, shown.stable) == (1.0, 0.0)
    assert math.isfinite(shown.against)


def test_once_the_candidate_has_everything_it_is_watched_against_the_past() -> None:
    ledger = gathered(DEFAULT, rates(1, always(0.005), always(0.005), weight=0.5), 60)
    before = PLUGIN.evidence(DEFAULT, ledger)
    well = gathered(DEFAULT, alone(rates(2, always(0.005), always(0.005))), 400, ledger=ledger)
    calm = PLUGIN.evidence(DEFAULT, well)
    assert (calm.against, calm.within) == (before.against, before.within)
    broken = gathered(DEFAULT, alone(rates(3, always(0.2), always(0.005), weight=0.9)), 5, ledger=well)
    shown = PLUGIN.evidence(DEFAULT, broken)
    assert shown.against >= ENOUGH
    assert shown.candidate is not None
    assert shown.candidate > before.candidate


def test_without_a_past_of_stable_there_is_nothing_to_watch_against() -> None:
    shown = evidence(DEFAULT, alone(rates(1, always(0.9), always(0.9))), 20)
    assert (shown.against, shown.within) == (0.0, 0.0)


def _first_block(before: Rate | None) -> float:
    ledger = PLUGIN.begin(DEFAULT, question(Rate, before=before))
    return PLUGIN.evidence(DEFAULT, PLUGIN.weigh(DEFAULT, ledger, FIRST, 1.0, math.inf)).against


FIRST = Block(Rate(4.0, 100.0), Rate(0.0, 900.0), 10.0)


def test_what_stable_did_before_lets_the_first_block_speak() -> None:
    assert _first_block(Rate(1.0, 1000.0)) > _first_block(None) + 0.5


def test_much_of_the_past_is_as_good_as_more_of_it() -> None:
    assert _first_block(Rate(1e3, 1e6)) == pytest.approx(_first_block(Rate(1.0, 1e3)))
    assert _first_block(Rate(0.0, 0.0)) == _first_block(None)


def test_what_stable_did_before_is_no_request_of_the_comparison_and_survives_a_restart() -> None:
    asked = question(Rate, before=Rate(1.0, 1000.0))
    ledger = PLUGIN.weigh(DEFAULT, PLUGIN.begin(DEFAULT, asked), FIRST, 1.0, math.inf)
    shown = PLUGIN.evidence(DEFAULT, ledger)
    assert (shown.requests, shown.stable_requests, shown.stable) == (100, 900, 0.0)
    loaded = PLUGIN.load(DEFAULT, question(Rate), PLUGIN.dump(ledger))
    again = [PLUGIN.weigh(DEFAULT, one, FIRST, 1.0, math.inf) for one in (ledger, loaded)]
    assert PLUGIN.evidence(DEFAULT, again[1]).against == pytest.approx(
        PLUGIN.evidence(DEFAULT, again[0]).against, abs=1e-3
    )
