"""What requests ask and what is answered, observed between rollouts and in them, by routers without copies."""

import json
from datetime import datetime
from typing import Any

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
