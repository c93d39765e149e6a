"""Blocks and books: what is compared with what, what is cut and dropped, and what a restart keeps."""

import json
import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from modelrollout.domain.reading import Key, Reading, Sample, State
from modelrollout.engine.books import Book, dump, load, restless, weigh
from modelrollout.engine.noises import Noises
from modelrollout.engine.wants import Against, AnalysisWants, Comparison, MetricWants
from modelrollout.evidence.pair import Pair
from modelrollout.judges.compare import PLUGIN as COMPARE
from modelrollout.judges.compare import CompareConfig
from modelrollout.judges.threshold import PLUGIN as THRESHOLD
from modelrollout.judges.threshold import ThresholdConfig
from modelrollout.routers.envoy import PLUGIN as ENVOY
from modelrollout.sources._base import Scope
from modelrollout.sources.prometheus import PLUGIN as PROMETHEUS
from modelrollout.sources.prometheus import PrometheusConfig
from modelrollout.sources.router import PLUGIN as ROUTER
from modelrollout.sources.router import RouterConfig, Signal

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEN = timedelta(seconds=10)
METRIC = MetricWants("errors", ROUTER, RouterConfig(signal=Signal.ERROR_RATE), COMPARE, CompareConfig())


def asked(
    weight: int = 10, against: Against = Against.STABLE, attempt: str = "1", metric: MetricWants = METRIC
) -> AnalysisWants:
    shown = weight if against is Against.STABLE else None
    comparison = Comparison(attempt, f"{weight}/0/{against}", against, shown, 0.05, 0.05, "")
    return AnalysisWants("e", TEN, NOW, Scope("n", "m", "c", "c", "s", ()), comparison, ENVOY, (metric,))


class Traffic:
    """Counters of a router, and the book that follows them."""

    def __init__(self, seed: int = 1) -> None:
        self.draw = random.Random(seed)
        self.now = NOW
        self.counters: dict[Key, float] = {}
        self.book: Book | None = None
        self.count(0, 0, 0, 0)

    def count(self, nc: int, kc: int, ns: int, ks: int, *, part: str = "") -> None:
        for arm, total, bad in (("c", nc, kc), ("s", ns, ks)):
            for series, value in (("completed", total), ("failed", bad)):
                key = Key(arm, "r", series, part)
                self.counters[key] = self.counters.get(key, 0.0) + value

    def poll(self, wants: AnalysisWants | None = None, state: State = State.VALUE) -> Reading:
        sample = Sample(self.now, dict(self.counters)) if state is State.VALUE else Sample(self.now, state=state)
        wants = wants or asked()
        self.book, reading = weigh(self.book, wants, wants.metrics[0], sample)
        self.now += TEN
        return reading

    def run(self, polls: int, candidate: float, stable: float, wants: AnalysisWants | None = None) -> Reading:
        for _ in range(polls):
            reading = self.poll(wants)
            nc = sum(self.draw.random() < 0.1 for _ in range(100))
            self.count(
                nc,
                sum(self.draw.random() < candidate for _ in range(nc)),
                100 - nc,
                sum(self.draw.random() < stable for _ in range(100 - nc)),
            )
        return reading


def test_the_first_sample_only_says_where_to_count_from() -> None:
    traffic = Traffic()
    traffic.count(1000, 1000, 0, 0)
    reading = traffic.poll()
    assert (reading.closed, reading.evidence) == (False, None)
    traffic.count(10, 0, 90, 0)
    second = traffic.poll()
    assert second.evidence is not None
    assert (second.evidence.requests, second.evidence.stable_requests, second.evidence.candidate) == (10, 90, 0.0)


def test_what_stable_counted_before_is_where_evidence_begins_to_look() -> None:
    traffic = Traffic()
    traffic.count(1000, 900, 1000, 20)
    traffic.count(0, 0, 500, 50, part="eu")
    traffic.poll()
    traffic.count(10, 0, 90, 0)
    traffic.count(10, 0, 90, 0, part="eu")
    traffic.poll()
    assert traffic.book is not None
    before = {part: ledger.kept.case.before for part, ledger in traffic.book.ledgers.items()}
    assert before == {"": Pair(ks=2.0, ns=100.0), "eu": Pair(ks=10.0, ns=100.0)}


def test_a_block_waits_until_both_sides_have_enough_requests() -> None:
    traffic = Traffic()
    traffic.poll()
    traffic.count(1, 1, 200, 0)
    assert traffic.poll().evidence is None
    traffic.count(1, 1, 0, 0)
    closed = traffic.poll()
    assert closed.evidence is not None
    assert (closed.evidence.requests, closed.evidence.stable_requests) == (2, 200)


def test_a_bad_candidate_is_proven_bad_and_a_good_one_good() -> None:
    bad = Traffic().run(60, 0.2, 0.005).evidence
    assert bad is not None
    assert bad.against > 3
    good = Traffic().run(600, 0.0, 0.0).evidence
    assert good is not None
    assert good.within > 3
    assert good.against < 0.1


def test_another_split_cuts_the_block_and_drops_what_straddles_it() -> None:
    traffic = Traffic()
    traffic.run(3, 0.0, 0.0)
    before = traffic.poll().evidence
    assert before is not None
    traffic.count(500, 500, 500, 0)
    first = traffic.poll(asked(50))
    assert first.evidence is not None
    assert first.evidence.requests == before.requests
    assert not first.closed
    traffic.count(50, 0, 50, 0)
    assert traffic.poll(asked(50)).evidence.requests == before.requests + 50  # type: ignore[union-attr]


def test_nothing_is_compared_while_the_split_changes() -> None:
    traffic = Traffic()
    traffic.run(3, 0.0, 0.0)
    held = traffic.poll().evidence
    for _ in range(5):
        traffic.count(50, 50, 50, 0)
        moving = traffic.poll(asked(against=Against.NOTHING))
        assert moving.evidence is not None
        assert held is not None
        assert (moving.evidence.requests, moving.evidence.against) == (held.requests, held.against)
        assert not moving.closed


def test_warm_up_is_discarded() -> None:
    traffic = Traffic()
    warm = replace(asked(), not_before=NOW + timedelta(seconds=60))
    for _ in range(6):
        reading = traffic.poll(warm)
        assert reading.evidence is None
        traffic.count(10, 10, 90, 0)
    traffic.poll(warm)
    traffic.count(10, 0, 90, 0)
    after = traffic.poll(warm).evidence
    assert after is not None
    assert (after.requests, after.candidate) == (10, 0.0)


def test_what_was_measured_before_a_new_pod_came_stays_and_its_warm_up_does_not() -> None:
    traffic = Traffic()
    traffic.poll()
    traffic.count(1, 1, 60, 0)
    assert traffic.poll().evidence is None
    traffic.count(500, 500, 500, 0)
    before = traffic.poll(replace(asked(), not_before=traffic.now + TEN)).evidence
    assert before is not None
    assert (before.requests, before.candidate) == (1, 1.0)
    traffic.poll()
    traffic.count(10, 0, 90, 0)
    after = traffic.poll().evidence
    assert after is not None
    assert after.requests == 11


def test_what_is_heard_in_a_warm_up_tempers_what_comes_after_it() -> None:
    traffic = Traffic()
    warm = replace(asked(), not_before=NOW + timedelta(seconds=120))
    for number in range(12):
        traffic.poll(warm)
        traffic.count(10, 0, 90, 9 if number % 4 == 0 else 0)
    assert traffic.book is not None
    assert traffic.book.noise.phi > 3
    assert not traffic.book.ledgers


def test_evidence_counts_as_if_the_noise_had_been_known_from_the_beginning() -> None:
    # The candidate fails in clumps before stable does.
    traffic = Traffic()
    for number in range(6):
        traffic.poll()
        traffic.count(10, 3 if number == 4 else 0, 90, 1 if number == 2 else 0)
    before = traffic.poll().evidence
    for number in range(12):
        traffic.count(10, 0, 90, 8 if number % 4 == 0 else 0)
        traffic.poll()
    traffic.count(10, 0, 90, 0)
    after = traffic.poll().evidence
    assert before is not None
    assert after is not None
    assert before.against > 0.5
    assert traffic.book is not None
    assert traffic.book.tempered > 3
    assert after.against < before.against / 3


def test_a_block_is_divided_by_the_noise_that_was_known_when_it_was_opened() -> None:
    # The last poll of a minute tells that stable's pods differ, and is a block of its own.
    def minute(bad: int) -> Book:
        traffic = Traffic()
        for poll in range(7):
            traffic.poll()
            traffic.count(10, bad if poll == 5 else 0, 90, 8)
            for pod, share in (("a", 8), ("b", 0), ("c", 0)):
                for series, value in (("bad", share), ("total", 30)):
                    key = Key("s", "r", f"endpoint/10.0.0.{pod}/{series}")
                    traffic.counters[key] = traffic.counters.get(key, 0.0) + value
        assert traffic.book is not None
        return traffic.book

    healthy, broken = minute(0), minute(6)
    # Whether it closes does not depend on how its requests ended, and what it says of the noise tempers it afterwards.
    assert [book.ledgers[""].kept.case.past.nc for book in (healthy, broken)] == [60, 60]
    assert healthy.tempered == healthy.noise.phi > 3
    assert broken.tempered == broken.noise.phi > 3


def test_what_speaks_against_a_conclusion_is_not_forgotten_when_noise_becomes_known() -> None:
    traffic = Traffic()
    for _ in range(40):
        traffic.poll()
        traffic.count(10, 2, 90, 1)
    before = traffic.poll().evidence
    for number in range(12):
        traffic.count(10, 2, 90, 30 if number % 4 == 0 else 1)
        traffic.poll()
    after = traffic.poll().evidence
    assert before is not None
    assert after is not None
    assert traffic.book is not None
    assert traffic.book.tempered > 3
    assert before.within < -1
    assert after.within <= before.within + 1


def pods_of(minutes: Iterable[Mapping[str, int]]) -> Book:
    """Return the book of a histogram after some minutes, by how many of 60 values of each pod were slow in each."""
    config = PrometheusConfig.model_validate({"histogram": "seconds_bucket"})
    wants = asked(metric=MetricWants("slow", PROMETHEUS, config, COMPARE, CompareConfig()))
    counters = {
        Key(arm, pod, f"le={low}:{high}/{pod}"): 0.0
        for arm, pods in (("c", "c"), ("s", "xyz"))
        for pod in pods
        for low, high in (("0.0", "0.1"), ("0.1", "inf"))
    }
    book, now = None, NOW
    for minute in minutes:
        for _ in range(6):
            book, _ = weigh(book, wants, wants.metrics[0], Sample(now, dict(counters)))
            now += TEN
            for key in counters:
                slow = minute[key.pod] / 6
                counters[key] += 10 if key.series.startswith("le=0.1") else 10 - slow
    assert book is not None
    return book


def test_pods_that_are_slow_alone_temper_what_a_histogram_says() -> None:
    even = [dict.fromkeys("cxyz", 6) for _ in range(9)]
    alone = [{**dict.fromkeys("cxyz", 6), "xyz"[number % 3]: 40} for number in range(9)]
    assert pods_of(even).noise.phi == 1.0
    noisy = pods_of(alone)
    assert noisy.noise.phi > 3
    assert noisy.noise.bounds == (0.1,)
    assert Noises.load(json.loads(json.dumps(noisy.noise.dump()))).phi == pytest.approx(noisy.noise.phi, rel=1e-4)


def test_noise_that_is_known_late_tempers_what_a_part_says_though_it_has_no_new_block() -> None:
    traffic = Traffic()
    for number in range(6):
        traffic.poll()
        traffic.count(10, 3 if number == 4 else 0, 90, 0)
        traffic.count(5, 3 if number == 4 else 0, 45, 0, part="eu")
    before = traffic.poll().slices[0]
    for number in range(12):
        traffic.count(10, 0, 90, 8 if number % 4 == 0 else 0)
        after = traffic.poll().slices[0]
    assert traffic.book is not None
    assert traffic.book.tempered > 3
    assert after.requests == before.requests
    assert before.against > 0.5
    assert after.against < before.against / 3


def test_the_first_block_does_not_choose_at_which_bounds_of_a_histogram_it_is_tested() -> None:
    config = PrometheusConfig.model_validate({"histogram": "seconds_bucket"})
    wants = asked(metric=MetricWants("slow", PROMETHEUS, config, COMPARE, CompareConfig()))
    bounds = ("0.0", "0.1", "0.25", "0.5", "inf")
    counters = {Key(arm, "p", f"le={low}:{high}/p"): 0.0 for arm in "cs" for low, high in pairwise(bounds)}
    book, _ = weigh(None, wants, wants.metrics[0], Sample(NOW, dict(counters)))
    for number in range(1, 9):
        # All of it was slower than 0.25 s.
        counters |= {key: number * 20.0 for key in counters if key.series.startswith(("le=0.25", "le=0.5"))}
        book, reading = weigh(book, wants, wants.metrics[0], Sample(NOW + number * TEN, dict(counters)))
    assert reading.evidence is not None
    assert book.ledgers[""].kept.bounds == (0.0, 0.1, 0.25, 0.5)


@pytest.mark.parametrize("state", [State.ERROR, State.NO_METRIC, State.STALE])
def test_a_poll_that_brings_nothing_makes_the_next_block_longer(state: State) -> None:
    traffic = Traffic()
    traffic.poll()
    traffic.count(10, 1, 90, 0)
    silent = traffic.poll(state=state)
    assert silent.state is state
    assert silent.missing == 1
    traffic.count(10, 0, 90, 0)
    reading = traffic.poll()
    assert reading.evidence is not None
    assert (reading.evidence.requests, reading.evidence.candidate) == (20, 0.05)


def test_a_candidate_that_gets_nothing_says_so() -> None:
    traffic = Traffic()
    traffic.run(4, 0.0, 0.0)
    for _ in range(6):
        traffic.count(0, 0, 100, 0)
        reading = traffic.poll()
    assert reading.state is State.NO_TRAFFIC


def test_a_limit_waits_for_no_requests_of_stable() -> None:
    limit = ThresholdConfig(max=0.02, evidence="sequential")
    wants = asked(metric=replace(METRIC, judge=THRESHOLD, judge_config=limit))
    traffic = Traffic()
    traffic.poll(wants)
    for _ in range(30):
        traffic.count(20, 4, 1, 0)
        found = traffic.poll(replace(wants, comparison=replace(wants.comparison, weight=None))).evidence
    assert found is not None
    assert found.requests == 600
    assert found.against > math.log(20)
    assert not found.alarm, "stable still answers, so it is a test and no watch"


def test_how_many_requests_there_are_is_told_of_the_last_minutes() -> None:
    traffic = Traffic()
    for requests in (*[1] * 720, *[10] * 120):
        traffic.poll()
        traffic.count(requests, 0, 9 * requests, 0)
    found = traffic.poll().evidence
    assert found is not None
    assert found.per_second == pytest.approx(1.0, rel=0.2)
    assert found.stable_per_second == pytest.approx(9.0, rel=0.2)


def test_a_restart_keeps_the_evidence_and_counts_from_its_first_poll() -> None:
    traffic = Traffic()
    before = traffic.run(200, 0.005, 0.005).evidence
    assert traffic.book is not None
    assert before is not None
    text = dump({"errors": traffic.book}, asked())
    assert len(text) < 4000
    (book,) = load(text, asked()).values()
    after = Traffic()
    after.book = book
    after.now = traffic.now + timedelta(minutes=3)
    after.count(10_000, 9_000, 10_000, 0)
    first = after.poll().evidence
    assert first is not None
    assert first.requests == before.requests
    assert before.within - 0.05 <= first.within <= before.within
    assert before.against - 0.05 <= first.against <= before.against + 1e-9


@pytest.mark.parametrize(
    "damage",
    [lambda text: "", lambda text: text[:-9], lambda text: "[]", lambda text: '{"attempt":"1","metrics":{"errors":3}}'],
    ids=["nothing", "cut", "other", "wrong"],
)
def test_a_damaged_checkpoint_is_no_evidence(damage) -> None:  # type: ignore[no-untyped-def]  # a lambda
    traffic = Traffic()
    traffic.run(20, 0.0, 0.0)
    assert traffic.book is not None
    assert load(damage(dump({"errors": traffic.book}, asked())), asked()) == {}


def test_evidence_of_another_attempt_or_another_margin_is_none_of_this() -> None:
    traffic = Traffic()
    traffic.run(20, 0.0, 0.0)
    assert traffic.book is not None
    text = dump({"errors": traffic.book}, asked())
    assert load(text, asked(attempt="2")) == {}
    other = replace(METRIC, judge_config=CompareConfig(min_requests=51))
    assert load(text, asked(metric=other)) == {}
    assert traffic.poll(asked(metric=other)).evidence is None


def test_a_pass_hears_at_once_of_what_may_decide_and_of_nothing_else() -> None:
    traffic, heard, said = Traffic(), 0, None
    for _ in range(60):
        reading = traffic.run(1, 0.0, 0.0)
        heard += restless(said, reading, asked())
        said = reading
    assert heard < 30
    bad = Traffic()
    first = bad.poll()
    bad.count(20, 20, 80, 0)
    second = bad.poll()
    assert second.evidence is not None
    assert restless(first, second, asked())


def test_pods_that_misbehave_alone_temper_the_evidence() -> None:
    calm, noisy = Traffic(), Traffic()
    for traffic, clumped in ((calm, False), (noisy, True)):
        for minute in range(40):
            for _ in range(6):
                traffic.poll()
                bad = 12 if clumped and minute % 4 == 0 else 3
                traffic.count(10, 0, 90, bad)
                for pod, share in (("a", bad if clumped else bad / 2), ("b", 0 if clumped else bad / 2)):
                    for series, value in (("bad", share), ("total", 45.0)):
                        key = Key("s", "r", f"endpoint/10.0.0.{pod}/{series}")
                        traffic.counters[key] = traffic.counters.get(key, 0.0) + value
    assert calm.book is not None
    assert noisy.book is not None
    assert calm.book.noise.phi < 1.5
    assert noisy.book.noise.phi > 3


class Telling(type(COMPARE)):  # type: ignore[misc]  # the class of a plugin
    """Tells how many requests there were."""

    def details(self, config: CompareConfig, ledger: Any) -> dict[str, Any]:
        return {"requests": self.evidence(config, ledger).requests}


def test_what_a_judge_has_to_say_besides_is_at_most_a_minute_old_and_survives_a_restart() -> None:
    wants = asked(metric=replace(METRIC, judge=Telling()))
    traffic = Traffic()
    traffic.poll(wants)
    told = []
    for _ in range(14):
        traffic.count(10, 0, 90, 0)
        told.append(traffic.poll(wants).details["requests"])
    assert told == [*[10] * 6, *[70] * 6, *[130] * 2]
    assert traffic.book is not None
    (again,) = load(dump({"errors": traffic.book}, wants), wants).values()
    assert again.details == {"requests": 140}


def scraped(stable: float | None, at: datetime, as_of: datetime | None = None) -> Sample:
    """Return counters of Prometheus: ten good requests of the candidate every ten seconds, and what is known of stable."""
    candidate = (at - NOW) / timedelta(seconds=1)
    counters = {Key("c", "pc", "total/pc/x"): candidate} | (
        {Key("s", "ps", "total/ps/x"): stable} if stable is not None else {}
    )
    return Sample(at, counters, as_of=as_of, lone="" if stable is not None else "Nothing is known of stable.")


COUNTERS = PrometheusConfig.model_validate({"counters": {"bad": "a", "total": "b"}})
COMPARED = MetricWants("scraped", PROMETHEUS, COUNTERS, COMPARE, CompareConfig())


def test_a_comparison_without_numbers_of_stable_says_so_and_goes_on_when_they_are_there() -> None:
    wants, book = asked(metric=COMPARED), None
    for poll in range(6):
        book, reading = weigh(book, wants, COMPARED, scraped(None, NOW + poll * TEN))
        assert (reading.state, reading.message, reading.missing) == (
            State.NO_METRIC,
            "Nothing is known of stable.",
            poll + 1,
        )
    for poll in range(6, 16):
        book, reading = weigh(book, wants, COMPARED, scraped(100.0 * poll, NOW + poll * TEN))
    assert (reading.state, reading.missing) == (State.VALUE, 0)
    assert reading.evidence is not None
    assert reading.evidence.requests > 0


@pytest.mark.parametrize("against", [Against.PAST, Against.NOTHING])
def test_where_nothing_is_compared_nobody_misses_stable(against: Against) -> None:
    wants = asked(against=against, metric=COMPARED)
    _, reading = weigh(None, wants, COMPARED, scraped(None, NOW))
    assert reading.state is State.VALUE


def test_a_limit_needs_no_numbers_of_stable() -> None:
    limit = MetricWants("limit", PROMETHEUS, COUNTERS, THRESHOLD, ThresholdConfig(max=0.1, evidence="sequential"))
    _, reading = weigh(None, asked(metric=limit), limit, scraped(None, NOW))
    assert reading.state is State.VALUE


def test_no_counter_of_before_the_split_is_counted_however_seldom_pods_are_scraped() -> None:
    wants, book = asked(metric=COMPARED), None
    for poll in range(13):
        # Scraped once a minute, and first 5 s before the split: until a minute later that is all that is known.
        at = NOW + poll * TEN
        last = (
            NOW
            - timedelta(seconds=5)
            + timedelta(minutes=1) * ((at - NOW + timedelta(seconds=5)) // timedelta(minutes=1))
        )
        book, reading = weigh(book, wants, COMPARED, scraped(10.0 * poll, at, last))
        assert (reading.message == "Counting has just begun.") is (poll < 6), poll


def test_a_mean_outside_the_range_that_was_promised_is_an_error_and_decides_nothing() -> None:
    source = PrometheusConfig.model_validate({"mean": {"sum": "a", "count": "b"}})
    config = CompareConfig.model_validate({"margin": {"absolute": 0.1}, "lowest": 0, "highest": 1, "worse": "higher"})
    metric = MetricWants("score", PROMETHEUS, source, COMPARE, config)
    wants = asked(metric=metric)

    def sample(poll: int, more: float = 0.0) -> Sample:
        counts = {"c": (30.0 * poll + more, 50.0 * poll), "s": (30.0 * poll, 450.0 * poll)}
        counters = {
            Key(arm, arm, f"{kind}/x"): value
            for arm, pair in counts.items()
            for kind, value in zip(("sum", "count"), pair, strict=True)
        }
        return Sample(NOW + poll * TEN, counters)

    book = None
    for poll in range(40):
        book, reading = weigh(book, wants, metric, sample(poll))
    assert reading.state is State.VALUE
    assert reading.evidence is not None
    assert reading.evidence.against > 3
    assert book is not None
    book, reading = weigh(book, wants, metric, sample(40, more=100.0))
    assert (reading.state, reading.value) == (State.ERROR, None)
    assert reading.message.startswith(
        "Values are outside the range from 0 to 1 that compare names: their mean was 2.6 in a"
    )
    again = load(dump({"score": book}, wants), wants)["score"]
    for one in (book, again):
        _, reading = weigh(one, wants, metric, sample(41, more=100.0))
        assert reading.evidence is not None
        assert (reading.evidence.against, reading.evidence.within, reading.evidence.worse) == (0.0, 0.0, 0.0)
