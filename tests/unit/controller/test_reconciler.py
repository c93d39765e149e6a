"""What the loop does about writes that the API server refuses, on the simulated cluster."""

from pathlib import Path

import pytest
import yaml

from modelrollout.errors import UnavailableError
from modelrollout.simulation.cluster import Cluster

SPEC = yaml.safe_load((Path(__file__).parents[3] / "manifests" / "examples" / "canary-direct.yaml").read_text())["spec"]


def condition(cluster, kind):
    return {each.type: each.status for each in cluster.person.status.conditions}.get(kind)


def no_deployments(body):
    return "exceeded quota: deployments" if body["kind"] == "Deployment" else None


@pytest.fixture
async def refused():
    """A first install whose Deployment is refused."""
    cluster = Cluster()
    cluster.server.refuse = no_deployments
    cluster.person.apply(SPEC)
    await cluster.run(10)
    return cluster


async def test_a_refused_object_stalls_in_the_servers_words_and_keeps_nothing_else_from_being_made(refused):
    assert condition(refused, "Stalled") == "True"
    assert "exceeded quota: deployments" in refused.person.status.message
    made = {each["kind"] for each in refused.store.all()}
    assert {"ControllerRevision", "Service"} <= made
    assert "Deployment" not in made


async def test_a_refused_write_is_tried_again_only_now_and_then(refused):
    passes, writes = refused.replica.passes, len(refused.writes)
    await refused.run(300)
    assert refused.replica.passes - passes <= 60
    assert len(refused.writes) - writes <= 2


async def test_a_write_that_is_no_longer_refused_is_made_within_half_a_minute(refused):
    refused.server.refuse = lambda _body: None
    await refused.until(lambda: any(each["kind"] == "Deployment" for each in refused.store.all()), within=30)
    await refused.until(lambda: condition(refused, "Ready") == "True", within=60)
    assert condition(refused, "Stalled") != "True"


async def test_another_spec_is_tried_at_once(refused):
    refused.server.refuse = lambda _body: None
    refused.person.apply({**SPEC, "model": {"name": "digits", "version": "3"}})
    await refused.run(1)
    assert any(each["kind"] == "Deployment" for each in refused.store.all())


async def test_a_webhook_that_is_down_does_not_keep_passes_from_happening(refused, monkeypatch):
    async def down(body):
        raise UnavailableError("failed calling webhook", 500)

    monkeypatch.setattr(refused.server, "dry_run", down)
    await refused.run(60)
    refused.person.edit("pauses", paused=True)
    await refused.run(1)
    assert refused.person.status.observed_generation == 2
