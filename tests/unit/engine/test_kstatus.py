"""The table of states, read by the rules that kstatus publishes and by those of ``kubectl wait``.

https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md: an object is in progress while its
observedGeneration is not its generation or Reconciling is True, failed when Stalled is True, and current when neither is so and
Ready, if there is such a condition, is True.
"""

from collections.abc import Callable
from typing import Any

import pytest

from modelrollout.domain.conditions import ConditionType
from tests.unit.engine.world import World, analysis, canary, spec_of, template


def kstatus(raw: dict[str, Any]) -> str:
    """Return what kstatus says of an object without rules of its own."""
    metadata, status = raw["metadata"], raw.get("status", {})
    if "deletionTimestamp" in metadata:
        return "Terminating"
    if status.get("observedGeneration", metadata["generation"]) != metadata["generation"]:
        return "InProgress"
    conditions = status.get("conditions", [])
    for condition in conditions:
        match condition["type"], condition["status"]:
            case "Reconciling", "True":
                return "InProgress"
            case "Stalled", "True":
                return "Failed"
    ready = next((condition["status"] for condition in conditions if condition["type"] == "Ready"), "True")
    return "Current" if ready == "True" else "InProgress"


def waited_for(raw: dict[str, Any], kind: str) -> bool:
    """Return whether ``kubectl wait --for=condition=KIND`` would end: another generation's condition does not count."""
    for condition in raw.get("status", {}).get("conditions", ()):
        if condition["type"] == kind and condition["status"] == "True":
            return bool(
                condition.get("observedGeneration", raw["metadata"]["generation"]) >= raw["metadata"]["generation"]
            )
    return False


def raw(world: World) -> dict[str, Any]:
    return {"metadata": {"generation": world.generation}, "status": world.status.dump()}


def installed(**fields: Any) -> World:
    world = World(spec_of(**fields))
    world.install()
    return world


def installing() -> World:
    world = World()
    world.ready[world.name(1)] = 0
    world.wait(5)
    return world


def never_available() -> World:
    world = installing()
    world.wait(700)
    return world


def rolling(strategy: dict[str, Any] | None = None, seconds: float = 30, **fields: Any) -> World:
    world = installed()
    world.apply(strategy=strategy or canary(25), template=template(2), **fields)
    world.wait(seconds)
    return world


def baking() -> World:
    return rolling(canary(25, bake="1h"), 120)


def draining() -> World:
    world = rolling(canary(25), 30)
    world.active[world.name(1)] = 1
    world.wait(33)
    return world


def paused() -> World:
    world = rolling()
    world.ask("pause")
    world.wait(1)
    return world


def frozen() -> World:
    world = rolling()
    world.limits = type(world.limits)(freeze=True)
    world.wait(1)
    return world


def waiting_for_approval() -> World:
    return rolling(canary(25, "pause", 50), 120)


def waiting_for_metrics() -> World:
    return rolling(canary(25), 120, analysis=analysis())


def aborting() -> World:
    world = rolling()
    world.deaf = {"router-0"}
    world.abort_now()
    world.wait(1)
    return world


def aborting_for_too_long() -> World:
    world = aborting()
    world.wait(700)
    return world


def aborted() -> World:
    world = rolling()
    world.abort_now()
    world.wait(5)
    return world


def rolled_back_by_a_metric() -> World:
    world = rolling(canary(25), 30, analysis=analysis())
    world.values["errors"] = 1.0
    world.wait(5)
    return world


def reverted_in_the_spec() -> World:
    world = aborted()
    world.apply(template=template(1))
    world.wait(5)
    return world


def rolled_back_by_a_person() -> World:
    world = rolling(canary(25), 300)
    world.ask("rollback", revision=world.name(1))
    world.wait(300)
    return world


def invalid_at_rest() -> World:
    world = installed()
    world.apply(paused="yes")
    world.wait(1)
    return world


def invalid_in_mid_rollout() -> World:
    world = rolling()
    world.apply(paused="yes")
    world.wait(1)
    return world


def invalid_from_the_beginning() -> World:
    world = World(spec_of(paused="yes"))
    world.step()
    return world


def name_taken() -> World:
    world = rolling()
    world.foreign = frozenset({("Deployment", "digits-x")})
    world.wait(1)
    return world


def refused_by_the_api_server() -> World:
    world = rolling()
    world.rejected[("Deployment", "digits-x")] = "exceeded quota"
    world.wait(1)
    return world


def a_router_that_lags_at_rest() -> World:
    world = installed()
    world.deaf = {"router-0"}
    world.heard["router-0"] = ("0-old", ())
    world.wait(1)
    return world


TABLE: list[tuple[Callable[[], World], str, str, str]] = [
    (installing, "InProgress", "WaitingForRoute", "Installing"),
    (never_available, "Failed", "ProgressDeadlineExceeded", "Stalled"),
    (installed, "Current", "Stable", "Ready"),
    (rolling, "InProgress", "Holding", "Progressing"),
    (baking, "InProgress", "Holding", "Baking"),
    (draining, "InProgress", "Draining", "Progressing"),
    (paused, "InProgress", "Paused", "Paused"),
    (frozen, "InProgress", "Frozen", "Paused"),
    (waiting_for_approval, "InProgress", "WaitingForApproval", "WaitingForApproval"),
    (waiting_for_metrics, "InProgress", "WaitingForAnalysis", "Progressing"),
    (aborting, "InProgress", "Aborting", "Aborting"),
    (aborting_for_too_long, "Failed", "AbortOverdue", "Aborting"),
    (aborted, "Failed", "RolloutAborted", "Aborted"),
    (rolled_back_by_a_metric, "Failed", "RolloutAborted", "Aborted"),
    (reverted_in_the_spec, "Current", "Stable", "Ready"),
    (rolled_back_by_a_person, "Current", "Stable", "Ready"),
    (invalid_at_rest, "Failed", "InvalidSpec", "Stalled"),
    (invalid_in_mid_rollout, "Failed", "InvalidSpec", "Stalled"),
    (invalid_from_the_beginning, "Failed", "InvalidSpec", "Stalled"),
    (name_taken, "Failed", "NameConflict", "Stalled"),
    (refused_by_the_api_server, "Failed", "ObjectRejected", "Stalled"),
    (a_router_that_lags_at_rest, "InProgress", "WaitingForRoute", "Progressing"),
]


@pytest.mark.parametrize(("situation", "says", "reason", "phase"), TABLE, ids=[row[0].__name__ for row in TABLE])
def test_the_table_of_states(situation: Callable[[], World], says: str, reason: str, phase: str) -> None:
    world = situation()
    seen = raw(world)
    assert kstatus(seen) == says
    ready = world.condition("Ready")
    assert ready == ("True" if says == "Current" else "False", reason)
    assert world.status.phase == phase
    assert waited_for(seen, "Ready") is (says == "Current")
    assert waited_for(seen, "Stalled") is (says == "Failed")
    assert (world.condition("Reconciling") is not None) is (says == "InProgress")
    assert world.status.message
    well_formed(world)


def well_formed(world: World) -> None:
    assert world.status.observed_generation == world.generation
    kinds = [condition.type for condition in world.status.conditions]
    assert kinds == [kind for kind in ConditionType if kind in kinds], "in one order, each once"
    for condition in world.status.conditions:
        assert condition.observed_generation is not None
        assert condition.reason.isalpha()
        assert condition.last_transition_time.microsecond == 0
        assert condition.last_transition_time <= world.now


def test_the_first_write_for_a_new_revision_is_not_ready_any_more() -> None:
    world = installed()
    world.apply(template=template(2))
    assert not waited_for(raw(world), "Ready"), "the old generation's Ready does not count"
    assert kstatus(raw(world)) == "InProgress"
    world.step()
    assert world.condition("Ready") is not None
    assert world.condition("Ready")[0] == "False"  # type: ignore[index]
    assert world.status.observed_generation == world.generation
    assert (world.status.candidate, world.status.weight) == (world.name(2), 0)


def test_a_change_that_leaves_nothing_to_do_is_current_at_the_first_write() -> None:
    world = installed()
    world.apply(progressDeadline="5m")
    world.step()
    assert kstatus(raw(world)) == "Current"
    assert waited_for(raw(world), "Ready")


def test_available_is_about_clients_alone() -> None:
    world = aborted()
    assert world.condition("Available") == ("True", "Served")
    world = invalid_at_rest()
    assert world.condition("Available") == ("True", "Served")
    world.ready[world.name(1)] = 0
    world.wait(1)
    assert world.condition("Available") == ("False", "NotServed")


def test_traffic_is_verified_while_the_next_step_waits_for_its_pods() -> None:
    world = rolling(canary(25, 50), 30)
    world.ready[world.name(2)] = 1
    world.wait(60)
    assert world.condition("Reconciling") == ("True", "WaitingForRoute")
    assert world.condition("TrafficVerified") == ("True", "Acknowledged"), "every router runs what it was asked for"
    assert world.status.weight == 25


def test_traffic_is_not_verified_while_a_router_lags() -> None:
    world = aborting()
    assert world.condition("TrafficVerified") == ("False", "NotAcknowledged")


def test_a_transition_time_moves_only_with_the_status() -> None:
    world = rolling(canary(25, "pause"), 5)
    times = {condition.type: condition.last_transition_time for condition in world.status.conditions}
    world.wait(300)
    assert world.condition("Reconciling") == ("True", "WaitingForApproval")
    after = {condition.type: condition.last_transition_time for condition in world.status.conditions}
    assert after["Ready"] == times["Ready"]
    assert after["Reconciling"] == times["Reconciling"]


def test_an_autoscaler_sees_the_pods_that_carry_the_requests() -> None:
    world = installed()
    stable, name = world.name(1), "modelrollout.dev/name=digits"
    part = "modelrollout.dev/component=model"
    assert world.status.selector == f"{part},{name},modelrollout.dev/revision={stable}"
    assert (world.status.replicas, world.status.ready_replicas) == (4, 4)
    world.apply(strategy=canary(50, shadow={"hold": "1m"}, bake="1m"), template=template(2))
    world.wait(30)
    assert world.status.selector.endswith(stable), "a shadow carries copies only"
    assert world.status.replicas == 4
    world.wait(60)
    assert world.status.selector == f"{part},{name}"
    assert world.status.replicas == 8
    world.wait(60)
    assert world.status.selector.endswith(world.name(2)), "in the bake stable idles"
    assert world.status.replicas == 4


def test_a_message_names_the_day_when_it_is_not_today() -> None:
    world = rolling({"canary": {"steps": [{"weight": 25, "hold": "3d"}]}}, 5)
    assert world.status.message == "step 1/1 holds, until 2026-01-04 12:00:05 UTC"
