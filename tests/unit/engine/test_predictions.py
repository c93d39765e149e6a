"""Metrics of copied requests: judged where copies are made and nowhere else, and what the report says of them."""

from dataclasses import replace
from typing import Any

import pytest

from modelrollout.domain.reading import State
from modelrollout.domain.verdict import Verdict
from modelrollout.engine.context import contextualize
from modelrollout.engine.dossier import dossier
from modelrollout.engine.dossier_page import markdown
from modelrollout.engine.wants import AnalysisWants, attempt_of, wants
from modelrollout.names import mirror_cluster
from tests.unit.engine.world import ERRORS, World, analysis, spec_of, template

AGREEMENT = {"name": "same", "predictions": {"path": "label"}, "threshold": {"min": 0.97}}
STRATEGY = {"canary": {"shadow": {"hold": "30s"}, "steps": [{"weight": 25, "hold": "1m"}], "bake": "1m"}}


@pytest.fixture
def world() -> World:
    made = World(spec_of(analysis=analysis(ERRORS, AGREEMENT), strategy=STRATEGY))
    made.install()
    made.values = {"errors": 0.001}
    made.apply(template=template(2))
    made.wait(10)
    return made


def asked(world: World) -> AnalysisWants:
    found = wants(world.look()).analysis
    assert found is not None
    return found


def names(metrics: tuple[Any, ...]) -> list[str]:
    return [metric.name for metric in metrics]


def test_it_is_measured_on_copies_and_rests_once_the_candidate_answers(world: World) -> None:
    shadow = asked(world)
    assert (names(shadow.metrics), names(shadow.resting)) == (["errors", "same"], [])
    assert shadow.scope.arm == mirror_cluster(world.name(2))
    world.values["same"] = 0.99
    world.wait(60)
    assert world.weight(2) == 25
    step = asked(world)
    assert (names(step.metrics), names(step.resting)) == (["errors"], ["same"])


def test_without_a_pass_the_shadow_is_not_left(world: World) -> None:
    for state in (State.ERROR, State.NO_METRIC, State.NO_TRAFFIC, State.NAN):
        world.values["same"] = state
        world.wait(600)
        assert world.weight(2) == 0
        assert world.rollout.stage_label == "shadow"


def test_later_stages_do_not_wait_for_it(world: World) -> None:
    world.values["same"] = 0.99
    world.wait(60)
    world.values["same"] = State.ERROR
    world.run()
    assert world.status.stable == world.name(2)


def test_what_is_wrong_goes_home_from_the_shadow(world: World) -> None:
    world.values["same"] = 0.7
    world.run()
    assert world.status.stable == world.name(1)
    assert {weight for revision, weight in world.weights if revision == world.name(2)} == {0}
    gates = {gate.name: gate.verdict for gate in world.rollout.gates}
    assert gates["same"] is Verdict.FAIL


def test_the_report_tells_how_both_versions_differ_as_far_as_its_leader_has_seen(world: World) -> None:
    shown = {"confusion": [["cat", "dog", 3]], "examples": [{"id": "r1"}], "totals": {"pairs": 40}, "secret": "x"}
    rollout = world.rollout
    known = {attempt_of(rollout): {"same": shown, "errors": {}}, "another/1/x": {"same": {"examples": [{"id": "r9"}]}}}
    context = contextualize(replace(world.look(), details=known), world.limits, world.now)
    assert context is not None
    told = dossier(context, rollout)
    assert told["predictions"] == {"same": {key: shown[key] for key in ("confusion", "examples", "totals")}}
    forgotten = contextualize(world.look(), world.limits, world.now)
    assert forgotten is not None
    assert "predictions" not in dossier(forgotten, rollout)


def test_the_report_tells_what_each_feature_has_drifted_by(world: World) -> None:
    rows = [{"feature": "age", "place": "at most 40", "candidate": 0.5, "moved": "world"}]
    known = {attempt_of(world.rollout): {"asked": {"features": rows}, "quiet": {"features": []}, "errors": {}}}
    context = contextualize(replace(world.look(), details=known), world.limits, world.now)
    assert context is not None
    told = dossier(context, world.rollout)
    assert told["drift"] == {"asked": rows}
    assert "predictions" not in told
    assert "| age | at most 40 | 50 % | world |" in markdown(told)
