"""What requests ask and what is answered, observed between rollouts and in them, by routers without copies."""

import json
from datetime import datetime
from typing import Any

from modelrollout.domain.conditions import ConditionType, find
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.kinds import Mix
from modelrollout.simulation.watched import Law
from tests.sequences.scenario import at, canary, image, installed, phase, rollout, settled, spec, template

AGE = {"name": "age", "path": "age", "low": 0, "high": 100}


def observed(version: str, **inputs: Any) -> dict[str, Any]:
    """Return a spec of a canary without copies that observes inputs."""
    asked: dict[str, Any] = {"percent": 50, "output": {"path": "y"}, **inputs}
    errors = {"name": "errors", "router": {"signal": "errorRate"}, "threshold": {"max": 0.05, "minRequests": 50}}
    return spec(
        version,
        canary=canary(25, 50, hold="2m", bake="20s"),
        analysis={"interval": "5s", "metrics": [errors], "inputs": asked},
    )


def aged(quantile: float, _at: datetime, _revision: str) -> float:
    return 100 * quantile


async def rows(cluster: Cluster) -> dict[tuple[str, str], float]:
    """Return what all collectors have counted."""
    found: dict[tuple[str, str], float] = {}
    for pod in cluster.store.every("Pod"):
        if pod["metadata"]["name"] in cluster.facts():
            page = json.loads(await cluster.http.predictions(pod["status"]["podIP"], 9902))
            for arm, part, series, value in page["observed"]:
                if not part:
                    found[arm, series] = found.get((arm, series), 0.0) + value
    return found


async def test_the_revision_that_answers_is_observed_while_nothing_is_rolled_out() -> None:
    cluster = Cluster(rate=20)
    cluster.traffic.mix = Mix(inputs=(Law("age", aged),))
    await installed(cluster, observed("1", features=[AGE]))
    before = await rows(cluster)
    await cluster.run(100)
    stable = cluster.person.status.stable
    after = await rows(cluster)
    new = {series: value - before.get((arm, series), 0) for (arm, series), value in after.items() if arm == stable}
    assert {arm for arm, _ in after} == {stable}
    assert round(new["requests"]) == round(new["in/age/count"]) == 1000, "half of 20 a second"
    assert round(new["in/age/at=50"]) == 50
    assert round(new["out/is=positive"]) == 500


async def test_an_edit_between_rollouts_reaches_every_router_and_restarts_none() -> None:
    cluster = Cluster(rate=20)
    cluster.traffic.mix = Mix(inputs=(Law("age", aged),))
    await installed(cluster, observed("1"))
    pods = {*cluster.facts()}
    versions = {envoy.routes.version for envoy in cluster.facts().values()}
    cluster.person.edit("names a feature", analysis=observed("1", features=[AGE])["analysis"])
    await settled(cluster)
    await cluster.run(60)
    assert {*cluster.facts()} == pods
    (version,) = {envoy.routes.version for envoy in cluster.facts().values()}
    assert version not in versions
    assert version.split("-")[0] == next(iter(versions)).split("-")[0], "the same ask, told otherwise"
    assert cluster.person.status.route_verified
    assert any(series == "in/age/count" and value for (_, series), value in (await rows(cluster)).items())


async def test_a_canary_without_copies_is_observed_for_both_versions() -> None:
    cluster = Cluster(rate=20)
    await installed(cluster, {**observed("1"), "template": template("1")})
    stable = cluster.person.status.stable
    cluster.behave(image("2"), Behaviour(always="negative"))
    cluster.person.apply(observed("2"))
    await cluster.until(at(cluster, "step 1/2"))
    await cluster.run(60)
    found, candidate = await rows(cluster), rollout(cluster).revision
    assert found[candidate, "requests"] > 0
    assert found[candidate, "out/is=negative"] == found[candidate, "out/count"]
    assert found[stable or "", "out/is=negative"] < found[stable or "", "out/count"]
    await cluster.until(phase(cluster, "Ready"), within=600)
    await settled(cluster)
    assert {arm for arm, _ in await rows(cluster)} == {candidate}


def going_back(version: str) -> dict[str, Any]:
    """Return a spec whose stable revision gives way when it drifts by itself."""
    made = observed(version, features=[AGE])
    drift = [{"name": name, source: {}, "drift": {}} for name, source in (("asked", "inputs"), ("answered", "outputs"))]
    monitor = {"interval": "10s", "onDrift": "rollback", "reference": {"learn": 300}}
    metrics = [*made["analysis"]["metrics"], *drift]
    return {**made, "analysis": {**made["analysis"], "metrics": metrics, "monitor": monitor}}


async def promoted(cluster: Cluster) -> tuple[str, str]:
    """Roll out a second version, let it be watched, and return the names of both."""
    cluster.traffic.mix = Mix(inputs=(Law("age", aged),))
    await installed(cluster, going_back("1"))
    cluster.person.apply(going_back("2"))
    await cluster.until(phase(cluster, "Ready"), within=900)
    await cluster.run(300)
    two, one = (past.revision for past in cluster.person.status.history)
    return one, two


def excused(cluster: Cluster, why: str) -> bool:
    found = find(cluster.person.status.conditions, ConditionType.DRIFTING)
    return found is not None and found.status == "True" and why in found.message


async def test_a_version_that_drifts_because_the_world_moves_is_not_taken_back() -> None:
    cluster = Cluster(rate=20)
    _, two = await promoted(cluster)
    # People are older than they were, most are ill, and the model cannot read some of their forms.
    cluster.traffic.mix = Mix(positives=0.95, inputs=(Law("age", lambda quantile, *_: 60 + 40 * quantile),))
    cluster.behave(image("2"), Behaviour(errors=0.2))
    await cluster.until(lambda: excused(cluster, "onDrift: rollback does nothing: inputs moved (asked)"), within=300)
    await cluster.run(600)
    monitor = cluster.person.status.monitor
    assert monitor is not None
    assert {one.metric for one in monitor.drifting} == {"asked", "answered", "errors"}
    assert (cluster.person.status.stable, cluster.person.status.reverted) == (two, None)
    assert excused(cluster, "inputs moved (asked), and that is no version's doing.")


async def test_a_version_that_drifts_alone_is_taken_back_once_inputs_had_time_to_move_too() -> None:
    cluster = Cluster(rate=20)
    one, two = await promoted(cluster)
    cluster.behave(image("2"), Behaviour(always="negative"))
    await cluster.until(lambda: excused(cluster, "inputs may turn out to have moved, too"), within=300)
    begun = cluster.agenda.elapsed
    await cluster.until(lambda: cluster.person.status.reverted is not None, within=300)
    assert 90 <= cluster.agenda.elapsed - begun <= 120
    reverted = cluster.person.status.reverted
    assert reverted is not None
    assert (reverted.revision, reverted.to) == (two, one)
    assert reverted.message.startswith("answered: ")
    await cluster.until(lambda: cluster.person.status.candidate == one, within=60)
    # What is left is still far from the reference, and that holds nobody up.
    await cluster.until(lambda: cluster.person.status.stable == one, within=900)
