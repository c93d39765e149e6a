"""The operator's own loop with metrics that only watch: the same rollout at the same moments as without them."""

import pytest

from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import errors, image, installed, rollout, spec, template

BESIDE = [
    {"name": "slow", "router": {"signal": "latencySeconds"}, "threshold": {"max": 0.0001, "minRequests": 20}},
    {"name": "other", "router": {"signal": "errorRate"}, "compare": {"margin": {"absolute": 0.001}}},
    {"name": "gpu", "prometheus": {"query": "gpu"}, "threshold": {"max": 95}},
]


async def rolled(candidate: Behaviour, beside: list[dict[str, object]]) -> Cluster:
    cluster = Cluster()
    gates = errors(onNoData="rollback", onError="rollback")
    asked = spec("2", analysis={**gates, "metrics": [*gates["metrics"], *beside]})
    await installed(cluster, {**asked, "template": template("1"), "model": {"name": "digits", "version": "1"}})
    cluster.behave(image("2"), candidate)
    cluster.person.apply(asked)
    await cluster.until(lambda: len(cluster.person.status.history) == 2, within=900)
    return cluster


@pytest.mark.parametrize("mode", ["observe", "warn"])
@pytest.mark.parametrize(
    ("candidate", "end"), [(Behaviour(), "Completed"), (Behaviour(errors=0.2), "Aborted")], ids=["good", "bad"]
)
async def test_a_rollout_goes_the_same_way_at_the_same_moments(candidate: Behaviour, end: str, mode: str) -> None:
    alone = await rolled(candidate, [])
    beside = await rolled(candidate, [{**one, "mode": mode} for one in BESIDE])
    one, two = rollout(alone), rollout(beside)
    assert alone.person.status.history[0].outcome == end
    assert one.visits == two.visits
    assert (one.cause, one.state, one.stage) == (two.cause, two.state, two.stage)
    assert alone.person.status.history == beside.person.status.history
    shown = {gate.name: gate for gate in (*two.settled, *two.watched) if gate.mode == mode}
    assert str(shown["slow"].verdict) == "Fail"
    assert [warning.metric for warning in two.warnings][:1] == (["slow"] if mode == "warn" else [])
