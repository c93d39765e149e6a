"""What has moved is told, whose doing it is, and a quiet world stays quiet however often it is looked at."""

import json
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate, islice
from random import Random
from typing import Any

import pytest

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.tally import Block, Features, Histogram, Shares
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.judges._base import Question
from modelrollout.judges._drift_places import MOST_PLACES, choose, counts_at, words
from modelrollout.judges.drift import PLUGIN, DriftConfig, DriftLedger
from tests.unit.judges.streams import ALPHA, BETA, ENOUGH

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = DriftConfig()
BOUNDS = (*(index / 10 for index in range(1, 31)), math.inf)
SEEDS = range(3)
"""A shift of one standard deviation is several times what 60 blocks can prove: every seed tells the same."""
Means = Callable[[int], float]
"""From the number of a block to the mean of a feature whose values spread by 0.6."""


def at(mean: float) -> Means:
    return lambda block: mean


def drawn(random: Random, size: int, mean: float) -> Histogram:
    cells: Counter[float] = Counter()
    for _ in range(size):
        cells[BOUNDS[bisect_left(BOUNDS, random.gauss(mean, 0.6))]] += 1
    below, buckets = 0, []
    for bound in sorted({*cells, math.inf}):
        below += cells[bound]
        buckets.append((bound, float(below)))
    return Histogram(tuple(buckets))


def features(random: Random, size: int, means: dict[str, float]) -> Features:
    return Features({name: drawn(random, size, mean) for name, mean in means.items()}, float(size))


def world(
    seed: int,
    candidate: Means,
    stable: Means | None,
    *,
    kept: int = 5000,
    requests: tuple[int, int] = (20, 60),
    others: int = 0,
) -> Iterator[Block]:
    """Both versions' brightness, 1.5 when the reference was made, beside other features that do not move."""
    random = Random(seed)
    quiet = {f"other{index}": 1.5 for index in range(others)}
    reference = features(random, kept, {"brightness": 1.5, **quiet}) if kept else None
    for number in range(10_000):
        ours = features(random, requests[0], {"brightness": candidate(number), **quiet})
        theirs = features(random, requests[1], {"brightness": stable(number), **quiet}) if stable else None
        yield Block(ours, theirs, 10.0, reference)


def stories(blocks: Iterator[Block], *, inputs: bool = False) -> Iterator[Evidence]:
    """Yield the evidence after each block."""
    ledger = PLUGIN.begin(CONFIG, Question(ALPHA, BETA, 360, Features, inputs=inputs))
    for block in blocks:
        ledger = weighed(ledger, block)
        yield PLUGIN.evidence(CONFIG, ledger)


def weighed(ledger: DriftLedger, block: Block) -> DriftLedger:
    return PLUGIN.weigh(CONFIG, ledger, block, 1.0, math.inf)


def told(blocks: Iterator[Block], most: int = 60, *, inputs: bool = False) -> list[Evidence]:
    return list(islice(stories(blocks, inputs=inputs), most))


def finally_told(blocks: Iterator[Block], most: int = 60, *, inputs: bool = False) -> Evidence:
    """Return the evidence after so many blocks, without a look at what it was before."""
    return PLUGIN.evidence(CONFIG, gathered(blocks, most, inputs=inputs))


def gathered(blocks: Iterator[Block], most: int, *, inputs: bool = False) -> DriftLedger:
    ledger = PLUGIN.begin(CONFIG, Question(ALPHA, BETA, 360, Features, inputs=inputs))
    for block in islice(blocks, most):
        ledger = weighed(ledger, block)
    return ledger


def first(found: list[Evidence]) -> str | None:
    """Return what is told first to have moved."""
    return next((one.moved for one in found if one.moved), None)


def gate(evidence: Evidence, config: DriftConfig = CONFIG, slices: tuple[Evidence, ...] = ()) -> Gate:
    reading = Reading(
        "drift", "e", NOW, State.VALUE, evidence.candidate, evidence.requests, evidence=evidence, slices=slices
    )
    return PLUGIN.judge(config, reading, None, beta=BETA)


@pytest.mark.parametrize("inputs", [True, False])
def test_a_world_that_moves_for_both_is_told_and_blames_nobody(inputs: bool) -> None:
    for seed in SEEDS:
        found = told(world(seed, at(2.1), at(2.1)), inputs=inputs)
        assert {one.moved for one in found} <= {None, "world"}
        assert found[-1].moved == "world"
        assert max(one.against for one in found) < ENOUGH
        assert found[-1].pace == "sudden"


def test_outputs_of_the_candidate_alone_are_its_fault() -> None:
    for seed in SEEDS:
        found = told(world(seed, at(2.1), at(1.5)))
        assert first(found) == "candidate"
        assert found[-1].moved == "candidate"
        assert found[-1].against >= ENOUGH


def test_inputs_that_differ_are_the_routings_fault_and_no_evidence_against_the_candidate() -> None:
    for seed in SEEDS:
        found = finally_told(world(seed, at(2.1), at(1.5)), inputs=True)
        assert (found.moved, found.against) == ("inputs", 0.0)


def test_a_candidate_that_stays_where_stable_has_left_is_not_blamed() -> None:
    for seed in SEEDS:
        found = finally_told(world(seed, at(1.5), at(2.3)))
        assert found.moved == "world"
        assert found.against == 0


def test_without_a_reference_the_versions_are_compared_and_nothing_is_known_about_the_world() -> None:
    for seed in SEEDS:
        assert first(told(world(seed, at(2.1), at(2.1), kept=0))) is None
        assert first(told(world(seed, at(2.1), at(1.5), kept=0))) == "candidate"
    found = finally_told(world(1, at(1.5), at(1.5), kept=0))
    assert found.reference is None
    assert "nothing is known about the world: no reference" in gate(found).message


def test_the_same_distribution_is_proven_to_be_within_the_floor() -> None:
    for seed in SEEDS:
        found = finally_told(world(seed, at(1.5), at(1.5)), 100)
        assert gate(found).verdict is Verdict.PASS
        assert found.moved is None


def kinds(seed: int, candidate: float, stable: float) -> Iterator[Block]:
    """Yield requests of two kinds, of which so large shares are of the first; half of them were, once."""
    random = Random(seed)

    def draw(size: int, share: float) -> Features:
        found = sum(random.random() < share for _ in range(size))
        return Features({"light": Shares({"dark": float(found), "bright": float(size - found)})}, float(size))

    reference = draw(2000, 0.5)
    while True:
        yield Block(draw(20, candidate), draw(60, stable), 10.0, reference)


@pytest.mark.parametrize(("candidate", "stable"), [(0.5, 0.5), (0.6, 0.5), (0.6, 0.6), (0.4, 0.5)])
def test_up_to_the_floor_nothing_is_told_however_often_it_is_looked_at(candidate: float, stable: float) -> None:
    """Of inputs and outputs alike: one ledger gathers both, and only who is to blame differs."""
    runs = 40
    wrong = {False: 0, True: 0}
    for seed in range(runs):
        begun = PLUGIN.begin(CONFIG, Question(ALPHA, BETA, 360, Features))
        looks: dict[bool, list[Evidence]] = {False: [], True: []}
        for ledger in islice(accumulate(kinds(seed, candidate, stable), weighed, initial=begun), 1, 51):
            for inputs, found in looks.items():
                asked = replace(ledger, question=replace(ledger.question, inputs=inputs))
                found.append(PLUGIN.evidence(CONFIG, asked))
        for inputs, found in looks.items():
            wrong[inputs] += first(found) is not None or max(one.against for one in found) >= ENOUGH
    print(f"candidate {candidate}, stable {stable}: {wrong} of {runs}")
    assert max(wrong.values()) <= ALPHA * runs


def test_larger_shifts_are_told_after_fewer_requests_and_more_features_cost_little() -> None:
    needed: dict[tuple[float, int], list[int]] = {}
    for shift, others, runs in ((0.3, 0, 5), (0.6, 0, 5), (1.2, 0, 5), (0.6, 19, 1)):
        for seed in range(runs):
            found = stories(world(seed, at(1.5 + shift), at(1.5), others=others))
            moved = next((index for index, one in enumerate(islice(found, 150), 1) if one.moved == "candidate"), 10**6)
            needed.setdefault((shift, others), []).append(20 * moved)
    medians = {key: sorted(found)[len(found) // 2] for key, found in needed.items()}
    print(medians)
    assert medians[1.2, 0] < medians[0.6, 0] < medians[0.3, 0] < 3000
    assert medians[0.6, 19] < 3 * medians[0.6, 0]


def test_a_step_and_a_ramp_of_the_world_are_told_apart() -> None:
    def ramp(block: int) -> float:
        return 1.5 + 0.9 * min(block / 100, 1.0)

    def step(block: int) -> float:
        return 1.5 if block < 50 else 2.4

    for seed in SEEDS:
        assert finally_told(world(seed, step, step), 110).pace == "sudden"
        assert finally_told(world(seed, ramp, ramp), 110).pace == "gradual"


def test_a_candidate_that_answers_alone_is_watched_and_holds_without_an_alarm() -> None:
    for inputs in (True, False):
        found = told(world(1, lambda block: 1.5 if block < 40 else 2.1, None), 80, inputs=inputs)
        assert [one.moved for one in found[:40]] == [None] * 40
        assert found[-1].moved == "world"
        assert not any(one.alarm or one.against >= ENOUGH for one in found)
        assert found[-1].stable is None


def test_a_watch_is_quiet_in_a_quiet_world() -> None:
    assert first(told(world(3, at(1.5), None), 360)) is None


def test_without_a_reference_there_is_nothing_to_watch() -> None:
    assert first(told(world(3, at(2.5), None, kept=0), 60)) is None


def test_the_message_says_what_moved_by_how_much_and_how() -> None:
    found = finally_told(world(2, at(2.1), at(2.1)))
    message = gate(found).message
    assert message.startswith("the world moved, both versions: brightness ")
    assert "reference" in message
    assert message.endswith("(1,200 requests, sudden)")
    assert PLUGIN.blame_words(CONFIG, found, ALPHA) == message, "also where somebody watches"
    found = finally_told(world(2, at(2.1), at(1.5)), inputs=True)
    assert "the routing is at fault: brightness " in gate(found).message
    found = finally_told(world(2, at(2.1), at(1.5)))
    assert PLUGIN.blame_words(CONFIG, found, ALPHA).startswith("its outputs differ from stable's by more than 10 pp: ")


def test_what_moved_holds_even_where_a_pass_is_proven_or_none_is_asked_for() -> None:
    moved = Evidence(candidate=0.4, stable=0.4, within=9.0, requests=900, enough=True, moved="world", reference=0.1)
    quiet = moved.model_copy(update={"moved": None})
    assert gate(quiet).verdict is Verdict.PASS
    for config in (CONFIG, DriftConfig(required=False)):
        assert (gate(moved, config).verdict, gate(moved, config).ignored) == (Verdict.UNDECIDED, False)
    part = gate(quiet, slices=(moved.model_copy(update={"slice": "light=dark"}),))
    assert part.verdict is Verdict.UNDECIDED
    assert part.message.startswith("slice light=dark: the world moved")


def shown(blocks: Iterator[Block], most: int = 40, *, inputs: bool = False) -> list[dict[str, Any]]:
    ledger = gathered(blocks, most, inputs=inputs)
    again = PLUGIN.load(CONFIG, Question.unknown(ALPHA, BETA, 360), PLUGIN.dump(ledger))
    known = [row["feature"] for row in PLUGIN.details(CONFIG, again)["features"]]
    found: list[dict[str, Any]] = PLUGIN.details(CONFIG, ledger)["features"]
    assert {row["feature"] for row in found} == {*known}
    return found


def two_move(candidate: dict[str, float], stable: dict[str, float] | None, *, kept: bool = True) -> Iterator[Block]:
    """Yield requests with three features, each of them at 1.5 when the reference was made."""
    random, usual = Random(4), dict.fromkeys(("brightness", "contrast", "size"), 1.5)
    reference = features(random, 5000, usual) if kept else None
    while True:
        theirs = features(random, 60, usual | stable) if stable is not None else None
        yield Block(features(random, 20, usual | candidate), theirs, 10.0, reference)


def test_the_details_name_every_feature_that_has_moved_with_all_its_shares() -> None:
    shifted = {"brightness": 2.3, "contrast": 0.7}
    found = shown(two_move(shifted, shifted))
    assert {row["feature"]: row.get("moved") for row in found} == {
        "brightness": "world",
        "contrast": "world",
        "size": None,
    }
    assert found[-1]["feature"] == "size"
    for row in found[:2]:
        assert abs(row["distance"]) > 0.3
        assert row["distance"] == pytest.approx(row["candidate"] - row["reference"], abs=2e-4)
        assert abs(row["stable"] - row["reference"]) > 0.3
        assert row["pace"] == "sudden"
    assert abs(found[-1]["candidate"] - found[-1]["stable"]) < 0.1


@pytest.mark.parametrize("inputs", [True, False])
@pytest.mark.parametrize("kept", [True, False])
def test_the_details_say_by_what_the_versions_differ(inputs: bool, kept: bool) -> None:
    found = shown(two_move({"brightness": 2.3, "contrast": 0.7}, {}, kept=kept), inputs=inputs)
    who = "inputs" if inputs else "candidate"
    assert [row.get("moved") for row in found] == [who, who, None]
    assert {"reference" in row for row in found} == {kept}
    for row in found:
        assert row["distance"] == pytest.approx(row["candidate"] - row["stable"], abs=2e-4)


def test_the_details_of_a_candidate_that_answers_alone_are_held_against_the_reference() -> None:
    found = shown(two_move({"contrast": 2.3}, None))
    assert {row["feature"]: row.get("moved") for row in found} == {
        "contrast": "world",
        "brightness": None,
        "size": None,
    }
    assert found[0]["feature"] == "contrast"
    assert not any("stable" in row for row in found)
    assert abs(found[0]["distance"]) > 0.3


def test_there_are_no_details_before_anything_is_compared() -> None:
    assert PLUGIN.details(CONFIG, PLUGIN.begin(CONFIG, Question(ALPHA, BETA, 360, Features))) == {}


def test_a_ledger_of_twenty_features_is_small_and_reads_as_it_was_written() -> None:
    stream = world(5, at(1.5), at(1.5), others=19)
    ledger = gathered(stream, 40, inputs=True)
    text = json.dumps(PLUGIN.dump(ledger), separators=(",", ":"))
    print(len(text), "bytes")
    assert len(text) <= 16 * 1024
    again = PLUGIN.load(CONFIG, Question.unknown(ALPHA, BETA, 360), json.loads(text))
    assert PLUGIN.dump(again) == PLUGIN.dump(ledger)
    before, after = PLUGIN.evidence(CONFIG, ledger), PLUGIN.evidence(CONFIG, again)
    assert after.within <= before.within
    assert after.against <= before.against
    for block in islice(stream, 2):
        again = weighed(again, block)
    assert PLUGIN.evidence(CONFIG, again).requests == 42 * 20


@pytest.mark.parametrize("spoil", [{"free": 2}, {"alone": 3}, {"blocks": -1}, {"features": [["x", [1]]]}])
def test_a_damaged_ledger_is_refused(spoil: dict[str, Any]) -> None:
    names = ("version", "horizon", "inputs", "blocks", "ours", "theirs", "free", "alone", "features")
    ledger = gathered(world(1, at(1.5), at(1.5)), 3)
    row = dict(zip(names, PLUGIN.dump(ledger), strict=True)) | spoil
    with pytest.raises(ValueError, match="ledger"):
        PLUGIN.load(CONFIG, Question.unknown(ALPHA, BETA, 360), list(row.values()))


def test_places_lie_near_even_quantiles_and_below_the_lowest_value() -> None:
    one = Histogram(((2.0, 10.0), (math.inf, 10.0)))
    assert [words("x", place) for place in choose(one)] == ["x below 2", "x at most 2"]
    assert counts_at(one, choose(one)) == [0.0, 10.0]
    even = Histogram((*((float(bound), float(bound)) for bound in range(1, 101)), (math.inf, 100.0)))
    places = choose(even)
    assert len(places) == MOST_PLACES
    assert counts_at(even, places) == pytest.approx(
        [100 * (index + 0.5) / MOST_PLACES for index in range(MOST_PLACES)], abs=1
    )


def test_rare_categories_are_one_place_and_new_ones_join_it() -> None:
    many = Shares({f"c{index}": float(20 - index) for index in range(10)})
    places = choose(many)
    assert places == (*(f"c{index}" for index in range(MOST_PLACES - 1)), None)
    assert counts_at(Shares({"c0": 3.0, "new": 4.0}), places) == [3.0, *[0.0] * (MOST_PLACES - 2), 4.0]
    assert counts_at(Histogram(((1.0, 2.0), (math.inf, 2.0))), places) is None
