"""The automation ladder: what each rung does with a pass, a failure, nothing at all, and a person."""

import math
from dataclasses import replace

import pytest

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.observation import Limits, Observation
from modelrollout.domain.plan import Plan
from modelrollout.domain.reading import State
from modelrollout.domain.route import Arm, Route
from modelrollout.engine.safety import violations
from tests.unit.engine.world import ERRORS, World, analysis, canary, template

SHADOWED = canary(25, 50, shadow={"hold": "1m"}, bake="1m")
GPU = {"name": "gpu", "prometheus": {"query": "x"}, "threshold": {"max": 95}}
COMPARED = {"name": "errors", "router": {"signal": "errorRate"}, "compare": {}}


def on(automation: str, strategy: dict[str, object] | None = None, **fields: object) -> World:
    world = World(twice=True)
    world.install()
    changes = {"strategy": strategy or SHADOWED, "analysis": analysis(), "template": template(2), **fields}
    world.apply(automation=automation, **changes)
    world.wait(30)
    return world


def never_answers(seen: Observation, plan: Plan) -> None:
    rollout, route = plan.status.rollout, plan.status.route
    if rollout is not None and rollout.previous is not None and route is not None:
        assert route.route.weight(rollout.revision) == 0


def refusal(world: World) -> str:
    assert world.status.request is not None
    assert not world.status.request.accepted
    return world.status.request.message


def test_on_the_rung_shadow_the_candidate_gets_copies_and_no_answers_whatever_people_ask() -> None:
    world = on("shadow")
    world.checks.append(never_answers)
    world.values["errors"] = 0.0
    world.wait(5000)
    assert world.rollout.stage_label == "shadow"
    assert world.route.mirrored(world.name(2)) == 100
    assert world.status.phase == "Pinned"
    assert world.condition("Reconciling") == ("True", "WeightPinned")
    assert "step 1/2 would. Set spec.automation to assist, partial or full to go on." in world.status.message
    for action in ("promote", "promote-full"):
        world.ask(action)
        world.wait(100)
        assert "automation: shadow gives the candidate copies and no answers" in refusal(world)


def test_what_fails_on_copies_ends_the_rollout_on_the_rung_shadow_too() -> None:
    world = on("shadow")
    world.values["errors"] = 0.5
    world.wait(10)
    assert (world.rollout.state, world.route.mirrors) == ("Aborted", ())


def test_a_rollout_on_the_rung_shadow_goes_on_once_it_is_raised() -> None:
    world = on("shadow")
    world.values["errors"] = 0.0
    world.wait(300)
    world.apply(automation="full")
    world.run()
    assert world.status.stable == world.name(2)


@pytest.mark.parametrize("seconds", [60, 130, 180])
def test_lowering_a_rollout_to_shadow_takes_traffic_home_at_once_and_keeps_the_attempt(seconds: int) -> None:
    world = on("full")
    world.values["errors"] = 0.0
    world.wait(seconds)
    stood = world.rollout.stage_label
    assert world.weight(2) > 0
    world.apply(automation="shadow")
    world.step()
    assert world.route == Route(arms=(Arm(revision=world.name(1), weight=100),)), "it waits for nothing"
    world.checks.append(never_answers)
    world.wait(10)
    assert (world.rollout.state, world.rollout.attempt) == ("Progressing", 1)
    assert (stood != "shadow", world.rollout.stage_label) == (True, "shadow")
    assert world.route.mirrored(world.name(2)) == 100
    assert world.status.stable == world.name(1)
    world.apply(automation="full")
    world.checks.clear()
    world.run()
    assert world.status.stable == world.name(2)


def test_what_people_released_before_a_rollout_was_lowered_is_asked_again() -> None:
    world = on("full", canary("pause", 25, shadow={"hold": "0s"}))
    world.values["errors"] = 0.0
    world.wait(30)
    world.ask("promote-full")
    world.step()
    assert world.rollout.full
    world.apply(automation="shadow")
    world.wait(30)
    world.apply(automation="full")
    world.wait(600)
    assert world.rollout.stage_label == "pause 1/2"
    assert world.weight(2) == 0


def test_lowering_to_shadow_is_obeyed_while_the_rollout_is_paused() -> None:
    world = on("full")
    world.values["errors"] = 0.0
    world.wait(100)
    world.apply(paused=True)
    world.wait(10)
    world.apply(automation="shadow")
    world.wait(10)
    assert world.weight(2) == 0


def test_lowering_to_shadow_waits_for_a_stable_pod_that_can_answer() -> None:
    world = on("full")
    world.values["errors"] = 0.0
    world.wait(100)
    weight = world.weight(2)
    world.ready[world.name(1)] = 0
    world.apply(automation="shadow")
    world.wait(10)
    assert weight == world.weight(2) > 0
    world.ready.clear()
    world.wait(10)
    assert world.weight(2) == 0


def test_a_first_install_answers_on_every_rung() -> None:
    world = World()
    world.apply(automation="shadow", strategy=SHADOWED)
    world.wait(30)
    assert world.weight(1) == 100
    assert world.condition("Ready") == ("True", "Stable")


def test_no_plan_raises_a_weight_on_the_rung_shadow() -> None:
    world = on("full")
    world.values["errors"] = 0.0
    world.wait(60)
    seen = replace(world.look(), spec={**world.spec, "automation": "shadow"})
    ask = world.status.route
    assert ask is not None
    raised = ask.model_copy(
        update={
            "serial": ask.serial + 1,
            "route": Route(
                arms=(Arm(revision=world.name(1), weight=40), Arm(revision=world.name(2), weight=60)),
            ),
        }
    )
    plan = Plan(status=world.status.model_copy(update={"route": raised}))
    assert "ShadowHasNoWeight" in [error.invariant for error in violations(plan, seen, 4)]
    assert "ShadowHasNoWeight" not in [error.invariant for error in violations(plan, world.look(), 4)]


def test_on_the_rung_partial_what_passes_clearly_goes_on_by_itself() -> None:
    world = on("partial")
    world.values["errors"] = 0.0
    world.run()
    assert world.status.stable == world.name(2)
    assert "Recommendation" not in world.reasons()


def test_on_the_rung_partial_what_fails_goes_home() -> None:
    world = on("partial")
    world.values["errors"] = 0.5
    world.wait(10)
    assert world.rollout.state == "Aborted"


@pytest.mark.parametrize("policy", ["promote", "pause"])
@pytest.mark.parametrize("value", [None, State.NO_TRAFFIC])
def test_on_the_rung_partial_what_is_undecided_at_the_deadline_asks_a_person(value: State | None, policy: str) -> None:
    world = on("partial", canary(25), analysis=analysis(deadline="2m", onInconclusive=policy))
    if value is not None:
        world.values["errors"] = value
    world.wait(5000)
    assert (world.weight(2), world.status.phase) == (25, "WaitingForApproval")
    assert world.rollout.recommendation is not None
    assert world.rollout.recommendation.startswith("Hold step 1/1: errors has no number")
    assert world.reasons().count("Recommendation") == 1
    world.ask("promote", by="ada")
    world.wait(5)
    assert world.weight(2) == 100


def test_on_the_rung_partial_a_rollback_at_the_deadline_is_obeyed() -> None:
    world = on("partial", canary(25), analysis=analysis(deadline="2m", onInconclusive="rollback"))
    world.wait(300)
    assert (world.rollout.state, world.rollout.cause and world.rollout.cause.reason) == ("Aborted", "Inconclusive")


@pytest.mark.parametrize("measured", [None, analysis(ERRORS, onNoData="ignore")])
def test_on_the_rung_partial_a_stage_in_which_nothing_is_measured_asks_a_person(measured: dict[str, object]) -> None:
    world = on("partial", canary(25), analysis=measured)
    if measured is None:
        world.spec = {key: value for key, value in world.spec.items() if value is not None}
    world.values["errors"] = State.NO_TRAFFIC
    world.wait(5000)
    assert (world.weight(2), world.status.phase) == (25, "WaitingForApproval")
    assert "because no metric passes in it" in world.status.message


def test_on_the_rung_partial_what_need_not_be_proven_yet_is_clear_when_nothing_speaks_against_it() -> None:
    world = on("partial", canary(25, 50), analysis=analysis(COMPARED))
    world.values["errors"] = Evidence(requests=500, enough=True, candidate=0.01, stable=0.01, within=0.5)
    world.wait(90)
    assert world.weight(2) == 50
    world.wait(5000)
    assert world.weight(2) == 50, "before 100 % it must be proven"
    world.values["errors"] = Evidence(requests=5000, enough=True, candidate=0.01, stable=0.01, within=math.log(20))
    world.wait(5)
    assert world.weight(2) == 100


def test_the_bake_ends_by_itself_on_the_rung_partial() -> None:
    world = on("partial", canary(25, bake="1m"), analysis=analysis(GPU))
    world.values["gpu"] = 50.0
    world.run()
    assert world.status.stable == world.name(2)


@pytest.mark.parametrize(("before", "after"), [("full", "partial"), ("partial", "assist"), ("assist", "manual")])
def test_a_rung_is_lowered_and_raised_in_mid_rollout_at_once(before: str, after: str) -> None:
    world = on(before, canary(25, 50), analysis=None)
    world.apply(automation=after)
    world.wait(5000)
    assert (world.weight(2), world.status.phase) == (25, "WaitingForApproval")
    world.apply(automation="full")
    world.run()
    assert world.status.stable == world.name(2)


def test_a_recommendation_tells_values_limits_and_bounds() -> None:
    world = on("assist", canary(25), analysis=analysis(COMPARED, GPU))
    world.values["errors"] = Evidence(
        requests=5000, enough=True, candidate=0.011, stable=0.01, within=math.log(20), low=-0.001, high=0.003
    )
    world.values["gpu"] = 50.0
    world.wait(60)
    said = world.rollout.recommendation
    assert said is not None
    assert said.startswith("Promote step 1/1: errors within the margin: ")
    assert "5,000 requests; the difference is between -0.1 and +0.3 pp; gpu 50 ≤ 95" in said


def test_an_approval_names_revision_attempt_step_and_person() -> None:
    world = on("assist", canary(25, 50))
    world.values["errors"] = 0.0
    world.wait(60)
    world.ask("promote", by="ada@example.org")
    world.wait(5)
    world.ask("promote-full", by="bob")
    world.wait(1)
    said = [(one.action, one.revision, one.attempt, one.step, one.by) for one in world.rollout.requests]
    assert said == [
        ("promote", world.name(2), 1, "step 1/2", "ada@example.org"),
        ("promote-full", world.name(2), 1, "step 2/2", "bob"),
    ]


def test_a_freeze_stops_every_rung() -> None:
    world = on("partial", canary(25, 50))
    world.values["errors"] = 0.0
    world.limits = Limits(freeze=True)
    world.wait(600)
    assert world.weight(2) == 25
