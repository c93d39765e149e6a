"""``record`` against an API server on loopback: what it reads, how it ends, and what it says when it may not read."""

import json

import pytest

from modelrollout.cli import record
from modelrollout.simulation.recording import read_recording
from tests.unit.cli.states import NEW, OLD, aborted, finished, progressing, thing

ROUTER = {
    "metadata": {
        "name": "digits-router-1",
        "uid": "r1",
        "labels": {"modelrollout.dev/name": "digits", "modelrollout.dev/component": "router"},
    },
    "status": {
        "phase": "Running",
        "podIP": "10.0.0.9",
        "containerStatuses": [{"name": "router", "state": {"running": {}}}],
    },
}
STATISTICS = (
    'envoy_cluster_upstream_rq_completed{{envoy_cluster_name="{new}"}} {count}\n'
    'envoy_cluster_upstream_rq_completed{{envoy_cluster_name="{old}"}} 900\n'
)


@pytest.fixture
def live(cluster):
    """A rollout that is sent home as soon as its routers were read twice."""
    world, asked = cluster.world, []

    def page(pod, path):
        asked.append((pod, path))
        if len(asked) == 1:
            world.set_status(aborted())
        return STATISTICS.format(new=NEW.name, old=OLD.name, count=10 * len(asked))

    world.put(thing(progressing()))
    world.pods, world.page = [ROUTER], page
    cluster.asked = asked
    return cluster


async def test_a_rollout_is_recorded_to_its_end(live, tmp_path):
    file = tmp_path / "recorded.jsonl"
    result = await live.run("record", "digits", "-o", str(file))
    assert result.exit_code == 0, result.output
    assert live.asked == [("digits-router-1:9902", "stats/prometheus")] * 2
    counted = [
        (one.key.arm, one.key.pod, one.key.series, one.value) for one in read_recording(file.read_text()) if one.key
    ]
    assert counted == [
        ("candidate", "digits-router-1", "completed", 10),
        ("stable", "digits-router-1", "completed", 900),
        ("candidate", "digits-router-1", "completed", 20),
    ]
    assert f"Recording the rollout of {NEW.name}." in result.stderr
    assert "Left out, because no --prometheus says where it is: gpu." in result.stderr
    assert "The rollout of digits has ended." in result.stderr


async def test_without_a_file_it_goes_to_standard_output(live):
    result = await live.run("record", "digits")
    assert [json.loads(line)["metric"] for line in result.stdout.splitlines()] == ["errors"] * 4


@pytest.mark.parametrize(
    ("end", "words"),
    [("/pods", "may list pods"), ("stats/prometheus", "may get pods/proxy")],
)
async def test_what_we_may_not_read_is_said(live, end, words):
    live.world.refuse = {end: 403}
    result = await live.run("record", "digits")
    assert result.exit_code == 1
    assert f"Ask for a role that {words} there." in result.stderr


async def test_it_waits_for_a_rollout(live, monkeypatch):
    live.world.put(thing(finished()))
    waited = []

    def say(words, *, err):
        waited.append((words, err))
        live.world.put(thing(progressing()))
        monkeypatch.undo()

    monkeypatch.setattr(record, "say", say)
    result = await live.run("record", "digits")
    assert result.exit_code == 0
    assert waited == [("Waiting for a rollout of digits.", True)]
    assert result.stdout
