"""What simulated routers know of labels: when they come, what they say of each version, and how far back they reach."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from modelrollout.domain.capture import Capture, Extraction, Labelled, Part
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.kinds import Mix
from modelrollout.simulation.labelled import Labelled as Labels

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DARK = Part(name="light=dark", header="x-light", value="dark")
ASKED = Mix(parts=(("light=dark", 0.25),), positives=0.3, labelled=0.5, after=MINUTE)


def labels(random: Random | None = None, **fields: Any) -> Labels:
    found = Labels(random)
    labelled = Labelled(**{"output": Extraction(path="y"), "kept": 100_000, **fields})
    found.obey(Capture(stable="s", candidate="c", parts=(DARK,), labelled=labelled))
    return found


def rows(it: Labels, at: datetime, arm: str = "s", part: str = "") -> Mapping[str, float]:
    return {series: value for name, where, series, value in it.page(at)["labels"] if (name, where) == (arm, part)}


@pytest.mark.parametrize("random", [None, Random(3)])
def test_labels_come_later_and_say_what_each_version_got_wrong(random):
    it = labels(random)
    it.answered("s", Behaviour(noise=0.1), ASKED, 0.0, 10_000, START)
    it.answered("c", Behaviour(always="negative"), ASKED, 0.0, 10_000, START)
    assert rows(it, START + MINUTE / 2) == {"requests": 10_000}
    for arm, wrong in (("s", 0.1), ("c", 0.3)):
        found = rows(it, START + MINUTE, arm)
        assert found["labels"] == pytest.approx(5000, rel=0.05)
        assert found["right"] / found["labels"] == pytest.approx(1 - wrong, abs=0.03)
        assert rows(it, START + MINUTE, arm, "light=dark")["labels"] == pytest.approx(1250, rel=0.1)


def test_where_the_concept_has_changed_right_answers_become_wrong():
    it = labels()
    it.answered("s", Behaviour(), Mix(labelled=1.0, concept=0.3), 0.0, 1000, START)
    found = rows(it, START)
    assert (found["labels"], found["right"]) == (1000, pytest.approx(700))


def test_a_label_that_comes_when_its_request_is_forgotten_is_lost():
    it = labels(kept=100)
    for minute in range(5):
        it.answered("s", Behaviour(), Mix(labelled=1.0, after=1.5 * MINUTE), 0.0, 50, START + minute * MINUTE)
    found = it.page(START + 5 * MINUTE)
    assert found["labelTotals"] == {"kept": 100, "seconds": 120.0}
    assert rows(it, START + 5 * MINUTE)["requests"] == 250
    # Of the five minutes only the last two are remembered, and the labels of the last one are still to come.
    assert rows(it, START + 5 * MINUTE)["labels"] == 50


def test_an_error_is_wrong_whatever_is_right_and_a_copy_reached_nobody():
    it = labels()
    it.answered("c-mirror", Behaviour(), ASKED, 0.0, 100, START)
    it.answered("s", Behaviour(errors=1.0), Mix(labelled=1.0), 0.0, 100, START)
    found = rows(it, START)
    assert (found["requests"], found["labels"], found.get("right")) == (100, 100, None)
    assert not rows(it, START, "c")


def test_a_version_that_hangs_leaves_nothing_to_label():
    it = labels(Random(3))
    it.answered("s", Behaviour(hangs=True), ASKED, 0.0, 5, START)
    assert it.page(START)["labels"] == []


def test_what_no_spec_asks_about_is_not_counted():
    it = labels()
    it.answered("s", Behaviour(), ASKED, 0.0, 100, START)
    it.obey(Capture(stable="s"))
    assert it.page(START) == {}
