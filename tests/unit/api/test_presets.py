"""What a preset stands for: plain metrics that a user could have written, and nothing that cannot be measured."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from modelrollout.api.modeldeployment import ModelDeploymentSpec, hashed_content
from modelrollout.api.presets import PRESETS, WITHOUT_LIMIT, expanded, first_limits, left_out
from modelrollout.api.validate import parse_spec

GOLDEN = Path(__file__).parent / "presets"
PROTOCOLS = {"llm": "openAI", "speech": "kserveV1"}
STRATEGIES: dict[str, dict[str, Any]] = {
    "shadow": {"shadow": {"hold": "10m"}},
    "canary": {"canary": {"steps": [{"weight": 25, "hold": "5m"}]}},
    "canary-with-shadow": {"canary": {"shadow": {"hold": "10m"}, "steps": [{"weight": 25, "hold": "5m"}]}},
    "blue-green": {"blueGreen": {"hold": "10m", "bake": "10m"}},
    "blue-green-with-shadow": {"blueGreen": {"shadow": {"hold": "10m"}, "hold": "10m", "bake": "10m"}},
}


def raw(preset: str, strategy: str = "canary-with-shadow", *metrics: dict[str, Any], **analysis: Any) -> dict[str, Any]:
    return {
        "model": {"protocol": PROTOCOLS.get(preset, "openInference")},
        "template": {"spec": {"containers": [{"name": "model", "image": "x"}]}},
        "service": {"targetPort": 8080},
        "strategy": STRATEGIES[strategy],
        "analysis": {"preset": preset, **({"metrics": list(metrics)} if metrics else {}), **analysis},
    }


def accepted(spec: dict[str, Any]) -> ModelDeploymentSpec:
    found, problems = parse_spec(spec, {"name": "digits"})
    assert found is not None, problems
    return found


def pasted(spec: dict[str, Any], *, first: bool = False) -> dict[str, Any]:
    """The same spec with the metrics in the place of the preset."""
    analysis = expanded(spec["analysis"], accepted(spec), first=first)
    return {**spec, "analysis": {key: value for key, value in analysis.items() if key != "preset"}}


def metrics(spec: ModelDeploymentSpec) -> dict[str, Any]:
    assert spec.analysis is not None
    return {metric.name: metric.dump() for metric in spec.analysis.metrics}


EVERY = [(preset, strategy) for preset in PRESETS for strategy in STRATEGIES]


@pytest.mark.parametrize(("preset", "strategy"), EVERY)
def test_a_preset_stands_for_what_its_file_says(preset: str, strategy: str, request: pytest.FixtureRequest) -> None:
    asked = raw(preset, strategy)
    spec = accepted(asked)
    found = {
        "metrics": expanded(asked["analysis"], spec)["metrics"],
        "firstRollout": list(first_limits(asked["analysis"], spec)),
        "leftOut": {one.name: one.reason for one in left_out(spec)},
    }
    path = GOLDEN / f"{preset}-{strategy}.yaml"
    text = yaml.safe_dump(found, sort_keys=False, width=130, allow_unicode=True)
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), (
        "The preset is another. If that is intended: --update-golden, and review the difference."
    )


def test_every_file_has_its_preset() -> None:
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == {f"{preset}-{strategy}" for preset, strategy in EVERY}


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(("preset", "strategy"), EVERY)
def test_what_it_stands_for_can_be_pasted(preset: str, strategy: str, first: bool) -> None:
    asked = raw(preset, strategy, predictions={"baseline": {}}) if "shadow" in strategy else raw(preset, strategy)
    by_hand = accepted(pasted(asked, first=first))
    assert by_hand.analysis is not None
    assert by_hand.analysis.preset is None
    if not first:
        preset_of = accepted(asked).analysis
        assert preset_of is not None
        assert by_hand.analysis == preset_of.model_copy(update={"preset": None})


@pytest.mark.parametrize(("preset", "strategy"), EVERY)
def test_the_limits_of_the_first_rollout_are_stricter_and_the_rest_is_the_same(preset: str, strategy: str) -> None:
    asked = raw(preset, strategy)
    usual, first = metrics(accepted(pasted(asked))), metrics(accepted(pasted(asked, first=True)))
    assert list(usual) == list(first)
    for name, metric in usual.items():
        assert stricter(metric, first[name]) == {True}, name


LARGER_IS_STRICTER = {"agreement.min"}


def stricter(usual: Any, first: Any, path: str = "") -> set[bool]:
    """Whether each number that differs is stricter; empty when none does."""
    if isinstance(usual, dict):
        assert usual.keys() == first.keys()
        return {one for key in usual for one in stricter(usual[key], first[key], f"{path}.{key}".removeprefix("."))}
    if usual == first:
        return set()
    return {(first > usual) is (path in LARGER_IS_STRICTER)}


def test_what_is_written_out_expands_to_itself() -> None:
    asked = raw("llm", predictions={"baseline": {}})
    spec = accepted(asked)
    once = expanded(asked["analysis"], spec)
    assert expanded(once, spec) == once
    assert accepted({**asked, "analysis": once}).analysis == spec.analysis


def test_a_metric_of_ones_own_takes_the_place_of_the_presets_and_stays_as_it_is_in_the_first_rollout() -> None:
    own = {"name": "errors", "router": {"signal": "errorRate"}, "threshold": {"max": 0.3}}
    asked = raw("vision", "shadow", own)
    spec = accepted(asked)
    for first in (False, True):
        assert expanded(asked["analysis"], spec, first=first)["metrics"][0] == own
    assert list(metrics(spec)) == ["errors", "slow", "agreement", "classes", "empty"]
    assert not any(line.startswith("errors") for line in first_limits(asked["analysis"], spec))
    assert "errors" not in {one.name for one in left_out(spec, frozenset({"errors"}))}


def test_a_metric_of_ones_own_is_blamed_at_its_own_place() -> None:
    wrong = {"name": "mine", "router": {"signal": "errorRate"}, "threshold": {"max": 2}}
    _, (problem,) = parse_spec(raw("vision", "shadow", wrong), {"name": "digits"})
    assert problem.path == "spec.analysis.metrics[0].threshold.max"


@pytest.mark.parametrize(
    ("spec", "missing", "words"),
    [
        (raw("vision", "canary"), "agreement", "no stage copies any"),
        (raw("tabular-classification", "blue-green"), "slow", "with this blueGreen only one ever gets requests"),
        ({**raw("speech"), "model": {"protocol": "http"}}, "same-text", "nobody knows where a prediction is"),
        ({**raw("llm"), "model": {"protocol": "kserveV1"}}, "finish", "only answers of protocol openAI"),
        (raw("llm"), "same-text", "predictions.baseline"),
        (raw("llm", "shadow"), "first-byte", "no stage before the last has requests of clients"),
        (raw("regression"), "bias", "no preset knows the unit"),
    ],
)
def test_what_cannot_be_measured_is_left_out_with_the_reason(spec: dict[str, Any], missing: str, words: str) -> None:
    parsed = accepted(spec)
    assert missing not in metrics(parsed)
    assert words in {one.name: one.reason for one in left_out(parsed)}[missing]


def test_a_metric_without_a_limit_is_not_missed_any_more_once_it_is_written() -> None:
    bias = {"name": "bias", "predictions": {"signal": "bias"}, "threshold": {"min": -2, "max": 2}}
    spec = accepted(raw("regression", "shadow", bias))
    assert [one.name for one in left_out(spec, frozenset({"bias"}))] == ["difference"]


@pytest.mark.parametrize("task", WITHOUT_LIMIT)
def test_what_is_proposed_instead_is_accepted(task: str) -> None:
    proposals = [yaml.safe_load(one.reason.split("Add one: ")[1].removesuffix(".")) for one in WITHOUT_LIMIT[task]]
    assert [one["name"] for one in proposals] == [one.name for one in WITHOUT_LIMIT[task]]
    assert accepted(raw(task, "shadow", *proposals)) is not None


def test_without_copies_no_router_captures_anything() -> None:
    assert all("predictions" not in metric for metric in metrics(accepted(raw("llm", "canary"))).values())


def test_a_preset_is_no_part_of_a_revision() -> None:
    asked = raw("vision")
    assert hashed_content(accepted(asked)) == hashed_content(accepted(pasted(asked)))
