"""A metric of what is observed needs somebody who observes, and a judge that knows distributions."""

from typing import Any

import pytest

from modelrollout.api.validate import parse_spec

MOVED = {"name": "moved", "inputs": {}, "drift": {}}
ANSWERS = {"name": "answers", "outputs": {}, "drift": {}}


def problems(metric: dict[str, Any], model: dict[str, Any] | None = None, **analysis: Any) -> list[str]:
    raw = {
        **({"model": model} if model else {}),
        "template": {"spec": {"containers": [{"name": "model", "image": "x"}]}},
        "service": {"targetPort": 8080},
        "strategy": {"canary": {"steps": [{"weight": 10, "hold": "10m"}]}},
        "analysis": {**analysis, "metrics": [metric]},
    }
    return [str(problem) for problem in parse_spec(raw, {"name": "digits"})[1]]


def test_what_nobody_observes_is_refused() -> None:
    for metric in (MOVED, ANSWERS):
        (problem,) = problems(metric, {"protocol": "kserveV1"})
        assert "Add spec.analysis.inputs: {}." in problem
        assert problems(metric, {"protocol": "kserveV1"}, inputs={}) == []


def test_predictions_that_nobody_can_find_are_refused() -> None:
    (problem,) = problems(ANSWERS, inputs={})
    assert "spec.analysis.inputs.output" in problem
    assert problems(ANSWERS, inputs={"output": {"path": "result.label"}}) == []
    assert problems(MOVED, inputs={}) == []


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ({"name": "m", "inputs": {}, "compare": {}}, "Use drift."),
        ({"name": "m", "inputs": {}, "threshold": {"max": 1}}, "Use drift."),
        ({"name": "m", "inputs": {}, "agreement": {"min": 0.9}}, "Use compare or threshold"),
        ({"name": "m", "inputs": {"signal": "missing"}, "drift": {}}, "counts no distribution"),
        ({"name": "m", "router": {"signal": "errorRate"}, "drift": {}}, "counts no distribution"),
    ],
)
def test_distributions_and_drift_belong_together(metric: dict[str, Any], words: str) -> None:
    assert any(words in problem for problem in problems(metric, inputs={}))


def test_gaps_and_lengths_are_held_against_limits_and_margins() -> None:
    for metric in (
        {"name": "m", "inputs": {"signal": "missing", "feature": "age"}, "threshold": {"max": 0.1}},
        {"name": "m", "inputs": {"signal": "missing"}, "compare": {}},
        {"name": "m", "inputs": {"signal": "length"}, "compare": {"margin": {"absolute": 10}}},
    ):
        assert problems(metric, inputs={}) == []
    assert (
        problems({"name": "m", "outputs": {"signal": "empty"}, "compare": {}}, inputs={"output": {"path": "x"}}) == []
    )
