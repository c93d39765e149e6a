"""What is captured of copied requests, as it follows from a spec."""

import hashlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.api.captures import capture_of, extractions_of
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.slices import Slice, parts_of
from modelrollout.api.validate import parse_spec
from modelrollout.domain.capture import Capture, Extraction, Feature, FeatureKind, Kind, Observed, Part, Protocol

ERRORS = {"name": "errors", "router": {"signal": "errorRate"}, "threshold": {"max": 0.01}}
PAIR, BOTH, NOBODY = ("old", "new"), ("old", "new"), (None, None)
SAME = {"name": "same", "predictions": {}, "agreement": {"min": 0.97}}


def raw(*metrics: dict[str, Any], **analysis: Any) -> dict[str, Any]:
    return {
        "model": {"protocol": "openInference"},
        "template": {"spec": {"containers": [{"name": "model", "image": "x"}]}},
        "service": {"targetPort": 8080},
        "strategy": {"shadow": {"hold": "10m"}},
        "analysis": {**analysis, "metrics": list(metrics)},
    }


def spec(*metrics: dict[str, Any], **analysis: Any) -> ModelDeploymentSpec:
    found, problems = parse_spec(raw(*metrics, **analysis), {"name": "digits"})
    assert found is not None, problems
    return found


def test_nothing_is_captured_where_no_metric_compares_predictions() -> None:
    assert capture_of(spec(ERRORS), PAIR, BOTH) is None
    assert capture_of(spec(SAME).model_copy(update={"analysis": None}), PAIR, BOTH) is None


def test_a_metric_of_predictions_is_enough() -> None:
    assert capture_of(spec(ERRORS, SAME), PAIR, BOTH) == Capture(
        stable="old", candidate="new", protocol=Protocol.OPEN_INFERENCE, extractions=(Extraction(),)
    )


def test_every_setting_reaches_the_collector() -> None:
    asked = spec(
        {"name": "n", "predictions": {"signal": "difference", "path": "y[0]"}, "threshold": {"max": 1}},
        {"name": "b", "predictions": {"signal": "bias", "path": "y[0]"}, "threshold": {"max": 1}},
        predictions={"percent": 10, "baseline": {}, "keepExamples": True, "redact": ["user.name"]},
        slices=[{"name": "light", "header": "x-light", "values": ["dark"]}],
    )
    assert capture_of(asked, NOBODY, BOTH) == Capture(
        protocol=Protocol.OPEN_INFERENCE,
        percent=10,
        baseline=10,
        parts=(Part(name="light=dark", header="x-light", value="dark"),),
        extractions=(Extraction(path="y[0]", kind=Kind.NUMBER),),
        keep_bodies=True,
        redact=("user.name",),
    )


def test_inputs_alone_are_enough_and_name_who_answers_clients() -> None:
    asked = spec(ERRORS, inputs={"percent": 5}, slices=[{"name": "light", "header": "x-light", "values": ["dark"]}])
    expected = Capture(
        protocol=Protocol.OPEN_INFERENCE,
        parts=(Part(name="light=dark", header="x-light", value="dark"),),
        observed=Observed(percent=5, output=Extraction()),
    )
    for compared, answering in ((NOBODY, ("old", None)), (NOBODY, ("old", "new")), (PAIR, ("old", None))):
        stable, candidate = answering if compared == NOBODY else compared
        found = expected.model_copy(update={"stable": stable, "candidate": candidate})
        assert capture_of(asked, compared, answering) == found


def test_features_and_outputs_are_told_as_they_are_written() -> None:
    features = [{"name": "x[3]", "low": -1, "high": 1}, {"name": "c", "path": "a.c", "kind": "category"}]
    found = capture_of(
        spec(ERRORS, inputs={"features": features, "output": {"path": "y", "kind": "number"}}), NOBODY, BOTH
    )
    assert found is not None
    assert found.observed == Observed(
        features=(
            Feature(name="x[3]", low=-1, high=1),
            Feature(name="c", path="a.c", kind=FeatureKind.CATEGORY),
        ),
        output=Extraction(path="y", kind=Kind.NUMBER),
    )


def test_where_nobody_knows_the_place_of_a_prediction_none_is_measured() -> None:
    found = capture_of(spec(ERRORS, inputs={}).model_copy(update={"model": None}), NOBODY, BOTH)
    assert found is not None
    assert found.observed == Observed()


def test_a_prediction_that_several_metrics_are_about_is_looked_for_once() -> None:
    kappa = {"name": "kappa", "predictions": {"signal": "kappa"}, "agreement": {"min": 0.9}}
    text = {"name": "text", "predictions": {"kind": "text"}, "agreement": {"min": 0.9}}
    assert extractions_of(spec(SAME, kappa, text)) == (Extraction(), Extraction(kind=Kind.TEXT))


def test_a_capture_survives_the_file_that_the_collector_reads() -> None:
    found = capture_of(spec(SAME, slices=[{"name": "age", "path": "age", "buckets": [18, 65.5]}]), PAIR, BOTH)
    assert found is not None
    assert Capture.model_validate_json(found.model_dump_json(by_alias=True)) == found
    assert Capture.model_validate(found.dump()) == found


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        ([], ()),
        (
            [{"name": "light", "header": "x-light", "values": ["dark", "dim"]}],
            (
                Part(name="light=dark", header="x-light", value="dark"),
                Part(name="light=dim", header="x-light", value="dim"),
            ),
        ),
        (
            [{"name": "age", "path": "user.age", "buckets": [18, 65.5]}],
            (
                Part(name="age<18", path="user.age", high=18),
                Part(name="18<=age<65.5", path="user.age", low=18, high=65.5),
                Part(name="age>=65.5", path="user.age", low=65.5),
            ),
        ),
        (
            [{"name": "t", "path": "t", "buckets": [-0.5]}],
            (Part(name="t<-0.5", path="t", high=-0.5), Part(name="t>=-0.5", path="t", low=-0.5)),
        ),
    ],
)
def test_a_slice_makes_one_part_for_each_value_or_bucket(slices: list[Any], expected: tuple[Part, ...]) -> None:
    assert parts_of(tuple(Slice.model_validate(one) for one in slices)) == expected


def test_a_hashed_part_names_no_value() -> None:
    value = hashlib.sha256(b"alice").hexdigest()[:16]
    (part,) = Slice.model_validate({"name": "user", "header": "x-user", "hashed": True, "values": [value]}).parts()
    assert part == Part(name=f"user={value}", header="x-user", value=value, hashed=True)


NUMBERS = st.integers(-(10**9), 10**9).map(lambda number: number / 8)


@given(st.sets(NUMBERS, min_size=1, max_size=19).map(sorted), NUMBERS)
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_every_number_is_in_exactly_one_bucket(bounds: list[float], number: float) -> None:
    parts = Slice.model_validate({"name": "a" * 20, "path": "x", "buckets": bounds}).parts()
    within = [
        part for part in parts if (part.low is None or number >= part.low) and (part.high is None or number < part.high)
    ]
    assert len(within) == 1
    assert len({part.name for part in parts}) == len(parts) == len(bounds) + 1
    assert all(first.high == second.low for first, second in pairwise(parts))


@pytest.mark.parametrize(
    ("metrics", "parts", "fits"), [(3, 20, True), (4, 15, True), (4, 16, False), (32, 1, True), (33, 1, False)]
)
def test_metrics_times_parts_are_at_most_64(metrics: int, parts: int, fits: bool) -> None:
    asked = raw(
        *({**SAME, "name": f"same-{number}"} for number in range(metrics)),
        slices=[{"name": "site", "header": "x-site", "values": [f"s{number}" for number in range(parts)]}],
    )
    found, problems = parse_spec(asked, {"name": "digits"})
    assert (found is not None) is fits
    said = [problem.reason for problem in problems]
    product = metrics * (1 + parts)
    words = f"would ask {metrics} × (1 + {parts}) = {product} questions, metrics × (1 + parts), and 64 are possible"
    assert said == ([] if fits else [words])
