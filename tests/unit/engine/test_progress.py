"""Judging in the loop: what ends a stage, what aborts it, and what neither may do."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from modelrollout.domain.reading import State
from modelrollout.domain.verdict import Verdict
from modelrollout.engine.wants import wants
from tests.unit.engine.world import ERRORS, START, World, analysis, canary, template

GPU = {"name": "gpu", "prometheus": {"query": "x"}, "threshold": {"max": 95}}


def judging(strategy: dict[str, object] | None = None, **fields: object) -> World:
    world = World(twice=True)
    world.install()
    world.apply(**{"strategy": strategy or canary(25, 50), "analysis": analysis(), "template": template(2), **fields})
    world.wait(30)
    return world


def state(world: World) -> tuple[str, str]:
    return world.rollout.state, world.rollout.cause.reason if world.rollout.cause else ""


def test_a_step_ends_when_its_hold_is_over_and_every_metric_passes() -> None:
    world = judging(analysis=analysis(ERRORS, GPU))
    world.values.update(errors=0.0)
    world.wait(300)
    assert world.weight(2) == 25
    assert world.condition("Reconciling") == ("True", "WaitingForAnalysis")
    assert "gpu" in world.status.message
    world.values.update(gpu=50.0)
    world.wait(1)
    assert world.weight(2) == 50


def test_a_metric_that_passes_does_not_shorten_the_hold() -> None:
    world = judging()
    world.values["errors"] = 0.0
    world.wait(25)
    assert world.weight(2) == 25


@pytest.mark.parametrize("automation", ["full", "assist"])
def test_a_metric_that_fails_takes_the_candidate_home_before_the_hold_is_over(automation: str) -> None:
    world = judging(automation=automation)
    world.values["errors"] = 0.5
    world.wait(1)
    assert state(world) == ("Aborted", "GateFailed")
    assert world.weight(1) == 100
    assert "0.5 is above 0.02 (1000 requests)" in world.status.message
    assert world.condition("AnalysisPassed") == ("False", "Fail")


def test_on_the_lowest_rung_a_failed_metric_holds_and_alarms() -> None:
    world = judging(automation="manual", analysis=analysis(deadline="1m", onInconclusive="promote"))
    world.values["errors"] = 0.5
    world.wait(5000)
    assert state(world) == ("Progressing", "")
    assert world.weight(2) == 25
    assert world.condition("Reconciling") == ("True", "GateFailed")
    assert world.reasons().count("GateFailed") == 1
    world.ask("promote")
    world.wait(5)
    assert world.weight(2) == 50, "a person may know better"


def test_a_metric_that_fails_while_the_next_step_waits_for_its_pods_is_obeyed() -> None:
    world = judging()
    world.values["errors"] = 0.0
    world.ready[world.name(2)] = 1
    world.wait(120)
    assert (world.rollout.stage_label, world.weight(2)) == ("step 2/2", 25)
    assert world.rollout.verified_at is None
    world.values["errors"] = 0.5
    world.wait(1)
    assert state(world) == ("Aborted", "GateFailed")


def test_what_was_measured_on_the_way_is_forgotten_at_the_new_weight() -> None:
    world = judging()
    world.values["errors"] = 0.0
    world.ready[world.name(2)] = 1
    world.wait(60)
    assert [gate.verdict for gate in world.rollout.gates] == ["Pass"]
    world.values.clear()
    world.ready.clear()
    world.wait(5)
    assert world.weight(2) == 50
    assert [gate.verdict for gate in world.rollout.gates] == ["Undecided"]


def test_a_row_of_failures_does_not_reach_over_a_change_of_weight() -> None:
    world = judging(analysis=analysis({**ERRORS, "threshold": {"max": 0.02, "failures": 50}}))
    world.values["errors"] = 0.0
    world.ready[world.name(2)] = 1
    world.wait(60)
    world.values["errors"] = 0.5
    world.ready.clear()
    rows = []
    while world.rollout.verified_at is None:
        world.step()
        rows.append([gate.failures for gate in world.rollout.gates])
    assert rows[0] == [1]
    assert (world.weight(2), rows[-1]) == (50, [0])


def test_the_bake_is_judged_and_a_failure_brings_everything_home() -> None:
    world = judging(canary(25, bake="10m"))
    world.values["errors"] = 0.0
    world.wait(60)
    assert world.rollout.stage_label == "bake"
    world.values["errors"] = 0.5
    world.wait(1)
    assert state(world) == ("Aborted", "GateFailed")
    assert world.status.stable == world.name(1)


def test_the_roles_do_not_change_before_the_bake_passes() -> None:
    world = judging(canary(25, bake="1m"))
    world.values["errors"] = 0.0
    world.wait(40)
    world.values.clear()
    world.wait(1000)
    assert world.status.stable == world.name(1)
    assert world.rollout.stage_label == "bake"
    world.values["errors"] = 0.0
    world.wait(5)
    assert world.status.stable == world.name(2)


@pytest.mark.parametrize(
    ("on_inconclusive", "outcome", "weight"),
    [
        ("pause", ("Progressing", ""), 25),
        ("rollback", ("Aborted", "Inconclusive"), 0),
        ("promote", ("Progressing", ""), 50),
    ],
)
def test_the_deadline_of_an_analysis(on_inconclusive: str, outcome: tuple[str, str], weight: int) -> None:
    world = judging(analysis=analysis(deadline="5m", onInconclusive=on_inconclusive))
    world.wait(60 - 30 + 300 - 5)
    assert (world.weight(2), state(world)) == (25, ("Progressing", ""))
    assert "until 12:06:0" in world.status.message
    world.wait(10)
    assert (world.weight(2), state(world)) == (weight, outcome)
    if on_inconclusive == "pause":
        assert world.condition("Reconciling") == ("True", "WaitingForApproval")
        assert "Inconclusive after 5m" in world.status.message


@pytest.mark.parametrize("automation", ["manual", "assist"])
def test_an_inconclusive_stage_promotes_itself_on_the_highest_rung_only(automation: str) -> None:
    world = judging(automation=automation, analysis=analysis(deadline="1m", onInconclusive="promote"))
    world.wait(5000)
    assert world.weight(2) == 25
    assert world.condition("Reconciling") == ("True", "WaitingForApproval")


def test_an_inconclusive_last_step_still_waits_for_its_release() -> None:
    world = judging(canary(25, promotion="manual"), analysis=analysis(deadline="1m", onInconclusive="promote"))
    world.wait(5000)
    assert world.weight(2) == 25


def test_the_deadline_does_not_run_in_a_pause() -> None:
    world = judging(analysis=analysis(deadline="1m", onInconclusive="rollback"))
    world.ask("pause")
    world.wait(5000)
    world.ask("resume")
    world.wait(60)
    assert state(world) == ("Progressing", "")


def test_a_pause_has_no_deadline_and_needs_no_metrics() -> None:
    world = judging(canary("pause", 25), analysis=analysis(deadline="1m", onInconclusive="rollback"))
    world.wait(5000)
    assert world.condition("Reconciling") == ("True", "WaitingForApproval")
    assert state(world) == ("Progressing", "")


def test_a_stage_without_requests_is_not_blocked_by_metrics_that_count_them() -> None:
    world = judging({"blueGreen": {"hold": "1m", "bake": "1h"}})
    world.wait(60)
    assert world.weight(2) == 100


def test_a_gauge_is_judged_even_where_there_are_no_requests() -> None:
    world = judging({"blueGreen": {"hold": "1m"}}, analysis=analysis(GPU))
    world.wait(300)
    assert world.weight(2) == 0
    assert world.condition("Reconciling") == ("True", "WaitingForAnalysis")


def test_a_first_byte_is_not_waited_for_where_it_cannot_be_measured() -> None:
    first = {"name": "first", "router": {"signal": "timeToFirstByteSeconds"}, "threshold": {"max": 1}}
    world = judging({"shadow": {"hold": "1m", "promotion": "automatic", "bake": "1h"}}, analysis=analysis(first))
    world.wait(100)
    assert world.weight(2) == 100


@pytest.mark.parametrize("missing", [state for state in State if state not in {State.VALUE, State.MISMATCH}])
@pytest.mark.parametrize("policy", ["hold", "ignore", "rollback"])
def test_no_number_is_never_a_pass_and_its_policy_decides_the_rest(missing: State, policy: str) -> None:
    world = judging(analysis=analysis(ERRORS, onNoData=policy, onError=policy))
    world.values["errors"] = missing
    world.wait(120)
    gates = [(gate.verdict, gate.state, gate.ignored) for gate in world.rollout.gates]
    condition = world.condition("AnalysisPassed")
    match policy:
        case "hold":
            assert world.weight(2) == 25
            assert gates == [(Verdict.UNDECIDED, missing, False)]
            assert condition == ("Unknown", "Undecided")
        case "ignore":
            assert world.status.stable == world.name(2) or world.weight(2) == 50
            assert condition is None or condition == ("Unknown", "Undecided")
        case _:
            assert state(world) == ("Aborted", "GateFailed")
            assert missing in world.status.message


def test_where_one_metric_is_ignored_the_others_decide() -> None:
    world = judging(analysis=analysis(ERRORS, GPU, onNoData="ignore"))
    world.values.update(errors=State.NO_METRIC)
    world.wait(300)
    assert world.weight(2) == 25
    world.values.update(gpu=50.0)
    world.wait(5)
    assert world.weight(2) == 50


def test_live_values_are_written_seldom_and_verdicts_at_once() -> None:
    world = judging({"canary": {"steps": [{"weight": 25, "hold": "1h"}]}})
    world.values["errors"] = 0.001
    world.step()
    written = world.rollout.gates_at
    world.values["errors"] = 0.002
    world.step()
    assert world.rollout.gates_at == written
    assert world.rollout.gates[0].value == 0.001
    world.now += timedelta(seconds=30)
    world.step()
    assert world.rollout.gates[0].value == 0.002
    world.values["errors"] = State.NO_TRAFFIC
    world.step()
    assert world.rollout.gates[0].state == "NoTraffic"


def test_copies_are_counted_while_live_values_are_written() -> None:
    world = judging({"shadow": {"hold": "1h"}})
    mirror = f"{world.name(2)}-mirror"
    for number in range(1, 5):
        world.values["errors"] = number / 1000
        world.mirrored[mirror] = number * 10
        world.now += timedelta(seconds=31)
        world.step()
        assert (world.rollout.mirrored, world.rollout.gates[0].value) == (number * 20, number / 1000)


def test_numbers_of_another_stage_judge_nothing() -> None:
    world = judging()
    seen = world.look()
    world.values["errors"] = 0.5
    stale = world._readings(seen)
    world.values["errors"] = 0.0
    world.wait(60)
    assert world.weight(2) == 50
    world.values.clear()
    world.wait(1)
    original = world._readings
    world._readings = lambda seen: stale  # type: ignore[method-assign]
    world.wait(5)
    assert state(world) == ("Progressing", "")
    world._readings = original  # type: ignore[method-assign]


def test_to_promote_is_recommended_only_from_a_pass() -> None:
    world = judging(canary(25, "pause", 50), automation="assist")
    world.values["errors"] = 0.0
    world.wait(60)
    assert world.rollout.recommendation == "Promote step 1/3: errors 0 ≤ 0.02 (1,000 requests)"
    world.ask("promote")
    world.values.clear()
    world.wait(60)
    assert world.rollout.recommendation == "Hold pause 2/3: errors has no number yet"


def test_a_candidate_without_a_ready_pod_answers_nobody_and_is_aborted_in_the_end() -> None:
    world = judging(analysis=None)
    world.ready[world.name(2)] = 0
    world.wait(120)
    assert world.weight(2) == 0
    assert world.weight(1) == 100
    assert world.condition("Reconciling") == ("True", "WaitingForRoute")
    world.wait(600)
    assert state(world) == ("Aborted", "ProgressDeadlineExceeded")


def test_a_candidate_whose_pods_come_back_begins_its_stage_anew() -> None:
    world = judging(analysis=None)
    begun = world.rollout.verified_at
    ready = world.ready.get(world.name(2))
    world.ready[world.name(2)] = 0
    world.wait(30)
    assert world.weight(2) == 0
    world.ready[world.name(2)] = 1 if ready is None else ready
    world.wait(5)
    assert world.weight(2) == 25
    assert world.rollout.verified_at is not None
    assert begun is not None
    assert world.rollout.verified_at > begun


def test_nothing_is_polled_at_rest_and_only_what_can_speak_in_a_rollout() -> None:
    world = World()
    world.install()
    idle = wants(world.look())
    assert (idle.routers, idle.analysis) == (None, None)
    world.apply(
        analysis=analysis(ERRORS, GPU), strategy={"blueGreen": {"hold": "1m", "bake": "1m"}}, template=template(2)
    )
    world.wait(30)
    previewed = wants(world.look())
    assert previewed.routers is not None
    assert previewed.analysis is not None
    assert [metric.name for metric in previewed.analysis.metrics] == ["gpu"]
    world.values["gpu"] = 1.0
    world.wait(40)
    baking = wants(world.look()).analysis
    assert baking is not None
    assert [metric.name for metric in baking.metrics] == ["errors", "gpu"]
    assert baking.epoch != previewed.analysis.epoch
    assert baking.scope.arm == world.name(2)


def test_copies_are_measured_at_their_own_cluster() -> None:
    world = judging({"shadow": {"hold": "1m"}})
    measured = wants(world.look()).analysis
    assert measured is not None
    assert measured.scope.arm == f"{world.name(2)}-mirror"


def test_a_pod_warms_up_from_its_first_request_if_that_is_later_than_ready() -> None:
    world = judging(analysis=analysis(warmUp="45s"), strategy=canary(25, 50))
    first = wants(world.look()).analysis
    assert first is not None
    assert world.rollout.verified_at is not None
    assert first.not_before == world.rollout.verified_at + timedelta(seconds=45)
    world.values["errors"] = 0.0
    world.wait(60)
    second = wants(world.look()).analysis
    assert second is not None
    assert second.not_before == world.rollout.verified_at, "its pods have answered for a minute"


@pytest.mark.parametrize(
    ("born", "restarted", "again"),
    [
        (START, False, False),
        (START, True, False),
        (None, True, False),
        (None, False, True),
    ],
    ids=["a probe that flaps", "a crash", "a new pod that crashed", "a new pod"],
)
def test_a_pod_warms_up_once(born: datetime | None, restarted: bool, again: bool) -> None:
    world = judging(analysis=analysis(warmUp="45s"), strategy=canary(25, 50))
    world.wait(5)
    seen = world.look()
    verified = world.rollout.verified_at
    assert verified is not None
    ready = verified + timedelta(minutes=3)
    created = born or verified + timedelta(minutes=2)
    pods = tuple(
        replace(pod, ready_since=ready, born=created, restarted=restarted) if pod.revision == world.name(2) else pod
        for pod in seen.pods
    )
    asked = wants(replace(seen, pods=pods)).analysis
    assert asked is not None
    assert asked.not_before == (ready if again else verified) + timedelta(seconds=45)
