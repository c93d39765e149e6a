"""What holds for every strategy: where it ends, that weights never fall, and that a shadow answers nobody."""

import itertools
from typing import Any

import pytest

from modelrollout.api.modeldeployment import STRATEGIES
from modelrollout.domain.stage import StageKind
from tests.conformance.examples import examples
from tests.conformance.plugins import with_configs
from tests.unit.engine.world import World, template

CONFIGS = with_configs(STRATEGIES)


def without_numbers(plugin: Any) -> list[dict[str, Any]]:
    """Return the examples that this world can walk: nothing is measured in it, and a ramp asks for numbers."""
    configs = examples(plugin.config)
    stages = [plugin.stages(plugin.config.model_validate(config)) for config in configs]
    return [
        config
        for config, its_stages in zip(configs, stages, strict=True)
        if all(stage.budget is None for stage in its_stages)
    ]


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_it_ends_in_full_or_in_the_bake_after_it(plugin: Any, config: Any) -> None:
    kinds = [stage.kind for stage in plugin.stages(config)]
    assert kinds[-1] in (StageKind.FULL, StageKind.BAKE)
    assert kinds.count(StageKind.FULL) == 1
    assert kinds.count(StageKind.BAKE) <= 1
    if kinds[-1] is StageKind.BAKE:
        assert kinds[-2] is StageKind.FULL
    assert len(kinds) >= 2, "something comes before everything"


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_weights_never_fall_and_reach_100_in_full_alone(plugin: Any, config: Any) -> None:
    stages = plugin.stages(config)
    weights = [stage.weight for stage in stages]
    assert weights == sorted(weights)
    assert all((stage.weight == 100) is (stage.kind in (StageKind.FULL, StageKind.BAKE)) for stage in stages)
    assert all(stage.full_size for stage in stages if stage.weight == 100)


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_only_steps_have_a_budget_and_rungs_stand_together(plugin: Any, config: Any) -> None:
    stages = plugin.stages(config)
    rungs = [index for index, stage in enumerate(stages) if stage.budget is not None]
    assert all(stages[index].kind is StageKind.STEP and not stages[index].hold for index in rungs)
    assert all(after == before + 1 for before, after in itertools.pairwise(rungs))
    assert not rungs or stages[rungs[-1] + 1].kind is StageKind.FULL


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_who_gets_copies_answers_nobody(plugin: Any, config: Any) -> None:
    stages = plugin.stages(config)
    assert all(stage.weight == 0 for stage in stages if stage.mirror)
    assert any(stage.mirror for stage in stages) <= (plugin.mirrors is not None)
    assert all((stage.mirror > 0) is (stage.kind is StageKind.SHADOW) for stage in stages)


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_people_can_tell_its_stages_apart(plugin: Any, config: Any) -> None:
    labels = [stage.label for stage in plugin.stages(config)]
    assert len(set(labels)) == len(labels)
    assert all(labels)
    assert max(map(len, labels)) <= 63


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_a_pause_waits_for_a_person_and_manual_promotion_before_full_does(plugin: Any, config: Any) -> None:
    stages = plugin.stages(config)
    assert all(stage.approval for stage in stages if stage.kind is StageKind.PAUSE)
    full = next(index for index, stage in enumerate(stages) if stage.kind is StageKind.FULL)
    assert stages[full - 1].approval is (config.promotion == "manual" or stages[full - 1].kind is StageKind.PAUSE)
    assert not any(stage.approval for stage in stages[full:])


@pytest.mark.parametrize("plugin", STRATEGIES.values(), ids=list(STRATEGIES))
def test_it_rolls_a_revision_out_and_every_promise_of_the_loop_holds_on_the_way(plugin: Any) -> None:
    world = World()
    world.install()
    for version, config in enumerate(without_numbers(plugin)[:3], start=2):
        world.apply(strategy={plugin.name: config}, template=template(version))
        world.wait(1)
        while world.rollout.state == "Progressing":
            world.wait(70)
            if world.rollout.state == "Progressing":
                world.ask("promote", stage=world.rollout.stage)
        assert world.status.stable == world.name(version)


@pytest.mark.parametrize("plugin", STRATEGIES.values(), ids=list(STRATEGIES))
def test_it_can_be_aborted_in_every_stage(plugin: Any) -> None:
    config = without_numbers(plugin)[0]
    count = len(plugin.stages(plugin.config.model_validate(config)))
    world = World()
    world.install()
    world.apply(strategy={plugin.name: config}, template=template(2))
    world.wait(1)
    for target in range(count):
        while world.rollout.stage < target:
            world.ask("promote", stage=world.rollout.stage)
            world.step()
        world.settle()
        world.abort_now()
        world.settle()
        assert world.weight(1) == 100
        assert not world.route.mirrors
        assert world.rollout.state == "Aborted"
        world.ask("retry")
        world.step()
