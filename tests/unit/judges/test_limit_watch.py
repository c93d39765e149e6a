"""The watch over a limit: how soon it speaks, how seldom for nothing, and how soon it stops."""

import json
import random

import pytest

from modelrollout.domain.reading import Reading, State
from modelrollout.domain.tally import Block, Histogram, Rate
from modelrollout.domain.verdict import Verdict
from modelrollout.judges._base import Question
from modelrollout.judges._limit_watch import LIMIT_WATCH, LimitWatchConfig
from tests.unit.engine.world import START

CONFIG = LimitWatchConfig(max=0.02)
RATE = Question(0.05, 0.05, 360, Rate)
P90 = Question(0.05, 0.05, 360, Histogram, quantile=0.9)


def stream(ledger, rate, blocks, dice, size=600):
    """Fold blocks in; return the ledger and the number of the block with the first alarm, None without one."""
    for number in range(1, blocks + 1):
        bad = sum(dice.random() < rate for _ in range(size))
        ledger = LIMIT_WATCH.weigh(CONFIG, ledger, Block(Rate(bad, size), None, 60.0), 1.0, float("inf"))
        if ledger.watch.speaks:
            return ledger, number
    return ledger, None


def test_a_month_of_good_requests_does_not_make_it_slow():
    dice = random.Random(1)
    ledger, alarm = stream(LIMIT_WATCH.begin(CONFIG, RATE), 0.01, 1440, dice, size=200)
    assert alarm is None
    _, alarm = stream(ledger, 0.06, 60, dice, size=200)
    assert alarm <= 3


def test_at_the_limit_itself_false_alarms_are_as_far_apart_as_it_says():
    # 40 streams of 1,000 blocks: with 10,000 blocks between two alarms at least, four are expected at most.
    dice = random.Random(2)
    alarms = sum(stream(LIMIT_WATCH.begin(CONFIG, RATE), 0.02, 1000, dice, size=20)[1] is not None for _ in range(40))
    assert alarms <= 9


def test_a_bad_day_is_undone_by_a_good_quarter_of_an_hour():
    dice = random.Random(3)
    ledger, _ = stream(LIMIT_WATCH.begin(CONFIG, RATE), 0.3, 1, dice)
    for _ in range(1440):
        ledger = LIMIT_WATCH.weigh(CONFIG, ledger, Block(Rate(180, 600), None, 60.0), 1.0, float("inf"))
    assert ledger.watch.speaks
    for _ in range(15):
        ledger = LIMIT_WATCH.weigh(CONFIG, ledger, Block(Rate(6, 600), None, 60.0), 1.0, float("inf"))
    assert not ledger.watch.speaks


def test_noise_is_taken_off():
    ledger = LIMIT_WATCH.begin(CONFIG, RATE)
    calm = LIMIT_WATCH.weigh(CONFIG, ledger, Block(Rate(40, 600), None, 60.0), 1.0, float("inf"))
    noisy = LIMIT_WATCH.weigh(CONFIG, ledger, Block(Rate(40, 600), None, 60.0), 10.0, float("inf"))
    assert calm.watch.speaks
    assert not noisy.watch.speaks


def test_of_a_histogram_it_watches_the_share_above_the_limit():
    limit = LimitWatchConfig(max=0.5)
    ledger = LIMIT_WATCH.begin(limit, P90)
    slow = Histogram(((0.1, 20.0), (0.5, 60.0), (1.0, 100.0), (float("inf"), 100.0)))
    for _ in range(3):
        ledger = LIMIT_WATCH.weigh(limit, ledger, Block(slow, None, 60.0), 1.0, float("inf"))
    evidence = LIMIT_WATCH.evidence(limit, ledger)
    assert evidence.alarm
    assert evidence.candidate == pytest.approx(0.4)
    assert "40 % of values are above 0.5 (p90) since it began to rise" in LIMIT_WATCH.blame_words(limit, evidence, 0.05)


def test_what_is_stored_is_read_again_and_never_louder():
    ledger, _ = stream(LIMIT_WATCH.begin(CONFIG, RATE), 0.03, 7, random.Random(4))
    again = LIMIT_WATCH.load(
        CONFIG, Question.unknown(0.05, 0.05, 360), json.loads(json.dumps(LIMIT_WATCH.dump(ledger)))
    )
    assert again.question == RATE
    assert all(stored <= known for stored, known in zip(again.watch.state, ledger.watch.state, strict=True))
    assert again.watch.state == pytest.approx(ledger.watch.state, abs=1e-3)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        [2, "rate", 0, [0, 1], [0, 1], [0, 0, 0]],
        [1, "mean", 0, [0, 1], [0, 1], [0, 0, 0]],
        [1, "rate", 0, [0, 1], [2, 1], [0, 0, 0]],
        [1, "rate", 2, [0, 1], [0, 1], [0, 0, 0]],
    ],
)
def test_what_is_damaged_is_refused(raw):
    with pytest.raises(ValueError, match=r"."):
        LIMIT_WATCH.load(CONFIG, RATE, raw)


def test_it_passes_until_it_speaks():
    quiet = LIMIT_WATCH.weigh(
        CONFIG, LIMIT_WATCH.begin(CONFIG, RATE), Block(Rate(1, 600), None, 60.0), 1.0, float("inf")
    )
    loud = LIMIT_WATCH.weigh(CONFIG, quiet, Block(Rate(300, 600), None, 60.0), 1.0, float("inf"))

    def verdict(ledger, state=State.VALUE):
        reading = Reading("errors", "e", START, state, evidence=LIMIT_WATCH.evidence(CONFIG, ledger))
        return LIMIT_WATCH.judge(CONFIG, reading, None).verdict

    assert verdict(quiet) is Verdict.PASS
    assert verdict(loud) is Verdict.FAIL
    assert verdict(loud, State.NO_TRAFFIC) is Verdict.UNDECIDED


def test_what_was_before_a_change_does_not_thin_out_its_number():
    ledger, _ = stream(LIMIT_WATCH.begin(CONFIG, RATE), 0.01, 500, random.Random(5))
    ledger, alarm = stream(ledger, 0.06, 20, random.Random(6))
    assert alarm is not None
    evidence = LIMIT_WATCH.evidence(CONFIG, ledger)
    assert evidence.candidate == pytest.approx(0.06, abs=0.02)
    assert evidence.requests <= 600 * alarm
