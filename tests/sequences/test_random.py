"""Random specs, edits, failures and clock jumps: whatever happens, no invariant breaks and it comes to rest."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from modelrollout.names import LABEL_REVISION
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.faults import Fault
from modelrollout.simulation.kubelet import image_of
from modelrollout.simulation.workloads import is_ready
from tests.sequences.scenario import approving, errors, image, settled, spec

VERSIONS = ("1", "2", "3")
REST = {"Ready", "Aborted"}

steps = st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True).map(sorted)
holds = st.sampled_from(["0s", "5s", "20s"])
bakes = st.one_of(st.none(), holds)
firsts = st.one_of(st.none(), st.fixed_dictionaries({"percent": st.integers(1, 100), "hold": holds}))


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


canaries = st.builds(
    lambda weights, hold, bake, first, pause: {
        "canary": _given(
            steps=[{"weight": weight, "hold": hold} for weight in weights] + ([{"pause": {}}] if pause else []),
            bake=bake,
            shadow=first,
        )
    },
    steps,
    holds,
    bakes,
    firsts,
    st.booleans(),
)
blue_greens = st.builds(
    lambda hold, bake, first, promotion: {"blueGreen": _given(hold=hold, bake=bake, shadow=first, promotion=promotion)},
    holds,
    bakes,
    firsts,
    st.sampled_from(["manual", "automatic"]),
)
shadows = st.builds(
    lambda percent, hold, bake: {"shadow": _given(percent=percent, hold=hold, bake=bake)},
    st.integers(1, 100),
    holds,
    bakes,
)


def _analysis(strategy: dict[str, Any], chosen: str) -> dict[str, Any] | None:
    """Return an analysis; predictions are compared only where requests are copied, and then maybe with stable's own."""
    switch = strategy.get("blueGreen")
    # Where no stage has requests that could be counted, a metric that counts them is refused.
    if chosen == "none" or (switch is not None and not {"bake", "shadow"} & switch.keys()):
        return None
    found = errors(deadline="60s", onInconclusive="rollback")
    if chosen == "golden":
        return {**found, "golden": {"configMap": "digits-golden", "warmUp": {"requests": 20}}}
    if chosen == "errors" or not ("shadow" in strategy or any("shadow" in fields for fields in strategy.values())):
        return found
    same = {"name": "same", "predictions": {"path": "label"}, "agreement": {"min": 0.9}}
    baseline = {"predictions": {"baseline": {"percent": 50}}} if chosen == "twice" else {}
    return {**found, "metrics": [*found["metrics"], same], **baseline}


specs = st.builds(
    lambda strategy, replicas, extra, analysis, traffic: _given(
        **strategy,
        replicas=replicas,
        maxExtraReplicas=extra if "canary" in strategy else None,
        analysis=_analysis(strategy, analysis),
        traffic={"envoy": traffic},
    ),
    st.one_of(canaries, blue_greens, shadows),
    st.integers(1, 6),
    st.one_of(st.none(), st.integers(1, 3)),
    st.sampled_from(["none", "errors", "predictions", "twice", "golden"]),
    st.sampled_from([{}, {"previewHeader": "x-model-version"}, {"replicas": 3}]),
)
# One half is a whole number of pods whatever the replicas, so scaling never makes such a spec a refused one.
halves = st.builds(
    lambda hold, bake, pause: {
        "canary": _given(steps=[{"weight": 50, "hold": hold}, *([{"pause": {}}] if pause else [])], bake=bake)
    },
    holds,
    bakes,
    st.booleans(),
)
switches = st.builds(lambda hold, bake: {"blueGreen": _given(hold=hold, bake=bake)}, holds, bakes)
direct_specs = st.builds(
    lambda strategy, replicas: {**strategy, "replicas": replicas, "analysis": None, "traffic": {"direct": {}}},
    st.one_of(halves, switches),
    st.integers(1, 6),
)

Act = Callable[[Cluster], None]


def _apply(version: str, fields: dict[str, Any]) -> Act:
    return lambda cluster: cluster.person.apply({**spec(version, **fields), "analysis": fields.get("analysis")})


def _scale(replicas: int) -> Act:
    return lambda cluster: cluster.person.edit(f"scales to {replicas}", replicas=replicas)


def _ask(action: str) -> Act:
    return lambda cluster: cluster.person.ask(action)


def _abort(cluster: Cluster) -> None:
    if cluster.person.status.rollout is not None:
        cluster.person.abort()


def _break_next(fault: Fault, after: int) -> Act:
    def act(cluster: Cluster) -> None:
        cluster.faults.planned[cluster.faults.count + after] = fault

    return act


def _jump(seconds: int) -> Act:
    """The next operator's clock is wrong."""

    def act(cluster: Cluster) -> None:
        cluster.skew = timedelta(seconds=seconds)
        cluster.crash()

    return act


def _lose_pod(version: str) -> Act:
    """Delete a pod of a model that has another one; with none left requests are lost, whoever is at fault."""

    def act(cluster: Cluster) -> None:
        ready = [pod for pod in cluster.store.every("Pod") if image_of(pod) == image(version) and is_ready(pod)]
        if len([pod for pod in ready if "deletionTimestamp" not in pod["metadata"]]) > 1:
            cluster.delete_pod(ready[0]["metadata"]["name"])

    return act


def _fail(version: str, share: float) -> Act:
    return lambda cluster: cluster.behave(image(version), Behaviour(errors=share))


def _err(version: str, share: float) -> Act:
    return lambda cluster: cluster.behave(image(version), Behaviour(differs=share))


def _make_examples(cluster: Cluster) -> None:
    metadata = {"name": "digits-golden", "namespace": "default"}
    example = {"request": {"path": "/infer", "body": {"label": 7}}, "expect": {"path": "label", "equals": 7}}
    data = {"seven": json.dumps(example)}
    cluster.store.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _lose_examples(cluster: Cluster) -> None:
    found = cluster.store.get("ConfigMap", "default", "digits-golden")
    if found is not None:
        cluster.store.remove(found)


def _forget(version: str) -> Act:
    """The model answers golden examples wrongly."""
    return lambda cluster: cluster.http.models.predict.update({image(version): lambda _asked: {"label": 1}})


def _lose_collectors(cluster: Cluster) -> None:
    cluster.http.collects = lambda _pod: False


def _silence(cluster: Cluster) -> None:
    cluster.http.silent.update(list(cluster.facts())[:1])


def _hear(cluster: Cluster) -> None:
    cluster.http.silent.clear()
    cluster.http.collects = lambda _pod: True


def scripts(each: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[tuple[float, Act]]]:
    """Return up to twelve things that happen, and how long after each the next one does."""
    return st.lists(st.tuples(st.floats(0, 40), acts(each)), max_size=12)


def acts(each: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Act]:
    return st.one_of(
        st.builds(_apply, st.sampled_from(VERSIONS), each),
        st.builds(_scale, st.integers(1, 6)),
        st.builds(_ask, st.sampled_from(["promote", "promote-full", "pause", "resume", "retry"])),
        st.just(_abort),
        st.builds(_break_next, st.sampled_from(list(Fault)), st.integers(0, 8)),
        st.builds(_jump, st.sampled_from([-3600, -5, 5, 30])),
        st.builds(_lose_pod, st.sampled_from(VERSIONS)),
        st.builds(_fail, st.sampled_from(VERSIONS[1:]), st.sampled_from([0.0, 0.5])),
        st.just(lambda cluster: cluster.person.lose_status()),
        st.builds(_err, st.sampled_from(VERSIONS[1:]), st.sampled_from([0.0, 0.5])),
        st.just(_make_examples),
        st.just(_lose_examples),
        st.builds(_forget, st.sampled_from(VERSIONS[1:])),
        st.just(_silence),
        st.just(_lose_collectors),
        st.just(_hear),
    )


async def _live(first: dict[str, Any], script: list[tuple[float, Act]]) -> Cluster:
    cluster = Cluster()
    _make_examples(cluster)
    _apply("1", first)(cluster)
    await cluster.run(30)
    for pause, act in script:
        act(cluster)
        await cluster.run(pause)
    # The world heals, and a patient person approves.
    cluster.faults.planned.clear()
    _hear(cluster)
    _make_examples(cluster)
    cluster.http.models.predict.clear()
    for version in VERSIONS:
        cluster.behave(image(version), Behaviour())
    cluster.person.ask("resume")
    with approving(cluster):
        await settled(cluster, quiet=60)
    return cluster


def test_whatever_happens_nothing_breaks_and_it_comes_to_rest(request: pytest.FixtureRequest) -> None:
    @_often(request, 5)
    @given(first=specs, script=scripts(specs))
    def live(first: dict[str, Any], script: list[tuple[float, Act]]) -> None:
        cluster = asyncio.run(_live(first, script))
        _is_at_rest(cluster)
        found = cluster.store.get("ConfigMap", "default", "digits-router")
        assert found is not None
        version = found["data"]["rds.yaml"].partition('"version_info": "')[2].partition('"')[0]
        assert {envoy.routes.version for envoy in cluster.facts().values()} == {version}, "\n".join(cluster.log.lines)

    live()


def test_whatever_happens_without_a_router_nothing_breaks_and_it_comes_to_rest(request: pytest.FixtureRequest) -> None:
    @_often(request, 5)
    @given(first=direct_specs, script=scripts(direct_specs))
    def live(first: dict[str, Any], script: list[tuple[float, Act]]) -> None:
        cluster = asyncio.run(_live(first, script))
        _is_at_rest(cluster)
        found = cluster.store.get("Service", "default", "digits")
        assert found is not None
        assert found["spec"]["selector"][LABEL_REVISION] == cluster.person.status.stable, "\n".join(cluster.log.lines)

    live()


def _often(request: pytest.FixtureRequest, sample: int) -> settings:
    everything = request.config.getoption("--every-write", default=False)
    return settings(
        max_examples=150 if everything else sample,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        # A failure prints its whole log; finding a shorter one takes longer than reading it.
        phases=[Phase.generate],
    )


def _is_at_rest(cluster: Cluster) -> None:
    log = "\n".join(cluster.log.lines)
    assert cluster.witness.broken == (), log
    status = cluster.person.status
    assert status.phase in REST, log
    assert status.route is not None
    assert [arm.revision for arm in status.route.route.arms] == [status.stable], log
