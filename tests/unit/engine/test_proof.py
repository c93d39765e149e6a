"""Evidence and the walk through the stages: what holds a step up, what ends its hold early, and what is foreseen."""

import math

import pytest

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import State
from modelrollout.domain.status import RolloutState
from tests.unit.engine.world import World, analysis, canary, template

COMPARED = {"name": "errors", "router": {"signal": "errorRate"}, "compare": {"minRequests": 50}}
PROOF = math.log(20)


def evidence(**fields: float) -> Evidence:
    """Return evidence that decides nothing; keywords change it."""
    said = {"candidate": 0.005, "stable": 0.005, "requests": 500, "stable_requests": 4500, "needed": 2000, **fields}
    said["enough"] = said["requests"] >= 50
    return Evidence(**{"per_second": 1.0, "stable_per_second": 9.0, "high": 0.02, **said})


def comparing(*steps: int, bake: str | None = None, **fields: object) -> World:
    world = World(twice=True)
    world.install()
    settings = {"minDuration": "2m", **fields}
    strategy = canary(*(steps or (25, 50)), **({"bake": bake} if bake else {}))
    world.apply(strategy=strategy, analysis=analysis(COMPARED, **settings), template=template(2))
    world.values["errors"] = evidence()
    world.wait(30)
    return world


def test_a_step_ends_without_proof_and_the_last_one_does_not() -> None:
    world = comparing()
    world.wait(90)
    assert world.weight(2) == 50
    world.wait(3600)
    assert world.weight(2) == 50
    assert "about 17 min at today's traffic" in world.status.message or "33 min" in world.status.message
    world.values["errors"] = evidence(within=PROOF)
    world.wait(5)
    assert world.status.stable == world.name(2)


def test_too_few_requests_end_no_step() -> None:
    world = comparing()
    world.values["errors"] = evidence(requests=49)
    world.wait(600)
    assert world.weight(2) == 25
    assert "49 requests are too few for the next step" in world.status.message


def test_a_candidate_that_is_worse_stays_at_its_weight_while_nobody_knows_by_how_much() -> None:
    world = comparing()
    world.values["errors"] = evidence(worse=PROOF)
    world.wait(600)
    assert world.weight(2) == 25
    assert "worse than stable, and by how much is not decided yet, so the weight stays" in world.status.message
    assert "beyond the margin" not in world.status.message


@pytest.mark.parametrize("moved", ["world", "inputs"])
def test_what_moved_without_the_candidates_fault_holds_between_two_steps_too(moved: str) -> None:
    world = comparing()
    world.values["errors"] = evidence().model_copy(update={"moved": moved})
    world.wait(600)
    assert world.weight(2) == 25
    world.values["errors"] = evidence()
    world.wait(120)
    assert world.weight(2) == 50


def test_evidence_against_it_takes_the_candidate_home() -> None:
    world = comparing()
    world.values["errors"] = evidence(against=PROOF + 0.2, candidate=0.05)
    world.wait(5)
    assert world.weight(2) == 0
    assert world.rollout.state is RolloutState.ABORTED
    assert world.rollout.cause is not None
    assert world.rollout.cause.reason == "GateFailed"
    assert "5 %" in world.rollout.cause.message


def test_a_proof_ends_holds_once_the_candidate_has_answered_long_enough() -> None:
    world = World(twice=True)
    world.install()
    steps = {"canary": {"steps": [{"weight": weight, "hold": "1h"} for weight in (10, 25, 50)]}}
    world.apply(strategy=steps, analysis=analysis(COMPARED, minDuration="2m"), template=template(2))
    world.values["errors"] = evidence(within=PROOF)
    world.wait(100)
    assert world.weight(2) == 10
    assert "though the evidence is there" in world.status.message
    world.wait(90)
    assert {weight for revision, weight in world.weights if revision == world.name(2)} >= {10, 25, 50}
    assert world.status.stable == world.name(2)


def test_a_plain_limit_beside_it_must_pass_too_before_a_hold_ends_early() -> None:
    world = World(twice=True)
    world.install()
    plain = {"name": "slow", "router": {"signal": "latencySeconds"}, "threshold": {"max": 1.0}}
    steps = {"canary": {"steps": [{"weight": 10, "hold": "1h"}]}}
    world.apply(strategy=steps, analysis=analysis(COMPARED, plain, minDuration="0s"), template=template(2))
    world.values["errors"] = evidence(within=PROOF)
    world.values["slow"] = State.NO_METRIC
    world.wait(120)
    assert world.weight(2) == 10
    world.values["slow"] = 0.2
    world.wait(10)
    assert world.status.stable == world.name(2)


def test_a_wrong_split_promotes_nobody_and_still_rolls_back() -> None:
    world = comparing()
    world.values["errors"] = State.MISMATCH
    world.wait(600)
    assert world.weight(2) == 25
    assert world.condition("AnalysisPassed") == ("Unknown", "Undecided")
    world.values["errors"] = evidence(against=PROOF + 0.2)
    world.wait(5)
    assert world.weight(2) == 0


def test_while_baking_nothing_need_be_proven_again() -> None:
    world = comparing(50, bake="5m")
    world.values["errors"] = evidence(within=PROOF)
    world.wait(130)
    assert world.rollout.stage_label == "bake"
    world.values["errors"] = evidence(requests=200)
    world.wait(400)
    assert world.status.stable == world.name(2)


def test_a_pause_stands_between_the_last_step_and_the_proof() -> None:
    world = World(twice=True)
    world.install()
    world.apply(strategy=canary(25, "pause"), analysis=analysis(COMPARED), template=template(2))
    world.values["errors"] = evidence()
    world.wait(600)
    assert world.rollout.stage_label == "step 1/2"
    world.values["errors"] = evidence(within=PROOF)
    world.wait(5)
    assert world.rollout.stage_label == "pause 2/2"


PAIRS = {"name": "same", "predictions": {"path": "outputs[0].data"}, "agreement": {"min": 0.9}}


def test_what_only_copies_can_show_is_proven_before_the_last_of_them() -> None:
    world = World(twice=True)
    world.install()
    strategy = {"canary": {"shadow": {"percent": 100, "hold": "1m"}, "steps": [{"weight": 50, "hold": "1m"}]}}
    world.apply(strategy=strategy, analysis=analysis(PAIRS, COMPARED), template=template(2))
    world.values["errors"] = evidence(within=PROOF)
    world.values["same"] = evidence(candidate=0.95)
    world.wait(3600)
    assert world.weight(2) == 0
    assert "same" in world.status.message
    world.values["same"] = evidence(candidate=0.95, within=PROOF)
    world.wait(300)
    assert world.status.stable == world.name(2)


def test_before_a_preview_copies_are_the_last_chance_to_prove_anything() -> None:
    world = World(twice=True)
    world.install()
    strategy = {"blueGreen": {"shadow": {"percent": 100, "hold": "1m"}, "hold": "1m"}}
    world.apply(strategy=strategy, analysis=analysis(COMPARED), template=template(2))
    world.values["errors"] = evidence()
    world.wait(3600)
    assert world.weight(2) == 0
    assert "shadow" in world.status.message


LIMITED = {"name": "slo", "router": {"signal": "errorRate"}, "threshold": {"max": 0.02, "evidence": "sequential"}}


def alone(**fields: float) -> Evidence:
    """Return evidence about a limit as the world has it: no stable stands beside it."""
    said = {"candidate": 0.005, "requests": 500, "needed": 2000, "per_second": 1.0, "stable_per_second": 0.0, **fields}
    return Evidence(enough=said["requests"] >= 50, **said)


def switched(*metrics: dict[str, object], shadow: bool = False, **fields: object) -> World:
    """Return a world in which the candidate has just been given all requests."""
    world = World(twice=True)
    world.install()
    copies = {"shadow": {"percent": 50, "hold": "1m"}} if shadow else {}
    strategy = {"blueGreen": {**copies, "hold": "1m", "bake": "5m"}}
    world.apply(strategy=strategy, analysis=analysis(*metrics, **fields), template=template(2))
    world.wait(30)
    return world


def test_a_limit_that_nothing_was_held_to_before_must_pass_before_the_bake_is_over() -> None:
    world = switched(LIMITED)
    world.wait(60)
    assert world.rollout.stage_label == "bake"
    world.values["slo"] = alone()
    world.wait(6 * 3600)
    assert world.rollout.stage_label == "bake"
    assert world.status.stable != world.name(2)
    world.values["slo"] = alone(within=PROOF)
    world.wait(5)
    assert world.status.stable == world.name(2)


def test_the_bake_lasts_as_long_as_it_should_whatever_is_proven() -> None:
    world = switched(LIMITED)
    world.values["slo"] = alone(within=PROOF)
    world.wait(30 + 280)
    assert world.rollout.stage_label == "bake"
    assert world.rollout.state is RolloutState.PROGRESSING
    world.wait(60)
    assert world.status.stable == world.name(2)


@pytest.mark.parametrize(
    ("then", "told"),
    [
        ("pause", (RolloutState.PROGRESSING, 100, False)),
        ("rollback", (RolloutState.ABORTED, 0, False)),
        ("promote", (RolloutState.COMPLETED, 100, True)),
    ],
)
def test_a_bake_that_proves_nothing_ends_as_an_inconclusive_step_does(
    then: str, told: tuple[RolloutState, int, bool]
) -> None:
    world = switched(LIMITED, deadline="10m", onInconclusive=then)
    world.values["slo"] = alone()
    world.wait(60 + 5 * 60 + 9 * 60)
    assert (world.rollout.stage_label, world.rollout.state) == ("bake", RolloutState.PROGRESSING)
    world.wait(120)
    promoted = world.status.stable == world.name(2)
    assert (world.rollout.state, world.weight(2), promoted) == told
    if then == "pause":
        assert "Inconclusive after 10m" in world.status.message
        world.ask("promote")
        world.wait(5)
        assert world.status.stable == world.name(2)


def test_a_limit_that_copies_were_held_to_need_not_be_proven_again() -> None:
    world = switched(LIMITED, shadow=True)
    world.values["slo"] = alone(within=PROOF)
    world.wait(120)
    assert world.rollout.stage_label == "bake"
    world.values["slo"] = alone()
    world.wait(330)
    assert world.status.stable == world.name(2)
