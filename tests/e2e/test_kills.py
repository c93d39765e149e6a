"""The operator's leader is killed at random moments of whole rollouts: the end is the same, and clients notice nothing."""

import random
import time

import pytest

from tests.e2e.scenario import (
    OPERATOR,
    SYSTEM,
    canary,
    errors_analysis,
    kill_pod,
    lost_nothing,
    model_deployment,
    model_template,
)

KILLS = 20
SEED = 20260


QUICK = {"DURATION": "6s", "DEADLINE": "4s", "RETRY": "1s"}


@pytest.fixture(scope="module", autouse=True)
def short_lease(cluster):
    """A lease that is over soon, so that the successor is not what most of the time is spent on."""
    cluster.kubectl(
        *SYSTEM, "set", "env", OPERATOR, *(f"MODELROLLOUT_LEASE_{key}={value}" for key, value in QUICK.items())
    )
    cluster.kubectl(*SYSTEM, "rollout", "status", OPERATOR, "--timeout=120s")
    yield
    cluster.kubectl(*SYSTEM, "set", "env", OPERATOR, *(f"MODELROLLOUT_LEASE_{key}-" for key in QUICK))
    cluster.kubectl(*SYSTEM, "rollout", "status", OPERATOR, "--timeout=120s")


@pytest.mark.parametrize("part", range(2))
def test_a_leader_that_is_killed_at_any_moment_changes_nothing(scenario, part):
    chance = random.Random(SEED + part)
    scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    kills, rollouts, number = 0, 0, 1
    with scenario.traffic() as traffic:
        while kills < KILLS // 2:
            number += 1
            strategy = canary(30, 60, hold="1s", bake="1s")
            revision = scenario.apply(
                model_deployment(model_template(f"v{number}"), strategy, analysis=errors_analysis())
            )
            kills += _kill_until_done(scenario, chance, KILLS // 2 - kills)
            status = scenario.stable()
            assert status["stable"] == revision
            rollouts += 1
        report = traffic.stop()
    lost_nothing(report)
    assert report["model"] == 0
    scenario.note(report, f"{kills} kills -9 in {rollouts} rollouts, seed {SEED + part}")


def _kill_until_done(scenario, chance, most):
    """Kill the leader at random moments until the rollout is over; return how often."""
    kills = 0
    while kills < most:
        time.sleep(chance.uniform(0, 2.5))
        if scenario.status().get("phase") == "Ready":
            break
        leader = scenario.leader()
        pod = next((each for each in scenario.operator_pods() if each["metadata"]["name"] == leader), None)
        if pod is None or "deletionTimestamp" in pod["metadata"] or not pod["status"].get("containerStatuses"):
            continue
        kill_pod(scenario.cluster, pod, "operator")
        # A fresh pod each time: what the kubelet's back-off does to a crashing one is not the question.
        scenario.kubectl(*SYSTEM, "delete", "pod", leader, "--force", "--grace-period=0")
        kills += 1
        scenario.until("another one leads", lambda leader=leader: scenario.leader() not in ("", leader), 60)
    return kills
