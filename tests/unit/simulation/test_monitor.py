"""After a promotion, on the simulated cluster: the whole operator on a virtual clock, with traffic by chance."""

import random
from pathlib import Path

import click
import pytest

from modelrollout.cli.picture import picture
from modelrollout.cli.view import view
from modelrollout.domain.conditions import ConditionType, find
from modelrollout.names import evidence
from modelrollout.simulation.arrivals import Chance, RandomArrivals
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenario import image, installed, phase, spec

HOUR = 3600.0
PAGE = Path(__file__).parents[3] / "docs" / "monitoring.md"
WINDOWS = {
    "name": "errors",
    "router": {"signal": "errorRate"},
    "threshold": {"max": 0.05, "minRequests": 50, "failures": 3},
}
SEQUENTIAL = {
    "name": "errors",
    "router": {"signal": "errorRate"},
    "threshold": {"max": 0.02, "evidence": "sequential"},
}


def monitored(version="1", metric=WINDOWS, automation="full", **monitor):
    """A spec whose stable revision goes on being watched."""
    analysis = {"interval": "5s", "metrics": [metric], "monitor": monitor}
    return spec(version, analysis=analysis, automation=automation)


def by_chance(seed=1, rate=20.0):
    draw = random.Random(seed)
    return Cluster(rate=rate, chance=Chance(draw, RandomArrivals(draw), timed=False))


def drifting(cluster):
    found = find(cluster.person.status.conditions, ConditionType.DRIFTING)
    return found.status if found is not None else None


def told(cluster, reason):
    return [event for _, event in cluster.log.events if event.reason == reason]


async def test_what_is_promoted_goes_on_being_watched_and_a_drift_is_told_once():
    cluster = Cluster()
    await installed(cluster, monitored())
    await cluster.run(180)
    assert drifting(cluster) == "False"
    assert [gate.verdict for gate in cluster.person.status.monitor.gates] == ["Pass"]

    cluster.behave(image("1"), Behaviour(errors=0.3))
    begun = cluster.agenda.elapsed
    await cluster.until(lambda: drifting(cluster) == "True", within=300)
    # Three windows in a row, the first of which may hold good minutes, at one poll a minute.
    assert cluster.agenda.elapsed - begun <= 4 * 60
    await cluster.run(HOUR)
    status = cluster.person.status
    assert status.phase == "Ready"
    assert "Drifting: errors: 0.3 is above 0.05" in status.message
    assert [event.warning for event in told(cluster, "Drifting")] == [True]

    cluster.behave(image("1"), Behaviour())
    begun = cluster.agenda.elapsed
    await cluster.until(lambda: drifting(cluster) == "False", within=HOUR)
    assert 600 <= cluster.agenda.elapsed - begun <= 780
    assert len(told(cluster, "DriftEnded")) == 1


async def promoted(cluster, **monitor):
    """Version 2 is stable, and version 1 was before it."""
    await installed(cluster, monitored(**monitor))
    cluster.person.apply(monitored("2", **monitor))
    await cluster.until(phase(cluster, "Ready"), within=600)


@pytest.mark.parametrize("metric", [WINDOWS, SEQUENTIAL], ids=["windows", "detector"])
async def test_a_quiet_hour_is_reported_as_nothing_and_writes_little(metric):
    cluster = by_chance(seed=7)
    cluster.behave(image("1"), Behaviour(errors=0.01))
    await installed(cluster, monitored(metric=metric))
    await cluster.run(120)
    before = list(cluster.writes)

    await cluster.run(HOUR)

    assert told(cluster, "Drifting") == []
    assert drifting(cluster) == "False"
    assert cluster.person.status.monitor.gates[0].value == pytest.approx(0.01, abs=0.01)
    assert len(cluster.writes) - len(before) <= 12, cluster.writes[len(before) :]


async def test_a_detector_finds_a_rise_and_lets_go_of_it():
    cluster = by_chance(seed=3)
    cluster.behave(image("1"), Behaviour(errors=0.01))
    await installed(cluster, monitored(metric=SEQUENTIAL))
    await cluster.run(HOUR)

    cluster.behave(image("1"), Behaviour(errors=0.06))
    begun = cluster.agenda.elapsed
    await cluster.until(lambda: drifting(cluster) == "True", within=HOUR)
    assert cluster.agenda.elapsed - begun <= 180
    await cluster.run(2 * HOUR)
    assert len(told(cluster, "Drifting")) == 1
    assert "above the limit of 0.02" in cluster.person.status.message

    cluster.behave(image("1"), Behaviour(errors=0.01))
    begun = cluster.agenda.elapsed
    await cluster.until(lambda: drifting(cluster) == "False", within=HOUR)
    assert cluster.agenda.elapsed - begun <= 20 * 60


async def test_a_drift_takes_traffic_back_to_what_was_stable_before_once():
    cluster = Cluster()
    await promoted(cluster, onDrift="rollback")
    one, two = (entry.revision for entry in reversed(cluster.person.status.history))
    assert cluster.person.status.stable == two

    cluster.behave(image("2"), Behaviour(errors=0.3))
    await cluster.until(lambda: cluster.person.status.stable == one, within=1800)

    status = cluster.person.status
    assert (status.target.revision, status.reverted.revision, status.reverted.to) == (one, two, one)
    (event,) = told(cluster, "DriftRollback")
    assert event.warning
    assert event.message.startswith(f"{two} drifts (errors: 0.3 is above 0.05 (")
    assert event.message.endswith(f"3 of 3 windows in a row). Rolling back to {one} (onDrift: rollback).")
    assert [(said.by, said.action) for said in status.rollout.requests] == [("analysis.monitor", "rollback")]
    # What drifts now is only told: the way there was a rollback already.
    await cluster.run(120)
    cluster.behave(image("1"), Behaviour(errors=0.3))
    await cluster.until(lambda: drifting(cluster) == "True", within=600)
    await cluster.run(HOUR)
    assert cluster.person.status.stable == one
    assert "onDrift: rollback does nothing: a rollback stands already." in cluster.person.status.message


@pytest.mark.parametrize("automation", ["manual", "assist", "partial"])
async def test_on_another_rung_a_drift_is_only_reported(automation):
    cluster = Cluster()
    await promoted(cluster, onDrift="rollback")
    cluster.person.apply(monitored("2", onDrift="rollback", automation=automation))
    await cluster.run(60)
    stable = cluster.person.status.stable

    cluster.behave(image("2"), Behaviour(errors=0.3))
    await cluster.until(lambda: drifting(cluster) == "True", within=600)
    await cluster.run(600)

    assert cluster.person.status.stable == stable
    assert f"automation is {automation}, so a person decides" in cluster.person.status.message


async def test_a_revision_that_is_not_kept_is_not_gone_back_to():
    cluster = Cluster()
    kept = {"revisionHistoryLimit": 0}
    await installed(cluster, {**monitored(onDrift="rollback"), **kept})
    cluster.person.apply({**monitored("2", onDrift="rollback"), **kept})
    await cluster.until(phase(cluster, "Ready"), within=600)
    await cluster.run(60)
    cluster.behave(image("2"), Behaviour(errors=0.3))
    await cluster.until(lambda: drifting(cluster) == "True", within=600)
    assert "is not kept (revisionHistoryLimit)" in cluster.person.status.message


async def test_a_rollout_ends_the_watch_and_another_begins_after_it():
    cluster = Cluster()
    await promoted(cluster)
    await cluster.run(120)
    second = cluster.person.status.monitor

    cluster.person.apply(monitored("3"))
    await cluster.until(phase(cluster, "Progressing", "Holding"), within=60)
    assert cluster.person.status.monitor is None
    assert drifting(cluster) is None
    await cluster.until(phase(cluster, "Ready"), within=600)
    await cluster.run(5)

    third = cluster.person.status.monitor
    assert third.revision != second.revision
    assert third.since > second.since


async def test_a_restart_in_the_middle_costs_ten_minutes_of_a_detector():
    cluster = by_chance(seed=5)
    cluster.behave(image("1"), Behaviour(errors=0.01))
    await installed(cluster, monitored(metric=SEQUENTIAL))
    await cluster.run(1500)
    since = cluster.person.status.monitor.since
    stored = cluster.store.get("ConfigMap", "default", evidence("digits"))
    assert "monitor/" in stored["data"]["evidence.json"]

    cluster.crash()
    await cluster.run(300)
    cluster.behave(image("1"), Behaviour(errors=0.1))
    await cluster.until(lambda: drifting(cluster) == "True", within=300)

    cluster.crash()
    await cluster.run(120)
    assert cluster.person.status.monitor.since == since
    assert drifting(cluster) == "True"
    assert len(told(cluster, "Drifting")) == 1


async def test_a_lost_status_begins_the_watch_anew():
    cluster = Cluster()
    await promoted(cluster)
    await cluster.run(120)
    before = cluster.person.status
    cluster.person.lose_status()
    await cluster.run(120)
    after = cluster.person.status
    assert after.monitor.revision == before.stable == after.stable
    assert after.monitor.since > before.monitor.since
    assert drifting(cluster) == "False"


async def test_a_watch_that_is_not_asked_for_any_more_ends():
    cluster = Cluster()
    await installed(cluster, monitored(metric=SEQUENTIAL))
    await cluster.run(120)
    cluster.person.apply({**monitored(), "analysis": {"metrics": [SEQUENTIAL]}})
    await cluster.run(60)
    assert cluster.person.status.monitor is None
    assert drifting(cluster) is None
    assert cluster.store.get("ConfigMap", "default", evidence("digits")) is None
    before = len(cluster.writes)
    await cluster.run(HOUR)
    assert len(cluster.writes) == before


async def test_silence_is_no_recovery():
    cluster = Cluster()
    await installed(cluster, monitored())
    cluster.behave(image("1"), Behaviour(errors=0.3))
    await cluster.until(lambda: drifting(cluster) == "True", within=600)
    cluster.behave(image("1"), Behaviour())
    cluster.traffic_ends()
    await cluster.run(HOUR)
    assert drifting(cluster) == "True"
    assert cluster.person.status.monitor.gates[0].state == "NoTraffic"


async def test_without_labels_nobody_knows_of_a_concept_drift():
    cluster = Cluster()
    await installed(cluster, monitored())
    await cluster.run(120)
    assert cluster.person.status.monitor.concept_drift == "unknown"
    condition = find(cluster.person.status.conditions, ConditionType.DRIFTING)
    assert "conceptDrift: unknown" in condition.message


async def test_the_page_shows_what_status_shows():
    cluster = by_chance(seed=11)
    cluster.behave(image("1"), Behaviour(errors=0.01))
    analysis = {"interval": "5s", "metrics": [WINDOWS, {**SEQUENTIAL, "name": "proven"}], "monitor": {}}
    await installed(cluster, spec("1", analysis=analysis))
    await cluster.run(2 * HOUR)
    cluster.behave(image("1"), Behaviour(errors=0.08))
    await cluster.until(lambda: drifting(cluster) == "True", within=600)
    await cluster.run(240)

    def every(kind):
        return [found for found in cluster.store.all() if found["kind"] == kind]

    seen = view(cluster.person.object, every("Deployment"), every("ControllerRevision"))
    text = click.unstyle(picture(seen, cluster.agenda.now))
    assert "\n".join(line.rstrip() for line in text.splitlines()) in PAGE.read_text(encoding="utf-8")
