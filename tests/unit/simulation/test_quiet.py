"""What is left out of a quiet hour: questions whose answers are known, and passes over what a pass has just written."""

from datetime import timedelta

from modelrollout.domain.observation import Limits
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.echo import Echo
from tests.unit.simulation.worlds import document, judged

HOLD = {"canary": {"steps": [{"weight": 20, "hold": "1h"}]}}
SPEC = document(strategy=HOLD, analysis=judged(threshold={"max": 0.5, "minRequests": 20}))["spec"]


async def holding(rate: float = 20.0) -> Cluster:
    """A cluster whose rollout has stood in its first step for longer than anything takes to settle."""
    cluster = Cluster(rate=rate, limits=Limits())
    cluster.person.apply({**SPEC, "model": {"version": "1"}})
    await cluster.until(lambda: cluster.person.status.phase == "Ready")
    cluster.person.apply(SPEC)
    await cluster.until(lambda: cluster.person.status.weight == 20)
    await cluster.run(90)
    return cluster


def count_questions(cluster: Cluster) -> list[str]:
    asked: list[str] = []
    ask = cluster.http.router_status

    async def counted(address: str, port: int, path: str) -> str:
        asked.append(address)
        return await ask(address, port, path)

    cluster.http.router_status = counted  # type: ignore[method-assign]
    return asked


async def test_quiet_routers_are_asked_for_their_numbers_alone_and_live_values_are_written_without_a_second_look():
    cluster = await holding()
    asked = count_questions(cluster)
    passes, writes = cluster.replica.passes, len(cluster.writes)

    await cluster.run(600)

    # Sixty times for the metric, and every five minutes for the split.
    assert len(asked) == 60 + 2
    written = len(cluster.writes) - writes
    assert written >= 20
    # A pass for each reading that is told, and hardly any for what was written.
    assert cluster.replica.passes - passes <= 60 + written / 4


async def test_a_pod_that_goes_is_looked_for_at_once():
    cluster = await holding()
    asked = count_questions(cluster)

    cluster.delete_pods("digits:2", 1)
    await cluster.run(10)

    assert len(asked) > 4


async def test_a_router_that_falls_silent_is_noticed():
    cluster = await holding()

    cluster.http.silent.update(cluster.facts())
    await cluster.run(10)

    verified = {item.type: item.status for item in cluster.person.status.conditions}["TrafficVerified"]
    assert verified == "False"


async def test_only_ones_own_live_values_are_an_echo():
    cluster = await holding()
    echo = Echo(cluster.server)
    found = cluster.person.object
    assert found is not None

    def other(**status):
        return {**found["status"], **status}

    async def written(status):
        live = cluster.person.object
        return live, await echo.patch_status("default", "digits", status, live["metadata"]["resourceVersion"])

    gates = [{**gate, "value": 0.25} for gate in found["status"]["rollout"]["gates"]]
    before, live = await written(other(rollout={**found["status"]["rollout"], "gates": gates}))
    assert echo.repeats(live, before)
    assert not Echo(cluster.server).repeats(live, before)
    before, stage = await written(other(rollout={**found["status"]["rollout"], "stageLabel": "step 9"}))
    assert not echo.repeats(stage, before)
    before, verified = await written(other(routeVerified=False))
    assert not echo.repeats(verified, before)


async def test_the_clock_of_a_quiet_hour_still_runs():
    cluster = await holding()

    await cluster.until(lambda: cluster.person.status.phase == "Ready", within=3600)

    assert cluster.agenda.elapsed > timedelta(hours=1).total_seconds()
    assert cluster.witness.broken == ()
