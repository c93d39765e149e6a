from typing import Any

import pytest

from modelrollout.adapters.act import carry_out, persist
from modelrollout.domain.observation import Observation
from modelrollout.domain.plan import Apply, Delete, Event, Nudge, Plan
from modelrollout.domain.status import Status
from modelrollout.errors import ConflictError, RefusedError, UnavailableError

LIVE = {"metadata": {"name": "b", "uid": "u7", "resourceVersion": "17"}}
SEEN = Observation("a", "digits", "u1", 1, "9", {}, Status(phase="Old"), children={("Deployment", "b"): LIVE})
SCALE = Apply({"kind": "Deployment", "metadata": {"name": "b", "namespace": "a"}}, "17")
CREATE = Apply({"kind": "ConfigMap", "metadata": {"name": "c", "namespace": "a"}}, "")
SHARE = Apply({"kind": "Service", "metadata": {"name": "d", "namespace": "a"}})


class World:
    """Keeps what was done; fails where it is told to."""

    def __init__(self, **failures: Exception) -> None:
        self.done: list[Any] = []
        self.failures = failures

    def _do(self, name: str, *what: Any) -> Any:
        if name in self.failures:
            raise self.failures[name]
        self.done.append((name, *what))
        return {}

    async def apply(self, body, fence=None):
        return self._do(body["kind"], body["metadata"].get("uid"), fence)

    async def delete(self, kind, namespace, name, uid, resource_version):
        self._do("delete", kind, namespace, name, uid, resource_version)

    async def nudge(self, namespace, pod, value):
        self._do("nudge", namespace, pod, value)

    async def patch_status(self, namespace, name, status, resource_version):
        return self._do("status", namespace, name, status["phase"], resource_version)

    async def emit(self, regarding, event):
        self._do("event", regarding["uid"], event.reason)


async def test_an_unchanged_status_is_not_written():
    world = World()
    await persist(world, Plan(Status(phase="Old")), SEEN, lambda _: None)
    assert world.done == []


async def test_a_changed_status_is_written_fenced_by_what_was_seen():
    world = World()
    await persist(world, Plan(Status(phase="New")), SEEN, lambda _: None)
    assert world.done == [("status", "a", "digits", "New", "9")]


async def test_writes_come_in_order_then_events():
    world = World()
    writes = (CREATE, SHARE, SCALE, Nudge("r", "3-x"), Delete("Deployment", "e", "u8", "3"))
    told = []
    refusal = await carry_out(world, Plan(Status(), writes, (Event("R", "m"),)), SEEN, told.append)
    assert refusal is None
    assert world.done == [
        ("ConfigMap", None, ""),
        ("Service", None, None),
        # A fenced write names the object it means, so that it cannot bring back one that was deleted since.
        ("Deployment", "u7", "17"),
        ("nudge", "a", "r", "3-x"),
        ("delete", "Deployment", "a", "e", "u8", "3"),
        ("event", "u1", "R"),
    ]
    assert told == ["ConfigMap", "Service", "Deployment", "Pod", "Deployment", "Event"]


async def test_a_refused_apply_ends_the_plan_and_is_returned_in_the_servers_words():
    world = World(Service=RefusedError("quota exceeded", 403))
    refusal = await carry_out(world, Plan(Status(), (CREATE, SHARE, SCALE)), SEEN, lambda _: None)
    assert refusal is not None
    assert (refusal.write, refusal.words) == (SHARE, "quota exceeded")
    assert [done[0] for done in world.done] == ["ConfigMap"]


@pytest.mark.parametrize("error", [ConflictError("c", 409), UnavailableError("u", 503)])
async def test_a_failed_write_ends_the_plan_but_events_are_told(error):
    world = World(Service=error)
    with pytest.raises(type(error)):
        await carry_out(world, Plan(Status(), (SHARE, SCALE), (Event("R", "m"),)), SEEN, lambda _: None)
    assert [done[0] for done in world.done] == ["event"]


async def test_a_refused_deletion_is_an_error():
    world = World(delete=RefusedError("forbidden", 403))
    with pytest.raises(RefusedError):
        await carry_out(world, Plan(Status(), (Delete("Service", "e", "u8", "3"),)), SEEN, lambda _: None)
