"""A reference in the life of a ModelDeployment: learnt, stored, held against, learnt anew, stale."""

import json
from datetime import timedelta

import pytest

from modelrollout.api import watched as api
from modelrollout.domain.conditions import ConditionType, find
from modelrollout.names import reference
from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import errors, installed, phase, spec
from tests.unit.engine.features import Counted, Moved, Nothing

NAMESPACE = "default"


@pytest.fixture
def source(monkeypatch):
    """A metric `asked` of distributions is watched beside the others."""
    counted = Counted()
    watched = api.watched

    def with_features(spec):
        found = watched(spec)
        return (*found, api.Watched("asked", counted, Nothing(), Moved(), Nothing())) if found else ()

    for place in ("api.watched", "engine.wants", "engine.monitor", "engine.realize"):
        monkeypatch.setattr(f"modelrollout.{place}.watched", with_features)
    return counted


def monitored(version="1", **given):
    monitor = {"reference": given} if given else {}
    return spec(version, analysis=errors(monitor=monitor))


def stored(cluster):
    found = cluster.store.get("ConfigMap", NAMESPACE, reference("digits"))
    return json.loads(found["data"]["reference.json"])["metrics"]["asked"] if found else None


def asked(cluster):
    return next(gate for gate in cluster.person.status.monitor.gates if gate.name == "asked")


def drifting(cluster):
    return find(cluster.person.status.conditions, ConditionType.DRIFTING).status


def told(cluster, reason):
    return [event.message for _, event in cluster.log.events if event.reason == reason]


async def test_it_is_learnt_from_so_many_requests_and_then_held_against(source):
    cluster = Cluster()
    await installed(cluster, monitored(learn=3000))
    await cluster.run(240)
    assert stored(cluster) is None
    assert asked(cluster).message == "the reference is still being learnt"
    await cluster.run(120)
    found = stored(cluster)
    assert (found["revision"], found["requests"]) == (cluster.person.status.stable, 3000)
    assert found["counts"] == {"colour": {"is=a": 2700, "is=b": 300}, "size": {"at=1.0": 1500, "at=inf": 1500}}
    await cluster.run(300)
    assert asked(cluster).verdict == "Pass"

    source.share = 0.4
    await cluster.until(lambda: drifting(cluster) == "True", within=120)
    assert told(cluster, "Drifting") == ["asked: the world has moved: 0.4."]


async def test_nothing_that_is_learnt_is_written_again(source):
    cluster = Cluster()
    await installed(cluster, monitored(learn=600))
    await cluster.run(600)
    before = cluster.store.get("ConfigMap", NAMESPACE, reference("digits"))
    cluster.crash()
    source.share = 0.15
    await cluster.run(3600)
    assert cluster.store.get("ConfigMap", NAMESPACE, reference("digits")) == before


@pytest.mark.parametrize("inputs", [True, False], ids=["inputs", "outputs"])
async def test_after_a_promotion_what_a_model_answers_is_learnt_anew(source, inputs):
    source.inputs = inputs
    cluster = Cluster()
    await installed(cluster, monitored(learn=600))
    await cluster.run(300)
    first = stored(cluster)
    cluster.person.apply(monitored("2", learn=600))
    await cluster.until(phase(cluster, "Ready"), within=600)
    await cluster.run(300)
    again = stored(cluster)
    assert (again == first) is inputs
    assert again["revision"] == (first["revision"] if inputs else cluster.person.status.stable)
    assert asked(cluster).verdict == "Pass"


async def test_a_stale_one_judges_nothing_and_says_so_once(source):
    cluster = Cluster()
    await installed(cluster, monitored(learn=600, maxAge="1h"))
    await cluster.run(3000)
    assert asked(cluster).verdict == "Pass"
    source.share = 0.4
    await cluster.until(lambda: drifting(cluster) == "True", within=120)
    source.share = 0.1
    await cluster.run(3600)
    assert asked(cluster).message.endswith("old (maxAge 1h)")
    assert cluster.person.status.monitor.stale == ("asked",)
    source.share = 0.4
    await cluster.run(3600)
    assert asked(cluster).verdict == "Undecided"
    assert len(told(cluster, "ReferenceStale")) == 1
    assert "maxAge 1h" in find(cluster.person.status.conditions, ConditionType.DRIFTING).message
    # It is not renewed by itself: what is normal now may be what is wrong.
    assert stored(cluster)["counts"]["colour"]["is=b"] == pytest.approx(60, abs=1)


def give(cluster, share, at):
    counts = {"colour": {"is=a": 1000 * (1 - share), "is=b": 1000 * share}}
    entry = {"revision": "", "at": at.isoformat(), "requests": 1000, "counts": counts}
    text = json.dumps({"v": 1, "metrics": {"asked": entry}})
    metadata = {"name": "normal", "namespace": NAMESPACE}
    cluster.store.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"reference.json": text}})


async def test_a_person_may_give_it(source):
    cluster = Cluster()
    await installed(cluster, monitored(configMap="normal"))
    await cluster.run(120)
    assert asked(cluster).message == "ConfigMap normal does not exist or has no reference.json"
    give(cluster, 0.5, cluster.agenda.now - timedelta(days=2))
    await cluster.until(lambda: drifting(cluster) == "True", within=240)
    assert stored(cluster) is None
    await cluster.run(1200)
    assert len(told(cluster, "Drifting")) == 1


async def test_nobody_learns_where_nobody_compares():
    cluster = Cluster()
    await installed(cluster, monitored())
    await cluster.run(600)
    assert stored(cluster) is None
