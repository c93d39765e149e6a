"""The simulated cluster itself: where it must behave as the real one does, or the stories would prove nothing."""

from datetime import timedelta
from typing import Any

import pytest

from modelrollout.errors import ConflictError, RefusedError
from modelrollout.names import FIELD_MANAGER
from modelrollout.simulation.agenda import Agenda
from modelrollout.simulation.apiserver import ApiServer
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.store import Object, Store
from tests.sequences.scenario import at, image, installed, phase, spec


@pytest.fixture
def server() -> ApiServer:
    agenda = Agenda()
    return ApiServer(Store(lambda: agenda.now), lambda _event: None)


def config(*, uid: str | None = None, **data: str) -> Object:
    metadata: dict[str, Any] = {"name": "a", "namespace": "default"}
    if uid is not None:
        metadata["uid"] = uid
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def test_an_apply_removes_what_its_manager_named_before(server: ApiServer) -> None:
    await server.apply(config(one="1", two="2"))

    assert (await server.apply(config(one="1")))["data"] == {"one": "1"}


async def test_an_apply_keeps_what_another_manager_named(server: ApiServer) -> None:
    server.apply_as("somebody", config(theirs="1"))
    await server.apply(config(ours="1", theirs="1"))

    assert (await server.apply(config(ours="1")))["data"] == {"ours": "1", "theirs": "1"}


async def test_a_forced_apply_takes_a_field_over(server: ApiServer) -> None:
    server.apply_as("somebody", config(shared="theirs"))
    await server.apply(config(shared="ours"))

    found = await server.apply(config(ours="1"))

    assert found["data"] == {"ours": "1"}
    assert [entry["manager"] for entry in found["metadata"]["managedFields"]] == [FIELD_MANAGER]


async def test_lists_with_an_identity_are_merged_by_it(server: ApiServer) -> None:
    def deployment(*containers: dict[str, Any]) -> Object:
        metadata = {"name": "a", "namespace": "default"}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"containers": list(containers)},
        }

    server.apply_as("injector", deployment({"name": "sidecar", "image": "s"}))
    await server.apply(deployment({"name": "model", "image": "m", "args": ["a"]}))

    found = await server.apply(deployment({"name": "model", "image": "n"}))

    assert found["spec"]["containers"] == [{"name": "sidecar", "image": "s"}, {"name": "model", "image": "n"}]


async def test_an_apply_that_changes_nothing_makes_no_version(server: ApiServer) -> None:
    first = await server.apply(config(one="1"))

    assert await server.apply(config(one="1")) == first


async def test_a_fence_holds_against_every_other_version(server: ApiServer) -> None:
    first = await server.apply(config(one="1"), "")
    await server.apply(config(one="2"), first["metadata"]["resourceVersion"])

    with pytest.raises(ConflictError):
        await server.apply(config(one="3"), first["metadata"]["resourceVersion"])
    with pytest.raises(ConflictError):
        await server.apply(config(one="3"), "")


async def test_a_uid_holds_against_an_object_that_is_gone(server: ApiServer) -> None:
    first = await server.apply(config(one="1"))
    metadata = first["metadata"]
    await server.delete("ConfigMap", "default", "a", metadata["uid"], metadata["resourceVersion"])

    with pytest.raises(ConflictError):
        await server.apply(config(uid=metadata["uid"], one="2"), metadata["resourceVersion"])


async def test_a_deletion_holds_its_preconditions(server: ApiServer) -> None:
    first = await server.apply(config(one="1"))
    await server.apply(config(one="2"))

    with pytest.raises(ConflictError):
        await server.delete("ConfigMap", "default", "a", first["metadata"]["uid"], first["metadata"]["resourceVersion"])


async def test_a_snapshot_cannot_be_changed(server: ApiServer) -> None:
    def snapshot(data: str) -> Object:
        metadata = {"name": "a", "namespace": "default"}
        return {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": metadata,
            "data": data,
            "revision": 1,
        }

    await server.apply(snapshot("1"))

    with pytest.raises(RefusedError):
        await server.apply(snapshot("2"))


async def test_a_status_moves_no_generation_and_a_stale_one_is_refused() -> None:
    cluster = Cluster()
    await installed(cluster)
    found = cluster.person.object
    assert found is not None

    assert found["metadata"]["generation"] == 1
    with pytest.raises(ConflictError):
        await cluster.server.patch_status("default", "digits", {}, "1")


async def test_the_garbage_collector_takes_what_was_made_after_its_owner_had_gone() -> None:
    cluster = Cluster()
    await installed(cluster)
    late = cluster.store.get("Service", "default", "digits")
    assert late is not None
    cluster.traffic_ends()
    cluster.person.delete()
    await cluster.run(60)

    cluster.store.put({**late, "metadata": {**late["metadata"], "name": "late"}})
    await cluster.run(5)

    assert list(cluster.store.all()) == []


async def test_a_router_reads_its_files_late_unless_it_is_nudged() -> None:
    cluster = Cluster()
    await installed(cluster)
    cluster.replica.stop()
    files = cluster.store.get("ConfigMap", "default", "digits-router")
    assert files is not None
    newer = {key: text.replace('"version_info": "1-', '"version_info": "9-') for key, text in files["data"].items()}
    cluster.store.put({**files, "data": newer})

    await cluster.run(5)
    unaware = {envoy.routes.version[:2] for envoy in cluster.facts().values()}
    await cluster.server.nudge("default", "digits-router-1", "9")
    await cluster.run(2)

    assert unaware == {"1-"}
    assert {name: envoy.routes.version[:2] for name, envoy in cluster.facts().items()} == {
        "digits-router-1": "9-",
        "digits-router-2": "1-",
    }
    await cluster.run(60)
    assert {envoy.routes.version[:2] for envoy in cluster.facts().values()} == {"9-"}


async def test_the_witness_sees_clients_lose_requests() -> None:
    cluster = Cluster()
    await installed(cluster)
    cluster.replica.stop()

    cluster.delete_pods(image("1"), 4)
    await cluster.run(20)

    assert any("has no member" in line for line in cluster.witness.broken)


async def test_the_witness_sees_a_route_that_goes_back() -> None:
    cluster = Cluster()
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    files = cluster.store.get("ConfigMap", "default", "digits-router")
    assert files is not None

    cluster.store.put(
        {
            **files,
            "data": {**files["data"], "ask.json": files["data"]["ask.json"].replace('"serial": 3', '"serial": 2')},
        }
    )

    assert any("was written after" in line for line in cluster.witness.broken)


async def test_the_status_says_available_only_when_every_router_knows_the_pods() -> None:
    cluster = Cluster()
    cluster.person.apply(spec("1"))

    await cluster.until(
        lambda: any(item.type == "Available" and item.status == "True" for item in cluster.person.status.conditions)
    )

    revision = cluster.person.status.stable or ""
    assert [len(envoy.members(revision)) for envoy in cluster.facts().values()] == [4, 4]


async def test_an_idle_cluster_writes_and_polls_nothing() -> None:
    cluster = Cluster()
    await installed(cluster)
    await cluster.run(60)
    before = len(cluster.writes), cluster.replica.passes

    await cluster.run(timedelta(hours=2).total_seconds())

    assert (len(cluster.writes), cluster.replica.passes) == before
    assert phase(cluster, "Ready")()


async def test_events_of_a_rollout_are_few() -> None:
    cluster = Cluster()
    await installed(cluster)
    begin = len(cluster.log.lines)

    cluster.person.apply(spec("2"))
    await cluster.until(phase(cluster, "Ready"))

    said = [line.split()[3].rstrip(":") for line in cluster.log.lines[begin:] if line.split()[1] == "event"]
    assert said == ["RolloutStarted", "StageEntered", "StageEntered", "RolloutCompleted"]
