"""How many pods a stage needs, and what keeps a revision from getting its requests."""

from typing import Any

import pytest

from modelrollout.domain.observation import Limits
from modelrollout.domain.stage import Stage, StageKind
from modelrollout.engine.context import Context, contextualize
from modelrollout.engine.sizing import needed, obstacle, sizes
from tests.unit.engine.world import World, canary, spec_of, template

SHADOW = Stage(StageKind.SHADOW, "shadow", mirror=20)
STEP = Stage(StageKind.STEP, "step", 30)
PREVIEW = Stage(StageKind.PREVIEW, "preview", full_size=True)
FULL = Stage(StageKind.FULL, "full", 100, full_size=True)


def context(world: World) -> Context:
    made = contextualize(world.look(), Limits(), world.now)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("fields", "stage", "pods"),
    [
        ({"replicas": 10}, STEP, 3),
        ({"replicas": 4}, STEP, 2),
        ({"replicas": 1}, STEP, 1),
        ({"replicas": 10}, SHADOW, 2),
        ({"replicas": 10}, PREVIEW, 10),
        ({"replicas": 10}, FULL, 10),
        ({"replicas": 0}, STEP, 1),
        ({"replicas": 0}, FULL, 1),
        ({"replicas": 10}, Stage(StageKind.PAUSE, "pause"), 1),
        ({"replicas": 10}, Stage(StageKind.STEP, "step", 30, replicas=7), 7),
        ({"replicas": 10}, Stage(StageKind.STEP, "step", 30, replicas=2), 3),
        ({"replicas": 10, "maxExtraReplicas": 2}, STEP, 2),
        ({"replicas": 10, "maxExtraReplicas": 5}, STEP, 3),
        ({"replicas": 10, "maxExtraReplicas": 2}, Stage(StageKind.STEP, "step", 30, replicas=7), 2),
        ({"replicas": 10, "maxExtraReplicas": 2}, PREVIEW, 10),
        ({"replicas": 10, "maxExtraReplicas": 2}, FULL, 10),
        ({"replicas": 3, "traffic": {"direct": {}}, "strategy": canary(25)}, Stage(StageKind.STEP, "step", 25), 1),
        ({"replicas": 3, "traffic": {"direct": {}}, "strategy": canary(25)}, Stage(StageKind.STEP, "step", 75), 9),
        ({"replicas": 3, "traffic": {"direct": {}}, "strategy": canary(25)}, FULL, 3),
    ],
)
def test_how_many_pods_a_stage_needs(fields: dict[str, Any], stage: Stage, pods: int) -> None:
    assert needed(context(World(spec_of(**fields))), stage) == pods


@pytest.mark.parametrize(
    ("stable", "candidate", "stage", "words"),
    [
        (4, 0, STEP, "0 of 2 pods"),
        (4, 2, STEP, None),
        (4, 3, FULL, "3 of 4 pods"),
        (4, 4, FULL, None),
        (2, 2, FULL, None),
        (0, 1, FULL, None),
        (0, 0, FULL, "0 of 1 pods"),
    ],
)
def test_what_keeps_a_candidate_from_its_requests(stable: int, candidate: int, stage: Stage, words: str | None) -> None:
    world = World()
    world.install()
    world.apply(strategy={"blueGreen": {"hold": "1h"}}, template=template(2))
    world.wait(5)
    world.ready = {world.name(1): stable, world.name(2): candidate}
    why = obstacle(context(world), stage, world.name(2))
    assert (why is None) if words is None else (why is not None and why.startswith(words))


def test_an_obstacle_names_what_is_wrong_with_the_pods() -> None:
    world = World()
    world.install()
    world.ready[world.name(2)] = 0
    world.problem[world.name(2)] = "container model crashes: OOMKilled, exit code 137"
    world.apply(template=template(2))
    world.wait(1)
    why = obstacle(context(world), STEP, world.name(2))
    assert why is not None
    assert why.endswith("are Ready: container model crashes: OOMKilled, exit code 137")


def test_at_rest_only_stable_has_a_size() -> None:
    world = World()
    world.install()
    assert sizes(context(world)) == {world.name(1): 4}
