"""From one revision to the next, and every way in which a person or the spec changes its mind."""

from datetime import timedelta

import pytest

from modelrollout.domain.status import RolloutState, Status
from modelrollout.names import candidate_service, workload
from tests.unit.engine.world import ERRORS, NAME, World, analysis, canary, spec_of, template


@pytest.fixture
def world() -> World:
    made = World(twice=True)
    made.install()
    return made


def outcomes(world: World) -> list[tuple[str, str]]:
    return [(past.revision, past.outcome) for past in reversed(world.status.history)]


def test_the_first_revision_gets_everything_at_once_and_is_stable_when_a_pod_is_ready() -> None:
    world = World()
    world.ready[world.name(1)] = 0
    world.wait(60)
    assert world.status.stable is None
    assert world.condition("Ready") == ("False", "WaitingForRoute")
    assert world.condition("Available") is not None
    assert world.condition("Available")[0] == "False"  # type: ignore[index]
    world.ready[world.name(1)] = 1
    world.wait(1)
    assert world.status.stable == world.name(1)
    assert world.weight(1) == 100
    assert world.status.rollout is not None
    assert world.status.rollout.strategy == "install"


def test_a_first_revision_that_never_starts_is_stalled_and_deleted_by_nobody() -> None:
    world = World()
    world.ready[world.name(1)] = 0
    world.problem[world.name(1)] = "container model crashes: Error, exit code 1"
    world.wait(601)
    assert world.condition("Stalled") == ("True", "ProgressDeadlineExceeded")
    assert "exit code 1" in world.status.message
    assert world.size(1) == 4


def test_a_first_revision_is_looked_at_again_when_its_deadline_is_over() -> None:
    world = World()
    world.ready[world.name(1)] = 0
    plan = world.settle()
    assert world.rollout.waiting_since is not None
    assert plan.due == world.rollout.waiting_since + timedelta(minutes=10)


def test_a_first_revision_that_is_paused_is_not_overdue() -> None:
    world = World(spec_of(paused=True))
    world.ready[world.name(1)] = 0
    world.wait(1000)
    assert world.condition("Stalled") is None
    assert world.condition("Reconciling") == ("True", "Paused")
    world.apply(paused=False)
    world.wait(599)
    assert world.condition("Stalled") is None
    world.wait(5)
    assert world.condition("Stalled") == ("True", "ProgressDeadlineExceeded")


def test_a_new_spec_replaces_a_first_revision_that_never_started() -> None:
    world = World()
    world.ready[world.name(1)] = 0
    world.wait(601)
    world.apply(template=template(2))
    world.wait(10)
    assert world.status.stable == world.name(2)
    assert world.weight(2) == 100
    assert world.size(1) is None


def test_a_first_revision_that_is_replaced_keeps_its_requests_until_the_next_can_take_them_all() -> None:
    world = World()
    world.deaf = {"router-0", "router-1"}
    world.wait(5)
    world.ready[world.name(2)] = 3
    world.apply(template=template(2))
    world.deaf = set()
    world.wait(5)
    assert world.weight(1) == 100
    world.ready.clear()
    world.wait(5)
    assert world.status.stable == world.name(2)


def test_a_canary_walks_its_steps_and_the_roles_change_at_the_end(world: World) -> None:
    world.apply(template=template(2))
    world.run()
    new = world.name(2)
    assert world.weights[-4:] == [(new, 0), (new, 25), (new, 50), (new, 100)]
    assert world.status.stable == new
    assert world.status.candidate is None
    assert (world.size(1), world.size(2)) == (None, 4)
    assert ("ControllerRevision", workload(NAME, world.name(1))) in world.children
    assert world.condition("Ready") == ("True", "Stable")


def test_pods_come_before_weight_and_leave_after_it(world: World) -> None:
    world.ready[world.name(2)] = 0
    world.apply(template=template(2))
    world.wait(60)
    assert (world.size(2), world.weight(2)) == (1, 0)
    world.ready[world.name(2)] = 1
    world.wait(65)
    assert (world.size(2), world.weight(2)) == (2, 25), "the second step has its pods before its weight"
    assert world.size(1) == 4


def test_a_hold_starts_when_every_router_has_acknowledged(world: World) -> None:
    world.apply(template=template(2))
    world.deaf = {"router-1"}
    world.wait(120)
    assert world.rollout.verified_at is None
    assert "router-1" in world.status.message
    world.deaf = set()
    world.wait(59)
    assert world.weight(2) == 25
    world.wait(3)
    assert world.weight(2) == 50


def test_no_progress_for_the_deadline_aborts(world: World) -> None:
    world.ready[world.name(2)] = 0
    world.problem[world.name(2)] = "container model crashes: Error, exit code 3"
    world.apply(template=template(2))
    world.wait(599)
    assert world.rollout.state is RolloutState.PROGRESSING
    world.wait(5)
    assert world.rollout.state is RolloutState.ABORTED
    assert world.rollout.cause is not None
    assert world.rollout.cause.reason == "ProgressDeadlineExceeded"
    assert "exit code 3" in world.rollout.cause.message
    assert world.condition("Stalled") == ("True", "RolloutAborted")
    assert world.size(2) is None


def test_what_cannot_be_scheduled_is_insufficient_capacity_and_stable_stays_whole(world: World) -> None:
    world.ready[world.name(2)] = 1
    world.unschedulable.add(world.name(2))
    world.problem[world.name(2)] = "0/3 nodes are available: 3 Insufficient cpu"
    world.apply(template=template(2))
    world.wait(70)
    assert world.condition("Reconciling") == ("True", "InsufficientCapacity")
    assert "Insufficient cpu" in world.status.message
    assert "until" in world.status.message
    assert (world.size(1), world.weight(2)) == (4, 25)


def test_another_revision_supersedes_and_traffic_goes_home_first(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    assert world.weight(2) == 25
    world.apply(template=template(3))
    world.step()
    assert world.rollout.state is RolloutState.ABORTING
    assert world.weight(1) == 100
    world.run()
    assert world.status.stable == world.name(3)
    assert outcomes(world)[1:] == [(world.name(2), "Superseded"), (world.name(3), "Completed")]
    assert world.size(2) is None


def test_the_stable_revision_again_is_an_abort_and_the_object_is_ready(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.apply(template=template(1))
    world.wait(5)
    assert world.rollout.cause is not None
    assert world.rollout.cause.reason == "SpecReverted"
    assert world.weight(1) == 100
    assert world.condition("Ready") == ("True", "Stable")
    assert world.condition("Stalled") is None


def test_an_abort_by_a_person_is_sticky(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.abort_now()
    world.wait(300)
    assert world.weight(1) == 100
    assert world.rollout.state is RolloutState.ABORTED
    assert world.condition("Stalled") == ("True", "RolloutAborted")
    assert world.condition("Ready") == ("False", "RolloutAborted")
    assert "retry" in world.status.message
    world.apply(replicas=3)
    world.wait(60)
    assert world.rollout.state is RolloutState.ABORTED, "an edit that makes no revision lifts nothing"


def test_retry_starts_a_new_attempt_and_the_old_abort_does_not_reach_it(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.abort_now()
    world.wait(5)
    world.ask("retry")
    world.wait(5)
    assert (world.rollout.attempt, world.rollout.state) == (2, RolloutState.PROGRESSING)
    world.run()
    assert world.status.stable == world.name(2)


def test_an_aborted_revision_may_be_tried_again_when_the_spec_was_elsewhere(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.abort_now()
    world.wait(5)
    world.apply(template=template(1))
    world.wait(5)
    assert world.condition("Ready") == ("True", "Stable")
    world.apply(template=template(2))
    world.run()
    assert world.status.stable == world.name(2)
    assert world.status.history[0].attempt == 2


@pytest.mark.parametrize("stage", ["full", "bake"])
def test_an_abort_at_100_percent_brings_everything_home(world: World, stage: str) -> None:
    world.apply(strategy=canary(50, bake="10m"), template=template(2))
    if stage == "full":
        world.ready[world.name(2)] = 2
    world.wait(90)
    assert world.rollout.stage_label == stage
    world.abort_now()
    world.wait(5)
    assert world.weight(1) == 100
    assert world.status.stable == world.name(1)
    assert world.rollout.state is RolloutState.ABORTED
    assert (world.size(1), world.size(2)) == (4, None)


def test_an_abort_waits_for_a_pod_at_home(world: World) -> None:
    world.apply(strategy=canary(50, bake="10m"), template=template(2))
    world.wait(90)
    world.ready[world.name(1)] = 0
    world.abort_now()
    world.wait(5)
    assert world.weight(2) == 100
    assert world.condition("Reconciling") == ("True", "Aborting")
    world.ready[world.name(1)] = 1
    world.wait(5)
    assert world.weight(1) == 100


def test_an_abort_that_cannot_get_home_calls_for_a_person_and_goes_on_trying(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.deaf = {"router-1"}
    world.abort_now()
    world.wait(700)
    assert world.condition("Stalled") == ("True", "AbortOverdue")
    assert "router-1" in world.status.message
    world.deaf = set()
    world.wait(5)
    assert world.rollout.state is RolloutState.ABORTED


def test_the_candidate_keeps_its_pods_until_its_last_request_is_answered(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.active[world.name(2)] = 1
    world.abort_now()
    world.wait(3)
    assert world.weight(1) == 100
    assert world.size(2) == 1
    world.active.clear()
    world.wait(3)
    assert world.size(2) is None


def test_a_request_that_never_ends_keeps_pods_no_longer_than_the_longest_request(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.active[world.name(2)] = 1
    world.abort_now()
    world.wait(10)
    assert world.size(2) is None


def test_ready_only_when_what_left_is_gone(world: World) -> None:
    world.apply(strategy=canary(50), template=template(2))
    world.active[world.name(1)] = 1
    world.wait(62)
    assert world.status.stable == world.name(2)
    assert world.condition("Reconciling") == ("True", "Draining")
    world.active.clear()
    world.wait(3)
    assert world.condition("Ready") == ("True", "Stable")
    assert world.size(1) is None


def test_rollback_goes_to_an_earlier_revision_until_the_spec_names_another(world: World) -> None:
    world.apply(template=template(2))
    world.run()
    world.ask("rollback", revision=world.name(1))
    world.run()
    assert world.status.stable == world.name(1)
    assert world.condition("SpecOverridden") == ("True", "RolledBack")
    assert world.condition("Ready") == ("True", "Stable")
    world.apply(replicas=3)
    world.wait(60)
    assert world.status.stable == world.name(1), "an edit that names the same revision lifts no rollback"
    world.apply(template=template(3))
    world.run()
    assert world.status.stable == world.name(3)
    assert world.condition("SpecOverridden") is None
    assert world.status.target is None


def test_rollback_to_the_revision_that_the_spec_names_ends_a_rollback(world: World) -> None:
    world.apply(template=template(2))
    world.run()
    world.ask("rollback", revision=world.name(1))
    world.run()
    world.ask("rollback", revision=world.name(2))
    world.run()
    assert world.status.stable == world.name(2)
    assert world.condition("SpecOverridden") is None


def test_rollback_to_stable_in_mid_rollout_is_an_abort_that_says_so(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.ask("rollback", revision=world.name(1))
    world.wait(5)
    assert world.rollout.cause is not None
    assert world.rollout.cause.message == "A rollback asks for the stable revision."
    assert world.weight(1) == 100
    assert world.condition("Ready") == ("True", "Stable")
    assert world.condition("SpecOverridden") == ("True", "RolledBack")


def test_a_rollback_survives_an_invalid_spec(world: World) -> None:
    world.apply(template=template(2))
    world.run()
    world.ask("rollback", revision=world.name(1))
    world.run()
    good = world.spec
    world.apply(progressDeadline="soon")
    world.wait(5)
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert world.status.target is not None
    world.apply(good)
    world.wait(60)
    assert world.status.stable == world.name(1)
    assert world.status.target is not None


def test_a_pause_stops_the_clock_of_a_hold(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.ask("pause")
    world.wait(1000)
    assert world.weight(2) == 25
    assert world.condition("Reconciling") == ("True", "Paused")
    world.ask("resume")
    world.wait(25)
    assert world.weight(2) == 25
    world.wait(10)
    assert world.weight(2) == 50


def test_paused_in_the_spec_holds_a_route_that_was_not_asked_for_yet(world: World) -> None:
    world.apply(template=template(2), paused=True)
    world.wait(1000)
    assert world.weight(2) == 0
    assert world.rollout.state is RolloutState.PROGRESSING, "a pause is no missing progress"
    assert world.condition("Reconciling") == ("True", "Paused")
    world.apply(paused=False)
    world.run()
    assert world.status.stable == world.name(2)


def test_a_pause_of_one_attempt_is_not_one_of_the_next(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.ask("pause")
    world.wait(1)
    world.abort_now()
    world.wait(5)
    world.ask("retry")
    world.run()
    assert world.status.stable == world.name(2)


def test_a_paused_rollout_can_be_aborted(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.ask("pause")
    world.wait(5)
    world.abort_now()
    world.wait(5)
    assert world.weight(1) == 100
    assert world.rollout.state is RolloutState.ABORTED


def test_freeze_stops_every_advance_and_no_abort(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.limits = type(world.limits)(freeze=True)
    world.wait(5000)
    assert world.weight(2) == 25
    assert world.condition("Reconciling") == ("True", "Frozen")
    world.ask("promote")
    world.wait(1)
    assert world.status.request is not None
    assert not world.status.request.accepted
    world.abort_now()
    world.wait(5)
    assert world.weight(1) == 100
    assert world.rollout.state is RolloutState.ABORTED


def test_a_freeze_is_no_missing_progress(world: World) -> None:
    world.limits = type(world.limits)(freeze=True)
    world.apply(template=template(2))
    world.wait(5000)
    assert world.rollout.state is RolloutState.PROGRESSING
    assert world.weight(2) == 0
    world.limits = type(world.limits)()
    world.run()
    assert world.status.stable == world.name(2)


@pytest.mark.parametrize("strategy", [canary(50, bake="5m"), {"blueGreen": {"hold": "1m", "bake": "5m"}}])
def test_a_scale_up_reaches_the_revision_that_answers_even_when_frozen(
    world: World, strategy: dict[str, object]
) -> None:
    world.apply(strategy=strategy, template=template(2))
    world.wait(90)
    assert world.weight(2) == 100
    world.limits = type(world.limits)(freeze=True)
    world.apply(replicas=10)
    world.wait(5)
    assert (world.size(1), world.size(2)) == (10, 10)


def test_nothing_is_scaled_down_before_the_roles_have_changed(world: World) -> None:
    world.apply(strategy=canary(50, bake="5m"), template=template(2))
    world.wait(30)
    world.apply(replicas=1)
    world.wait(30)
    assert world.size(1) == 4, "the way home stays whole"
    world.run()
    assert world.status.stable == world.name(2)
    assert world.size(2) == 1


def test_replicas_follow_at_once_when_nothing_is_rolled_out(world: World) -> None:
    world.apply(replicas=7)
    world.wait(1)
    assert world.size(1) == 7
    world.apply(replicas=0)
    world.wait(1)
    assert world.size(1) == 0
    assert world.reasons() == ["RolloutStarted", "RolloutCompleted"]


def test_a_rollout_at_no_replicas_still_tries_one_pod(world: World) -> None:
    world.apply(replicas=0)
    world.wait(1)
    world.apply(template=template(2))
    world.run()
    assert world.status.stable == world.name(2)
    assert world.size(2) == 0


def test_manual_promotion_waits_before_100_percent_only(world: World) -> None:
    world.apply(strategy=canary(50, promotion="manual", bake="1m"), template=template(2))
    world.wait(300)
    assert world.weight(2) == 50
    assert world.condition("Reconciling") == ("True", "WaitingForApproval")
    world.ask("promote")
    world.run(70)
    assert world.status.stable == world.name(2)


@pytest.mark.parametrize(
    ("strategy", "before"),
    [
        ({"blueGreen": {"hold": "1m", "promotion": "manual"}}, 0),
        ({"shadow": {"hold": "1m"}}, 0),
        ({"shadow": {"hold": "1m", "promotion": "manual"}}, 0),
        (canary(25, promotion="manual"), 25),
    ],
)
def test_one_word_for_manual_promotion_in_every_strategy(
    world: World, strategy: dict[str, object], before: int
) -> None:
    world.apply(strategy=strategy, template=template(2))
    world.wait(300)
    assert world.weight(2) == before
    assert world.condition("Reconciling") == ("True", "WaitingForApproval")
    world.ask("promote")
    world.run(10)
    assert world.status.stable == world.name(2)


def test_blue_green_switches_once_and_stable_stays_whole_through_the_bake(world: World) -> None:
    world.apply(strategy={"blueGreen": {"hold": "1m", "bake": "5m"}}, template=template(2))
    world.wait(30)
    assert (world.weight(2), world.size(2)) == (0, 4)
    world.wait(60)
    assert (world.weight(2), world.size(1)) == (100, 4)
    assert world.status.stable == world.name(1)
    world.run()
    new = world.name(2)
    assert world.weights[-2:] == [(new, 0), (new, 100)]


def test_a_shadow_gets_copies_and_answers_nobody(world: World) -> None:
    world.apply(strategy={"shadow": {"percent": 20, "hold": "1m", "promotion": "automatic"}}, template=template(2))
    world.wait(30)
    assert world.route.mirrored(world.name(2)) == 20
    assert world.weight(2) == 0
    world.run()
    assert world.status.stable == world.name(2)
    assert not world.route.mirrors


def test_a_shadow_that_receives_nothing_is_visible_as_such(world: World) -> None:
    world.apply(strategy={"shadow": {"hold": "10m"}}, template=template(2))
    world.wait(60)
    assert world.rollout.mirrored == 0
    assert "no request has been copied to it yet" in world.status.message
    world.mirrored[f"{world.name(2)}-mirror"] = 40
    world.wait(60)
    assert world.rollout.mirrored == 80
    assert "copied" not in world.status.message


def test_every_strategy_may_begin_with_a_shadow(world: World) -> None:
    for version, strategy in enumerate(
        ({"blueGreen": {"shadow": {"hold": "1m"}, "hold": "1m"}}, canary(25, shadow={"hold": "1m"})), start=2
    ):
        world.apply(strategy=strategy, template=template(version))
        world.wait(30)
        assert world.route.mirrored(world.name(version)) == 100
        world.run()
        assert world.status.stable == world.name(version)


def test_a_pause_waits_for_a_person(world: World) -> None:
    world.apply(strategy=canary(25, "pause", 50), template=template(2))
    world.wait(5000)
    assert world.weight(2) == 25
    assert world.condition("Reconciling") == ("True", "WaitingForApproval")
    world.ask("promote", stage=1)
    world.wait(5)
    assert world.weight(2) == 50


def test_promote_full_skips_the_steps_and_not_the_bake(world: World) -> None:
    world.apply(strategy=canary(10, "pause", 50, bake="5m"), template=template(2))
    world.wait(5)
    world.ask("promote-full")
    world.wait(5)
    assert world.rollout.stage_label == "bake"
    new = world.name(2)
    assert world.weights[-3:] == [(new, 0), (new, 10), (new, 100)]
    world.run()
    assert world.status.stable == new


@pytest.mark.parametrize("automation", ["manual", "assist"])
def test_a_person_moves_every_step_on_the_lower_rungs(world: World, automation: str) -> None:
    world.apply(strategy=canary(25, 50, bake="1m"), automation=automation, template=template(2))
    for weight, label in ((25, "step 1/2"), (50, "step 2/2")):
        world.wait(500)
        assert (world.weight(2), world.rollout.stage_label) == (weight, label)
        assert world.condition("Reconciling") == ("True", "WaitingForApproval")
        assert (world.rollout.recommendation is not None) is (automation == "assist")
        world.ask("promote", stage=world.rollout.stage)
        world.wait(1)
    world.run()
    assert world.status.stable == world.name(2), "the bake ends by itself"


def test_automation_may_be_lowered_in_mid_rollout(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.apply(automation="manual")
    world.wait(500)
    assert world.weight(2) == 25


def test_extra_replicas_are_bounded_below_100_percent(world: World) -> None:
    world.apply(strategy=canary(50), maxExtraReplicas=1, template=template(2))
    world.wait(30)
    assert (world.weight(2), world.size(2)) == (50, 1)
    world.run()
    assert world.size(2) == 4


def test_a_step_may_ask_for_more_pods_than_its_weight(world: World) -> None:
    world.apply(strategy={"canary": {"steps": [{"weight": 10, "hold": "1m", "replicas": 3}]}}, template=template(2))
    world.wait(30)
    assert world.size(2) == 3


def test_people_reach_the_candidate_by_a_header_before_it_has_weight(world: World) -> None:
    world.apply(
        traffic={"envoy": {"previewHeader": "x-try"}}, strategy={"blueGreen": {"hold": "1m"}}, template=template(2)
    )
    world.wait(30)
    assert world.route.preview == world.name(2)
    world.run()
    assert world.route.preview is None


def test_a_preview_service_stands_as_long_as_the_rollout(world: World) -> None:
    key = ("Service", candidate_service(NAME))
    assert key not in world.children
    world.apply(template=template(2))
    world.wait(30)
    assert world.children[key]["spec"]["selector"]["modelrollout.dev/revision"] == world.name(2)
    world.run()
    assert key not in world.children


def test_old_revisions_are_forgotten_beyond_the_limit(world: World) -> None:
    world.apply(revisionHistoryLimit=1, strategy=canary(50))
    for version in (2, 3, 4):
        world.apply(template=template(version))
        world.run()
    kept = {name for kind, name in world.children if kind == "ControllerRevision"}
    assert kept == {workload(NAME, world.name(version)) for version in (3, 4)}


def test_nothing_leaks_from_one_rollout_into_the_next(world: World) -> None:
    world.apply(
        strategy=canary(25),
        analysis=analysis({**ERRORS, "threshold": {"max": 0.02, "failures": 2}}),
        template=template(2),
    )
    world.wait(10)
    world.values["errors"] = 0.5
    world.step()
    assert [gate.failures for gate in world.rollout.gates] == [1]
    world.step()
    assert world.rollout.state is RolloutState.ABORTING
    world.values.clear()
    world.apply(template=template(3))
    world.wait(5)
    rollout = world.rollout
    assert (rollout.revision, rollout.attempt, rollout.stage, rollout.cause) == (world.name(3), 1, 0, None)
    assert [(gate.failures, gate.verdict) for gate in rollout.gates] == [(0, "Undecided")]
    assert (rollout.approved, rollout.released, rollout.full, rollout.mirrored) == (-1, -1, False, None)


def test_the_weight_of_a_superseded_candidate_is_not_shown_for_the_next(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    assert world.status.weight == 25
    world.ready[world.name(3)] = 0
    world.apply(template=template(3))
    world.wait(5)
    assert (world.status.candidate, world.status.weight) == (world.name(3), 0)


def test_deletion_changes_nothing(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.deleting = True
    plan = world.step()
    assert not plan.writes
    assert world.weight(2) == 25


def test_a_wiped_status_leaves_traffic_as_it_is_and_goes_on_from_there(world: World) -> None:
    world.apply(strategy=canary(25, 50, bake="1m"), template=template(2))
    for seconds, weight in ((30, 25), (60, 50), (60, 100)):
        world.wait(seconds)
        assert world.weight(2) == weight
        world.status = Status()
        world.step()
        assert world.weight(2) == weight
        assert world.status.stable == world.name(1)
        world.wait(2)
    world.run()
    assert world.status.stable == world.name(2)
    assert sorted(weight for _, weight in world.weights[2:]) == [weight for _, weight in world.weights[2:]]


def test_a_wiped_status_at_rest_starts_nothing(world: World) -> None:
    world.status = Status()
    world.wait(10)
    assert world.status.stable == world.name(1)
    assert world.status.rollout is None
    assert world.condition("Ready") == ("True", "Stable")


def test_a_wiped_status_makes_nothing_stable_that_never_answered() -> None:
    world = World()
    world.ready[world.name(1)] = 0
    world.wait(10)
    world.status = Status()
    world.wait(10)
    assert world.status.stable is None
    assert world.condition("Ready") == ("False", "WaitingForRoute")


def test_adopted_in_mid_rollout_with_a_third_revision_the_one_on_trial_is_not_taken_for_stable(world: World) -> None:
    world.apply(strategy=canary(75, 80), template=template(2))
    world.wait(30)
    assert world.weight(2) == 75
    world.status = Status()
    world.apply(template=template(3))
    world.step()
    assert world.status.stable == world.name(1)
    world.run()
    assert world.status.stable == world.name(3)


def test_a_name_that_is_taken_stalls_and_is_not_touched(world: World) -> None:
    key = ("Service", candidate_service(NAME))
    world.foreign = frozenset({key})
    world.apply(template=template(2))
    plan = world.wait(1000)
    assert world.condition("Stalled") == ("True", "NameConflict")
    assert key[1] in world.status.message
    assert key not in world.children
    assert world.weight(2) == 0
    assert plan.due is not None, "nothing tells that somebody else's object is gone"
    world.foreign = frozenset()
    world.run()
    assert world.status.stable == world.name(2)


def test_leftovers_of_a_dead_namesake_are_waited_for() -> None:
    world = World()
    key = ("Deployment", workload(NAME, world.name(1)))
    world.leftovers = frozenset({key})
    world.wait(10)
    assert key not in world.children
    assert "still being removed" in world.status.message
    world.leftovers = frozenset()
    world.wait(5)
    assert world.status.stable == world.name(1)


def test_an_object_that_the_api_server_refuses_stalls_in_its_words(world: World) -> None:
    world.rejected[("Deployment", "x")] = "admission webhook denied the request"
    world.apply(template=template(2))
    world.wait(1)
    assert world.condition("Stalled") == ("True", "ObjectRejected")
    assert "admission webhook denied" in world.status.message


def test_an_invalid_spec_in_mid_rollout_stops_advances_and_no_abort(world: World) -> None:
    world.apply(analysis=analysis(), template=template(2))
    world.wait(30)
    world.apply(progressDeadline="soon")
    world.wait(5000)
    assert world.weight(2) == 25
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert "spec.progressDeadline" in world.status.message
    world.values["errors"] = 0.5
    world.wait(5)
    assert world.rollout.state is RolloutState.ABORTED, "a running rollout is still judged"
    assert world.weight(1) == 100


def test_an_invalid_spec_starts_nothing_and_can_be_aborted(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.apply(template=template(3), progressDeadline="soon")
    world.wait(60)
    assert world.status.candidate == world.name(2)
    world.abort_now()
    world.wait(5)
    assert world.weight(1) == 100
    world.ask("retry")
    world.wait(5)
    assert world.status.request is not None
    assert not world.status.request.accepted


def test_an_invalid_spec_at_rest_is_still_scaled_and_repaired() -> None:
    world = World(spec_of(replicas=3, traffic={"direct": {}}, strategy=canary(50)))
    world.install()
    world.apply(strategy=canary(30), replicas=3)
    world.wait(1)
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    world.apply(replicas=5)
    world.wait(1)
    assert world.size(1) == 5


def test_the_status_of_an_invalid_first_spec_says_all_that_is_wrong() -> None:
    world = World(spec_of(paused="yes"))
    plan = world.step()
    assert not plan.writes
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert "spec.paused" in world.status.message
    assert world.reasons() == ["InvalidSpec"]
    world.step()
    assert world.reasons() == ["InvalidSpec"], "said once"


def test_a_revision_whose_snapshot_was_never_written_is_forgotten(world: World) -> None:
    world.apply(template=template(2))
    seen_before = dict(world.children)
    world.step()
    world.children = seen_before
    world.apply(template=template(3))
    world.run()
    assert world.status.stable == world.name(3)


def test_a_lost_snapshot_of_stable_stalls_and_traffic_stays(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    del world.children["ControllerRevision", workload(NAME, world.name(1))]
    plan = world.settle()
    assert not plan.writes
    assert world.condition("Stalled") is not None
    assert world.weight(2) == 25


def test_no_wake_up_is_missing_and_none_is_idle(world: World) -> None:
    plan = world.settle()
    assert plan.due is None, "a finished rollout waits for nothing"
    world.apply(template=template(2))
    plan = world.settle()
    assert world.rollout.verified_at is not None
    assert plan.due == world.rollout.verified_at + timedelta(minutes=1)
    world.ready[world.name(2)] = 0
    plan = world.settle()
    assert world.rollout.waiting_since is not None
    assert plan.due == world.rollout.waiting_since + timedelta(minutes=10)
