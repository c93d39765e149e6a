import asyncio
from datetime import UTC, datetime

import pytest

from modelrollout.adapters.events import EventPoster, event_name
from modelrollout.adapters.kube import KubeClient
from modelrollout.domain.plan import Event
from modelrollout.errors import ConflictError, RefusedError, RolloutError, UnavailableError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BODY = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "b", "namespace": "a"}, "spec": {}}
STATUS = {"kind": "Status", "message": "no"}
REGARDING = {"kind": "ModelDeployment", "namespace": "a", "name": "digits", "uid": "u1"}
EVENT = Event("StageEntered", "step 1/3")


@pytest.fixture
def client(make_transport):
    transport = make_transport()
    return KubeClient(transport, EventPoster(transport, lambda: NOW, "me"))


async def test_what_does_not_exist_is_none(server, client):
    server.say((404, STATUS))
    assert await client.get("Service", "a", "b") is None
    assert server.asked[0].path == "/api/v1/namespaces/a/services/b"


async def test_a_kind_outside_of_the_table_cannot_be_touched(client):
    with pytest.raises(RolloutError, match="Secret is no kind"):
        await client.get("Secret", "a", "b")


@pytest.mark.parametrize(("fence", "sent"), [(None, None), ("17", "17"), ("", "1")])
async def test_an_apply_is_forced_by_one_manager_and_carries_its_fence(server, client, fence, sent):
    server.say((200, {}))
    await client.apply(BODY, fence)
    asked = server.asked[0]
    assert (asked.method, asked.path) == ("PATCH", "/apis/apps/v1/namespaces/a/deployments/b")
    assert asked.content_type == "application/apply-patch+yaml"
    assert asked.query == {"fieldManager": "modelrollout", "force": "true"}
    assert asked.body["metadata"].get("resourceVersion") == sent
    assert "resourceVersion" not in BODY["metadata"]


async def test_a_fence_that_does_not_hold_is_a_conflict(server, client):
    server.say((409, STATUS))
    with pytest.raises(ConflictError):
        await client.apply(BODY, "17")


async def test_a_dry_run_changes_nothing(server, client):
    server.say((422, STATUS))
    with pytest.raises(RefusedError, match="no"):
        await client.dry_run(BODY)
    assert server.asked[0].query["dryRun"] == "All"


async def test_a_status_is_replaced_whole_and_fenced(server, client):
    server.say((200, {}))
    await client.patch_status("a", "digits", {"phase": "Stable"}, "17")
    asked = server.asked[0]
    assert asked.path == "/apis/modelrollout.dev/v1alpha1/namespaces/a/modeldeployments/digits/status"
    assert asked.content_type == "application/json-patch+json"
    assert asked.body == [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "17"},
        {"op": "add", "path": "/status", "value": {"phase": "Stable"}},
    ]


async def test_a_deletion_names_the_object_it_means(server, client):
    server.say((200, {}))
    await client.delete("Deployment", "a", "b", "u1", "17")
    assert server.asked[0].body["preconditions"] == {"uid": "u1", "resourceVersion": "17"}
    assert server.asked[0].body["propagationPolicy"] == "Background"


async def test_gone_already_is_deleted(server, client):
    server.say((404, STATUS))
    await client.delete("Deployment", "a", "b", "u1", "17")


async def test_another_object_of_the_same_name_is_not_deleted(server, client):
    server.say((409, STATUS))
    with pytest.raises(ConflictError):
        await client.delete("Deployment", "a", "b", "u1", "17")


async def test_a_nudge_touches_one_annotation_and_forgives_a_pod_that_is_gone(server, client):
    server.say((404, STATUS))
    await client.nudge("a", "router-1", "3-abc")
    assert server.asked[0].body == {"metadata": {"annotations": {"modelrollout.dev/route": "3-abc"}}}


async def test_a_lease_is_created_without_and_replaced_with_a_resource_version(server, client):
    server.say((200, {}))
    await client.put_lease({"metadata": {"namespace": "a", "name": "l"}})
    await client.put_lease({"metadata": {"namespace": "a", "name": "l", "resourceVersion": "3"}})
    assert [(asked.method, asked.path.rpartition("/")[2]) for asked in server.asked] == [
        ("POST", "leases"),
        ("PUT", "l"),
    ]


async def test_a_renewal_is_never_repeated(server, client):
    server.say((503, STATUS), (200, {}))
    with pytest.raises(UnavailableError):
        await client.put_lease({"metadata": {"namespace": "a", "name": "l", "resourceVersion": "3"}})
    assert len(server.asked) == 1


async def test_a_list_follows_its_pages(server, client):
    server.say(
        (200, {"items": [{"n": 1}], "metadata": {"resourceVersion": "9", "continue": "more"}}),
        (200, {"items": [{"n": 2}], "metadata": {"resourceVersion": "9"}}),
    )
    assert await client.list_all("Pod", "", "x") == ([{"n": 1}, {"n": 2}], "9")
    assert server.asked[1].query["continue"] == "more"
    assert server.asked[0].path == "/api/v1/pods"


@pytest.mark.parametrize(("minor", "number"), [("34", 34), ("30+", 30)])
async def test_the_servers_version_is_read(server, client, minor, number):
    server.say((200, {"major": "1", "minor": minor}))
    assert await client.server_version() == (1, number)


class TestEvents:
    @pytest.fixture
    def poster(self, make_transport):
        return EventPoster(make_transport(), lambda: NOW, "me")

    async def test_the_first_time_it_is_posted(self, server, poster):
        server.say((201, {}))
        await poster.post(REGARDING, EVENT, NOW)
        body = server.asked[0].body
        assert (server.asked[0].method, body["count"], body["type"]) == ("POST", 1, "Normal")
        assert body["involvedObject"] == REGARDING
        assert body["firstTimestamp"] == "2026-01-02T03:04:05Z"

    async def test_the_same_words_are_counted_up(self, server, poster):
        server.say((201, {}))
        for _ in range(3):
            await poster.post(REGARDING, EVENT, NOW)
        assert [asked.method for asked in server.asked] == ["POST", "PATCH", "PATCH"]
        assert [asked.body["count"] for asked in server.asked] == [1, 2, 3]

    async def test_the_count_of_an_earlier_process_is_continued(self, server, poster):
        server.say((409, STATUS), (200, {"count": 4}), (200, {}))
        await poster.post(REGARDING, EVENT, NOW)
        assert server.asked[-1].body["count"] == 5

    async def test_an_event_that_expired_is_posted_again(self, server, poster):
        server.say((201, {}), (404, STATUS), (201, {}), (200, {}))
        for _ in range(3):
            await poster.post(REGARDING, EVENT, NOW)
        assert [(asked.method, asked.body["count"]) for asked in server.asked] == [
            ("POST", 1),
            ("PATCH", 2),
            ("POST", 1),
            ("PATCH", 2),
        ]

    async def test_an_event_that_is_refused_is_lost_and_the_next_one_is_posted(self, server, poster):
        server.say((403, STATUS), (201, {}))
        posting = asyncio.create_task(poster.run())
        poster.offer(REGARDING, EVENT)
        poster.offer(REGARDING, Event("Other", "words"))
        async with asyncio.timeout(5):
            while poster.dropped + len(poster._counts) < 2:  # noqa: ASYNC110  # the poster tells nobody
                await asyncio.sleep(0.001)
        posting.cancel()
        assert poster.dropped == 1
        assert [asked.body["reason"] for asked in server.asked] == ["StageEntered", "Other"]

    async def test_a_full_queue_drops_and_says_so(self, poster):
        for number in range(600):
            poster.offer(REGARDING, Event("R", str(number)))
        assert poster.dropped == 100

    def test_other_words_are_another_event(self):
        names = {
            event_name(REGARDING, EVENT),
            event_name(REGARDING, Event("StageEntered", "step 2/3")),
            event_name(REGARDING, Event("Other", "step 1/3")),
            event_name({**REGARDING, "uid": "u2"}, EVENT),
        }
        assert len(names) == 4
        assert event_name(REGARDING, EVENT) == event_name(dict(REGARDING), Event("StageEntered", "step 1/3"))


async def test_a_fence_does_not_hold_when_another_object_took_the_name(server, client):
    server.say((422, {"kind": "Status", "message": 'metadata.uid: Invalid value: "u1": field is immutable'}))
    with pytest.raises(ConflictError):
        await client.apply({**BODY, "metadata": {**BODY["metadata"], "uid": "u1"}}, "17")
