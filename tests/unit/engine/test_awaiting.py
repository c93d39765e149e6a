"""Labels that come late: what a step waits for, what it goes on without, and that the bake still takes the candidate back."""

import math
from typing import Any

import pytest

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import State
from modelrollout.domain.status import RolloutState
from modelrollout.domain.verdict import Gate, Verdict
from tests.unit.engine.world import ERRORS, World, analysis, template

WRONG = {"name": "wrong", "labels": {}, "threshold": {"max": 0.1}}
COMPARED = {"name": "wrong", "labels": {}, "compare": {}}
MODEL = {"protocol": "openInference"}
LABELS = {"tokenSecret": {"name": "feedback"}}
WAIT = {"min": 50, "maxAge": "20s"}


def waiting(*metrics: Any, wait: Any = WAIT, bake: str = "60s", **fields: Any) -> World:
    """Return a world whose candidate answers a half, and whose labels have not come."""
    world = World()
    world.apply(model=MODEL)
    world.install()
    asked = analysis(*(metrics or (WRONG, ERRORS)), labels={**LABELS, **({"wait": wait} if wait else {})}, **fields)
    world.apply(
        strategy={"canary": {"steps": [{"weight": 50, "hold": "5s"}], "bake": bake}},
        analysis=asked,
        template=template(2),
    )
    world.values = {"wrong": State.NO_TRAFFIC, "errors": 0.0}
    world.wait(3)
    assert world.weight(2) == 50
    return world


def gate(world: World) -> Gate:
    return next(gate for gate in world.rollout.gates if gate.name == "wrong")


def test_a_step_waits_for_labels_and_not_for_ever() -> None:
    world = waiting()
    world.wait(14)
    assert (world.weight(2), gate(world).verdict, gate(world).ignored) == (50, Verdict.UNDECIDED, False)
    assert gate(world).message.startswith("0 of 50 labels yet")
    world.wait(10)
    assert world.rollout.stage_label == "bake"
    assert world.weight(2) == 100


def test_what_goes_on_without_labels_is_shown_as_ignored_and_is_no_pass() -> None:
    # What else is asked for holds the step, so that the gate can be seen.
    world = waiting()
    world.values["errors"] = State.NO_TRAFFIC
    world.wait(30)
    assert world.weight(2) == 50
    assert (gate(world).verdict, gate(world).ignored) == (Verdict.UNDECIDED, True)
    assert gate(world).message == "no labels yet; they are awaited in the bake"


def test_late_labels_turn_a_step_that_was_let_go_into_a_rollback_inside_the_bake() -> None:
    world = waiting()
    world.wait(30)
    assert (world.rollout.stage_label, world.weight(2)) == ("bake", 100)
    world.values["wrong"] = 0.4
    world.wait(3)
    assert world.weight(2) == 0
    assert world.rollout.state is RolloutState.ABORTED
    assert world.rollout.cause is not None
    assert "wrong" in world.rollout.cause.message


def test_late_labels_that_are_right_end_the_bake_as_ever() -> None:
    world = waiting()
    world.wait(30)
    world.values["wrong"] = 0.05
    world.wait(90)
    assert world.status.stable == world.name(2)


def test_a_bake_without_any_label_ends_and_says_that_nothing_is_known() -> None:
    world = waiting(bake="5s")
    world.wait(25)
    assert world.rollout.stage_label == "bake"
    world.wait(10)
    assert world.rollout.stage_label == "bake", "it waits in the bake, too"
    world.wait(20)
    assert world.status.stable == world.name(2)


def test_labels_in_time_are_judged_as_ever() -> None:
    world = waiting()
    world.values["wrong"] = 0.4
    world.wait(3)
    assert world.weight(2) == 0


def test_without_a_wait_a_step_holds_as_for_every_metric_without_a_number() -> None:
    world = waiting(wait=None)
    world.wait(120)
    assert (world.weight(2), gate(world).ignored) == (50, False)


def test_a_source_that_does_not_answer_is_not_a_lack_of_labels() -> None:
    world = waiting()
    world.values["wrong"] = State.ERROR
    world.wait(60)
    assert (world.weight(2), gate(world).ignored) == (50, False)


def test_a_pause_gives_labels_no_less_time() -> None:
    world = waiting()
    world.apply(paused=True)
    world.wait(60)
    world.apply(paused=False)
    world.wait(10)
    assert (world.weight(2), gate(world).ignored) == (50, False)


@pytest.mark.parametrize(("requests", "held"), [(49, True), (50, False)])
def test_evidence_rests_on_as_many_labels_as_the_spec_says(requests: int, held: bool) -> None:
    world = waiting(COMPARED, ERRORS)
    proven = Evidence(
        candidate=0.1, stable=0.1, requests=requests, stable_requests=900, enough=True, within=math.log(40)
    )
    world.values["wrong"] = proven
    world.wait(12)
    assert (world.rollout.stage_label != "bake") is held
    if held:
        assert gate(world).message.startswith("49 of 50 labels yet; ")
        assert gate(world).message.count("labels yet") == 1


def test_evidence_against_it_needs_no_number_of_labels() -> None:
    world = waiting(COMPARED, ERRORS)
    world.values["wrong"] = Evidence(candidate=0.9, stable=0.1, requests=20, stable_requests=900, against=math.log(40))
    world.wait(3)
    assert world.weight(2) == 0
