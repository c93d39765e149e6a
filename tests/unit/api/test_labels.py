"""Labels in a spec: what reaches the collector, and what is refused by name."""

from datetime import timedelta
from typing import Any

import pytest

from modelrollout.api.captures import capture_of
from modelrollout.api.validate import parse_spec
from modelrollout.domain.capture import Extraction, Kind, Labelled
from tests.unit.api.test_captures import raw

WRONG = {"name": "wrong", "labels": {}, "threshold": {"max": 0.1}}
LABELS = {"tokenSecret": {"name": "feedback"}}
SEX = {"name": "sex", "header": "x-sex", "values": ["f", "m"]}
CANARY = {"canary": {"steps": [{"weight": 10, "hold": "1m"}]}}


def problems(metric: Any = WRONG, labels: Any = LABELS, **fields: Any) -> dict[str, str]:
    analysis = {name: fields.pop(name) for name in ("slices",) if name in fields}
    if labels is not None:
        analysis["labels"] = labels
    asked = {**raw(metric, **analysis), "strategy": CANARY, **fields}
    _, found = parse_spec({name: value for name, value in asked.items() if value is not None}, {"name": "digits"})
    return {problem.path: problem.reason for problem in found}


def test_every_setting_reaches_the_collector() -> None:
    labels = {
        **LABELS, "kept": 500, "within": "5m", "rate": 7, "groups": ["sex"], "positive": "yes", "output": {"path": "y"},
    }  # fmt: skip
    found, said = parse_spec(raw(WRONG, labels=labels, slices=[SEX]) | {"strategy": CANARY}, {"name": "digits"})
    assert found is not None, said
    capture = capture_of(found, (None, None), ("old", None))
    assert capture is not None
    assert capture.labelled == Labelled(
        output=Extraction(path="y"),
        kept=500,
        groups=("sex=f", "sex=m"),
        positive="yes",
        within=timedelta(minutes=5),
        rate=7,
    )
    assert capture.observed is None, "labels alone need no inputs"
    assert capture.extractions == ()


def test_a_tolerance_is_that_of_the_prediction() -> None:
    labels = {**LABELS, "output": {"kind": "number", "tolerance": {"absolute": 2}}}
    found, _ = parse_spec(raw(WRONG, labels=labels) | {"strategy": CANARY}, {"name": "digits"})
    assert found is not None
    capture = capture_of(found, (None, None), (None, None))
    assert capture is not None
    assert capture.labelled is not None
    assert capture.labelled.output == Extraction(kind=Kind.NUMBER, absolute=2)


def test_labels_are_off_where_nobody_asks() -> None:
    found, _ = parse_spec(
        raw({"name": "e", "router": {"signal": "errorRate"}, "threshold": {"max": 1}}), {"name": "digits"}
    )
    assert found is not None
    assert capture_of(found, (None, None), ("old", None)) is None


def test_they_are_accepted_with_and_without_a_metric() -> None:
    errors = {"name": "e", "router": {"signal": "errorRate"}, "threshold": {"max": 1}}
    assert problems() == problems(errors) == {}


PARITY = {"name": "p", "labels": {"signal": "parity"}, "threshold": {"max": 0.1}}
NUMBER = {**LABELS, "output": {"kind": "number"}}
PLACE = "spec.analysis.labels"
METRIC = "spec.analysis.metrics[0].labels"
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"labels": None}, METRIC, "nobody can send any"),
    ({"traffic": {"direct": {}}}, PLACE, "does not offer capture"),
    ({"service": {"targetPort": 8080, "name": "digits-labels"}}, "spec.service.name", "takes labels"),
    ({"model": None}, f"{PLACE}.output.path", "nobody knows where"),
    ({"labels": {**LABELS, "groups": ["sex"], "positive": "y"}}, f"{PLACE}.groups[0]", "sex is no slice"),
    ({"labels": {**LABELS, "positive": "y"}}, f"{PLACE}.positive", "stands beside groups"),
    ({"labels": {**LABELS, "groups": ["sex"]}, "slices": [SEX]}, f"{PLACE}.positive", "stands beside groups"),
    ({"labels": {**NUMBER, "groups": ["sex"], "positive": "y"}, "slices": [SEX]}, f"{PLACE}.positive", "is a label"),
    ({"labels": {**LABELS, "output": {"kind": "text"}}}, f"{PLACE}.output.kind", "cannot be held against a label"),
    ({"labels": {**LABELS, "wait": {"maxAge": "10m"}}}, f"{PLACE}.wait", "nothing watches"),
    ({"labels": {**LABELS, "within": "2h"}}, f"{PLACE}.within", "no time in which an event may come"),
    ({"metric": PARITY}, f"{METRIC}.signal", "none are named"),
    ({"metric": {**WRONG, "labels": {"signal": "error"}}}, f"{METRIC}.signal", "distance between numbers"),
    (
        {"metric": {**WRONG, "labels": {"signal": "recall", "of": "y"}}, "labels": NUMBER},
        f"{METRIC}.signal",
        "one class",
    ),
    (
        {"metric": {"name": "w", "labels": {"signal": "accuracy"}, "compare": {}}},
        "spec.analysis.metrics[0].compare",
        "nothing",
    ),
]


@pytest.mark.parametrize(("fields", "path", "words"), REFUSED)
def test_what_cannot_be_done_is_refused_by_name(fields: dict[str, Any], path: str, words: str) -> None:
    found = problems(**fields)
    assert words in found.get(path, ""), found
