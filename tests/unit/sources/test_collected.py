"""What the collector counts is what the source reads: the two know each other by the page alone."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.collector.collector import Collector, Message
from modelrollout.domain.capture import Capture, Part, Protocol
from modelrollout.domain.reading import Sample, State
from modelrollout.domain.tally import Crossed, Histogram, Paired, Scores
from modelrollout.sources._base import Scope
from modelrollout.sources._predictions import PredictionsConfig, Signal
from modelrollout.sources.predictions import PLUGIN

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = Scope("ns", "digits", "new-mirror", "new", "old", ("digits-new-0",))
LABELS = st.lists(st.tuples(st.sampled_from("abc/"), st.sampled_from("abc/")), min_size=1, max_size=30)
NUMBERS = st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=30)


def answer(*predictions: object) -> bytes:
    return json.dumps({"predictions": predictions}).encode()


def collected(config: PredictionsConfig, pairs: list[tuple[Any, Any]], *, dark: int = 0) -> Sample:
    """Return the sample after some requests, each of one row; so many of them, the first ones, are dark."""
    extraction = config.extraction()
    capture = Capture(
        stable="old",
        candidate="new",
        protocol=Protocol.KSERVE_V1,
        extractions=(extraction,),
        parts=(Part(name="light=dark", header="x-light", value="dark"),),
    )
    collector = Collector(capture)
    for number, (stable, candidate) in enumerate(pairs):
        headers = {"x-light": "dark"} if number < dark else {}
        collector.primary(Message(f"r{number}", arm="old", body=answer(stable), headers=headers), 0.0)
        collector.copy(Message(f"r{number}", arm="new-mirror", body=answer(candidate)), 0.0)
    return PLUGIN.parse(config, SCOPE, {"r0": json.dumps(collector.page())}, NOW)


def grown(sample: Sample, arm: str = "new-mirror", part: str = "") -> dict[str, float]:
    return {key.series: value for key, value in sample.counters.items() if (key.arm, key.slice) == (arm, part)}


@pytest.mark.parametrize("signal", Signal)
def test_a_collector_that_has_just_begun_has_counters_for_every_signal(signal: Signal) -> None:
    sample = collected(PredictionsConfig(signal=signal), [])
    assert sample.state is State.VALUE
    assert sample.counters
    measured = PLUGIN.measure(PredictionsConfig(signal=signal), grown(sample), 10.0)
    assert (measured.value, measured.requests) == (None, 0)


@given(LABELS, st.integers(0, 30))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_labels_become_agreement_kappa_and_classes(pairs: list[tuple[str, str]], dark: int) -> None:
    for part, found in (("", pairs), ("light=dark", pairs[:dark])):
        same = sum(one == two for one, two in found)
        config = PredictionsConfig(signal=Signal.AGREEMENT)
        scores = PLUGIN.measure_arm(config, grown(collected(config, pairs, dark=dark), part=part))
        assert (scores.tally if scores else Scores({})) == Scores(
            {score: count for score, count in ((0.0, len(found) - same), (1.0, same)) if count}
        )
        config = PredictionsConfig(signal=Signal.KAPPA)
        crossed = PLUGIN.measure_arm(config, grown(collected(config, pairs, dark=dark), part=part))
        assert (crossed.tally if crossed else Crossed({})).total == len(found) // 2 * 2
    config = PredictionsConfig(signal=Signal.CLASSES)
    sample = collected(config, pairs)
    for arm, labels in (("old", [one for one, _ in pairs]), ("new-mirror", [two for _, two in pairs])):
        shares = PLUGIN.measure_arm(config, grown(sample, arm))
        assert shares is not None
        assert shares.tally.counts == {label: labels.count(label) for label in sorted({*labels})}
    differing = {(one, two): count for one, two, count in sample.details["confusion"]}
    assert differing == {pair: pairs.count(pair) for pair in pairs}
    assert len(sample.details.get("examples", ())) == min(sum(one != two for one, two in pairs), 10)


@given(NUMBERS)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_numbers_become_differences_and_a_bias(pairs: list[tuple[float, float]]) -> None:
    config = PredictionsConfig(signal=Signal.DIFFERENCE)
    measure = PLUGIN.measure_arm(config, grown(collected(config, pairs)))
    assert measure is not None
    assert isinstance(measure.tally, Histogram)
    assert measure.tally.total == len(pairs)
    for bound, count in measure.tally.buckets:
        assert count == sum(abs(two - one) <= bound for one, two in pairs)
    config = PredictionsConfig(signal=Signal.BIAS)
    bias = PLUGIN.measure(config, grown(collected(config, pairs)), 10.0)
    assert bias.value == pytest.approx(sum(two - one for one, two in pairs) / len(pairs), abs=1e-6)
    assert bias.requests == len(pairs)


def test_bad_answers_become_pairs() -> None:
    pairs = [("a", "a")] * 5 + [("a", None)] * 2 + [(None, None)]
    for signal, tally in (
        (Signal.EMPTY, Paired(both=1, candidate=2, neither=5)),
        (Signal.ERRORS, Paired(neither=8)),
    ):
        config = PredictionsConfig(signal=signal)
        measure = PLUGIN.measure_arm(config, grown(collected(config, pairs)))
        assert measure is not None
        assert measure.tally == tally


def test_ten_predictions_in_each_request_are_as_many_as_there_are_requests() -> None:
    config = PredictionsConfig(signal=Signal.CLASSES)
    extraction = config.extraction()
    collector = Collector(
        Capture(stable="old", candidate="new", protocol=Protocol.KSERVE_V1, extractions=(extraction,))
    )
    for number in range(4):
        collector.primary(Message(f"r{number}", arm="old", body=answer(*"aaaaabbbbb")), 0.0)
        collector.copy(Message(f"r{number}", arm="new-mirror", body=answer(*"aaaaaaaaab")), 0.0)
    sample = PLUGIN.parse(config, SCOPE, {"r0": json.dumps(collector.page())}, NOW)
    theirs = [PLUGIN.measure_arm(config, grown(sample, arm)) for arm in ("old", "new-mirror")]
    assert [measure.tally.counts for measure in theirs if measure] == [
        pytest.approx({"a": 2.0, "b": 2.0}),
        pytest.approx({"a": 3.6, "b": 0.4}),
    ]
