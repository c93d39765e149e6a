"""What each strategy compiles to."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from modelrollout.domain.stage import Stage, StageKind
from modelrollout.strategies import blue_green, canary, shadow

M = timedelta(minutes=1)
FULL = Stage(StageKind.FULL, "full", 100, full_size=True)
BAKE = Stage(StageKind.BAKE, "bake", 100, hold=5 * M, full_size=True)


def stages(plugin: Any, config: dict[str, Any]) -> tuple[Stage, ...]:
    made: tuple[Stage, ...] = plugin.stages(plugin.config.model_validate(config))
    return made


def test_a_canary_is_its_steps_and_then_everything() -> None:
    assert stages(
        canary.PLUGIN, {"steps": [{"weight": 5, "hold": "1m"}, {"weight": 50, "hold": "2m", "replicas": 3}]}
    ) == (
        Stage(StageKind.STEP, "step 1/2", 5, hold=M),
        Stage(StageKind.STEP, "step 2/2", 50, hold=2 * M, replicas=3),
        FULL,
    )


def test_a_pause_keeps_weight_and_size_of_the_step_before() -> None:
    made = stages(canary.PLUGIN, {"steps": [{"pause": {}}, {"weight": 5, "hold": "1m", "replicas": 2}, {"pause": {}}]})
    assert made == (
        Stage(StageKind.PAUSE, "pause 1/3", 0, approval=True),
        Stage(StageKind.STEP, "step 2/3", 5, hold=M, replicas=2),
        Stage(StageKind.PAUSE, "pause 3/3", 5, approval=True, replicas=2),
        FULL,
    )


def test_a_canary_may_begin_with_copies_and_end_with_a_person_and_a_bake() -> None:
    config = {
        "shadow": {"percent": 20, "hold": "1m"},
        "steps": [{"weight": 5, "hold": "1m"}],
        "promotion": "manual",
        "bake": "5m",
    }
    assert stages(canary.PLUGIN, config) == (
        Stage(StageKind.SHADOW, "shadow", mirror=20, hold=M),
        Stage(StageKind.STEP, "step 1/1", 5, hold=M, approval=True),
        FULL,
        BAKE,
    )


@pytest.mark.parametrize(
    ("ramp", "weights"),
    [
        ({}, [1, 2, 5, 10, 20, 50]),
        ({"max": 20}, [1, 2, 5, 10, 20]),
        ({"max": 7}, [1, 2, 5, 7]),
        ({"max": 99}, [1, 2, 5, 10, 20, 50, 99]),
        ({"max": 1}, [1]),
    ],
)
def test_a_ramp_has_its_rungs_up_to_its_max_and_then_everything(ramp: dict[str, Any], weights: list[int]) -> None:
    rungs = tuple(Stage(StageKind.STEP, f"ramp {weight} %", weight, budget=30) for weight in weights)
    assert stages(canary.PLUGIN, {"ramp": ramp}) == (*rungs, FULL)


def test_a_ramp_has_a_budget_of_its_own_and_ends_as_steps_do() -> None:
    config = {
        "shadow": {"hold": "1m"},
        "ramp": {"budget": 4.5, "max": 2},
        "promotion": "manual",
        "bake": "5m",
    }
    assert stages(canary.PLUGIN, config) == (
        Stage(StageKind.SHADOW, "shadow", mirror=100, hold=M),
        Stage(StageKind.STEP, "ramp 1 %", 1, budget=4.5),
        Stage(StageKind.STEP, "ramp 2 %", 2, budget=4.5, approval=True),
        FULL,
        BAKE,
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "is missing. Write steps"),
        ({"bake": "5m"}, "is missing. Write steps"),
        ({"ramp": {}, "steps": [{"weight": 5, "hold": "1m"}]}, "only one of them can say the next weight"),
        ({"ramp": {"budget": 0}}, "greater than or equal to 0.1"),
        ({"ramp": {"max": 100}}, "less than or equal to 99"),
        ({"ramp": {"max": 0}}, "greater than or equal to 1"),
        ({"ramp": {"hold": "1m"}}, "Extra inputs"),
    ],
)
def test_what_makes_no_ramp(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        canary.CanaryConfig.model_validate(config)


def test_blue_green_is_a_preview_in_full_size_and_one_switch() -> None:
    preview = Stage(StageKind.PREVIEW, "preview", hold=M, full_size=True)
    assert stages(blue_green.PLUGIN, {"hold": "1m"}) == (preview, FULL)
    assert stages(blue_green.PLUGIN, {"hold": "1m", "shadow": {"hold": "1m"}, "bake": "5m"}) == (
        Stage(StageKind.SHADOW, "shadow", mirror=100, hold=M),
        preview,
        FULL,
        BAKE,
    )


def test_after_a_shadow_a_person_releases_everything_unless_told_otherwise() -> None:
    copies = Stage(StageKind.SHADOW, "shadow", mirror=100, hold=M, approval=True)
    assert stages(shadow.PLUGIN, {"hold": "1m"}) == (copies, FULL)
    assert stages(shadow.PLUGIN, {"hold": "1m", "promotion": "automatic"})[0].approval is False


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "at least 1 item"),
        ([{"weight": 5}], "has a weight and no hold"),
        ([{"hold": "1m"}], "must have either a weight or a pause"),
        ([{"weight": 5, "hold": "1m", "pause": {}}], "must have either a weight or a pause"),
        ([{"pause": {}, "hold": "1m"}], "a pause that does not stand alone"),
        ([{"pause": {}, "replicas": 2}], "a pause that does not stand alone"),
        ([{"weight": 0, "hold": "1m"}], "greater than or equal to 1"),
        ([{"weight": 100, "hold": "1m"}], "less than or equal to 99"),
        ([{"weight": 5, "hold": "1m"}, {"weight": 5, "hold": "1m"}], "weights that rise"),
        ([{"weight": 9, "hold": "1m"}, {"pause": {}}, {"weight": 8, "hold": "1m"}], "weights that rise"),
    ],
)
def test_steps_that_make_no_rollout(steps: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        canary.CanaryConfig.model_validate({"steps": steps})
