"""Books of pairs: both versions answered the same requests, so a block needs nobody beside the candidate's side."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from modelrollout.domain.reading import Key, Reading, Sample, State
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.analysis import assess
from modelrollout.engine.books import Book, dump, load, weigh
from modelrollout.engine.verdicts import Panel
from modelrollout.engine.wants import Against, AnalysisWants, Comparison, MetricWants
from modelrollout.judges.agreement import PLUGIN as AGREEMENT
from modelrollout.judges.agreement import AgreementConfig
from modelrollout.names import mirror_cluster
from modelrollout.routers.envoy import PLUGIN as ENVOY
from modelrollout.sources._base import Scope
from modelrollout.sources.predictions import PLUGIN as PREDICTIONS
from modelrollout.sources.predictions import PredictionsConfig

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEN = timedelta(seconds=10)
ARM = mirror_cluster("c")
METRIC = MetricWants("agreement", PREDICTIONS, PredictionsConfig(), AGREEMENT, AgreementConfig(min=0.97))


def asked(*metrics: MetricWants, resting: tuple[MetricWants, ...] = ()) -> AnalysisWants:
    comparison = Comparison("1", "0/100/True", Against.STABLE, None, 0.05, 0.05, "")
    return AnalysisWants("e", TEN, NOW, Scope("n", "m", ARM, "c", "s", ()), comparison, ENVOY, metrics, resting)


class Collector:
    """Counters of a collector, and the book that follows them."""

    def __init__(self, *parts: str) -> None:
        self.now = NOW
        self.counters = {Key(ARM, "r", series, part): 0.0 for part in ("", *parts) for series in _SERIES}
        self.book: Book | None = None

    def count(self, agree: int, differ: int, *parts: str) -> None:
        for part in ("", *parts):
            for series, number in zip(_SERIES, (agree + differ, agree, differ), strict=True):
                self.counters[Key(ARM, "r", series, part)] += number

    def poll(self, state: State = State.VALUE) -> Reading:
        counters = dict(self.counters) if state is State.VALUE else {}
        self.book, reading = weigh(self.book, asked(METRIC), METRIC, Sample(self.now, counters, state=state))
        self.now += TEN
        return reading

    def gate(self, reading: Reading) -> Gate:
        (found,), _ = assess(
            [(METRIC.name, METRIC.judge, METRIC.judge_config)],
            {METRIC.name: reading},
            {},
            now=reading.at,
            interval=TEN,
            on_no_data="hold",
            on_error="hold",
            alpha=0.05,
            beta=0.05,
            guarded=frozenset(),
            panel=Panel(),
        )
        return found


_SERIES = ("pairs", "score/1", "score/0")


def test_a_block_of_pairs_needs_no_stable_side() -> None:
    collector = Collector()
    collector.poll()
    collector.count(9, 1)
    found = collector.poll().evidence
    assert found is not None
    assert (found.requests, found.candidate) == (10, 0.9)
    assert found.stable_per_second is None


def test_one_pair_alone_closes_no_block_and_is_not_lost() -> None:
    collector = Collector()
    collector.poll()
    collector.count(1, 0)
    assert collector.poll().evidence is None
    collector.count(1, 0)
    found = collector.poll().evidence
    assert found is not None
    assert found.requests == 2


def test_each_slice_has_evidence_of_its_own() -> None:
    collector = Collector("light=dark", "light=bright")
    collector.poll()
    collector.count(20, 20, "light=dark")
    collector.count(400, 0, "light=bright")
    reading = collector.poll()
    assert reading.evidence is not None
    assert reading.evidence.requests == 440
    assert {one.slice: (one.requests, one.candidate) for one in reading.slices} == {
        "light=dark": (40, 0.5),
        "light=bright": (400, 1.0),
    }
    gate = collector.gate(reading)
    assert gate.verdict is Verdict.FAIL
    assert "slice light=dark" in gate.message
    assert {one.slice: one.verdict for one in gate.slices} == {"light=dark": "Fail", "light=bright": "Pass"}


def test_a_small_slice_is_undecided_and_said_to_be_while_the_whole_passes() -> None:
    collector = Collector("light=dark")
    collector.poll()
    collector.count(12, 0, "light=dark")
    collector.count(1000, 0)
    gate = collector.gate(collector.poll())
    assert gate.verdict is Verdict.PASS
    assert gate.message.endswith("; slice light=dark: 12 pairs, undecided")
    assert [(one.slice, one.verdict) for one in gate.slices] == [("light=dark", "Undecided")]


def test_of_many_small_slices_the_smallest_are_named_and_the_others_counted() -> None:
    names = [f"country={index:02}" for index in range(6)]
    collector = Collector(*names)
    collector.poll()
    for index, name in enumerate(names):
        collector.count(10 + index, 0, name)
    collector.count(1000, 0)
    gate = collector.gate(collector.poll())
    assert gate.message.endswith(
        "slice country=00: 10 pairs, undecided; slice country=01: 11 pairs, undecided; "
        "slice country=02: 12 pairs, undecided; 3 more slices undecided"
    )


def test_evidence_outlives_stages_in_which_nothing_is_copied_and_their_leaders() -> None:
    collector = Collector()
    collector.poll()
    collector.count(100, 0)
    before = collector.poll().evidence
    later = asked(resting=(METRIC,))
    assert collector.book is not None
    kept = load(dump({METRIC.name: collector.book}, later), later)
    collector.book = kept[METRIC.name]
    after = collector.poll().evidence
    assert before is not None
    assert after is not None
    assert (after.requests, after.candidate) == (before.requests, before.candidate) == (100, 1.0)
    # What is stored is rounded, and never up.
    assert before.within - 0.01 <= after.within <= before.within


def test_what_nobody_counts_any_more_is_no_traffic() -> None:
    collector = Collector()
    collector.poll()
    collector.count(1000, 0)
    collector.poll()
    states = [collector.poll().state for _ in range(4)]
    assert states == [State.VALUE, State.VALUE, State.NO_TRAFFIC, State.NO_TRAFFIC]


Pairs = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), min_size=1, max_size=40)


def _run(stretches: Sequence[tuple[int, int]], polled: Sequence[bool], missing: Sequence[bool]) -> tuple[float, float]:
    """Return how many pairs are in the evidence or wait for it, and what share of them agrees."""
    collector = Collector()
    collector.poll()
    for (agree, differ), now, lost in zip(stretches, polled, missing, strict=True):
        collector.count(agree, differ)
        if now:
            collector.poll(State.ERROR if lost else State.VALUE)
    said = collector.poll().evidence
    assert collector.book is not None
    waiting = collector.book.open.get((ARM, ""), {})
    closed = said.requests if said is not None else 0
    agreeing = closed * (said.candidate or 0.0) if said is not None else 0.0
    pairs = closed + waiting.get("pairs", 0.0)
    return pairs, round(agreeing + waiting.get("score/1", 0.0), 2)


@given(stretches=Pairs, data=st.data())
def test_how_polls_divide_the_pairs_changes_nothing_and_lost_polls_lose_no_pair(
    stretches: list[tuple[int, int]], data: st.DataObject
) -> None:
    some = st.lists(st.booleans(), min_size=len(stretches), max_size=len(stretches))
    agree, differ = (sum(column) for column in zip(*stretches, strict=True))
    assert _run(stretches, data.draw(some), data.draw(some)) == (agree + differ, agree)


@given(stretches=Pairs)
def test_nothing_passes_without_enough_pairs_whatever_is_missing(stretches: list[tuple[int, int]]) -> None:
    collector = Collector()
    collector.poll()
    pairs = 0
    for agree, differ in stretches:
        collector.count(agree, differ)
        pairs += agree + differ
        assert collector.gate(collector.poll(State.ERROR)).verdict is not Verdict.PASS
        seen = collector.gate(collector.poll())
        assert seen.verdict is not Verdict.PASS or pairs >= 50


def test_a_gate_that_passed_is_undecided_while_no_collector_answers() -> None:
    collector = Collector()
    collector.poll()
    collector.count(1000, 0)
    good = collector.poll()
    assert collector.gate(good).verdict is Verdict.PASS
    silent = collector.poll(State.ERROR)
    assert collector.gate(silent).verdict is Verdict.UNDECIDED
    assert collector.gate(silent._replace(state=State.NO_METRIC)).verdict is Verdict.UNDECIDED
