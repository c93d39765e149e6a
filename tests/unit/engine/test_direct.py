"""Without a router the number of pods is the weight."""

import pytest

from modelrollout.domain.observation import Observation
from modelrollout.domain.plan import Apply, Plan
from modelrollout.domain.status import RolloutState
from modelrollout.names import LABEL_REVISION, workload
from tests.unit.engine.world import NAME, World, analysis, canary, spec_of, template


@pytest.fixture
def world() -> World:
    made = World(spec_of(replicas=3, traffic={"direct": {}}, strategy=canary(25, 50)), twice=True)
    made.install()
    return made


def selected(world: World) -> str | None:
    revision: str | None = world.children["Service", NAME]["spec"]["selector"].get(LABEL_REVISION)
    return revision


def test_a_canary_by_numbers_of_pods(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    assert (world.size(1), world.size(2), selected(world)) == (3, 1, None)
    world.wait(60)
    assert (world.size(1), world.size(2), selected(world)) == (3, 3, None)
    world.run()
    assert (world.size(1), world.size(2), selected(world)) == (None, 3, world.name(2))
    assert world.status.stable == world.name(2)


def test_the_candidate_is_made_smaller_only_after_it_got_everything(world: World) -> None:
    world.apply(strategy=canary(75), template=template(2))
    world.wait(30)
    assert world.size(2) == 9
    name, lowered = workload(NAME, world.name(2)), []

    def watch(seen: Observation, plan: Plan) -> None:
        for write in plan.writes:
            if isinstance(write, Apply) and write.key == ("Deployment", name) and write.body["spec"]["replicas"] < 9:
                assert seen.live_route is not None
                lowered.append(seen.live_route.route.weight(world.name(2)))

    world.checks.append(watch)
    world.run()
    assert world.size(2) == 3
    assert lowered == [100], "fewer pods of a canary are less weight"


def test_a_weight_cannot_be_verified_and_says_so(world: World) -> None:
    assert world.condition("TrafficVerified") == ("Unknown", "CannotTell")
    assert world.condition("Ready") == ("True", "Stable")


def test_an_abort_takes_the_selector_home(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.abort_now()
    world.wait(1)
    assert selected(world) == world.name(1)
    world.wait(10)
    assert world.size(2) is None


def test_replicas_that_cannot_express_the_weight_wait(world: World) -> None:
    world.apply(template=template(2))
    world.wait(30)
    world.apply(replicas=4)
    world.wait(300)
    assert (world.size(1), world.size(2)) == (3, 1)
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert "4 pods of stable" in world.status.message
    world.apply(replicas=6)
    world.wait(5)
    assert (world.size(1), world.size(2)) == (6, 2)
    assert world.condition("Stalled") is None


def test_fewer_replicas_that_express_the_weight_are_taken_over(world: World) -> None:
    world.apply(replicas=6, template=template(2))
    world.wait(30)
    world.apply(replicas=3)
    world.wait(5)
    assert (world.size(1), world.size(2)) == (3, 1)
    world.run()
    assert world.status.stable == world.name(2)


def test_blue_green_switches_the_selector(world: World) -> None:
    world.apply(strategy={"blueGreen": {"hold": "1m", "bake": "1m"}}, template=template(2))
    world.wait(30)
    assert (selected(world), world.size(2)) == (world.name(1), 3)
    world.wait(40)
    assert (selected(world), world.size(1)) == (world.name(2), 3)
    world.run()


def test_metrics_come_from_prometheus_alone(world: World) -> None:
    gpu = {"name": "gpu", "prometheus": {"query": "x"}, "threshold": {"max": 95}}
    world.apply(analysis=analysis(gpu), template=template(2))
    world.wait(30)
    world.values["gpu"] = 99.0
    world.wait(5)
    assert world.rollout.state is RolloutState.ABORTED
