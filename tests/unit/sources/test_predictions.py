"""What the collectors' pages say about the answers of both versions to the same requests."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from modelrollout.domain.capture import DIFFERENCES, Extraction, Kind
from modelrollout.domain.reading import Key, Sample, State
from modelrollout.domain.tally import Crossed, Histogram, Mean, Paired, Scores, Shares
from modelrollout.engine.counters import increments, remember, total
from modelrollout.errors import SourceError
from modelrollout.sources._base import Origin, Scope
from modelrollout.sources._predictions import PredictionsConfig, Signal, Tolerance
from modelrollout.sources.predictions import PLUGIN
from tests.unit.sources.collected import page, recorded

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = Scope("ns", "digits", "new-mirror", "new", "old", ("digits-new-0",))
RECORDED = Scope("ns", "digits", "candidate-mirror", "candidate", "stable", ("digits-candidate-0",))


def config(signal: Signal = Signal.AGREEMENT, **options: Any) -> PredictionsConfig:
    return PredictionsConfig(signal=signal, **options)


def key(signal: Signal = Signal.AGREEMENT) -> str:
    return config(signal).extraction().key


def parse(signal: Signal, pages: dict[str, str], scope: Scope = SCOPE) -> Sample:
    return PLUGIN.parse(config(signal), scope, pages, NOW)


def grown(signal: Signal, arm: str, part: str = "") -> dict[str, float]:
    """Return what the recorded page has of one arm."""
    sample = parse(signal, {"r0": recorded(key(signal))}, RECORDED)
    return {found.series: value for found, value in sample.counters.items() if (found.arm, found.slice) == (arm, part)}


def candidate(signal: Signal, part: str = "") -> dict[str, float]:
    return grown(signal, "candidate-mirror", part)


def test_the_page_of_every_collector_is_asked_for() -> None:
    fetch = PLUGIN.fetch(config(), SCOPE)
    assert (fetch.origin, fetch.query) == (Origin.COLLECTORS, "")


def test_pairs_are_kept_by_router_pod_and_part_in_the_arm_that_gets_the_copies() -> None:
    pages = {
        "r0": page(key(), {"pairs": 3, "score/1": 2, "score/0": 1}, {"light=dark": {"pairs": 1, "score/0": 1}}),
        "r1": page(key(), {"pairs": 1, "score/1": 1}),
    }
    sample = parse(Signal.AGREEMENT, pages)
    assert (sample.state, sample.at) == (State.VALUE, NOW)
    assert sample.counters == {
        Key("new-mirror", "r0", "pairs"): 3,
        Key("new-mirror", "r0", "score/1"): 2,
        Key("new-mirror", "r0", "score/0"): 1,
        Key("new-mirror", "r0", "pairs", "light=dark"): 1,
        Key("new-mirror", "r0", "score/0", "light=dark"): 1,
        Key("new-mirror", "r1", "pairs"): 1,
        Key("new-mirror", "r1", "score/1"): 1,
    }


def test_what_each_version_has_of_its_own_is_kept_for_both() -> None:
    counters = {
        "pairs": 1,
        "length/stable/sum": 10,
        "length/stable/count": 1,
        "length/candidate/sum": 12,
        "length/candidate/count": 1,
    }
    assert parse(Signal.LENGTH, {"r0": page(key(), counters)}).counters == {
        Key("new-mirror", "r0", "pairs"): 1,
        Key("old", "r0", "pairs"): 1,
        Key("old", "r0", "sum"): 10,
        Key("old", "r0", "count"): 1,
        Key("new-mirror", "r0", "sum"): 12,
        Key("new-mirror", "r0", "count"): 1,
    }


@pytest.mark.parametrize("signal", Signal)
def test_an_extraction_without_a_pair_yet_is_a_value_of_zero_counters(signal: Signal) -> None:
    sample = parse(signal, {"r0": page(key(signal), {"pairs": 0})})
    assert sample.state is State.VALUE
    assert set(sample.counters.values()) == {0}
    assert Key("new-mirror", "r0", "pairs") in sample.counters


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        ({}, "No collector answers."),
        ({"r0": page("another", {"pairs": 1})}, "No collector knows yet what to compare."),
        ({"r0": page(key(), {"pairs": 1}, revisions=("old", "older"))}, "The collectors compare other revisions."),
        ({"r0": page(key(), {"pairs": 1}, revisions=("new", "old"))}, "The collectors compare other revisions."),
        ({"r0": page(key(), {"pairs": 1}, revisions=(None, None))}, "The collectors compare other revisions."),
    ],
)
def test_a_page_about_something_else_is_no_metric(pages: dict[str, str], words: str) -> None:
    sample = parse(Signal.AGREEMENT, pages)
    assert (sample.state, sample.message, dict(sample.counters)) == (State.NO_METRIC, words, {})


def test_nothing_is_compared_during_a_first_install() -> None:
    first = Scope("ns", "digits", "new", "new", None, ())
    pages = {"r0": page(key(), {"pairs": 1}, revisions=(None, "new"))}
    assert parse(Signal.AGREEMENT, pages, first).state is State.NO_METRIC


def test_a_router_that_is_behind_is_left_out_until_it_compares_the_same() -> None:
    pages = {
        "r0": page(key(), {"pairs": 2, "score/1": 2}),
        "r1": page(key(), {"pairs": 9, "score/0": 9}, revisions=("old", "older")),
        "r2": page("another", {"pairs": 9}),
    }
    assert {found.pod for found in parse(Signal.AGREEMENT, pages).counters} == {"r0"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the page is no JSON"),
        ("no healthy upstream", "the page is no JSON"),
        ("[" * 100_000, "the page is no JSON"),
        ("[]", "of another version"),
        ('{"v": 2}', "of another version"),
        ('{"v": 1}', "lacks revisions, counters or examples"),
        ('{"v": 1, "stable": 1, "candidate": "new", "counters": [], "examples": {}}', "lacks revisions"),
        (page("x", {"pairs": 1}).replace('"pairs", 1', '"pairs"'), "a counter that is none"),
        (page("x", {"pairs": 1}).replace('"pairs", 1', '"pairs", "1"'), "a counter that is none"),
        (page("x", {"pairs": 1}).replace('"pairs", 1', '"pairs", true'), "a counter that is none"),
        (page("x", {"pairs": -1}), "pairs is -1, which no counter can be"),
        (page("x", {"pairs": math.nan}), "pairs is nan, which no counter can be"),
        (page("x", {"pairs": math.inf}), "pairs is inf, which no counter can be"),
        (page("x", {"pairs": 1}, examples=[{}]), "an example without an id"),
        (page("x", {"pairs": 1}).replace('"examples": {}', '"examples": {"x": [1]}'), "examples that are none"),
    ],
)
def test_a_malformed_page_is_an_error_that_names_its_pod(text: str, words: str) -> None:
    pages = {"r0": page(key(), {"pairs": 1}), "r1": text}
    with pytest.raises(SourceError, match=rf"^Reading the collector of r1: .*{words}"):
        parse(Signal.AGREEMENT, pages)


def test_counters_of_all_requests_and_of_a_part_amount_to_tallies() -> None:
    def tally(signal: Signal, part: str = "") -> object:
        measure = PLUGIN.measure_arm(config(signal), candidate(signal, part))
        assert measure is not None
        return measure.tally

    assert tally(Signal.AGREEMENT) == Scores({0: 2, 0.5: 1, 1: 12}, {0: 3, 0.5: 1})
    assert tally(Signal.AGREEMENT, "light=dark") == Scores({0: 2, 1: 2}, {0.5: 1})
    assert tally(Signal.KAPPA) == Crossed({(0, 0): 3, (0, 2): 1, (1, 1): 2, (2, 2): 1})
    assert tally(Signal.ERRORS) == Paired(candidate=1, neither=14)
    assert tally(Signal.ERRORS, "light=dark") == Paired(candidate=1, neither=3)
    assert tally(Signal.EMPTY) == Paired(both=1, stable=1, neither=13)
    assert tally(Signal.INVALID_JSON) == Paired(candidate=3, neither=12)
    assert tally(Signal.REFUSALS) == Paired(candidate=1, neither=14)
    assert tally(Signal.LENGTH) == Mean(171, 15)
    assert tally(Signal.FINISH_REASONS) == Shares({"content_filter": 2, "stop": 13})
    assert PLUGIN.measure_arm(config(Signal.BIAS), candidate(Signal.BIAS)) is None


def test_stable_has_lengths_and_classes_of_its_own_and_no_pairs() -> None:
    assert PLUGIN.measure_arm(config(Signal.LENGTH), grown(Signal.LENGTH, "stable")).tally == Mean(150, 15)  # type: ignore[union-attr]  # it has
    finished = PLUGIN.measure_arm(config(Signal.FINISH_REASONS), grown(Signal.FINISH_REASONS, "stable"))
    assert finished.tally == Shares({"length": 1, "stop": 14})  # type: ignore[union-attr]  # it has
    assert grown(Signal.AGREEMENT, "stable") == {}


def test_many_predictions_of_a_request_prove_no_more_than_one() -> None:
    """15 requests had 17 predictions; the version's own label is the first in the name of its series."""
    theirs = {
        arm: PLUGIN.measure_arm(config(Signal.CLASSES), grown(Signal.CLASSES, arm)).tally  # type: ignore[union-attr]  # it has
        for arm in ("stable", "candidate-mirror")
    }
    assert theirs["stable"].counts == pytest.approx({"3": 14 * 15 / 17, "8": 3 * 15 / 17})  # type: ignore[union-attr]  # shares
    assert theirs["candidate-mirror"].counts == pytest.approx({"3": 13 * 15 / 17, "8": 4 * 15 / 17})  # type: ignore[union-attr]  # shares


def test_a_class_may_have_any_name() -> None:
    counters = {"pairs": 2, "class/a%2Fb/other": 1, "class/%C3%A4/a%2Fb": 1}
    sample = parse(Signal.CLASSES, {"r0": page(key(Signal.CLASSES), counters)})
    stable = {found.series: value for found, value in sample.counters.items() if found.arm == "old"}
    assert PLUGIN.measure_arm(config(Signal.CLASSES), stable).tally == Shares({"a/b": 1, "ä": 1})  # type: ignore[union-attr]  # it has


def test_differences_are_known_at_every_bound_even_where_nothing_grew() -> None:
    kept = {series: value for series, value in candidate(Signal.DIFFERENCE).items() if value > 0 and series != "pairs"}
    tally = PLUGIN.measure_arm(config(Signal.DIFFERENCE), kept).tally  # type: ignore[union-attr]  # it has
    assert isinstance(tally, Histogram)
    bounds, counts = zip(*tally.buckets, strict=True)
    assert bounds == (*DIFFERENCES, math.inf)
    assert list(counts) == sorted(counts)
    assert (tally.total, tally.above(0.01), tally.above(1.0), tally.above(1e6)) == (15, 5, 2, 0)


@pytest.mark.parametrize(
    ("signal", "value", "requests"),
    [
        (Signal.AGREEMENT, 12.5 / 15, 15),
        (Signal.KAPPA, 1 - 4 / 6, 14),
        (Signal.ERRORS, 1 / 15, 15),
        (Signal.EMPTY, 1 / 15, 15),
        (Signal.INVALID_JSON, 3 / 15, 15),
        (Signal.REFUSALS, 1 / 15, 15),
        (Signal.BIAS, 0.1, 15),
        (Signal.LENGTH, 11.4, 15),
        (Signal.DIFFERENCE, 500_000 + 500_000 * (0.99 * 15 - 14), 15),
        (Signal.FINISH_REASONS, None, 15),
        (Signal.CLASSES, None, 15),
    ],
)
def test_the_value_of_a_window(signal: Signal, value: float | None, requests: int) -> None:
    measured = PLUGIN.measure(config(signal), candidate(signal), 10.0)
    assert measured.value == (None if value is None else pytest.approx(value))
    assert measured.requests == requests


def test_a_bias_may_be_negative() -> None:
    found = PLUGIN.measure(config(Signal.BIAS), {"bias/up": 1.0, "bias/down": 4.0, "bias/count": 6.0}, 10.0)
    assert (found.value, found.requests) == (-0.5, 6)


def test_kappa_of_a_candidate_that_always_says_the_same_is_zero_however_often_it_is_right() -> None:
    """1 % of the labels are positive: of two pairs, 2 of 100 have one that is missed, and crossing them changes nothing."""
    found = PLUGIN.measure(config(Signal.KAPPA), {"kappa/0/0": 98.0, "kappa/1/1": 2.0}, 10.0)
    assert (found.value, found.requests) == (0.0, 200)


def test_kappa_has_no_value_while_all_labels_are_the_same() -> None:
    found = PLUGIN.measure(config(Signal.KAPPA), {"kappa/0/0": 50.0}, 10.0)
    assert (found.value, found.requests) == (None, 100)


def test_what_the_report_shows_is_small_and_of_this_extraction() -> None:
    example = {"id": "7d0c", "slice": ["light=dark"], "stable": "3" * 1000, "candidate": 8, "body": "secret"}
    counters = {"pairs": 9, **{f"class/{number:03}/x": number for number in range(1, 200)}, "class/x/x": 5}
    pages = {
        "r0": page(key(), counters, {"light=dark": {"class/x/y": 7}}, examples=[example] * 12),
        "r1": page(key(), {"pairs": 1, "class/199/x": 1}, examples=[{"id": "last"}]),
    }
    details = parse(Signal.AGREEMENT, pages).details
    assert details["confusion"][:3] == [["x", "x", 5], ["199", "x", 200], ["198", "x", 198]]
    assert len(details["confusion"]) == 41
    assert details["examples"][1] == {"id": "last"}
    assert len(details["examples"]) == 10
    assert details["examples"][0] == {"id": "7d0c", "slice": ["light=dark"], "stable": "3" * 200, "candidate": "8"}
    assert json.loads(json.dumps(details)) == details


def test_there_are_no_details_before_the_first_pair() -> None:
    assert parse(Signal.LENGTH, {"r0": page(key(), {"pairs": 0})}).details == {}


def test_answers_that_are_not_compared_are_told_from_silence() -> None:
    pages = {
        "r0": page(key(), {"pairs": 3, "skipped/noPath": 3, "skipped/stream": 2}, {"light=dark": {"skipped/shape": 1}}),
        "r1": page(key(), {"pairs": 0, "skipped/stream": 1, "skipped/unpaired": 1, "skipped/new": 4}),
    }
    sample = parse(Signal.AGREEMENT, pages)
    reasons = "4 new, 3 without anything at the path, 3 that are streams, 1 without the other version's"
    assert (sample.state, dict(sample.counters)) == (State.NO_METRIC, {})
    assert sample.message == f"No answer could be compared: {reasons}."
    assert sample.details["totals"] == {
        "pairs": 3,
        "skipped/new": 4,
        "skipped/noPath": 3,
        "skipped/stream": 3,
        "skipped/unpaired": 1,
    }


def test_what_is_not_compared_hides_nothing_that_is() -> None:
    counters = {"pairs": 2, "score/0": 1, "skipped/stream": 99, "bad/error/neither": 2}
    assert parse(Signal.AGREEMENT, {"r0": page(key(), counters)}).state is State.VALUE
    assert parse(Signal.ERRORS, {"r0": page(key(), counters)}).state is State.VALUE
    assert parse(Signal.LENGTH, {"r0": page(key(), counters)}).state is State.NO_METRIC


def test_a_collector_that_began_anew_counts_from_zero() -> None:
    before = parse(Signal.ERRORS, {"r0": page(key(), {"pairs": 8, "bad/error/neither": 5, "bad/error/candidate": 3})})
    after = parse(Signal.ERRORS, {"r0": page(key(), {"pairs": 5, "bad/error/neither": 2, "bad/error/candidate": 3})})
    found = increments(before.counters, after.counters)
    assert {counter.series: value for counter, value in found.items()} == {
        "pairs": 5,
        "bad/error/neither": 2,
        "bad/error/candidate": 3,
    }


def test_the_first_pair_of_a_collector_that_was_asked_before_counts() -> None:
    before = parse(Signal.AGREEMENT, {"r0": page(key(), {"pairs": 0})})
    after = parse(Signal.AGREEMENT, {"r0": page(key(), {"pairs": 1, "score/0": 1}, {"light=dark": {"score/0": 1}})})
    found = increments(before.counters, after.counters)
    assert found[Key("new-mirror", "r0", "score/0")] == 1
    assert found[Key("new-mirror", "r0", "score/0", "light=dark")] == 1


STEP = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(["up", "silent", "anew"])), min_size=2, max_size=2
)


@given(st.lists(STEP, min_size=1, max_size=12))
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_nothing_is_counted_twice_whatever_collectors_come_and_go(steps: list[list[tuple[int, int, str]]]) -> None:
    """Each step: how many pairs agree and differ at each of two collectors, and whether it is asked, or began anew before."""
    counts = {"r0": [0, 0], "r1": [0, 0]}
    told = {pod: page(key(), {"pairs": 0}) for pod in counts}
    seen = dict(parse(Signal.AGREEMENT, told).counters)
    sums: dict[Key, float] = {}
    happened = [0, 0]
    for step in steps:
        told = {}
        for pod, (same, other, how) in zip(counts, step, strict=True):
            if how == "anew":
                counts[pod] = [0, 0]
            counts[pod] = [counts[pod][0] + same, counts[pod][1] + other]
            happened = [happened[0] + same, happened[1] + other]
            if how != "silent":
                agreeing, differing = counts[pod]
                told[pod] = page(key(), {"pairs": agreeing + differing, "score/1": agreeing, "score/0": differing})
        sample = parse(Signal.AGREEMENT, told)
        sums = total(sums, increments(seen, sample.counters))
        seen = remember(seen, sample.counters)
    found = {counter.series: value for counter, value in sums.items()}
    assert found.get("score/1", 0) <= happened[0]
    assert found.get("score/0", 0) <= happened[1]
    if all(how == "up" for step in steps for *_, how in step):
        assert [found.get("score/1", 0), found.get("score/0", 0)] == happened


def test_metrics_of_the_same_prediction_share_its_counters() -> None:
    same = {config(signal, path="p").extraction().key for signal in (Signal.AGREEMENT, Signal.KAPPA, Signal.ERRORS)}
    assert len(same) == 1
    tight, loose = (config(kind=Kind.NUMBER, tolerance=Tolerance(absolute=size)) for size in (0.1, 0.2))
    assert tight.extraction().key != loose.extraction().key


@pytest.mark.parametrize(
    ("given_config", "expected"),
    [
        ({}, Extraction()),
        ({"signal": "kappa"}, Extraction(kind=Kind.LABEL)),
        ({"signal": "bias", "path": "y"}, Extraction(kind=Kind.NUMBER, path="y")),
        ({"signal": "difference", "tolerance": {"relative": 0.01}}, Extraction(kind=Kind.NUMBER, relative=0.01)),
        ({"signal": "refusals", "exact": True}, Extraction(kind=Kind.TEXT, exact=True)),
        ({"kind": "ranking", "top": 3}, Extraction(kind=Kind.RANKING, top=3)),
    ],
)
def test_a_config_says_what_the_collector_compares(given_config: dict[str, Any], expected: Extraction) -> None:
    assert PredictionsConfig.model_validate(given_config).extraction() == expected


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("signal", Signal)
def test_signals_that_one_kind_has_stand_beside_no_other(signal: Signal, kind: Kind) -> None:
    only = {
        Kind.LABEL: {Signal.KAPPA, Signal.CLASSES},
        Kind.NUMBER: {Signal.DIFFERENCE, Signal.BIAS},
        Kind.TEXT: {Signal.INVALID_JSON, Signal.REFUSALS, Signal.FINISH_REASONS},
        Kind.RANKING: set(),
    }
    if any(signal in signals for other, signals in only.items() if other is not kind):
        with pytest.raises(ValidationError, match="or leave kind out"):
            config(signal, kind=kind)
    else:
        assert config(signal, kind=kind).extraction().kind is kind


@pytest.mark.parametrize("signal", Signal)
def test_what_a_signal_is(signal: Signal) -> None:
    asked = config(signal)
    per_arm = {Signal.LENGTH, Signal.FINISH_REASONS, Signal.CLASSES}
    assert PLUGIN.needs_copies(asked)
    assert PLUGIN.sees_copies(asked)
    assert PLUGIN.counts(asked)
    assert PLUGIN.counted(asked)
    assert not PLUGIN.errors(asked)
    assert PLUGIN.paired(asked) is (signal not in per_arm)
    assert PLUGIN.quantile(asked) == (0.99 if signal is Signal.DIFFERENCE else None)
    assert PLUGIN.fraction(asked) is (
        signal in {Signal.AGREEMENT, Signal.ERRORS, Signal.EMPTY, Signal.INVALID_JSON, Signal.REFUSALS}
    )
