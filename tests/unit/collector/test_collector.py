"""The join of answers by the request's id, and what never happens whatever comes in."""

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.collector.collector import Collector, Message
from modelrollout.collector.table import Limits
from modelrollout.domain.capture import Capture, Extraction, Kind, Part
from modelrollout.domain.exposition import parse_exposition
from tests.unit.collector.pairs import again, body, capture, copy, counters, named, pair, primary

PARTS = (Part(name="dark", path="light", value="dark"), Part(name="eu", header="x-region", value="eu"))
FULL = capture(Extraction(), Extraction(kind=Kind.NUMBER), parts=PARTS, baseline=10, keep_bodies=True)
FLAGS = ("error", "empty", "invalidJson", "refusal")
Step = Callable[[Collector], None]


def messages(request: str, stable: object, candidate: object, second: object = None, light: str = "dim") -> list[Step]:
    """Return what the router says of one request, in the order in which it happens."""
    steps: list[Step] = [
        lambda it: it.request(Message(request, body=json.dumps({"light": light}).encode()), 0),
        lambda it: it.primary(primary(request, stable, headers={"x-region": "eu" if light == "dark" else "us"}), 0),
        lambda it: it.copy(copy(request, candidate), 0),
    ]
    return [*steps, lambda it: it.copy(again(request, second), 0)] if second is not None else steps


def everything(collector: Collector) -> dict[tuple[str, str, str], float]:
    collector.tick(1000)
    return {(key, part, series): value for key, part, series, value in collector.page()["counters"]}


def test_any_order_of_one_requests_messages_is_the_same() -> None:
    pages = []
    for order in itertools.permutations(messages("a", [1, 2], [1, 3], [1, 2], "dark")):
        collector = Collector(FULL)
        for step in order:
            step(collector)
        page = collector.page()
        pages.append(page | {"counters": sorted(page["counters"])})
    assert all(page == pages[0] for page in pages)
    assert pages[0]["totals"] == {"request": 1, "primary": 1, "copy": 1, "baseline": 1, "pairs": 1}
    (example, *_) = pages[0]["examples"][Extraction().key]
    assert example == {"id": "a", "slice": ["dark", "eu"], "stable": "[1, 2]", "candidate": "[1, 3]"}


labels = st.lists(st.sampled_from([0, 1, 2, None]), min_size=1, max_size=3)
requests = st.lists(
    st.tuples(labels, labels, st.none() | labels, st.sampled_from(["dark", "dim"])), min_size=1, max_size=6
)


@given(requests, st.randoms(use_true_random=False), st.data())
def test_any_order_of_arrival_gives_the_same_counters(asked: list[Any], chance: Any, data: st.DataObject) -> None:
    steps = [step for number, one in enumerate(asked) for step in messages(f"r{number}", *one)]
    # Some messages are lost, in both orders the same ones; some come twice.
    kept = [step for step in steps if data.draw(st.integers(0, 9))]
    shuffled = [*kept, *kept[: len(kept) // 2]]
    chance.shuffle(shuffled)
    found = []
    for order in (kept, shuffled):
        collector = Collector(FULL)
        for step in order:
            step(collector)
        found.append(everything(collector))
    # Which pairs make a couple is chance; how many couples there are is not.
    plain, couples = zip(*map(_without_couples, found), strict=True)
    # Sums of biases are rounded in the order in which they grow.
    assert plain[0] == pytest.approx(plain[1], rel=1e-12)
    assert couples[0] == couples[1]


def _without_couples(found: Mapping[tuple[str, str, str], float]) -> tuple[dict[Any, float], dict[Any, float]]:
    couples: dict[Any, float] = {}
    for (key, part, series), value in found.items():
        if series.startswith("kappa/"):
            couples[key, part] = couples.get((key, part), 0) + value
    return {name: value for name, value in found.items() if not name[2].startswith("kappa/")}, couples


bodies = st.one_of(
    labels.map(body),
    st.sampled_from(
        [b"", b"{", b"[[[[", b'{"predictions": {}}', b'{"predictions": NaN}', b'{"light": "dark"}', b"\xff"]
    ),
    st.binary(max_size=20),
)
anything = st.builds(
    Message,
    id=st.sampled_from(["a", "b", "c", "", "x" * 200]),
    arm=st.sampled_from(["stable", "candidate", "stable-mirror", "candidate-mirror", ""]),
    status=st.sampled_from([200, 200, 200, 0, 404, 599]),
    body=bodies,
    encoding=st.sampled_from(["", "", "gzip", "br"]),
    skipped=st.sampled_from(["", "", "", "stream", "tooLarge", "nonsense"]),
    headers=st.dictionaries(st.sampled_from(["x-region"]), st.text(max_size=3)),
)
streams = st.lists(st.tuples(st.sampled_from(["request", "primary", "copy"]), anything, st.floats(0, 200)), max_size=60)
SMALL = Limits(entries=2, size=6000, age=60)


@settings(max_examples=200)
@given(streams)
def test_what_holds_under_any_stream(stream: list[tuple[str, Message, float]]) -> None:
    collector = Collector(FULL, SMALL)
    before: dict[tuple[str, str, str], float] = {}
    for kind, message, now in stream:
        getattr(collector, kind)(message, now)
        assert len(collector._table) <= SMALL.entries
        assert collector._table.size <= SMALL.size
        page = collector.page()
        found = {(key, part, series): value for key, part, series, value in page["counters"]}
        assert all(value >= before.get(name, 0) for name, value in found.items()), "a counter fell"
        assert before.keys() <= found.keys(), "a counter is gone"
        before = found
    _sums(before)
    assert json.loads(json.dumps(page if stream else {}, allow_nan=False)) == (page if stream else {})
    assert list(parse_exposition(collector.metrics()))


def _sums(found: Mapping[tuple[str, str, str], float]) -> None:
    """Every pair is in one cell of each flag, and was compared or skipped for a reason."""
    for key, part in {name[:2] for name in found}:
        series = {name[2]: value for name, value in found.items() if name[:2] == (key, part)}
        for flag in FLAGS:
            assert sum(named(series, f"bad/{flag}/").values()) == series["pairs"]
        scores = sum(named(series, "score/").values())
        reasons = ("noPath", "shape", "undecodable", "error", "notJson", "stream", "tooLarge")
        skipped = sum(series.get(f"skipped/{reason}", 0) for reason in reasons)
        assert scores <= series["pairs"] <= scores + skipped
        assert sum(named(series, "kappa/").values()) <= scores / 2
        buckets = list(named(series, "difference/le=").values())
        assert buckets == sorted(buckets)


def test_what_comes_twice_counts_once() -> None:
    collector = Collector(capture())
    for _ in range(3):
        collector.primary(primary("a", [1]), 0)
        collector.copy(copy("a", [1]), 0)
    assert counters(collector)["pairs"] == 1
    assert collector.page()["totals"]["duplicate"] == 4


def test_an_answer_without_the_other_one_is_unpaired_when_it_is_too_old() -> None:
    collector = Collector(capture(parts=PARTS), Limits(age=60))
    collector.primary(primary("a", [1], headers={"x-region": "eu"}), 0)
    collector.copy(copy("b", [1]), 30)
    collector.request(Message("c", body=b"{}"), 30)
    collector.tick(60)
    assert counters(collector) == {}
    collector.tick(61)
    assert (counters(collector), counters(collector, "eu")) == ({"skipped/unpaired": 1}, {"skipped/unpaired": 1})
    collector.tick(91)
    assert counters(collector) == {"skipped/unpaired": 2}
    collector.copy(copy("a", [1]), 92)
    assert collector.page()["totals"] == {"primary": 1, "copy": 2, "request": 1, "unpaired": 2}


def test_the_oldest_go_when_there_is_no_room() -> None:
    collector = Collector(capture(), Limits(entries=10))
    for number in range(15):
        collector.primary(primary(str(number), [1]), 0)
    for number in range(5, 15):
        collector.copy(copy(str(number), [1]), 0)
    assert collector.page()["totals"] == {"primary": 15, "copy": 10, "pairs": 10, "evicted": 5, "unpaired": 5}


def test_those_that_were_counted_go_before_those_that_wait() -> None:
    collector = Collector(capture(), Limits(entries=10))
    for number in range(5):
        collector.primary(primary(str(number), [1]), 0)
    for _ in range(100):
        pair(collector, [1], [1])
    for number in range(5):
        collector.copy(copy(str(number), [1]), 0)
    assert collector.page()["totals"] == {"primary": 105, "copy": 105, "pairs": 105}


def test_requests_whose_pair_was_counted_make_room_unseen() -> None:
    collector = Collector(capture(), Limits(entries=10))
    for number in range(1000):
        collector.primary(primary(str(number), [1]), 0)
        collector.copy(copy(str(number), [1]), 0)
    assert collector.page()["totals"] == {"primary": 1000, "copy": 1000, "pairs": 1000}


def test_large_answers_are_bounded_by_their_size() -> None:
    collector = Collector(capture(Extraction(kind=Kind.NUMBER)), Limits(size=100_000))
    for number in range(100):
        collector.primary(primary(str(number), [0.5] * 4000), 0)
    assert collector._table.size <= 100_000
    assert collector.page()["totals"]["evicted"] >= 96


def test_what_waits_for_a_second_answer_keeps_no_more_than_it_needs() -> None:
    whole, alone = Collector(capture(baseline=10)), Collector(capture())
    for collector in (whole, alone):
        pair(collector, list(range(1000)), list(range(1000)))
    assert alone._table.size < 1000 < whole._table.size
    late = Collector(capture(parts=PARTS))
    pair(late, list(range(1000)), list(range(1000)))
    late.configure(capture(parts=PARTS, percent=50))
    assert "unpaired" not in late.page()["totals"]


def test_answers_of_others_are_ignored() -> None:
    collector = Collector(capture())
    for arm in ("", "candidate", "older", "stable-mirror"):
        collector.primary(Message("a", arm, body=body([1])), 0)
        collector.copy(Message("a", arm, body=body([1])), 0)
    collector.copy(Message("a", "older-mirror", body=body([1])), 0)
    assert (len(collector._table), collector.page()["totals"]) == (0, {"ignored": 9})


def test_without_revisions_nothing_is_compared() -> None:
    collector = Collector(Capture())
    pair(collector, [1], [1])
    collector.primary(Message("a", ""), 0)
    page = collector.page()
    assert (page["stable"], page["candidate"], page["counters"], page["examples"]) == (None, None, [], {})
    assert page["totals"] == {"ignored": 3}


def test_every_extraction_is_on_the_first_page() -> None:
    asked = (Extraction(), Extraction(kind=Kind.TEXT), Extraction())
    page = Collector(capture(*asked, parts=PARTS)).page()
    named = {(key, part) for key, part, series, value in page["counters"] if series == "pairs" and value == 0}
    assert named == set(itertools.product({item.key for item in asked}, ("", "dark", "eu")))
    assert sum(row[2] == "pairs" for row in page["counters"]) == 6


def test_other_revisions_begin_at_nothing() -> None:
    collector = Collector(capture())
    pair(collector, [1], [2])
    collector.primary(primary("open", [1]), 0)
    collector.configure(capture(candidate="newer"))
    assert (counters(collector), collector.page()["totals"]) == ({}, {})
    assert not any(collector.page()["examples"].values())
    collector.copy(Message("open", "newer-mirror", body=body([1])), 0)
    assert "pairs" not in collector.page()["totals"]


def test_the_same_revisions_go_on_when_more_is_asked() -> None:
    collector = Collector(capture(Extraction(), Extraction(kind=Kind.TEXT), parts=PARTS))
    pair(collector, [1], [2], headers={"x-region": "eu"})
    collector.configure(capture(Extraction(kind=Kind.NUMBER), Extraction(), parts=PARTS[1:]))
    assert counters(collector, number=1)["pairs"] == counters(collector, "eu", number=1)["pairs"] == 1
    assert counters(collector, number=0) == {}
    pair(collector, [1], [2], headers={"x-region": "eu"})
    assert (counters(collector, "eu", number=1)["pairs"], counters(collector, number=0)["pairs"]) == (2, 1)
    assert {row[1] for row in collector.page()["counters"]} == {"", "eu"}


def test_examples_are_the_newest_that_differ() -> None:
    collector = Collector(capture())
    for number in range(30):
        collector.primary(primary(f"r{number}", [number % 2]), 0)
        collector.copy(copy(f"r{number}", [0]), 0)
    (examples,) = collector.page()["examples"].values()
    assert examples == [{"id": f"r{number}", "slice": []} for number in range(29, 9, -2)]


def test_examples_hold_short_redacted_bodies_only_when_asked() -> None:
    secret = {"predictions": [{"name": "Ada", "text": "x" * 2000}]}
    raw = json.dumps(secret).encode()
    for kept, redact in ((False, ()), (True, ()), (True, ("predictions[*].name",)), (True, ("predictions",))):
        asked = capture(
            Extraction(kind=Kind.TEXT, path="predictions[0].name"),
            Extraction(kind=Kind.TEXT, path="predictions[0].text"),
            keep_bodies=kept,
            redact=redact,
        )
        collector = Collector(asked)
        collector.primary(primary("a", None, body=raw), 0)
        collector.copy(copy("a", None, body=raw.replace(b"Ada", b"Eve").replace(b"xx", b"xy")), 0)
        page = json.dumps(collector.page())
        assert ("Ada" in page, "xyxyxy" in page) == (kept and not redact, kept and redact != ("predictions",))
        assert len(page) < 12_000


def test_examples_are_forgotten_when_bodies_must_not_be_kept_any_more() -> None:
    collector = Collector(capture(keep_bodies=True))
    pair(collector, ["Ada"], ["Eve"])
    assert "Ada" in json.dumps(collector.page()["examples"])
    collector.configure(capture())
    assert not any(collector.page()["examples"].values())
    assert counters(collector)["pairs"] == 1


def test_labels_are_forgotten_when_they_must_not_be_told_any_more() -> None:
    collector = Collector(capture())
    pair(collector, ["Ada"], ["Eve"])
    collector.configure(capture(redact=("predictions",)))
    assert "Ada" not in json.dumps(collector.page())


def test_prometheus_reads_the_same_numbers() -> None:
    collector = Collector(capture(parts=(Part(name='say "x"\\\n', header="x", value="1"),)))
    pair(collector, [1, 2], [1, 3], headers={"x": "1"})
    pair(collector, [1], [1])
    collector.primary(primary("a", [1]), 0)
    points = {
        (point.name, point.labels.get("part"), point.labels.get("cell")): point
        for point in parse_exposition(collector.metrics())
    }
    prefix = "modelrollout_predictions"
    values = {name: point.value for name, point in points.items()}
    assert values[f"{prefix}_pairs_total", "", None] == 2
    assert values[f"{prefix}_pairs_total", 'say "x"\\\n', None] == 1
    assert values[f"{prefix}_agreement_sum", "", None] == 1.5
    assert values[f"{prefix}_agreement_count", "", None] == 2
    assert values[f"{prefix}_bad_total", "", "neither"] == 2
    assert values[f"{prefix}_waiting", None, None] == 3
    kinds = {
        point.labels["kind"]: point.value for point in parse_exposition(collector.metrics()) if "kind" in point.labels
    }
    assert kinds == {"primary": 3, "copy": 2, "pairs": 2}


@pytest.mark.parametrize("parts", [0, 20])
def test_a_page_is_bounded(parts: int) -> None:
    asked = capture(parts=tuple(Part(name=f"p{number}", header="x", value="1") for number in range(parts)))
    collector = Collector(asked)
    for number in range(300):
        pair(collector, [f"{number}" * 100], [f"{number * 7}" * 100], headers={"x": "1"})
    per_part = len(collector.page()["counters"]) / (1 + parts)
    assert per_part < 17 + 21 + 9 + 21 * 21 + 4
