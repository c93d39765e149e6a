"""From the asked route to the wanted one: each change by itself, and the next only when every router has taken it."""

from datetime import timedelta

import pytest

from modelrollout.domain.observation import Limits
from modelrollout.domain.route import Arm, Route
from modelrollout.engine.context import Context, contextualize
from modelrollout.engine.facts import unacknowledged, unsettled
from modelrollout.engine.shift import shift
from tests.unit.engine.world import World, canary, template


def rolling(strategy: dict[str, object] | None = None) -> World:
    world = World()
    world.install()
    world.apply(strategy=strategy or canary(25, 50), template=template(2))
    return world


def context(world: World) -> Context:
    made = contextualize(world.look(), Limits(), world.now)
    assert made is not None
    return made


def asks(world: World, passes: int = 12) -> list[tuple[dict[str, int], str]]:
    """Return the different asks of the next passes: weights by version (copies with a star), and clusters."""
    versions = {world.name(version): f"v{version}" for version in (1, 2, 3)}
    versions |= {f"{name}-mirror": f"{version}*" for name, version in versions.items()}
    found: list[tuple[dict[str, int], str]] = []
    for _ in range(passes):
        world.step()
        assert world.status.route is not None
        weights = {versions[arm.revision]: arm.weight for arm in world.route.arms}
        weights |= {f"{versions[mirror.revision]}*": mirror.percent for mirror in world.route.mirrors}
        here = (weights, " ".join(sorted(versions[cluster] for cluster in world.status.route.clusters)))
        if not found or found[-1] != here:
            found.append(here)
    return found


def test_a_cluster_is_acknowledged_before_a_route_names_it() -> None:
    assert asks(rolling()) == [({"v1": 100}, "v1 v2"), ({"v1": 75, "v2": 25}, "v1 v2")]


def test_a_cluster_is_forgotten_after_the_route_has_left_it_and_its_requests_are_answered() -> None:
    world = rolling(canary(50))
    world.wait(59)
    world.active[world.name(1)] = 2
    world.now += timedelta(seconds=3)
    assert asks(world) == [({"v1": 50, "v2": 50}, "v1 v2"), ({"v2": 100}, "v1 v2")]
    world.active.clear()
    assert asks(world) == [({"v2": 100}, "v2")]


def test_the_way_home_stays_known_until_the_roles_have_changed() -> None:
    world = rolling(canary(50, bake="1h"))
    world.wait(120)
    assert world.weight(2) == 100
    assert world.status.route is not None
    assert set(world.status.route.clusters) == {world.name(1), world.name(2)}


def test_a_router_that_does_not_resolve_the_pods_gets_no_weight_for_them() -> None:
    world = rolling()
    world.blind = {"router-1"}
    world.wait(30)
    assert world.weight(2) == 0
    assert f"router router-1 resolves 0 of 1 Ready pods of {world.name(2)}" in world.status.message
    world.blind = set()
    world.wait(1)
    assert world.weight(2) == 25


def test_the_cluster_of_copies_goes_when_the_copies_are_over() -> None:
    world = rolling({"blueGreen": {"shadow": {"hold": "1m"}, "hold": "1h"}})
    assert asks(world) == [({"v1": 100}, "v1 v2*"), ({"v1": 100, "v2*": 100}, "v1 v2*")]
    world.now += timedelta(seconds=60)
    assert asks(world) == [({"v1": 100}, "v1 v2*"), ({"v1": 100}, "v1")]


@pytest.mark.parametrize("late", [{"router-0"}, {"router-1"}, {"router-0", "router-1"}])
def test_a_router_that_lags_stops_the_next_change(late: set[str]) -> None:
    world = rolling()
    world.deaf = late
    assert asks(world) == [({"v1": 100}, "v1 v2")]
    assert "not acknowledged" in world.status.message
    world.deaf = set()
    assert asks(world)[-1][0] == {"v1": 75, "v2": 25}


def test_the_serial_grows_with_every_change_and_never_otherwise() -> None:
    world = rolling(canary(25, 50, bake="1m"))
    serials = []
    for _ in range(40):
        before = world.status.route
        world.step()
        assert world.status.route is not None
        serials.append(world.status.route.serial)
        assert (world.status.route.serial > (before.serial if before else 0)) is (world.status.route != before)
        world.now += timedelta(seconds=10)
    assert serials == sorted(serials)


def test_weight_waits_until_every_router_knows_exactly_the_ready_pods() -> None:
    world = rolling()
    world.wait(2)
    here = context(world)
    assert unsettled(here, world.name(2), world.name(2)) is None
    world.ready[world.name(2)] = 0
    seen = context(world)
    stale = Context(
        seen.seen.__class__(**{**vars(seen.seen), "routers": here.seen.routers}),
        seen.status, seen.spec, seen.named, seen.problems, seen.limits, seen.now,
    )  # fmt: skip
    why = unsettled(stale, world.name(2), world.name(2))
    assert why is not None
    assert "resolves 0 of 0 Ready pods" in why, "a router that still knows a pod which is gone is told apart"


def test_a_router_without_a_ready_pod_acknowledges_nothing() -> None:
    world = rolling()
    world.wait(2)
    here = context(world)
    assert here.status.route is not None
    assert unacknowledged(here, here.status.route) is None
    nobody = Context(
        here.seen.__class__(**{**vars(here.seen), "routers": ()}),
        here.status, here.spec, here.named, here.problems, here.limits, here.now,
    )  # fmt: skip
    assert unacknowledged(nobody, here.status.route) == "no router is Ready yet"


def test_going_home_does_not_wait_for_a_router_that_knows_the_way() -> None:
    world = rolling()
    world.wait(2)
    world.deaf = {"router-0", "router-1"}
    world.abort_now()
    world.step()
    assert world.weight(1) == 100, "both know the cluster of stable, so the route is asked for at once"


def test_a_route_with_three_arms_is_reached_in_the_same_steps() -> None:
    world = rolling(canary(50))
    world.run()
    world.apply(template=template(3))
    world.wait(30)
    here, old, new = context(world), world.name(2), world.name(3)
    third = world.name(1)
    arms = (Arm(revision=old, weight=40), Arm(revision=new, weight=50), Arm(revision=third, weight=10))
    step = shift(here, Route(arms=arms), obstacle=None, urgent=False)
    assert step.ask.route == world.route
    assert set(step.ask.clusters) == {old, new, third}
    assert (step.reached, step.acknowledged) == (False, False)
    two = Route(arms=(Arm(revision=old, weight=40), Arm(revision=new, weight=60)))
    blocked = shift(here, two, obstacle="its pods", urgent=False)
    assert (blocked.ask, blocked.waiting, blocked.acknowledged) == (world.status.route, "its pods", True)
