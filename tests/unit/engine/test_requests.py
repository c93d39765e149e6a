"""What people ask for: each request is answered once, and a stale one is refused in words."""

from datetime import timedelta
from typing import Any

import pytest

from modelrollout.domain.status import Request, RolloutState
from tests.unit.engine.world import World, canary, template


@pytest.fixture
def world() -> World:
    made = World()
    made.install()
    made.apply(strategy=canary(25, 50), template=template(2))
    made.wait(30)
    return made


def answer(world: World) -> Request:
    world.step()
    assert world.status.request is not None
    return world.status.request


@pytest.mark.parametrize(
    ("action", "fields", "words"),
    [
        ("promote", {"revision": "0123456789"}, "The current attempt is"),
        ("promote", {"attempt": 7}, "The current attempt is"),
        ("promote", {"stage": 1}, "The current stage is step 1/2"),
        ("promote-full", {"attempt": 7}, "The current attempt is"),
        ("retry", {}, "no aborted rollout"),
        ("rollback", {"revision": "0123456789"}, "There is no snapshot digits-0123456789"),
        ("pause", {"attempt": 7}, "The last attempt is"),
        ("resume", {"revision": "0123456789"}, "The last attempt is"),
        ("explode", {}, "Unknown action explode"),
        ("promote", {"at": None}, "older than 10m"),
        ("promote", {"problem": "its time is no RFC 3339 time with a zone."}, "its time is no RFC 3339"),
    ],
)
def test_what_does_not_fit_the_current_state_is_refused(
    world: World, action: str, fields: dict[str, Any], words: str
) -> None:
    before = world.status.model_copy(update={"request": None})
    world.ask(action, **fields)
    given = answer(world)
    assert not given.accepted
    assert words in given.message
    assert given.message.endswith((".", "…"))
    after = world.status.model_copy(update={"request": None})
    assert after == before, "a refusal changes nothing"
    assert world.reasons()[-1] == "RequestRefused"


def test_a_request_is_stale_after_ten_minutes(world: World) -> None:
    world.ask("promote", at=world.now - timedelta(minutes=10))
    assert not answer(world).accepted
    world.ask("promote", at=world.now - timedelta(minutes=9))
    assert answer(world).accepted


def test_a_request_is_answered_once(world: World) -> None:
    world.ask("promote", by="jane")
    first = answer(world)
    assert (first.accepted, first.by) == (True, "jane")
    world.wait(5)
    assert world.weight(2) == 50
    world.wait(30)
    assert world.status.request == first
    assert world.rollout.stage_label == "step 2/2"
    assert world.reasons().count("RequestAccepted") == 1


def test_an_abort_of_another_attempt_is_none_of_ours(world: World) -> None:
    world.abort = f"{world.name(2)}/2"
    world.wait(5)
    assert world.rollout.state is RolloutState.PROGRESSING
    world.abort = f"{world.name(3)}/1"
    world.wait(5)
    assert world.rollout.state is RolloutState.PROGRESSING


def test_an_abort_is_stronger_than_a_promotion(world: World) -> None:
    world.ask("promote")
    world.abort_now()
    world.wait(5)
    assert world.weight(1) == 100
    assert world.status.request is not None
    assert not world.status.request.accepted


def test_a_promotion_waits_for_the_end_of_a_pause(world: World) -> None:
    world.ask("pause")
    world.wait(1)
    world.ask("promote")
    world.wait(5)
    assert world.weight(2) == 25
    world.ask("resume")
    world.wait(5)
    assert world.weight(2) == 50


def test_promoting_before_the_weight_is_verified_skips_its_hold(world: World) -> None:
    world.ready[world.name(2)] = 1
    world.wait(120)
    assert world.rollout.verified_at is None
    world.ask("promote")
    world.wait(5)
    assert world.weight(2) == 25
    world.ready.clear()
    world.wait(5)
    assert world.status.stable == world.name(2)


def test_promoting_the_bake_ends_it(world: World) -> None:
    world.apply(strategy=canary(25, bake="1h"))
    world.wait(120)
    assert world.rollout.stage_label == "bake"
    world.ask("promote")
    world.run(10)
    assert world.status.stable == world.name(2)


def test_a_pause_at_rest_holds_the_next_rollout(world: World) -> None:
    world.run()
    world.ask("pause")
    world.wait(1)
    world.apply(template=template(3))
    world.wait(300)
    assert world.weight(3) == 0
    assert world.condition("Reconciling") == ("True", "Paused")


def test_spec_paused_is_not_resumed_by_a_request(world: World) -> None:
    world.apply(paused=True)
    world.ask("resume")
    world.wait(300)
    assert world.weight(2) == 25


def test_a_first_install_cannot_be_aborted() -> None:
    world = World()
    world.ready[world.name(1)] = 0
    world.wait(5)
    world.abort_now()
    world.wait(5)
    assert world.rollout.state is RolloutState.PROGRESSING
