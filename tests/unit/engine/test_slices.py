"""Slices under a plain limit: windows of their own, streaks that a restart remembers, and what a gate says of them."""

from datetime import UTC, datetime, timedelta

import pytest

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import Key, Reading, Sample, State
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.analysis import Window, assess, fold
from modelrollout.engine.verdicts import Panel, against
from modelrollout.engine.wants import Against, AnalysisWants, Comparison, MetricWants
from modelrollout.judges.threshold import PLUGIN as THRESHOLD
from modelrollout.judges.threshold import ThresholdConfig
from modelrollout.names import mirror_cluster
from modelrollout.routers.envoy import PLUGIN as ENVOY
from modelrollout.sources._base import Scope
from modelrollout.sources.predictions import PLUGIN as PREDICTIONS
from modelrollout.sources.predictions import PredictionsConfig

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEN = timedelta(seconds=10)
ARM = mirror_cluster("c")
SERIES = ("pairs", "score/1", "score/0")
PARTS = ("light=bright", "light=dark")


class Story:
    """A collector, the window that follows it, and the gate that a pass after each poll makes."""

    def __init__(self, minimum: int = 50, failures: int = 2) -> None:
        limit = ThresholdConfig(min=0.9, min_requests=minimum, failures=failures)
        self.metric = MetricWants("agreement", PREDICTIONS, PredictionsConfig(), THRESHOLD, limit)
        comparison = Comparison("1", "0/100/True", Against.STABLE, None, 0.05, 0.05, "")
        scope = Scope("n", "m", ARM, "c", "s", ())
        self.wants = AnalysisWants("e", TEN, NOW, scope, comparison, ENVOY, (self.metric,))
        self.now = NOW
        self.counters = {Key(ARM, "r", series, part): 0.0 for part in ("", *PARTS) for series in SERIES}
        self.window: Window | None = None
        self.gate: Gate | None = None
        self.reading: Reading | None = None
        self.poll()

    def poll(self, state: State = State.VALUE, **pairs: tuple[int, int]) -> Gate:
        """Count so many that agree and so many that do not in each slice, take a sample, and judge it."""
        for name, (agree, differ) in pairs.items():
            for part in ("", f"light={name}"):
                for series, number in zip(SERIES, (agree + differ, agree, differ), strict=True):
                    self.counters[Key(ARM, "r", series, part)] += number
        sample = Sample(self.now, dict(self.counters) if state is State.VALUE else {}, state=state)
        self.window, self.reading = fold(self.window, self.wants, self.metric, sample)
        self.now += TEN
        return self.judge(self.reading)

    def judge(self, reading: Reading) -> Gate:
        (self.gate,), _ = assess(
            [("agreement", self.metric.judge, self.metric.judge_config)],
            {"agreement": reading},
            {"agreement": self.gate} if self.gate is not None else {},
            now=reading.at,
            interval=TEN,
            on_no_data="hold",
            on_error="hold",
            alpha=0.05,
            beta=0.05,
            guarded=frozenset(),
            panel=Panel(),
        )
        return self.gate

    def slices(self) -> dict[str, tuple[str | None, int, int | None]]:
        assert self.gate is not None
        return {one.slice: (one.verdict, one.requests, one.failures) for one in self.gate.slices}


GOOD, BAD = (60, 0), (30, 30)


def test_a_slice_passes_by_its_own_window_and_a_small_one_is_undecided() -> None:
    story = Story()
    gate = story.poll(bright=(200, 0), dark=(7, 0))
    assert gate.verdict is Verdict.PASS
    assert gate.message == "slice light=dark: 7 pairs, undecided"
    assert story.slices() == {"light=bright": ("Pass", 200, None), "light=dark": ("Undecided", 7, None)}


def test_the_window_of_a_small_slice_goes_on_while_that_of_the_whole_ends_again_and_again() -> None:
    story = Story()
    for _ in range(5):
        assert story.poll(bright=(200, 0), dark=(9, 0)).verdict is Verdict.PASS
    assert story.slices()["light=dark"] == ("Undecided", 45, None)
    gate = story.poll(bright=(200, 0), dark=(9, 0))
    assert story.slices()["light=dark"] == ("Pass", 54, None)
    assert gate.message == ""


def test_a_slice_that_fails_fails_the_gate_and_is_named() -> None:
    story = Story(failures=1)
    gate = story.poll(bright=(1000, 0), dark=BAD)
    assert gate.verdict is Verdict.FAIL
    assert gate.message.startswith("slice light=dark: 0.5 is below 0.9 (60 ")
    assert story.slices()["light=bright"][0] == "Pass"


def test_a_streak_must_be_in_a_row_and_holds_the_gate_up_meanwhile() -> None:
    story = Story()
    first = story.poll(bright=(1000, 0), dark=BAD)
    assert first.verdict is Verdict.UNDECIDED
    assert "1 of 2 windows in a row" in first.message
    story.poll(bright=(1000, 0), dark=GOOD)
    assert story.slices()["light=dark"] == ("Pass", 60, None)
    again = story.poll(bright=(1000, 0), dark=BAD)
    assert again.verdict is Verdict.UNDECIDED
    assert story.poll(bright=(1000, 0), dark=BAD).verdict is Verdict.FAIL


def test_a_slice_of_which_nothing_more_comes_stays_what_its_last_window_made_it() -> None:
    story = Story()
    story.poll(bright=(1000, 0), dark=BAD)
    for _ in range(3):
        gate = story.poll(bright=(1000, 0))
        assert gate.verdict is Verdict.UNDECIDED
        assert gate.message == "slice light=dark: 0.5 in its last window, outside the limit"
    assert story.slices()["light=dark"] == ("Undecided", 60, 1)


def test_a_pass_that_looks_twice_counts_a_window_once() -> None:
    story = Story()
    story.poll(bright=(1000, 0), dark=BAD)
    assert story.reading is not None
    for _ in range(5):
        assert story.judge(story.reading).verdict is Verdict.UNDECIDED
    assert story.slices()["light=dark"][2] == 1


def test_a_streak_outlives_the_leader_that_began_it() -> None:
    story = Story()
    story.poll(bright=(1000, 0), dark=BAD)
    assert story.gate is not None
    story.gate = Gate.model_validate_json(story.gate.model_dump_json(by_alias=True))
    story.window = None
    story.poll()
    assert story.poll(bright=(1000, 0), dark=BAD).verdict is Verdict.FAIL


@pytest.mark.parametrize("state", [State.ERROR, State.NO_METRIC, State.NAN])
def test_without_numbers_no_slice_passes_and_no_streak_is_lost(state: State) -> None:
    story = Story()
    story.poll(bright=(1000, 0), dark=BAD)
    gate = story.poll(state)
    assert gate.verdict is Verdict.UNDECIDED
    assert {verdict for verdict, _, _ in story.slices().values()} == {"Undecided"}
    assert story.slices()["light=dark"][2] == 1


def test_a_failure_of_all_requests_comes_first_and_the_slice_after_it() -> None:
    story = Story(failures=1)
    gate = story.poll(bright=(30, 30), dark=(5, 55))
    assert gate.verdict is Verdict.FAIL
    parts = gate.message.split("; ")
    assert parts[0].startswith("0.291667 is below 0.9")
    assert [part.split(":")[0] for part in parts[1:]] == ["slice light=bright", "slice light=dark"]


def test_words_about_slices_are_not_repeated_while_a_verdict_stands() -> None:
    story = Story(minimum=500)
    story.poll(bright=(600, 0), dark=(7, 0))
    for number in range(1, 4):
        gate = story.poll(bright=(10, 0), dark=(1, 0))
        assert gate.verdict is Verdict.PASS
        assert gate.message.count("light=dark") == 1
        assert f"{7 + number} pairs" in gate.message


def test_evidence_of_an_earlier_judge_is_no_streak() -> None:
    story = Story()
    story.gate = Gate(
        name="agreement",
        verdict=Verdict.UNDECIDED,
        state="Value",
        evidence=Evidence(),
        slices=(Evidence(slice="light=dark", verdict="Fail", failures=1),),
    )
    assert story.poll(bright=(1000, 0), dark=BAD).verdict is Verdict.UNDECIDED


def test_slices_under_a_limit_have_no_weight_among_evidence() -> None:
    story = Story()
    story.poll(bright=(1000, 0), dark=GOOD)
    assert story.gate is not None
    proof = Gate(name="errors", verdict=Verdict.UNDECIDED, state="Value", evidence=Evidence(against=3.2))
    assert against([proof, story.gate], Panel()) == against([proof], Panel())
    assert against([story.gate], Panel()) == 0


def test_a_status_that_was_stored_before_slices_had_verdicts_can_be_read() -> None:
    old = {"name": "errors", "verdict": "Pass", "state": "Value", "slices": [{"slice": "a", "against": 1.0}]}
    read = Gate.model_validate(old)
    assert (read.slices[0].verdict, read.slices[0].failures) == (None, None)
    assert read.dump()["slices"][0].keys().isdisjoint({"verdict", "failures", "at"})
