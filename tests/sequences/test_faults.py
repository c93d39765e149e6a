"""A crash before and after every write, a status that is lost, a leader that freezes and wakes up after its successor acted.

All of it ends as the story without a fault does, and no invariant is broken on the way.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from modelrollout.simulation.cluster import Cluster
from tests.sequences.faulting import Point, arm, differences, play, points, rehearse
from tests.sequences.scenario import Scenario
from tests.sequences.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]
SAMPLE = 6
SEED = 20260101


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    everything = metafunc.config.getoption("--all-faults", default=False)
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(SEED, SEED + (1 if everything else SAMPLE)))
    if "broken_story" in metafunc.fixturenames:
        metafunc.parametrize("broken_story", SCENARIOS if everything else ["aborted_by_a_person"])


def test_every_fault_at_every_write_ends_as_without_it(broken_story: str) -> None:
    command = [sys.executable, "-m", "tests.sequences.faulting", broken_story]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False)

    assert done.returncode == 0, done.stderr[-4000:]
    *wrong, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert last["faults"] > 0
    assert wrong == []


async def test_a_fault_at_some_write_ends_as_without_it(seed: int) -> None:
    chance = random.Random(seed)
    story = chance.choice(list(SCENARIOS.values()))
    rehearsal = await rehearse(story)
    number, point = chance.choice(list(points(rehearsal.passes)))
    cluster = Cluster()

    wrong = await _break(story, cluster, number, point)

    wrong += differences(point, cluster, rehearsal.cluster)
    assert wrong == [], f"{story.name}: {point} write {number}"


async def _break(story: Scenario, cluster: Cluster, number: int, point: Point) -> list[str]:
    cluster.on_write = lambda reached: arm(cluster, number, point) if reached == number else None
    return await play(story, cluster)
