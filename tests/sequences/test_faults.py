"""A crash before and after every write, a status that is lost, a leader that freezes and wakes up after its successor acted.

All of it ends as the story without a fault does, and no invariant is broken on the way.
"""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
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
    options = metafunc.config.option
    all_stories = getattr(options, "every_write", False) or getattr(options, "every_fault", False)
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(SEED, SEED + (1 if all_stories else SAMPLE)))
    if "broken_story" in metafunc.fixturenames:
        metafunc.parametrize("broken_story", SCENARIOS if all_stories else ["golden_example_broken"])


@pytest.fixture(scope="module")
def breaker(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process that breaks stories: forks need one without threads."""
    everything = ["--every-fault"] if request.config.getoption("--every-fault") else []
    command = [sys.executable, "-m", "tests.sequences.faulting", *everything]
    pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=quiet, text=True) as process:
        yield process


def test_a_story_broken_at_each_of_its_writes_ends_as_without_it(
    breaker: subprocess.Popen[str], broken_story: str
) -> None:
    assert breaker.stdin is not None
    assert breaker.stdout is not None

    print(broken_story, file=breaker.stdin, flush=True)

    wrong = []
    while "faults" not in (answer := json.loads(breaker.stdout.readline())):
        wrong.append(answer)
    assert wrong == []
    assert answer["faults"] > 0


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
