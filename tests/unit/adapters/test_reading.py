import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.adapters.reading import (
    Ownership,
    ownership,
    read_abort,
    read_pod,
    read_request,
    read_snapshot,
    read_status,
    read_time,
)
from modelrollout.domain.revision import Revision
from modelrollout.domain.status import Status
from modelrollout.names import revision_name
from modelrollout.schema import parse_duration

OURS = {"managedFields": [{"manager": "modelrollout"}], "labels": {"modelrollout.dev/name": "digits"}}


def owner(uid="u1", name="digits", kind="ModelDeployment", group="modelrollout.dev/v1alpha1"):
    return {"apiVersion": group, "kind": kind, "name": name, "uid": uid}


@pytest.mark.parametrize(
    ("metadata", "whose"),
    [
        ({**OURS, "ownerReferences": [owner()]}, Ownership.OURS),
        ({**OURS}, Ownership.OURS),  # orphaned, or restored from a backup
        ({**OURS, "ownerReferences": []}, Ownership.OURS),
        ({**OURS, "ownerReferences": [owner("dead")]}, Ownership.LEFTOVER),
        ({**OURS, "ownerReferences": [owner("dead"), owner()]}, Ownership.LEFTOVER),
        ({**OURS, "ownerReferences": [owner("dead", group="modelrollout.dev/v1")]}, Ownership.LEFTOVER),
        ({**OURS, "ownerReferences": [owner("x", "other")]}, Ownership.FOREIGN),
        ({**OURS, "ownerReferences": [owner("x", kind="Application", group="argoproj.io/v1")]}, Ownership.FOREIGN),
        ({**OURS, "labels": {}}, Ownership.FOREIGN),
        ({**OURS, "labels": {"modelrollout.dev/name": "other"}}, Ownership.FOREIGN),
        ({**OURS, "managedFields": [{"manager": "kubectl"}]}, Ownership.FOREIGN),
        ({}, Ownership.FOREIGN),
        ({"ownerReferences": [owner()]}, Ownership.FOREIGN),
    ],
)
def test_whose_an_object_is(metadata, whose):
    assert ownership({"metadata": metadata}, "digits", "u1") is whose


def pod(phase="Running", conditions=(), containers=(), deleting=False, component="model"):
    metadata = {
        "name": "p",
        "namespace": "a",
        "uid": "u",
        "labels": {
            "modelrollout.dev/name": "d",
            "modelrollout.dev/revision": "r1",
            "modelrollout.dev/component": component,
        },
        "annotations": {"modelrollout.dev/route": "3-x", "secret": "not kept"},
        "managedFields": ["large"],
    }
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "metadata": metadata,
        "spec": {"nodeName": "n", "containers": ["large"]},
        "status": {
            "phase": phase,
            "podIP": "10.0.0.1",
            "conditions": list(conditions),
            "containerStatuses": list(containers),
        },
    }


READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:05Z"}
RUNNING = {"name": "c", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
ENDED = {"name": "c", "state": {"terminated": {"exitCode": 0}}}
CREATING = {"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}, "lastState": {}}
CRASHING = {
    "name": "c",
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting c in p_a(u)"}},
    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
}
PULLING = {
    "name": "c",
    "image": "x:1",
    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "10s"}},
    "lastState": {},
}


@pytest.mark.parametrize(
    ("raw", "running"),
    [
        (pod(containers=[RUNNING]), True),
        (pod(containers=[RUNNING], deleting=True), True),
        (pod(containers=[ENDED]), True),  # it is started again at once
        (pod(containers=[ENDED], deleting=True), False),
        (pod(containers=[ENDED, RUNNING], deleting=True), True),
        (pod(containers=[{"name": "c", "state": {}}], deleting=True), True),  # nothing known: the worst is assumed
        (pod(containers=[CRASHING]), True),  # it may come back with an old configuration
        (pod(containers=[CRASHING], deleting=True), False),
        (pod("Pending", containers=[CREATING]), False),  # it never held a request and starts with the current one
        (pod("Pending", containers=[PULLING]), False),
        (pod("Pending"), False),
        (pod("Unknown"), True),
        (pod("Running"), True),
        (pod("Failed", containers=[RUNNING]), False),
        (pod("Succeeded"), False),
    ],
)
def test_whether_a_pod_may_still_hold_or_answer_requests(raw, running):
    assert read_pod(raw).running is running


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (pod(containers=[RUNNING]), ""),
        (pod("Pending", containers=[CREATING]), ""),
        (pod(containers=[CRASHING]), "container c crashes: OOMKilled, exit code 137"),
        (pod("Pending", containers=[PULLING]), "container c: its image x:1 cannot be pulled"),
    ],
)
def test_why_a_pod_cannot_run_is_said_in_words_that_do_not_change(raw, problem):
    assert read_pod(raw).problem == problem


def test_a_pod_without_a_place_carries_the_schedulers_words():
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: cpu"}
    seen = read_pod(pod("Pending", [condition]))
    assert (seen.unschedulable, seen.problem) == (True, "0/1 nodes: cpu")


def test_a_ready_pod_is_read_whole():
    seen = read_pod(pod(conditions=[READY], containers=[RUNNING]))
    assert (seen.ready, seen.ready_since) == (True, datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC))
    assert (seen.address, seen.revision, seen.nudge) == ("10.0.0.1", "r1", "3-x")


def test_a_terminating_pod_is_not_ready_even_if_its_probe_still_passes():
    seen = read_pod(pod(conditions=[READY], containers=[RUNNING], deleting=True))
    assert (seen.ready, seen.terminating, seen.ready_since) == (False, True, None)


def test_a_routers_pod_runs_no_revision():
    assert read_pod(pod(component="router")).revision is None


REQUEST = {"id": "r1", "action": "promote", "revision": "abc", "attempt": 2, "step": 1, "at": "2026-01-01T00:00:00Z"}


def annotated(request):
    text = request if isinstance(request, str) else json.dumps(request)
    return {"modelrollout.dev/request": text}


def test_a_request_is_read():
    seen = read_request(annotated({**REQUEST, "by": "ann"}))
    assert seen is not None
    assert (seen.id, seen.action, seen.revision, seen.attempt, seen.stage) == ("r1", "promote", "abc", 2, 1)
    assert (seen.at, seen.by, seen.problem) == (datetime(2026, 1, 1, tzinfo=UTC), "ann", "")


def test_no_annotation_is_no_request():
    assert read_request({}) is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"action": "explode"}, "action"),
        ({"action": ["promote"]}, "action"),
        ({"revision": ""}, "revision"),
        ({"attempt": "2"}, "attempt"),
        ({"attempt": True}, "attempt"),
        ({"step": 1.5}, "step"),
        ({"at": "yesterday"}, "time"),
        ({"at": "2026-01-01T00:00:00"}, "time"),
        ({"by": 7}, "by"),
    ],
)
def test_a_request_with_a_mistake_keeps_its_id_and_names_the_mistake(change, problem):
    seen = read_request(annotated({**REQUEST, **change}))
    assert seen is not None
    assert seen.id == "r1"
    assert problem in seen.problem


@pytest.mark.parametrize("text", ["", "promote", "[]", "7", '{"id": 7}', '{"id": ""}', json.dumps({"id": "x" * 64})])
def test_an_unreadable_request_gets_the_same_id_each_time(text):
    first, second = read_request(annotated(text)), read_request(annotated(text))
    assert first is not None
    assert first == second
    assert first.problem
    assert len(first.id) <= 63


@given(
    st.text()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*REQUEST, "by"]), inner),
    ).map(json.dumps)
)
def test_no_text_in_the_annotation_can_break_a_pass(text):
    seen = read_request(annotated(text))
    assert seen is not None
    assert 1 <= len(seen.id) <= 63


@pytest.mark.parametrize(("text", "read"), [("abc/2", "abc/2"), (" abc/2\n", "abc/2"), ("", None), (None, None)])
def test_the_abort_annotation(text, read):
    assert read_abort({} if text is None else {"modelrollout.dev/abort": text}) == read


def test_times_are_read_in_any_zone_and_never_without_one():
    assert read_time("2026-01-01T02:00:00+02:00") == datetime(2026, 1, 1, tzinfo=UTC)
    assert read_time("2026-01-01T00:00:00.123456Z") == datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
    assert read_time("2026-01-01T00:00:00") is None
    assert read_time(None) is None


def test_a_wiped_status_is_empty_and_an_unreadable_one_is_not_taken_for_wiped():
    assert read_status(None) == Status()
    assert read_status({}) == Status()
    assert read_status({"rollout": {"stage": -1}}) is None


CONTENT = {"template": {}, "port": 1}
NAME = revision_name(CONTENT)
SNAPSHOT = Revision(NAME, CONTENT, {}, 8080, parse_duration("60s"), parse_duration("35s"))


def test_a_snapshot_is_read_back():
    raw = {"metadata": {"name": f"digits-{NAME}"}, "data": SNAPSHOT.snapshot()}
    assert read_snapshot(raw, "digits") == SNAPSHOT


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {**SNAPSHOT.snapshot(), "content": {"template": {"tampered": True}}},
        {**SNAPSHOT.snapshot(), "drain": "x"},
    ],
)
def test_a_tampered_snapshot_is_no_revision(data):
    assert read_snapshot({"metadata": {"name": f"digits-{NAME}"}, "data": data}, "digits") is None
