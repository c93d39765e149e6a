"""What the collector writes and what the operator reads are the same words."""

import json

import pytest

from modelrollout.collector.collector import Collector
from modelrollout.domain.capture import Extraction, Kind
from modelrollout.sources import _collected, _pairs
from tests.unit.collector.pairs import again, body, capture, copy, pair, primary

EXTRACTIONS = (Extraction(), Extraction(kind=Kind.NUMBER), Extraction(kind=Kind.TEXT))


def read(collector: Collector, number: int) -> dict[str, float]:
    """Return the counters of an extraction as the operator reads them."""
    page = _collected.page(json.dumps(collector.page()))
    assert (page.stable, page.candidate) == ("stable", "candidate")
    return {counted.series: counted.value for counted in page.counters[EXTRACTIONS[number].key] if not counted.part}


@pytest.fixture
def collector() -> Collector:
    found = Collector(capture(*EXTRACTIONS, baseline=10))
    for number in range(10):
        found.primary(primary(f"r{number}", [number % 3, 1]), 0)
        found.copy(copy(f"r{number}", [number % 2, 1]), 0)
        found.copy(again(f"r{number}", [number % 3, 1]), 0)
    found.primary(primary("down", [1]), 0)
    found.copy(copy("down", None, status=500), 0)
    return found


def test_scores(collector: Collector) -> None:
    scores = _pairs.scores(read(collector, 0))
    assert scores.counts == {0.0: 1, 0.5: 6, 1.0: 4}
    assert scores.beyond == {0.0: 4, 0.5: 6}


def test_kappa_and_classes(collector: Collector) -> None:
    found = read(collector, 0)
    assert _pairs.crossed(found).total == 10
    assert _pairs.classes(found).counts.keys() == {"0", "1", "2"}


def test_bad_answers(collector: Collector) -> None:
    found = {series: value for series, value in read(collector, 0).items() if series.startswith("bad/error")}
    bad = _pairs.paired(found)
    assert (bad.candidate, bad.stable, bad.both, bad.neither) == (1, 0, 0, 10)


def test_differences(collector: Collector) -> None:
    found = read(collector, 1)
    buckets = dict(_pairs.differences(found).buckets)
    assert (buckets[1e-6], buckets[0.5], buckets[1.0], buckets[2.0]) == (4, 4, 8, 10)
    assert (found["bias/up"], found["bias/down"], found["bias/count"]) == (1.0, 3.0, 10)


def test_examples(collector: Collector) -> None:
    pair(collector, ["a"], ["b"])
    page = _collected.page(json.dumps(collector.page()))
    details = _collected.details([page], EXTRACTIONS[0].key)
    assert ["a", "b", 1] in details["confusion"]
    assert {example["id"] for example in details["examples"]} >= {"down"}
    assert body([1]).decode() not in json.dumps(details)
