import json
from datetime import UTC, datetime

import pytest

from modelrollout.adapters.children import Children
from modelrollout.adapters.pods import PodInformer, PodStore
from modelrollout.errors import RefusedError, UnavailableError

KEY = ("a", "d")


def pod(uid, name="d", namespace="a", ip="1", version="1"):
    return {
        "metadata": {
            "name": uid,
            "namespace": namespace,
            "uid": uid,
            "resourceVersion": version,
            "labels": {"modelrollout.dev/name": name} if name else {},
        },
        "status": {"podIP": ip},
    }


@pytest.fixture
def woken():
    return []


@pytest.fixture
def store(woken):
    return PodStore(woken.append)


def uids(store, key=KEY):
    return sorted(item.uid for item in store.of(*key))


class TestStore:
    def test_a_new_pod_wakes_its_key(self, store, woken):
        store.put(pod("1"))
        assert (uids(store), woken) == (["1"], [KEY])

    def test_a_change_that_nobody_reads_wakes_nobody(self, store, woken):
        store.put(pod("1"))
        store.put(pod("1", version="2"))
        assert woken == [KEY]

    def test_a_change_that_matters_wakes(self, store, woken):
        store.put(pod("1"))
        store.put(pod("1", ip="2"))
        assert woken == [KEY, KEY]

    def test_a_deletion_wakes_and_forgets(self, store, woken):
        store.put(pod("1"))
        store.remove("1")
        store.remove("1")
        assert (uids(store), woken) == ([], [KEY, KEY])

    def test_a_deletion_that_no_watch_told_is_found_by_the_next_list(self, store, woken):
        store.replace("", [pod("1"), pod("2")])
        woken.clear()
        store.replace("", [pod("2")])
        assert (uids(store), woken) == (["2"], [KEY])

    def test_a_list_of_one_namespace_says_nothing_about_another(self, store):
        store.put(pod("1", namespace="b"))
        store.replace("a", [])
        assert uids(store, ("b", "d")) == ["1"]

    def test_a_pod_that_changes_its_name_label_wakes_both(self, store, woken):
        store.put(pod("1"))
        store.put(pod("1", name="e"))
        assert woken == [KEY, KEY, ("a", "e")]
        assert (uids(store), uids(store, ("a", "e"))) == ([], ["1"])

    def test_what_says_whether_a_pod_has_warmed_up_already_is_kept(self, store):
        raw = pod("1")
        raw["metadata"]["creationTimestamp"] = "2026-01-01T00:00:05Z"
        raw["status"]["containerStatuses"] = [{"name": "c", "state": {"running": {}}, "restartCount": 1}]
        store.put(raw)
        assert [(one.born, one.restarted) for one in store.of(*KEY)] == [
            (datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC), True)
        ]

    def test_a_pod_without_our_name_is_nobodys(self, store, woken):
        store.put(pod("1", name=None))
        assert woken == []


class FakeKube:
    def __init__(self, pods=(), lines=(), error=None):
        self.pods, self.lines, self.error = list(pods), list(lines), error

    async def list_all(self, kind, namespace, selector):
        return self.pods, "10"

    async def watch(self, kind, namespace, selector, resource_version):
        self.watched_from = resource_version
        try:
            for line in self.lines:
                yield line if isinstance(line, bytes) else json.dumps(line).encode()
            if self.error:
                raise self.error
        finally:
            self.closed = True


def event(kind, item):
    return {"type": kind, "object": item}


class TestInformer:
    async def test_it_is_synced_by_its_first_list(self, store):
        informer = PodInformer(FakeKube([pod("1")]), store, "")
        assert not informer.synced.is_set()
        assert await informer.list() == "10"
        assert informer.synced.is_set()
        assert uids(store) == ["1"]

    async def test_events_are_followed_and_the_watch_continues_after_the_last(self, store):
        bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "15"}}}
        lines = [event("ADDED", pod("1")), event("ADDED", pod("2")), event("DELETED", pod("1", version="12")), bookmark]
        kube = FakeKube(lines=lines)
        assert await PodInformer(kube, store, "").watch("10") == "15"
        assert kube.watched_from == "10"
        assert uids(store) == ["2"]

    @pytest.mark.parametrize(
        ("lines", "error"),
        [
            ([{"type": "ERROR", "object": {"code": 410}}], None),
            ([b"{cut"], None),
            ([], RefusedError("gone", 410)),
        ],
    )
    async def test_what_a_watch_cannot_continue_from_asks_for_a_new_list(self, store, lines, error):
        assert await PodInformer(FakeKube(lines=lines, error=error), store, "").watch("10") == ""

    async def test_a_watch_that_ends_well_continues_without_a_list(self, store):
        kube = Scripted(store, [("2",), ("3",), ("4",)])
        await kube.run_to_the_end()
        assert kube.asked == ["list", "watch 1", "watch 2", "watch 3"]

    async def test_a_watch_that_fails_is_followed_by_a_list_after_growing_pauses(self, store):
        kube = Scripted(store, [UnavailableError("reset"), UnavailableError("reset"), UnavailableError("reset")])
        await kube.run_to_the_end()
        assert kube.asked == ["list", "watch 1"] * 3
        first, second, third = kube.pauses
        assert 0.4 <= first <= 0.6
        assert 0.8 <= second <= 1.2
        assert 1.6 <= third <= 2.4

    async def test_watches_that_end_at_once_do_not_storm_the_server(self, store):
        kube = Scripted(store, [("2",), ("3",)])
        await kube.run_to_the_end()
        assert len(kube.pauses) == 2

    async def test_a_watch_is_closed_when_it_is_left_early(self, store):
        kube = FakeKube(lines=[{"type": "ERROR", "object": {"code": 410}}, event("ADDED", pod("1"))])
        await PodInformer(kube, store, "").watch("10")
        assert kube.closed


class EndOfScriptError(Exception):
    pass


class Scripted:
    """Ends watches as told, at once; an exception of its own ends the informer when the script is over."""

    def __init__(self, store, script):
        self.script, self.asked, self.pauses = list(script), [], []
        self.informer = PodInformer(self, store, "", self.sleep)

    async def run_to_the_end(self):
        with pytest.raises(EndOfScriptError):
            await self.informer.run()

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        if not self.script:
            raise EndOfScriptError

    async def list_all(self, kind, namespace, selector):
        self.asked.append("list")
        return [], "1"

    async def watch(self, kind, namespace, selector, resource_version):
        self.asked.append(f"watch {resource_version}")
        act = self.script.pop(0)
        if isinstance(act, Exception):
            raise act
        yield json.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": act[0]}}}).encode()


def child(name, uid="u", owner="d", namespace="a", version="1"):
    labels = {"modelrollout.dev/name": owner} if owner else {}
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": version, "labels": labels}
    }


class TestChildren:
    def test_names_are_kept_by_parent(self):
        children = Children()
        assert children.put("Service", child("s")) == KEY
        assert children.put("Service", child("x", owner=None)) is None
        assert children.of(*KEY) == {("Service", "s"): ("u", "1")}

    def test_only_news_wakes(self):
        children = Children()
        children.put("Service", child("s"))
        assert children.put("Service", child("s")) is None
        assert children.put("Service", child("s", version="2")) == KEY

    def test_a_list_corrects_one_kind_in_one_namespace(self):
        children = Children()
        children.put("Service", child("gone"))
        children.put("Deployment", child("stays"))
        children.put("Service", child("elsewhere", namespace="b"))
        assert children.replace("Service", "a", [child("new")]) == {KEY}
        assert set(children.of(*KEY)) == {("Deployment", "stays"), ("Service", "new")}
        assert set(children.of("b", "d")) == {("Service", "elsewhere")}

    def test_a_list_that_says_nothing_new_changes_nobody(self):
        children = Children()
        children.put("Service", child("s"))
        assert children.replace("Service", "", [child("s")]) == frozenset()

    def test_a_deleted_child_is_forgotten(self):
        children = Children()
        children.put("Service", child("s"))
        assert children.remove("Service", child("s", version="2")) == KEY
        assert children.of(*KEY) == {}

    def test_the_deletion_of_a_predecessor_that_is_told_late_hides_nothing(self):
        children = Children()
        children.put("Service", child("s", uid="new"))
        assert children.remove("Service", child("s", uid="old")) == KEY
        assert children.of(*KEY) == {("Service", "s"): ("new", "1")}

    def test_a_child_that_came_back_meanwhile_is_not_forgotten(self):
        children = Children()
        children.put("Service", child("s"))
        before = children.of(*KEY)["Service", "s"]
        children.put("Service", child("s", uid="again"))
        children.forget(KEY, ("Service", "s"), before)
        assert set(children.of(*KEY)) == {("Service", "s")}
