"""Real digits get darker, and a real collector observes the requests: it is told how that came, at once or bit by bit."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count, cycle, islice

import numpy as np
import pytest

from modelrollout.collector.collector import Collector, Message
from modelrollout.domain.capture import Capture, Feature, FeatureKind, Observed, Protocol
from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import Sample
from modelrollout.domain.tally import Tally
from modelrollout.engine.books import Book, weigh
from modelrollout.engine.wants import Against, AnalysisWants, Comparison, MetricWants, Referred
from modelrollout.judges.drift import PLUGIN, DriftConfig
from modelrollout.sources._base import Scope
from modelrollout.sources.inputs import PLUGIN as INPUTS
from modelrollout.sources.inputs import InputsConfig
from tests.demo.models import digits

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STABLE, CANDIDATE = "stable", "candidate"
POLL = 10.0
EACH = 100
"""Requests of each version between two polls."""
DIM = 0.6
"""How much of the light is left in the end."""
FALLS = 60.0
"""Seconds after which the light begins to go."""
CAPTURE = Capture(
    stable=STABLE,
    candidate=CANDIDATE,
    protocol=Protocol.OPEN_INFERENCE,
    observed=Observed(percent=100, features=(Feature(name="pixels", kind=FeatureKind.IMAGE, low=0, high=16),)),
)
SCOPE = Scope("default", "digits", CANDIDATE, CANDIDATE, STABLE, ())
METRIC = MetricWants("asked", INPUTS, InputsConfig(), PLUGIN, DriftConfig())
Light = Callable[[float], float]
"""From seconds to the share of the light that there is."""


def dimmed(over: float) -> Light:
    """Light that goes within so many seconds."""
    return lambda at: 1 - (1 - DIM) * (min(max((at - FALLS) / over, 0.0), 1.0) if over else float(at >= FALLS))


def samples(light: Light, versions: tuple[str, ...], polls: int, seed: int) -> Iterator[Sample]:
    """Yield what the source reads at each poll, of requests as a client sends them."""
    collector, numbers = Collector(CAPTURE), count()
    _, images, _, _ = digits.halves()
    taken = cycle(np.random.default_rng(seed).permutation(images))
    for poll in range(polls + 1):
        at = BEGIN + timedelta(seconds=poll * POLL)
        yield INPUTS.parse(METRIC.source_config, SCOPE, {"router": json.dumps(collector.page())}, at)
        for index, image in enumerate(islice(taken, EACH * len(versions))):
            now = (poll + index / EACH / len(versions)) * POLL
            body = json.dumps(digits.body(np.floor(image * light(now)))).encode()
            number = str(next(numbers))
            collector.request(Message(number, body=body), now)
            arm = versions[index % len(versions)]
            collector.primary(Message(number, arm=arm, body=b"{}", copied=False), now)


@cache
def reference() -> Tally:
    """What 2,000 well-lit digits were like."""
    *_, last = samples(lambda _at: 1.0, (STABLE,), 20, 1)
    counted = {key.series: value for key, value in last.counters.items() if key.arm == STABLE}
    measure = INPUTS.measure_arm(METRIC.source_config, counted)
    assert measure is not None
    return measure.tally


def told(light: Light, versions: tuple[str, ...], polls: int = 20, seed: int = 2) -> Iterator[tuple[float, Evidence]]:
    """Yield seconds since the light began to go, and the evidence then."""
    alone = len(versions) == 1
    comparison = Comparison("1", "50/0/True", Against.PAST if alone else Against.STABLE, None, 0.05, 0.05, "")
    wants = AnalysisWants(
        "1", timedelta(seconds=POLL), BEGIN - timedelta(seconds=POLL), SCOPE, comparison, None, (METRIC,)
    )  # type: ignore[arg-type]
    wants = replace(wants, references={"asked": Referred(reference(), "kept", BEGIN + timedelta(days=1))})
    book: Book | None = None
    for sample in samples(light, versions, polls, seed):
        book, reading = weigh(book, wants, METRIC, sample)
        if reading.evidence is not None:
            yield (sample.at - BEGIN).total_seconds() - FALLS, reading.evidence


@pytest.mark.parametrize(("over", "pace"), [(0.0, "sudden"), (120.0, "gradual")])
def test_a_step_and_a_ramp_of_darkness_are_told_apart(over, pace):
    found = list(told(dimmed(over), (STABLE, CANDIDATE)))
    early = [evidence.moved for seconds, evidence in found if seconds <= 0]
    assert len(early) >= 4
    assert set(early) == {None}
    last = found[-1][1]
    assert (last.moved, last.pace) == ("world", pace)
    assert "pixels" in last.about


def test_after_a_promotion_a_step_is_told_as_one_with_the_first_word_of_it():
    found = list(told(dimmed(0.0), (CANDIDATE,), polls=8))
    seconds, first = next((seconds, evidence) for seconds, evidence in found if evidence.moved)
    assert (seconds, first.moved, first.pace) == (POLL, "world", "sudden")


def test_light_that_stays_is_no_drift():
    assert {evidence.moved for _, evidence in told(lambda _at: 1.0, (STABLE, CANDIDATE), polls=12)} == {None}
