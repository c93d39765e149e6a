"""Values: routes, conditions, statuses, revisions and their names."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.api.modeldeployment import hashed_content
from modelrollout.api.validate import parse_spec
from modelrollout.domain.conditions import Condition, ConditionType, find, merge
from modelrollout.domain.observation import Limits
from modelrollout.domain.revision import Revision
from modelrollout.domain.route import Arm, Mirror, Route
from modelrollout.domain.status import Rollout, RolloutState, Status
from modelrollout.names import MAX_NAME, candidate_service, host, mirror_cluster, revision_name, router, workload
from modelrollout.resources.revision import build_revision

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)

SPEC = {
    "replicas": 3,
    "model": {"name": "digits", "version": "2", "uri": "s3://models/digits/2", "protocol": "openInference"},
    "template": {
        "metadata": {"labels": {"team": "vision"}},
        "spec": {"containers": [{"name": "model", "image": "digits:2", "resources": {"requests": {"cpu": "250m"}}}]},
    },
    "service": {"targetPort": 8080, "timeout": "30s"},
    "strategy": {"canary": {"steps": [{"weight": 10, "hold": "1m"}]}},
}


def revision(limits: Limits | None = None, **fields: object) -> Revision:
    spec, problems = parse_spec({**SPEC, **fields}, {"name": "digits"})
    assert spec is not None, problems
    return build_revision(hashed_content(spec), limits or Limits())


def test_the_name_of_a_revision_is_the_same_for_ever() -> None:
    """Another name would be another revision of every model in every cluster, at the upgrade of the operator."""
    assert revision().name == "415047354b"


@pytest.mark.parametrize(
    "fields",
    [
        {"replicas": 9},
        {"strategy": {"blueGreen": {"hold": "1m"}}},
        {"service": {"targetPort": 8080, "timeout": "30s", "port": 81, "name": "other"}},
        {"automation": "manual", "paused": True, "progressDeadline": "1m", "revisionHistoryLimit": 0},
        {"traffic": {"envoy": {"replicas": 5}}},
        {"analysis": {"metrics": [{"name": "e", "router": {"signal": "errorRate"}, "threshold": {"max": 0.1}}]}},
    ],
)
def test_what_is_not_hashed_makes_no_revision(fields: dict[str, object]) -> None:
    assert revision(**fields).name == revision().name


@pytest.mark.parametrize(
    "fields",
    [
        {"model": {"name": "digits", "version": "3"}},
        {"model": None},
        {"service": {"targetPort": 8081, "timeout": "30s"}},
        {"service": {"targetPort": 8080, "timeout": "31s"}},
        {"service": {"targetPort": 8080}},
        {"service": {"targetPort": 8080, "timeout": "30s", "drain": "1s"}},
        {"template": {"spec": {"containers": [{"name": "model", "image": "digits:3"}]}}},
    ],
)
def test_what_is_hashed_makes_one(fields: dict[str, object]) -> None:
    assert revision(**fields).name != revision().name


@pytest.mark.parametrize(
    "limits",
    [
        Limits(drain=timedelta(seconds=1)),
        Limits(timeout=timedelta(hours=1)),
        Limits(freeze=True, router_image="x", request_age=timedelta(1), gate_interval=timedelta(1)),
    ],
)
def test_no_operator_setting_makes_a_revision(limits: Limits) -> None:
    fields = {"service": {"targetPort": 8080}}
    assert revision(limits, **fields).name == revision(**fields).name


def test_a_snapshot_is_read_back_whole() -> None:
    made = revision()
    assert Revision.restore(json.loads(json.dumps(made.snapshot()))) == made


def test_a_snapshot_that_was_tampered_with_is_another_revision() -> None:
    data = revision().snapshot()
    data["content"] = {**data["content"], "targetPort": 9}
    assert Revision.restore(data).name != revision().name


def test_the_order_of_keys_is_no_content() -> None:
    assert revision_name({"a": 1, "b": {"c": 2, "d": 3}}) == revision_name({"b": {"d": 3, "c": 2}, "a": 1})


@given(st.from_regex(rf"[a-z][-a-z0-9]{{0,{MAX_NAME - 2}}}[a-z0-9]", fullmatch=True))
def test_names_of_children_are_labels_of_dns(name: str) -> None:
    children = (workload(name, "0123456789"), router(name), candidate_service(name), f"{name}-report-0123456789-999")
    for child in children:
        assert len(child) <= 63
    assert host(name, "0123456789", "ml") == f"{name}-0123456789.ml.svc.cluster.local."


ROUTE = Route(
    arms=(Arm(revision="a", weight=80), Arm(revision="b", weight=20)),
    mirrors=(Mirror(revision="c", percent=50),),
    preview="d",
)


def test_a_route_knows_who_is_in_it() -> None:
    assert (ROUTE.weight("a"), ROUTE.weight("b"), ROUTE.weight("c"), ROUTE.weight("x")) == (80, 20, 0, 0)
    assert (ROUTE.mirrored("c"), ROUTE.mirrored("a")) == (50, 0)
    assert ROUTE.revisions() == {"a", "b", "c", "d"}
    assert ROUTE.clusters() == {"a", "b", mirror_cluster("c"), "d"}
    assert Route().clusters() == frozenset()


def condition(kind: ConditionType, status: str, at: datetime = NOW, reason: str = "Why") -> Condition:
    return Condition(type=kind, status=status, reason=reason, last_transition_time=at)


def test_conditions_keep_their_time_until_their_status_flips() -> None:
    later = NOW + timedelta(hours=1)
    old = [condition(ConditionType.READY, "False"), condition(ConditionType.AVAILABLE, "True")]
    new = [
        condition(ConditionType.AVAILABLE, "False", later),
        condition(ConditionType.READY, "False", later, "Other"),
        condition(ConditionType.RECONCILING, "True", later),
    ]
    merged = merge(old, new)
    assert [(item.type, item.last_transition_time) for item in merged] == [
        ("Ready", NOW),
        ("Reconciling", later),
        ("Available", later),
    ]
    ready = find(merged, ConditionType.READY)
    assert ready is not None
    assert ready.reason == "Other"
    assert find(merged, ConditionType.STALLED) is None


_WHEN = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis adds the zone
_NAME = st.from_regex(r"[0-9a-f]{10}", fullmatch=True)
_ROLLOUTS = st.fixed_dictionaries(
    {
        "revision": _NAME,
        "previous": st.none() | _NAME,
        "attempt": st.integers(1, 99),
        "strategy": st.sampled_from(["canary", "install"]),
        "state": st.sampled_from(RolloutState),
        "stage": st.integers(0, 60),
        "started_at": _WHEN,
        "stage_at": _WHEN,
        "waiting_since": st.none() | _WHEN,
        "verified_at": st.none() | _WHEN,
        "approved": st.integers(-1, 60),
        "full": st.booleans(),
        "mirrored": st.none() | st.integers(0, 2**60),
    }
).map(lambda fields: Rollout(**fields))
_JSON = st.recursive(
    st.booleans() | st.integers(-(2**50), 2**50) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {
            "observed_generation": st.none() | st.integers(0, 2**62),
            "stable": st.none() | _NAME,
            "rollout": st.none() | _ROLLOUTS,
            "accepted": st.none() | st.dictionaries(st.text(max_size=9), _JSON, max_size=3),
            "paused": st.booleans(),
            "draining_since": st.none() | _WHEN,
            "message": st.text(max_size=1024),
        }
    ).map(lambda fields: Status(**fields))
)
def test_a_status_survives_its_own_json(status: Status) -> None:
    assert Status.model_validate(json.loads(json.dumps(status.dump()))) == status
