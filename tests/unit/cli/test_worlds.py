"""What people say of the world, and what simulated rollouts make of it."""

import json
from datetime import timedelta

import click
import pytest
import yaml
from click.testing import CliRunner

from modelrollout.cli import cli
from modelrollout.cli.worlds import inputs_of, labels_of, late_of, shifts_of, world_words
from modelrollout.simulation.kinds import Mix
from modelrollout.simulation.shifts import Course, InputShift, ShareShift, Spread
from tests.unit.simulation.worlds import LIMIT, document

AGE = (("age", Spread(20, 60)),)


def test_what_can_be_said():
    assert inputs_of("age=20..60, cold=-7.5..-.5") == (*AGE, ("cold", Spread(-7.5, -0.5)))
    assert labels_of("20% after 5m", Mix(positives=0.1)) == Mix(positives=0.1, labelled=0.2, after=timedelta(minutes=5))
    assert labels_of("", Mix()) == Mix()
    said = "concept=30% at 1h, age=40..80 at 20m over 10m, age@candidate=0..1, positives=0.7 over 90s"
    assert shifts_of(said, AGE) == (
        InputShift("age", Spread(0, 1), Course(), alone=True),
        ShareShift("positives", 0.7, Course(over=90)),
        InputShift("age", Spread(40, 80), Course(1200, 600)),
        ShareShift("concept", 0.3, Course(3600)),
    )
    assert late_of("20m over 10m") == Course(1200, 600)
    assert late_of("20m") == Course(1200)
    assert late_of(None) == Course()


@pytest.mark.parametrize(
    ("read", "words", "said"),
    [
        (inputs_of, "age", "age cannot be read"),
        (inputs_of, "age=60..20", "such as 20..60"),
        (inputs_of, "age=1..2,age=1..3", "age stands there twice"),
        (lambda words: labels_of(words, Mix()), "many after 5m", "such as 20% after 5m"),
        (lambda words: labels_of(words, Mix()), "20% after a while", "such as 20% after 5m"),
        (lambda words: shifts_of(words, AGE), "income=1..2", "none of age, positives, concept"),
        (lambda words: shifts_of(words, AGE), "age=old at 1m", "two numbers, and when"),
        (lambda words: shifts_of(words, AGE), "concept=2 at 1m", "a share, and when"),
        (lambda words: shifts_of(words, AGE), "age=1..2 at noon", "noon"),
        (lambda words: shifts_of(words, AGE), "age=1..2 over 1m at 2m", "at 20m over 10m"),
        (late_of, "20m until 30m", "at 20m over 10m"),
    ],
)
def test_what_cannot_be_read_is_shown_with_an_example(read, words, said):
    with pytest.raises(click.BadParameter) as caught:
        read(words)
    assert said in caught.value.message


def test_the_world_is_told_in_sentences():
    mix = Mix(labelled=0.2, after=timedelta(minutes=5))
    shifts = shifts_of("age@candidate=40..80 at 20m over 10m,concept=30%", AGE)
    assert list(world_words(AGE, mix, shifts)) == [
        "Nineteen of twenty values of age are between 20 and 60.",
        "Of 20 % of the answers that are looked at it becomes known 5m later what would have been right.",
        "concept: from the beginning another label is right than the versions know in 30 % of the requests.",
        "age: after 20m over 10m they are between 40 and 80 in requests to the candidate.",
    ]


ASKED = {"name": "asked", "inputs": {}, "drift": {"required": False}}
ERRORS = {"name": "errors", "router": {"signal": "errorRate"}, "threshold": LIMIT}
WRONG = {"name": "wrong", "labels": {}, "threshold": {"max": 0.2, "minRequests": 50}}
OBSERVED = {"percent": 100, "features": [{"name": "age", "path": "age", "low": 0, "high": 100}]}
LABELS = {"tokenSecret": {"name": "feedback"}, "output": {"path": "answer"}}


def simulated(tmp_path, metrics, *words, **analysis):
    path = tmp_path / "digits.yaml"
    analysed = {"interval": "10s", "deadline": "20m", "metrics": metrics, "inputs": OBSERVED, **analysis}
    path.write_text(yaml.safe_dump(document(analysis=analysed)))
    result = CliRunner().invoke(cli, ["simulate", str(path), "--rps", "20", *words, "-o", "json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    return found["results"][0], found["notes"]


def test_a_world_that_moves_holds_a_rollout_and_inputs_of_one_version_alone_too(tmp_path):
    words = ("--inputs", "age=20..60", "--until", "3m", "--world")
    monitor = {"interval": "10s", "reference": {"learn": 300}}
    held, notes = simulated(tmp_path, [ASKED, ERRORS], *words, "age=60..100 at 1m", monitor=monitor)
    assert held["decision"] == "undecided"
    assert "the world moved, both versions: age" in held["message"]
    assert "age: after 1m they are between 60 and 100 in all requests." in notes
    apart, _ = simulated(tmp_path, [ASKED, ERRORS], *words, "age@candidate=60..100 at 1m")
    assert apart["decision"] == "undecided"
    assert "the routing is at fault: age" in apart["message"]


def test_labels_roll_back_what_predicts_wrongly(tmp_path):
    metrics = [ERRORS, WRONG]
    words = ("--labels", "50% after 20s", "--candidate", "noise=50%")
    found, _ = simulated(tmp_path, metrics, *words, labels=LABELS)
    assert found["decision"] == "rolledBack"
    assert found["message"].startswith("wrong: ")
    _, notes = simulated(tmp_path, metrics, "--until", "1s", labels=LABELS)
    assert "Nobody labels anything, so wrong has no number. Say with --labels how many answers get a label." in notes


def test_what_watches_after_the_promotion_does_so_until_the_end(tmp_path):
    words = ("--inputs", "age=20..60", "--labels", "50%", "--world", "concept=60% at 20m")
    monitor = {"interval": "10s", "metrics": ["wrong"]}
    found, _ = simulated(tmp_path, [ERRORS, WRONG], *words, "--until", "30m", labels=LABELS, monitor=monitor)
    assert found["decision"] == "promoted"
    (told,) = [event for event in found["events"] if event["reason"] == "Drifting"]
    assert 1200 < told["atSeconds"] < 1500
    assert found["driftingSeconds"] == told["atSeconds"]
    assert told["message"].startswith("wrong: ")
    served = found["stable"]["requests"] + found["candidate"]["requests"]
    assert served < 20 * 1000, "what came after the promotion is no part of the rollout"
