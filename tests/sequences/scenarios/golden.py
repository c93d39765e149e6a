"""Golden examples and warm-up: what pods answer to pinned requests, before clients ask them anything."""

import json
from typing import Any

from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.person import NAMESPACE
from tests.sequences.scenario import at, begins, errors, image, installed, phase, scenario, settled, spec

SEVEN, EIGHT = [[7]], [[8]]


def golden(**settings: Any) -> dict[str, Any]:
    """Return an analysis with golden examples beside its metric."""
    return errors(golden={"configMap": "digits-golden", **settings})


def examples(cluster: Cluster, **texts: str) -> None:
    """Have a person make the ConfigMap, with two examples unless others are given."""
    cluster.log.say("person", "makes the ConfigMap digits-golden")
    data = texts or {"seven": example(SEVEN, 7), "eight": example(EIGHT, 8)}
    metadata = {"name": "digits-golden", "namespace": NAMESPACE}
    cluster.store.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def example(asked: Any, expected: Any) -> str:
    """Return an example as it stands in the ConfigMap."""
    request = {"path": "/v2/models/digits/infer", "body": {"inputs": [{"data": asked}]}}
    return json.dumps({"request": request, "expect": {"path": "outputs[0].data[0]", "equals": expected}})


def knows(cluster: Cluster, version: str, *, seven: int = 7) -> None:
    """Have a version recognize digits; a broken one takes a seven for something else."""

    def predict(asked: Any) -> Any:
        ((digit,),) = asked["inputs"][0]["data"]
        return {"outputs": [{"name": "predict", "data": [seven if digit == 7 else digit]}]}

    cluster.http.models.predict[image(version)] = predict


@scenario
async def golden_examples_pass(cluster: Cluster) -> None:
    """Every example is answered before any traffic and again in each step."""
    examples(cluster)
    knows(cluster, "2")
    await installed(cluster)
    begins(cluster)
    cluster.person.apply(spec("2", analysis=golden()))
    await cluster.until(at(cluster, "step 2/2"))
    await settled(cluster)


@scenario
async def golden_example_broken(cluster: Cluster) -> None:
    """One example is answered wrongly: the rollout ends before a client has asked the candidate anything."""
    examples(cluster)
    knows(cluster, "2", seven=1)
    await installed(cluster)
    begins(cluster)
    cluster.person.apply(spec("2", analysis=golden()))
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)


@scenario
async def golden_example_breaks_later(cluster: Cluster) -> None:
    """What was right in the first step is wrong in the second: traffic goes home."""
    examples(cluster)
    knows(cluster, "2")
    await installed(cluster)
    cluster.person.apply(spec("2", analysis=golden()))
    await cluster.until(at(cluster, "step 1/2"))
    begins(cluster)
    cluster.log.say("cluster", "the model forgets what a seven is")
    knows(cluster, "2", seven=1)
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)


@scenario
async def golden_example_broken_by_hand(cluster: Cluster) -> None:
    """With manual automation a wrong answer holds the rollout, without a deadline, until a person decides."""
    examples(cluster)
    knows(cluster, "2", seven=1)
    await installed(cluster)
    begins(cluster)
    cluster.person.apply(spec("2", automation="manual", analysis=golden()))
    await cluster.until(lambda: "A person decides" in cluster.person.status.message)
    await cluster.run(120)
    cluster.person.abort()
    await settled(cluster)


@scenario
async def golden_examples_missing(cluster: Cluster) -> None:
    """There is no ConfigMap: nothing is promoted on that ground, and the progress deadline ends it."""
    await installed(cluster)
    begins(cluster)
    cluster.person.apply(spec("2", analysis=golden()))
    await cluster.until(phase(cluster, "Aborted"))
    await settled(cluster)


@scenario
async def golden_examples_corrected(cluster: Cluster) -> None:
    """A mistake in the ConfigMap is named; once it is corrected the rollout goes on."""
    knows(cluster, "2")
    await installed(cluster)
    examples(cluster, seven="request: {path: /v2/models/digits/infer}\nexpect: {equal: 7}\n")
    begins(cluster)
    cluster.person.apply(spec("2", analysis=golden()))
    await cluster.until(lambda: "expect.equal is no field" in cluster.person.status.message)
    await cluster.run(20)
    examples(cluster)
    await cluster.until(at(cluster, "step 1/2"))
    await settled(cluster)


@scenario
async def warmed_up(cluster: Cluster) -> None:
    """The first requests to a pod are slow, and each is faster than the one before: no client makes one of them."""
    examples(cluster)
    knows(cluster, "2")
    cluster.http.models.cold[image("2")] = 12
    await installed(cluster)
    begins(cluster)
    cluster.person.apply(spec("2", analysis=golden(warmUp={"requests": 100})))
    await cluster.until(at(cluster, "step 1/2"))
    cluster.log.say("cluster", f"{cluster.http.models.asked[image('2')]} pinned requests so far")
    await cluster.until(at(cluster, "step 2/2"))
    cluster.log.say("cluster", f"{cluster.http.models.asked[image('2')]} pinned requests so far")
    await settled(cluster)


@scenario
async def warmed_up_before_a_switch(cluster: Cluster) -> None:
    """A preview in full size: every pod is warm and every example answered before the switch."""
    examples(cluster)
    knows(cluster, "2")
    cluster.http.models.cold[image("2")] = 12
    await installed(cluster)
    begins(cluster)
    analysis = golden(warmUp={"requests": 100})
    cluster.person.apply(spec("2", blueGreen={"hold": "10s", "bake": "10s"}, analysis=analysis))
    await cluster.until(at(cluster, "bake"))
    await settled(cluster)


@scenario
async def golden_examples_of_a_first_install(cluster: Cluster) -> None:
    """There is nothing to fall back to: a wrong answer is told, and holds nothing up."""
    examples(cluster)
    knows(cluster, "1", seven=1)
    cluster.person.apply(spec("1", analysis=golden()))
    await cluster.until(phase(cluster, "Ready"))
    await settled(cluster)


@scenario
async def aborted_while_examples_hang(cluster: Cluster) -> None:
    """No example is answered; an abort does not wait for one."""
    examples(cluster)
    await installed(cluster)
    cluster.behave(image("2"), Behaviour(hangs=True))
    begins(cluster)
    cluster.person.apply(spec("2", analysis=golden()))
    await cluster.until(lambda: "no answer within 10s" in cluster.person.status.message)
    await cluster.run(7)
    cluster.person.abort()
    await cluster.until(phase(cluster, "Aborted"), within=5)
    await settled(cluster)
