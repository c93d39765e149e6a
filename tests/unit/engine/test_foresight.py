"""What is foreseen: a rollout that cannot decide by its deadline says so before, in every stage in which something is due."""

import pytest

from modelrollout.domain.plan import Event
from modelrollout.domain.reading import State
from tests.unit.engine.test_proof import LIMITED, PAIRS, PROOF, alone, comparing, evidence, switched
from tests.unit.engine.world import World, analysis, canary, template


def told(world: World) -> list[Event]:
    return [event for event in world.events if event.reason == "UndecidedByDeadline"]


def watch(world: World, seconds: int) -> None:
    """Let time pass with a look every half minute, as polls have it."""
    for _ in range(seconds // 30):
        world.wait(30)


@pytest.mark.parametrize(("needed", "times"), [(500, 0), (100_000, 1)])
def test_what_cannot_be_decided_by_the_deadline_is_said_at_once(needed: int, times: int) -> None:
    world = comparing(deadline="10m")
    world.values["errors"] = evidence(needed=needed)
    world.wait(10)
    said = told(world)
    assert len(said) == times
    if said:
        assert "about 6 h at 50 %" in said[0].message
        assert "wider margin" in said[0].message
        world.values["errors"] = evidence(needed=needed // 1000)
        # Live values are written every 30 s.
        world.wait(35)
        assert world.rollout.forecast is None


@pytest.mark.parametrize(("weights", "where"), [((25, 50), "step 2/2 has 11m"), ((50,), "step 1/1 has 10 min left")])
def test_a_limit_has_no_stable_and_is_foreseen_all_the_same(weights: tuple[int, ...], where: str) -> None:
    world = World(twice=True)
    world.install()
    world.apply(strategy=canary(*weights), analysis=analysis(LIMITED, deadline="10m"), template=template(2))
    world.values["slo"] = alone(requests=199, needed=280_000, stable_per_second=9.0)
    world.wait(30)
    assert not told(world)
    world.values["slo"] = alone(needed=280_000, stable_per_second=9.0)
    world.wait(5)
    (said,) = told(world)
    assert f"slo needs about 16 h at 50 % of today's traffic, and {where}" in said.message
    assert "more weight, another limit, a later deadline or a shadow before" in said.message


def test_what_only_copies_can_show_is_foreseen_among_copies() -> None:
    world = World(twice=True)
    world.install()
    strategy = {"canary": {"shadow": {"percent": 100, "hold": "1m"}, "steps": [{"weight": 50, "hold": "1m"}]}}
    world.apply(strategy=strategy, analysis=analysis(PAIRS, deadline="10m"), template=template(2))
    pairs = evidence(candidate=0.95, requests=300, stable_requests=300, needed=6000)
    world.values["same"] = pairs.model_copy(update={"stable_per_second": None})
    world.wait(30)
    (said,) = told(world)
    assert "same needs about 100 min at today's traffic, and shadow has 11 min left" in said.message
    assert "more copies" in said.message


def test_copies_that_steps_follow_need_prove_nothing_and_foretell_nothing() -> None:
    world = World(twice=True)
    world.install()
    strategy = {"canary": {"shadow": {"percent": 100, "hold": "1m"}, "steps": [{"weight": 50, "hold": "1h"}]}}
    metric = {"name": "errors", "router": {"signal": "errorRate"}, "compare": {"minRequests": 50}}
    world.apply(strategy=strategy, analysis=analysis(metric, deadline="10m"), template=template(2))
    world.values["errors"] = evidence(needed=6000)
    world.wait(30)
    assert world.rollout.stage_label == "shadow"
    assert not told(world)


def test_a_limit_that_is_due_in_the_bake_is_foreseen_there() -> None:
    world = switched(LIMITED, deadline="10m")
    world.values["slo"] = alone(needed=6000)
    world.wait(60)
    (said,) = told(world)
    assert "slo needs about 100 min at 100 % of today's traffic, and bake has 15 min left" in said.message
    assert "Give it another limit or a later deadline; or a person promotes." in said.message


def test_the_first_requests_of_a_small_step_are_foreseen() -> None:
    world = comparing(1, 50, deadline="1h")
    slow = evidence(requests=5, stable_requests=300, needed=40).model_copy(
        update={"per_second": 0.008, "stable_per_second": 0.8}
    )
    world.values["errors"] = slow
    watch(world, 120)
    assert not told(world)
    watch(world, 180)
    (said,) = told(world)
    assert (
        "errors needs about 93 min at 1 % of today's traffic for its first requests, and step 1/2 has" in said.message
    )
    assert "fewer minRequests" in said.message
    world.values["errors"] = evidence(requests=60)
    watch(world, 90)
    assert world.rollout.stage_label == "step 2/2"
    assert world.rollout.forecast is None


@pytest.mark.parametrize("value", [State.NO_METRIC, evidence().model_copy(update={"needed": None})])
def test_a_wait_that_nobody_can_foresee_is_told_when_the_deadline_is_near(value: object) -> None:
    world = comparing(50, deadline="10m")
    world.values["errors"] = value  # type: ignore[assignment]
    watch(world, 30 + 450)
    assert not told(world)
    watch(world, 90)
    (said,) = told(world)
    assert "errors: nobody can tell how long it still takes, and step 1/1 has" in said.message
    assert "weight" not in said.message


def test_a_forecast_is_taken_back_when_everything_passes() -> None:
    world = comparing(50, deadline="10m", minDuration="9m")
    world.values["errors"] = evidence(needed=100_000)
    world.wait(5)
    assert world.rollout.forecast is not None
    world.values["errors"] = evidence(within=PROOF)
    world.wait(5)
    assert world.rollout.forecast is None


def test_once_the_deadline_is_over_nothing_is_foretold_of_it() -> None:
    world = comparing(50, deadline="10m")
    world.values["errors"] = evidence(needed=100_000)
    world.wait(90)
    assert "likely to be inconclusive" in world.status.message
    world.wait(600)
    assert "Inconclusive after 10m" in world.status.message
    assert "likely" not in world.status.message


def test_while_it_is_paused_nothing_is_foreseen() -> None:
    world = comparing(50, deadline="10m")
    world.values["errors"] = evidence().model_copy(update={"needed": None})
    world.apply(paused=True)
    watch(world, 600)
    assert not told(world)
