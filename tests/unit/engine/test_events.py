"""Events tell transitions, each once; ten lines tell a rollout."""

from collections.abc import Callable

import pytest

from tests.unit.engine.world import World, analysis, canary, template


def promoted(world: World) -> None:
    world.run()


def failed(world: World) -> None:
    world.wait(5)
    world.values["errors"] = 0.5
    world.run()


def aborted_at_weight_0(world: World) -> None:
    world.apply(strategy={"blueGreen": {"hold": "1h"}})
    world.wait(5)
    world.abort_now()
    world.run(5)


def superseded(world: World) -> None:
    world.wait(5)
    world.apply(template=template(3))
    world.run()


def refused(world: World) -> None:
    world.wait(5)
    world.apply(paused="yes")
    world.wait(60)
    world.apply(paused=False)
    world.run()


@pytest.mark.parametrize(
    ("story", "told"),
    [
        (promoted, ["RolloutStarted", "StageEntered", "StageEntered", "RolloutCompleted"]),
        (failed, ["RolloutStarted", "GateFailed", "RolloutAborting", "RolloutAborted"]),
        (aborted_at_weight_0, ["RolloutStarted", "RolloutAborted"]),
        (
            superseded,
            ["RolloutStarted", "RolloutAborting", "RolloutStarted", "StageEntered", "StageEntered", "RolloutCompleted"],
        ),
        (refused, ["RolloutStarted", "InvalidSpec", "StageEntered", "StageEntered", "RolloutCompleted"]),
    ],
)
def test_a_rollout_in_few_lines(story: Callable[[World], None], told: list[str]) -> None:
    world = World()
    world.install()
    world.events.clear()
    measured = analysis() if story is failed else None
    world.apply(**{"strategy": canary(25, 50), "template": template(2), **({"analysis": measured} if measured else {})})
    story(world)
    assert world.reasons() == told


def test_what_ended_an_attempt_is_told_where_it_ended() -> None:
    world = World()
    world.install()
    world.apply(strategy={"blueGreen": {"hold": "1h"}}, template=template(2))
    aborted_at_weight_0(world)
    assert world.events[-1].warning
    assert (
        world.events[-1].message == f"Requested: A person aborted the rollout. All traffic is at {world.name(1)} again."
    )


def test_an_install_is_told_as_one() -> None:
    world = World()
    world.install()
    assert [event.message for event in world.events] == [f"Installing {world.name(1)}.", f"{world.name(1)} is stable."]


def test_notes_say_what_events_say() -> None:
    world = World()
    world.install()
    world.apply(template=template(2))
    plan = world.step()
    assert plan.notes == tuple(f"{event.reason}: {event.message}" for event in plan.events)
    assert plan.notes
