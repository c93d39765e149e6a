"""Whole rollouts, line by line: a log that changes is a change of behaviour, and is reviewed like code."""

from pathlib import Path

import pytest

from modelrollout.simulation.cluster import Cluster
from tests.sequences.ending import ending, figures
from tests.sequences.scenario import Scenario
from tests.sequences.scenarios import SCENARIOS

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("story", SCENARIOS.values(), ids=SCENARIOS)
async def test_the_story_goes_as_its_log_says(story: Scenario, request: pytest.FixtureRequest) -> None:
    cluster = Cluster()

    await story.play(cluster)

    assert cluster.witness.broken == ()
    log = "\n".join([*cluster.log.lines, "", "At the end:", *ending(cluster), "", figures(cluster)]) + "\n"
    path = GOLDEN / f"{story.name}.log"
    if request.config.getoption("--update-golden", default=False):
        path.write_text(log)
    assert log == path.read_text(), (
        "The log is another. If that is intended: --update-golden, and review the difference."
    )


def test_every_log_has_its_story() -> None:
    assert {path.stem for path in GOLDEN.glob("*.log")} == SCENARIOS.keys()
