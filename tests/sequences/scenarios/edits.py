"""The spec changes in the middle of a rollout."""

from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import (
    FORGOT,
    at,
    begins,
    canary,
    errors,
    installed,
    phase,
    rollout,
    scenario,
    settled,
    spec,
)


@scenario
async def superseded(cluster: Cluster) -> None:
    """Another revision: traffic goes home first, then the new one begins."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    cluster.person.apply(spec("3"))
    await cluster.until(phase(cluster, "Ready"))
    await settled(cluster)


@scenario
async def reverted(cluster: Cluster) -> None:
    """The stable revision again: an abort that leaves nothing to be done."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 2/2"))
    begins(cluster)
    cluster.person.apply(spec("1"))
    await cluster.until(phase(cluster, "Ready"))
    await settled(cluster)


@scenario
async def edited_steps(cluster: Cluster) -> None:
    """New steps: the rollout goes on at the last one whose weight it has; the weight never falls."""
    await installed(cluster)
    cluster.person.apply(spec("2", canary=canary(10, 50)))
    await cluster.until(at(cluster, "step 2/2"))
    begins(cluster)
    cluster.person.edit("edits the steps", strategy={"canary": canary(5, 20, 40, 60, 80)})
    await cluster.until(at(cluster, "step 4/5"))
    await settled(cluster)


@scenario
async def edited_threshold(cluster: Cluster) -> None:
    """A stricter limit applies at once."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    limits = errors()
    limits["metrics"] = [
        *limits["metrics"],
        {"name": "slow", "router": {"signal": "latencySeconds", "quantile": 0.5}, "threshold": {"max": 0.001}},
    ]
    begins(cluster)
    cluster.person.edit("adds a metric that it cannot pass", analysis=limits)
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)


@scenario
async def scaled(cluster: Cluster) -> None:
    """More replicas, then fewer: stable follows at once, the candidate grows and is not shrunk below what it needs."""
    await installed(cluster)
    cluster.person.apply(spec("2", canary=canary(50, hold="40s")))
    await cluster.until(at(cluster, "step 1/1"))
    begins(cluster)
    cluster.person.edit("scales to 8", replicas=8)
    await cluster.run(15)
    cluster.person.edit("scales to 6", replicas=6)
    await settled(cluster)


@scenario
async def invalid_edit(cluster: Cluster) -> None:
    """A refused spec freezes progress; the rollout is still judged, and goes on when the spec is right again."""
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    cluster.person.edit("writes weights that fall", strategy={"canary": canary(50, 25)})
    await cluster.run(40)
    cluster.person.edit("corrects the weights", strategy={"canary": canary(25, 50)})
    await settled(cluster)


@scenario
async def invalid_edit_and_abort(cluster: Cluster) -> None:
    """A person aborts although the spec as it stands is refused, and corrects it afterwards: the abort stands.

    The last accepted spec is in the status alone. When that is lost while the spec is refused, nobody knows what to do: the
    world stays as it is, and the status says why. There is no rollout to abort then, and the person aborts it after the
    correction, when it goes on where it was.
    """
    await installed(cluster)
    cluster.person.apply(spec("2"))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    cluster.person.edit("writes weights that fall", strategy={"canary": canary(50, 25)})
    await cluster.run(10)
    if cluster.person.status.rollout is not None:
        cluster.person.abort()
    await settled(cluster)
    if cluster.person.status.rollout is None:
        _nothing_is_known(cluster)
    cluster.person.edit("corrects the weights", strategy={"canary": canary(25, 50)})
    await cluster.until(phase(cluster, "Aborted", "Progressing"))
    if phase(cluster, "Progressing")():
        assert cluster in FORGOT
        assert cluster.person.status.stable != rollout(cluster).revision
        assert rollout(cluster).stage_label == "step 1/2"
        cluster.person.abort()
        await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)


def _nothing_is_known(cluster: Cluster) -> None:
    """The status was lost under a refused spec: since then it has been told, and nothing else was written."""
    status, since = cluster.person.status, cluster.writes[FORGOT[cluster] :]
    assert [(item.type, item.status, item.reason) for item in status.conditions] == [
        ("Ready", "False", "InvalidSpec"),
        ("Stalled", "True", "InvalidSpec"),
    ]
    assert (status.stable, status.candidate, status.route) == (None, None, None)
    assert set(since) == {"status of digits"}


@scenario
async def superseded_without_room(cluster: Cluster) -> None:
    """The new candidate fits only where the old one stands: it must not be waited for while its place is taken."""
    cluster.kubelet.make_room(6)
    await installed(cluster)
    cluster.person.apply(spec("2", canary=canary(50)))
    await cluster.until(at(cluster, "step 1/1"))
    begins(cluster)
    cluster.person.apply(spec("3", canary=canary(50)))
    await cluster.until(at(cluster, "step 1/1"))
    cluster.person.abort()
    await settled(cluster)
