"""Pinned requests to simulated pods."""

import copy
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.domain.golden import Sent
from modelrollout.errors import SourceError
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.clerk import Decision
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.trial import Setting, run_trial
from tests.sequences.scenario import image, installed
from tests.unit.simulation.worlds import GOOD, document

SOON = timedelta(seconds=10)
SENT = Sent("POST", "/infer", {}, b'{"a":[1]}')


@pytest.fixture
async def cluster():
    made = Cluster()
    await installed(made)
    return made


def address(cluster):
    pods = cluster.store.every("Pod", {"modelrollout.dev/component": "model"})
    return next(pod["status"]["podIP"] for pod in pods)


def ask(cluster, limit=SOON):
    return cluster.http.models.answer(address(cluster), SENT, limit)


async def test_a_model_that_nobody_has_set_gives_back_what_it_was_given(cluster):
    answer = ask(cluster)
    assert (answer.status, json.loads(answer.body), answer.seconds) == (200, {"a": [1]}, 0.05)


async def test_a_model_answers_as_it_is_set_to(cluster):
    cluster.http.models.predict[image("1")] = lambda asked: {"b": asked["a"][0] + 1}
    assert json.loads(ask(cluster).body) == {"b": 2}


async def test_a_cold_pod_gets_faster_with_each_request_until_it_is_warm(cluster):
    cluster.http.models.cold[image("1")] = 4
    taken = [ask(cluster).seconds for _ in range(6)]
    assert taken == sorted(taken, reverse=True)
    assert taken[0] == pytest.approx(0.5)
    assert taken[4] == taken[5] == pytest.approx(0.05)


@pytest.mark.parametrize("behaviour", [Behaviour(hangs=True), Behaviour(latency=20.0)])
async def test_a_model_that_is_too_slow_gives_no_answer(cluster, behaviour):
    cluster.behave(image("1"), behaviour)
    with pytest.raises(SourceError, match="no answer within 10s"):
        ask(cluster)


async def test_a_model_that_fails_answers_so(cluster):
    cluster.behave(image("1"), Behaviour(errors=1.0))
    assert ask(cluster).status == 500


async def test_nobody_answers_at_an_address_that_no_ready_pod_has(cluster):
    with pytest.raises(SourceError, match="no answer"):
        cluster.http.models.answer("10.9.9.9", SENT, SOON)


async def test_a_trial_of_a_file_with_golden_examples_ends_as_without():
    asked = copy.deepcopy(document())
    asked["spec"]["analysis"]["golden"] = {"configMap": "any", "warmUp": {"requests": 20}}
    setting = Setting(asked, rate=20.0, stable=GOOD, candidate=GOOD)
    for one in (setting, replace(setting, document=document())):
        outcome = await run_trial(one, 7)
        assert outcome.verdict.decision is Decision.PROMOTED
