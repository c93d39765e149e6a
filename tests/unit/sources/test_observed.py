"""What collectors observe of requests and answers becomes tallies of each version, whoever got copies."""

import math
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from modelrollout.domain.reading import Sample, State
from modelrollout.domain.tally import Features, Histogram, Mean, Rate, Shares
from modelrollout.sources._base import Scope
from modelrollout.sources._observed import middle
from modelrollout.sources.inputs import PLUGIN as INPUTS
from modelrollout.sources.inputs import InputsConfig, InputSignal
from modelrollout.sources.outputs import PLUGIN as OUTPUTS
from modelrollout.sources.outputs import OutputsConfig, OutputSignal
from tests.unit.sources.collected import FEATURES, observed, page

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = Scope("ml", "digits", "candidate", "candidate", "stable", ())
COPIES = Scope("ml", "digits", "candidate-mirror", "candidate", "stable", ())
LENGTH = Histogram(((2.0, 4.0), (4.0, 10.0), (math.inf, 10.0)))
X = Histogram(((2.0, 4.0), (4.0, 8.0), (math.inf, 8.0)))
LIGHT = Shares({"bright": 7.0, "dark/dim": 3.0})


def tally(plugin: Any, config: Any, sample: Sample, arm: str = "candidate", part: str = "") -> Any:
    series: Counter[str] = Counter()
    for key, value in sample.counters.items():
        if (key.arm, key.slice) == (arm, part):
            series[key.series] += int(value)
    measure = plugin.measure_arm(config, series)
    return measure.tally if measure else None


def test_values_are_distributions_by_feature() -> None:
    config = InputsConfig()
    found = tally(INPUTS, config, INPUTS.parse(config, SCOPE, {"r0": observed()}, NOW))
    assert found == Features({"length": LENGTH, "light": LIGHT, "x": X}, 12.0)


def test_one_feature_is_picked_by_its_name() -> None:
    config = InputsConfig(feature="x")
    found = tally(INPUTS, config, INPUTS.parse(config, SCOPE, {"r0": observed()}, NOW))
    assert found == Features({"x": X}, 12.0)


def test_many_values_of_one_request_prove_no_more_than_one() -> None:
    config = InputsConfig(feature="x")
    many = {"requests": 5, "in/x/at=1": 30, "in/x/at=2": 10, "in/x/count": 5, "in/x/missing": 1}
    found = tally(INPUTS, config, INPUTS.parse(config, SCOPE, {"r0": observed({"candidate": many})}, NOW))
    assert found.counts["x"].total == 4
    assert found.counts["x"].above(1.0) == 1


def test_missing_is_a_share_of_all_values_or_of_one_feature() -> None:
    for feature, expected in ((None, Rate(2 / 3, 10.0)), ("x", Rate(2.0, 10.0)), ("light", Rate(0.0, 10.0))):
        config = InputsConfig(feature=feature, signal=InputSignal.MISSING)
        found = tally(INPUTS, config, INPUTS.parse(config, SCOPE, {"r0": observed()}, NOW))
        assert (found.bad, found.total) == pytest.approx((expected.bad, expected.total))


def test_a_length_is_the_mean_of_the_bins_middles() -> None:
    config = InputsConfig(signal=InputSignal.LENGTH)
    found = tally(INPUTS, config, INPUTS.parse(config, SCOPE, {"r0": observed()}, NOW))
    assert found == Mean(4 * middle(2.0) + 6 * middle(4.0), 10.0)
    assert 1.6 < middle(2.0) < 2.0
    assert middle(math.inf) == 1e6


def test_predictions_are_shares_or_numbers_and_empty_answers_a_rate() -> None:
    config = OutputsConfig()
    sample = OUTPUTS.parse(config, SCOPE, {"r0": observed(), "r1": observed()}, NOW)
    assert tally(OUTPUTS, config, sample) == Features({"prediction": Shares({"no": 8.0, "yes": 10.0})}, 24.0)
    numbers = {"requests": 3, "out/at=1": 2, "out/at=4": 1, "out/count": 3}
    sample = OUTPUTS.parse(config, SCOPE, {"r0": observed({"candidate": numbers})}, NOW)
    found = tally(OUTPUTS, config, sample)
    assert found.counts["prediction"] == Histogram(((1.0, 2.0), (4.0, 3.0), (math.inf, 3.0)))
    empty = OutputsConfig(signal=OutputSignal.EMPTY)
    assert tally(OUTPUTS, empty, OUTPUTS.parse(empty, SCOPE, {"r0": observed()}, NOW)) == Rate(1.0, 10.0)


def test_a_candidate_that_gets_copies_is_asked_what_stable_is_asked_and_answers_itself() -> None:
    arms = {"stable": FEATURES, "candidate-mirror": {"requests": 4, "out/is=yes": 4, "out/count": 4}}
    asked, answered = InputsConfig(), OutputsConfig()
    inputs = INPUTS.parse(asked, COPIES, {"r0": observed(arms)}, NOW)
    assert tally(INPUTS, asked, inputs, "candidate-mirror") == tally(INPUTS, asked, inputs, "stable")
    outputs = OUTPUTS.parse(answered, COPIES, {"r0": observed(arms)}, NOW)
    assert tally(OUTPUTS, answered, outputs, "candidate-mirror").counts == {"prediction": Shares({"yes": 4.0})}
    assert tally(OUTPUTS, answered, outputs, "stable").counts == {"prediction": Shares({"no": 4.0, "yes": 5.0})}


def test_parts_of_the_traffic_are_kept_apart() -> None:
    config = InputsConfig(feature="x")
    sample = INPUTS.parse(config, SCOPE, {"r0": observed(parts={"dark": {"requests": 2, "in/x/at=2": 2}})}, NOW)
    assert tally(INPUTS, config, sample, part="dark") == Features({"x": Histogram(((2.0, 2.0), (math.inf, 2.0)))}, 2.0)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({}, "No collector answers."),
        ({"r0": page("x", {})}, "No collector observes requests yet."),
        ({"r0": observed({"another": {"requests": 1}})}, "The collectors observe other revisions."),
    ],
)
def test_why_there_is_no_number_is_said(answers: dict[str, str], words: str) -> None:
    for plugin, config in ((INPUTS, InputsConfig()), (OUTPUTS, OutputsConfig())):
        sample = plugin.parse(config, SCOPE, answers, NOW)  # type: ignore[attr-defined]
        assert (sample.state, sample.message) == (State.NO_METRIC, words)
