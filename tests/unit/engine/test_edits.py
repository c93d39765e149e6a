"""Edits of the spec in mid-rollout: what applies at once, where the rollout resumes, and what must never happen."""

from typing import Any

import pytest

from modelrollout.domain.stage import Stage, StageKind
from modelrollout.domain.status import RolloutState
from modelrollout.engine.lifecycle import plan_digest, resume_index
from tests.unit.engine.world import ERRORS, World, analysis, canary, template


def rolling(strategy: dict[str, Any], seconds: float, **fields: Any) -> World:
    world = World()
    world.install()
    world.apply(strategy=strategy, template=template(2), **fields)
    world.wait(seconds)
    return world


@pytest.mark.parametrize(
    ("before", "after", "label", "weight"),
    [
        ((10, 25, 50), (10, 25, 30, 50), "step 2/4", 25),
        ((10, 25, 50), (25, 50), "step 1/2", 25),
        ((10, 25, 50), (10, 20, 50), "step 2/3", 25),
        ((10, 25, 50), (5, 10), "step 2/2", 25),
        ((10, 25, 50), (30, 50), "step 1/2", 30),
        ((10, 25, 50), (24, 25, 26), "step 2/3", 25),
    ],
    ids=[
        "a step added later",
        "a step removed",
        "this step made smaller",
        "all later steps removed",
        "all steps larger",
        "around it",
    ],
)
def test_changed_steps_resume_at_the_last_one_that_is_not_above_the_weight(
    before: tuple[int, ...], after: tuple[int, ...], label: str, weight: int
) -> None:
    world = rolling(canary(*before), 65)
    assert world.weight(2) == 25
    world.apply(strategy=canary(*after))
    world.wait(5)
    assert (world.rollout.stage_label, world.weight(2)) == (label, weight)
    world.run()
    assert world.status.stable == world.name(2)
    seen = [weight for _, weight in world.weights[1:]]
    assert seen == sorted(seen), "the weight falls"


def test_a_hold_begins_anew_after_an_edit_of_the_steps() -> None:
    world = rolling(canary(25, 50), 50)
    world.apply(strategy=canary(25, 60))
    world.wait(50)
    assert world.weight(2) == 25
    world.wait(15)
    assert world.weight(2) == 60


def test_a_pause_that_is_over_is_not_waited_in_again() -> None:
    world = rolling(canary(25, "pause", 50), 70)
    world.ready[world.name(2)] = 1
    world.ask("promote")
    world.wait(5)
    assert (world.rollout.stage_label, world.weight(2)) == ("step 3/3", 25)
    world.apply(strategy=canary(25, "pause", 60))
    world.ready.clear()
    world.run()
    assert world.status.stable == world.name(2)


def test_a_pause_in_the_first_place_that_is_over_is_not_waited_in_again() -> None:
    world = rolling(canary("pause", 25), 5)
    world.ready[world.name(2)] = 0
    world.wait(1)
    world.ready.clear()
    world.wait(1)
    world.ask("promote")
    world.deaf = {"router-0"}
    world.wait(1)
    world.apply(strategy=canary("pause", 30))
    world.deaf = set()
    world.wait(5)
    assert world.weight(2) >= 25


def test_a_pause_that_is_added_ahead_is_waited_in() -> None:
    world = rolling(canary(25, 50), 30)
    world.apply(strategy=canary(25, "pause", 50))
    world.wait(1000)
    assert world.weight(2) == 25
    assert world.condition("Reconciling") == ("True", "WaitingForApproval")


def test_a_pause_that_moves_to_a_higher_weight_is_waited_in() -> None:
    world = rolling(canary(10, "pause", 25, 50), 65)
    world.ask("promote")
    world.wait(5)
    assert world.weight(2) == 25
    world.apply(strategy=canary(10, 25, "pause", 50))
    world.wait(1000)
    assert world.weight(2) == 25


def test_a_shorter_hold_applies_at_once_and_moves_nothing_else() -> None:
    world = rolling({"canary": {"steps": [{"weight": 25, "hold": "1h"}, {"weight": 50, "hold": "1h"}]}}, 120)
    verified = world.rollout.verified_at
    world.apply(strategy=canary(25, 50))
    world.step()
    assert world.rollout.stage_label == "step 2/2", "the new hold was over already"
    world.apply(strategy={"canary": {"steps": [{"weight": 25, "hold": "1m"}, {"weight": 50, "hold": "1h"}]}})
    world.wait(600)
    assert world.weight(2) == 50
    assert world.rollout.verified_at is not None
    assert verified is not None
    assert world.rollout.verified_at > verified


def test_who_must_approve_applies_at_once() -> None:
    world = rolling(canary(25, promotion="manual"), 300)
    verified = world.rollout.verified_at
    assert world.condition("Reconciling") == ("True", "WaitingForApproval")
    world.apply(strategy=canary(25))
    world.step()
    assert world.rollout.verified_at != verified
    world.run(5)
    assert world.status.stable == world.name(2)


def test_a_tighter_threshold_is_held_against_what_was_measured() -> None:
    world = rolling(canary(25, 50), 30, analysis=analysis())
    world.values["errors"] = 0.01
    world.wait(1)
    assert world.condition("AnalysisPassed") == ("True", "Pass")
    world.apply(analysis=analysis({**ERRORS, "threshold": {"max": 0.001}}))
    world.wait(1)
    assert world.rollout.state is RolloutState.ABORTED
    assert world.weight(1) == 100


def test_a_metric_that_is_added_must_pass_as_well() -> None:
    world = rolling(canary(25, 50), 30, analysis=analysis())
    world.values["errors"] = 0.01
    world.wait(1)
    slow = {"name": "slow", "router": {"signal": "latencySeconds"}, "threshold": {"max": 0.2}}
    world.apply(analysis=analysis(ERRORS, slow))
    world.wait(300)
    assert world.weight(2) == 25
    assert "slow" in world.status.message
    world.values["slow"] = 0.1
    world.wait(5)
    assert world.weight(2) == 50


def test_a_canary_that_becomes_blue_green_keeps_its_weight_and_is_previewed_at_it() -> None:
    world = rolling(canary(25, 50), 30)
    world.apply(strategy={"blueGreen": {"hold": "5m"}})
    world.wait(60)
    assert (world.weight(2), world.size(2)) == (25, 4)
    assert world.rollout.strategy == "blueGreen"
    world.run()
    assert [weight for _, weight in world.weights[-2:]] == [25, 100]


def test_a_candidate_that_answers_is_never_made_a_shadow() -> None:
    world = rolling(canary(25, 50), 30)
    world.apply(strategy={"shadow": {"hold": "1m"}})
    world.wait(30)
    assert not world.route.mirrors
    assert world.weight(2) == 25
    world.wait(60)
    assert world.condition("Reconciling") == ("True", "WaitingForApproval"), "100 % is still for a person to release"


def test_a_shadow_that_is_added_before_there_is_weight_is_done_first() -> None:
    world = World()
    world.install()
    world.ready[world.name(2)] = 0
    world.apply(strategy=canary(25), template=template(2))
    world.wait(5)
    world.apply(strategy=canary(25, shadow={"hold": "1m"}))
    world.ready.clear()
    world.wait(30)
    assert world.route.mirrored(world.name(2)) == 100


def test_a_shadow_that_is_over_is_not_done_again_for_an_edit_of_the_preview() -> None:
    world = rolling({"blueGreen": {"shadow": {"hold": "1m"}, "hold": "5m"}}, 90)
    assert world.rollout.stage_label == "preview"
    world.apply(strategy={"blueGreen": {"shadow": {"hold": "1m", "percent": 50}, "hold": "5m"}})
    world.wait(5)
    assert world.rollout.stage_label == "preview"


def test_the_bake_may_be_taken_away_while_it_lasts() -> None:
    world = rolling(canary(25, bake="1h"), 120)
    assert world.rollout.stage_label == "bake"
    world.apply(strategy=canary(25))
    world.run(5)
    assert world.status.stable == world.name(2)


def test_more_replicas_in_mid_rollout_reach_both_revisions() -> None:
    world = rolling(canary(50), 30)
    world.apply(replicas=8)
    world.wait(5)
    assert (world.size(1), world.size(2)) == (8, 4)
    world.run()
    assert world.size(2) == 8


def test_more_pods_for_a_step_are_waited_for_before_it_ends() -> None:
    world = rolling({"canary": {"steps": [{"weight": 25, "hold": "1m"}]}}, 30)
    world.ready[world.name(2)] = 1
    world.apply(strategy={"canary": {"steps": [{"weight": 25, "hold": "1m", "replicas": 3}]}})
    world.wait(120)
    assert (world.size(2), world.weight(2)) == (3, 25)
    assert "1 of 3" in world.status.message
    world.ready.clear()
    world.run()


def test_an_edit_of_the_steps_of_an_earlier_rollout_starts_nothing() -> None:
    world = rolling(canary(25), 300)
    world.apply(strategy=canary(10, 20, 30))
    world.wait(60)
    assert world.rollout.state is RolloutState.COMPLETED
    assert world.condition("Ready") == ("True", "Stable")


@pytest.mark.parametrize(("weight", "index"), [(0, 0), (5, 1), (9, 1), (10, 3), (99, 3), (100, 5)], ids=str)
def test_where_a_weight_resumes(weight: int, index: int) -> None:
    stages = (
        Stage(StageKind.SHADOW, "", mirror=100),
        Stage(StageKind.STEP, "", 5),
        Stage(StageKind.PAUSE, "", 5),
        Stage(StageKind.STEP, "", 10),
        Stage(StageKind.FULL, "", 100),
        Stage(StageKind.BAKE, "", 100),
    )
    assert resume_index(stages, weight) == index


def test_only_weights_and_kinds_make_another_plan() -> None:
    plan = plan_digest((Stage(StageKind.STEP, "a", 5),))
    assert plan == plan_digest((Stage(StageKind.STEP, "b", 5, approval=True, replicas=3),))
    assert plan != plan_digest((Stage(StageKind.STEP, "a", 6),))
    assert plan != plan_digest((Stage(StageKind.STEP, "a", 5), Stage(StageKind.FULL, "", 100)))
