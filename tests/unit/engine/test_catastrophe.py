"""The guard: most of the candidate's requests fail, and more than stable's do."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from modelrollout.domain.reading import Key, Sample, State
from modelrollout.engine.catastrophe import Guard, limit, look, speaks
from modelrollout.engine.wants import Against, AnalysisWants, Comparison, MetricWants
from modelrollout.judges.threshold import PLUGIN as THRESHOLD
from modelrollout.judges.threshold import ThresholdConfig
from modelrollout.routers.envoy import PLUGIN as ENVOY
from modelrollout.sources._base import Scope
from modelrollout.sources.router import PLUGIN as ROUTER
from modelrollout.sources.router import RouterConfig, Signal

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ERRORS = MetricWants("errors", ROUTER, RouterConfig(signal=Signal.ERROR_RATE), THRESHOLD, ThresholdConfig(max=0.9))
LATENCY = replace(ERRORS, name="latency", source_config=RouterConfig(signal=Signal.LATENCY))
LIMIT = limit(0.05, 1)


def wants(against: Against = Against.STABLE, attempt: str = "1") -> AnalysisWants:
    comparison = Comparison(attempt, "10/0/True", against, 10, 0.05, 0.05, "")
    # Everything is warm-up: the guard looks all the same.
    warm = NOW + timedelta(hours=1)
    return AnalysisWants(
        "e", timedelta(seconds=10), warm, Scope("n", "m", "c", "c", "s", ()), comparison, ENVOY, (ERRORS,)
    )


def sample(poll: int, candidate: tuple[int, int], stable: tuple[int, int]) -> Sample:
    counters = {}
    for arm, (failed, completed) in (("c", candidate), ("s", stable)):
        counters[Key(arm, "r", "failed")] = float(failed)
        counters[Key(arm, "r", "completed")] = float(completed)
    return Sample(NOW + poll * timedelta(seconds=10), counters)


def watched(candidate: float, stable: float, polls: int, seed: int = 1, **asked: Against) -> list[float]:
    """Return what the guard says after each poll with 10 requests to the candidate and 90 to stable."""
    draw, guard, said = random.Random(seed), None, []
    sums = [0, 0, 0, 0]
    for poll in range(polls):
        guard = look(guard, wants(**asked), ERRORS, sample(poll, (sums[0], sums[1]), (sums[2], sums[3])))
        said.append(speaks(guard, wants(**asked)))
        sums[0] += sum(draw.random() < candidate for _ in range(10))
        sums[2] += sum(draw.random() < stable for _ in range(90))
        sums[1] += 10
        sums[3] += 90
    return said


def test_a_candidate_that_fails_everything_is_stopped_by_the_second_poll_of_its_warm_up() -> None:
    assert watched(1.0, 0.005, 3)[2] >= LIMIT


@pytest.mark.parametrize("seed", range(20))
def test_an_outage_of_both_versions_stops_nobody(seed: int) -> None:
    assert max(watched(1.0, 1.0, 60, seed)) < LIMIT
    assert max(watched(0.8, 0.8, 60, seed)) < LIMIT


@pytest.mark.parametrize("seed", range(20))
def test_a_candidate_that_fails_less_than_half_is_left_to_the_other_judges(seed: int) -> None:
    assert max(watched(0.4, 0.005, 60, seed)) < LIMIT


def test_without_a_concurrent_stable_failures_alone_speak() -> None:
    assert watched(1.0, 0.0, 3, against=Against.PAST)[2] >= LIMIT


def test_another_attempt_begins_anew() -> None:
    guard = look(look(None, wants(), ERRORS, sample(0, (0, 0), (0, 0))), wants(), ERRORS, sample(1, (40, 40), (0, 300)))
    assert speaks(guard, wants()) >= LIMIT
    again = look(guard, wants(attempt="2"), ERRORS, sample(2, (50, 50), (0, 400)))
    assert speaks(again, wants(attempt="2")) == pytest.approx(0.0)


def test_a_poll_without_an_answer_says_nothing() -> None:
    guard = look(None, wants(), ERRORS, sample(0, (0, 0), (0, 0)))
    assert look(guard, wants(), ERRORS, Sample(NOW, state=State.ERROR)) == guard


def test_slow_is_no_error() -> None:
    guard = Guard("1")
    assert look(guard, wants(), LATENCY, sample(0, (0, 0), (0, 0))) == guard
