import pytest

from modelrollout.adapters.children import WATCHED, Children
from modelrollout.controller.freshness import GRACE, Freshness
from modelrollout.controller.telemetry import Telemetry
from modelrollout.errors import UnavailableError
from modelrollout.names import KIND
from tests.unit.controller.clock import EPOCH

A, B = ("n", "a"), ("n", "b")


def deployment(name, version, uid="u", namespace="n"):
    return {"metadata": {"name": name, "namespace": namespace, "uid": f"{uid}-{name}", "resourceVersion": version}}


def child(name, owner, version="1"):
    metadata = {"namespace": "n", "name": name, "uid": name, "resourceVersion": version}
    return {"metadata": {**metadata, "labels": {"modelrollout.dev/name": owner}}}


class World:
    """A server that lists what it has, and a watch that tells what the test lets it tell."""

    def __init__(self, *, namespaces=()):
        self.server = {KIND: {}, **{kind: {} for kind in WATCHED}}
        self.listed = []
        self.woken = []
        self.slept = []
        self.while_listing = self.while_waiting = lambda: None
        self.children = Children()
        self.telemetry = Telemetry()
        self.freshness = Freshness(
            kube=self,
            namespaces=namespaces,
            children=self.children,
            wake=self.woken.append,
            clock=lambda: EPOCH,
            telemetry=self.telemetry,
            sleep=self.sleep,
        )

    async def list_all(self, kind, namespace, selector, *, metadata_only=False):
        assert metadata_only
        self.listed.append((kind, namespace))
        found = [
            item for item in self.server[kind].values() if not namespace or item["metadata"]["namespace"] == namespace
        ]
        if kind == KIND:
            self.while_listing()
        return found, "9"

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.while_waiting()

    def has(self, *items, kind=KIND):
        for item in items:
            self.server[kind][item["metadata"]["name"]] = item

    def tell(self, *items, event="MODIFIED"):
        for item in items:
            self.freshness.saw(KIND, event, item)

    @property
    def problems(self):
        return self.freshness.problems


async def test_a_watch_that_told_everything_is_fresh():
    world = World()
    world.has(deployment("a", "5"))
    world.tell(deployment("a", "5"), event=None)
    await world.freshness.relist()
    assert (world.problems, world.slept) == ((), [])


async def test_every_list_has_everything_looked_at_again():
    world = World()
    world.has(deployment("a", "5"))
    world.tell(deployment("a", "5"), deployment("b", "3"))
    await world.freshness.relist()
    assert set(world.woken) == {A, B}


@pytest.mark.parametrize("told", [(), (deployment("a", "4"),)])
async def test_a_watch_that_stays_silent_about_a_change_is_stale(told):
    world = World()
    world.has(deployment("a", "5"))
    world.tell(*told)
    await world.freshness.relist()
    assert world.slept == [GRACE]
    assert world.problems == ("the watch on ModelDeployment did not tell 1 changes that a list shows",)


async def test_a_watch_that_tells_a_little_later_is_fresh():
    world = World()
    world.has(deployment("a", "5"))
    world.tell(deployment("a", "4"))
    world.while_waiting = lambda: world.tell(deployment("a", "5"))
    await world.freshness.relist()
    assert world.problems == ()


async def test_a_watch_that_is_ahead_of_the_list_is_fresh():
    world = World()
    world.has(deployment("a", "5"))
    world.tell(deployment("a", "5"))
    # The change comes after the server has put together its answer, and nothing happens afterwards.
    world.while_listing = lambda: world.tell(deployment("a", "6"))
    await world.freshness.relist()
    assert world.problems == ()


async def test_what_was_deleted_while_the_watch_was_down_is_looked_at_and_is_no_sign_of_a_dead_watch():
    world = World()
    world.tell(deployment("a", "5"))
    await world.freshness.relist()
    assert world.woken == [A]
    assert world.problems == ()
    await world.freshness.relist()
    assert world.woken == [A], "it is forgotten"


async def test_a_deletion_that_is_told_late_does_not_hide_the_successor():
    world = World()
    world.has(deployment("a", "7", uid="new"))
    world.tell(deployment("a", "7", uid="new"))
    world.tell(deployment("a", "6", uid="old"), event="DELETED")
    await world.freshness.relist()
    assert (world.problems, world.slept) == ((), [])


async def test_a_stale_watch_that_recovers_is_trusted_again():
    world = World()
    world.has(deployment("a", "5"))
    await world.freshness.relist()
    assert world.problems
    world.tell(deployment("a", "5"))
    await world.freshness.relist()
    assert world.problems == ()


async def test_all_children_are_known_before_the_first_pass():
    world = World()
    world.has(child("a-1", "a"), kind="Deployment")
    world.has(child("a-1", "a"), kind="ControllerRevision")
    await world.freshness.prime()
    assert set(world.children.of("n", "a")) == {("Deployment", "a-1"), ("ControllerRevision", "a-1")}
    assert [kind for kind, _ in world.listed] == list(WATCHED)


async def test_a_child_that_a_watch_missed_wakes_its_parent():
    world = World()
    world.has(child("a-1", "a"), kind="Deployment")
    await world.freshness.prime()
    world.woken.clear()
    world.has(child("b-1", "b"), kind="Deployment")
    await world.freshness.prime()
    assert world.woken == [B]


async def test_only_the_served_namespaces_are_listed():
    world = World(namespaces=("n", "m"))
    await world.freshness.relist()
    assert {namespace for _, namespace in world.listed} == {"n", "m"}


async def test_a_list_that_fails_changes_no_mind():
    world = World()
    world.has(deployment("a", "5"))
    await world.freshness.relist()

    def fail():
        raise UnavailableError("no answer")

    world.while_listing = fail
    with pytest.raises(UnavailableError):
        await world.freshness.relist()
    assert world.problems


def test_the_time_of_the_last_event_is_a_metric():
    world = World()
    world.freshness.saw("Service", "ADDED", child("s", "a"))
    value = world.telemetry.registry.get_sample_value(
        "modelrollout_last_watch_event_timestamp_seconds", {"kind": "Service"}
    )
    assert value == EPOCH.timestamp()
