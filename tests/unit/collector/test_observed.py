"""What is counted of requests that nobody gets a copy of: exact numbers for known bodies, and nothing without bounds."""

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.collector.bins import R10, WIDTHS, Bins
from modelrollout.collector.collector import Collector, Message
from modelrollout.collector.labels import Labels
from modelrollout.collector.prediction import Prediction
from modelrollout.collector.table import Limits
from modelrollout.collector.text import hashed
from modelrollout.domain.capture import (
    Capture,
    Extraction,
    Feature,
    FeatureKind,
    Kind,
    Labelled,
    Observed,
    Part,
    Protocol,
)
from modelrollout.domain.exposition import parse_exposition
from tests.unit.collector.observing import CANDIDATE, STABLE, ask, observing, of, png, seen

V2, V1, OPEN_AI, HTTP = Protocol.OPEN_INFERENCE, Protocol.KSERVE_V1, Protocol.OPEN_AI, Protocol.HTTP
LABEL = Extraction()


def tensor(name: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": "FP64", "data": data}


# What requests ask


def test_columns_of_a_tensor_are_features_and_holes_in_them_are_missing() -> None:
    it = observing(V2)
    ask(it, {"inputs": [tensor("x", [2, 3], [0.5, 7, None, 0.5, float("nan"), 3])]})
    ask(it, {"inputs": [tensor("x", [1, 3], [0, 1, 2])]})
    found = seen(it)
    assert found["requests"] == 2
    assert of(found, "x%5B0%5D") == {"count": 2, "at=0.5": 2, "at=0": 1}
    assert of(found, "x%5B1%5D") == {"count": 2, "at=8": 1, "at=1": 1, "missing": 1}
    assert of(found, "x%5B2%5D") == {"count": 2, "at=3.15": 1, "at=2": 1, "missing": 1}
    assert of(found, "length") == {"count": 2, "sum": 8, "at=5": 1, "at=3.15": 1}, "nulls have no length, NaN has one"


def test_a_wide_tensor_is_one_feature_by_its_brightness_and_its_shape() -> None:
    it = observing(V2)
    ask(it, {"inputs": [tensor("image", [2, 64], [4.0] * 64 + [8.0] * 64)]})
    ask(it, {"inputs": [tensor("image", [1, 8, 8, 3], [1] * 192)]})
    found = seen(it)
    assert of(found, "image") == {"count": 2, "at=4": 1, "at=8": 1, "at=1": 1}
    assert of(found, "image.shape") == {"count": 3, "is=64": 2, "is=8x8x3": 1}
    assert of(found, "length")["sum"] == 128 + 192


@pytest.mark.parametrize("hole", [None, float("nan")])
def test_a_hole_in_a_tensor_is_missing_and_the_tensor_has_no_brightness(hole: float | None) -> None:
    it = observing(V2)
    ask(it, {"inputs": [tensor("image", [1, 64], [1.0] * 64)]})
    ask(it, {"inputs": [tensor("image", [1, 64], [1.0] * 63 + [hole])]})
    assert of(seen(it), "image") == {"count": 2, "at=1": 1, "missing": 1}


def test_a_tensor_that_is_gone_is_missing_as_soon_as_it_was_there_once() -> None:
    it = observing(V2)
    ask(it, {"inputs": [tensor("age", [1], [30]), tensor("income", [1], [2000])]})
    ask(it, {"inputs": [tensor("income", [1], [1000])]})
    assert of(seen(it), "age") == {"count": 2, "at=31.5": 1, "missing": 1}
    assert of(seen(it), "income") == {"count": 2, "at=2000": 1, "at=1000": 1}


def test_instances_may_be_objects_lists_or_values() -> None:
    objects, lists, values = observing(V1), observing(V1), observing(V1)
    ask(objects, {"instances": [{"age": 30, "smoker": True}, {"age": None}, {"smoker": False}]})
    assert of(seen(objects), "age") == {"count": 1, "at=31.5": 1, "missing": 1}
    assert of(seen(objects), "smoker") == {"count": 1, "is=true": 1, "is=false": 1, "missing": 1}
    ask(lists, {"instances": [[1, 2], [1, 5]]})
    assert of(seen(lists), "instances%5B1%5D") == {"count": 1, "at=2": 1, "at=5": 1}
    ask(values, {"instances": [1.0, 2.0, 2.0]})
    assert of(seen(values), "instances") == {"count": 1, "at=1": 1, "at=2": 2}


def test_a_chat_is_as_long_as_its_texts_together() -> None:
    it = observing(OPEN_AI)
    parts = [{"type": "text", "text": "123"}, {"type": "image_url", "image_url": {"url": "data:"}}]
    ask(it, {"messages": [{"role": "system", "content": "12345"}, {"role": "user", "content": parts}]})
    ask(it, {"prompt": "1234567890"})
    ask(it, {"prompt": None})
    found = seen(it)
    assert of(found, "prompt") == {"count": 3, "sum": 18, "at=8": 1, "at=10": 1, "missing": 1}
    assert of(found, "messages") == {"count": 3, "at=2": 1, "missing": 2}
    assert of(found, "length") == {"count": 3, "sum": 18, "at=8": 1, "at=10": 1, "at=0": 1}


def test_values_at_the_top_of_any_json_are_features_and_nobody_reads_their_texts() -> None:
    it = observing(HTTP)
    ask(it, {"age": 30, "mail": "anna@example.org", "text": "x" * 65, "deep": {"age": 1}})
    found = seen(it)
    assert of(found, "age") == {"count": 1, "at=31.5": 1}
    assert of(found, "mail") == {"count": 1, f"is={hashed('anna@example.org')[:8]}": 1}
    assert "anna" not in json.dumps(it.page())
    assert of(found, "text") == {"count": 1, "sum": 65, "at=80": 1}
    assert not of(found, "deep")
    assert of(found, "length")["sum"] == 1 + 16 + 65 + 1


def test_the_size_of_a_request_is_what_came() -> None:
    it = observing(HTTP)
    ask(it, {"a": 1})
    ask(it, {"a": 11})
    assert of(seen(it), "bytes") == {"count": 2, "sum": 17, "at=8": 1, "at=10": 1}


SCHEMA = (
    Feature(name="age", path="user.age", low=0, high=100),
    Feature(name="colour", path="items[*].colour", kind=FeatureKind.CATEGORY),
    Feature(name="note", path="note", kind=FeatureKind.LENGTH),
    Feature(name="photo", path="photo", kind=FeatureKind.IMAGE),
)


def test_a_schema_says_what_is_measured_and_nothing_else_is() -> None:
    it = observing(HTTP, *SCHEMA)
    items = [{"colour": "red"}, {"colour": "blue/green"}, {}]
    ask(it, {"user": {"age": 42}, "items": items, "note": "abc", "photo": png([[10, 20], [30, 40]]), "more": 1})
    ask(it, {"user": {"age": "42"}, "items": [], "note": None, "photo": "x"})
    found = seen(it)
    assert of(found, "age") == {"count": 2, "at=45": 1, "missing": 1}, "a text is no number"
    assert of(found, "colour") == {"count": 2, "is=red": 1, "is=blue%2Fgreen": 1, "missing": 1}
    assert of(found, "note") == {"count": 2, "sum": 3, "at=3.15": 1, "missing": 1}
    assert of(found, "photo") == {"count": 2, "at=25": 1, "missing": 1}
    assert of(found, "photo.shape") == {"count": 1, "is=2x2": 1}
    assert not of(found, "more")


def test_what_is_redacted_is_never_a_category() -> None:
    named = Feature(name="who", path="user.name", kind=FeatureKind.CATEGORY)
    for features in ((named,), ()):
        it = observing(HTTP, *features, redact=("user.name", "mail"))
        ask(it, {"user": {"name": "anna"}, "mail": "anna@example.org"})
        found = seen(it)
        assert [series for series in found if "/is=" in series] == ([f"in/{'who' if features else 'mail'}/is=other"])


def test_the_twenty_first_category_and_feature_are_others() -> None:
    it = observing(HTTP, Feature(name="k", path="k", kind=FeatureKind.CATEGORY))
    for number in range(30):
        ask(it, {"k": f"k{number}"})
    found = of(seen(it), "k")
    assert len(found) == 22
    assert found["is=other"] == 10
    many = observing(HTTP)
    ask(many, {f"f{number:02}": number for number in range(50)})
    assert {series.split("/")[1] for series in seen(many) if series.startswith("in/f")} == {
        f"f{number:02}" for number in range(20)
    }


@pytest.mark.parametrize("filters", range(5))
@pytest.mark.parametrize("colour", [0, 2])
def test_the_brightness_of_a_png_file_is_its_mean_luma_whatever_its_filters(filters: int, colour: int) -> None:
    step = 3 if colour else 1
    rows = [[(7 * x * x + 11 * y + 3 * x * y) % 256 for x in range(6 * step)] for y in range(5)]
    pixels = [row[at : at + step] for row in rows for at in range(0, len(row), step)]
    weights = (0.299, 0.587, 0.114) if colour else (1,)
    mean = sum(weight * value for pixel in pixels for weight, value in zip(weights, pixel, strict=True)) / len(pixels)
    expected = Bins().names[Bins().index(mean)]
    it = observing(HTTP, SCHEMA[3])
    ask(it, {"photo": png(rows, colour=colour, filters=filters)})
    assert of(seen(it), "photo") == {"count": 1, f"at={expected}": 1}
    assert of(seen(it), "photo.shape") == {"count": 1, "is=5x6x3" if colour else "is=5x6": 1}


@pytest.mark.parametrize("fields", [{"depth": 16}, {"interlaced": 1}, {"colour": 3}, {"filters": 7}])
def test_of_other_png_files_the_shape_is_known_alone(fields: dict[str, int]) -> None:
    it = observing(HTTP, SCHEMA[3])
    text = png([[1, 2, 3]], **{name: value for name, value in fields.items() if name != "filters"})
    if "filters" in fields:
        text = png([[1, 2, 3]] * 400, filters=0)
        text = text[:80] + "AAAA" + text[84:]
    ask(it, {"photo": text})
    assert {series.split("=")[0] for series in of(seen(it), "photo")} == {"count"}
    assert of(seen(it), "photo.shape")["count"] == 1


@given(st.floats(allow_nan=False), st.sampled_from([None, (0.0, 1.0), (-5.0, 1e6)]))
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_every_number_is_in_the_bin_whose_bound_is_the_next_one(value: float, ends: tuple[float, float] | None) -> None:
    bins = Bins(*ends) if ends else Bins()
    uppers = [float(name) for name in bins.names]
    assert len(uppers) == (WIDTHS + 2 if ends else len(R10) + 1) == len(set(uppers))
    at = bins.index(value)
    assert value <= uppers[at] or math.isclose(value, uppers[at], rel_tol=1e-9)
    assert at == 0 or value >= uppers[at - 1] or math.isclose(value, uppers[at - 1], rel_tol=1e-9)


# What is answered


@pytest.mark.parametrize(
    ("kind", "said", "expected"),
    [
        (Kind.LABEL, [[3, 3, None], ["a/b"]], {"is=3": 2, "is=a%2Fb": 1, "empty": 1}),
        (Kind.NUMBER, [[0.5, 7], [float("nan")]], {"at=0.5": 1, "at=8": 1, "empty": 1}),
        (Kind.TEXT, [["123"], [""]], {"at=3.15": 1, "at=0": 1, "empty": 1}),
        (Kind.RANKING, [["b", "a"], []], {"is=b": 1, "empty": 1}),
    ],
)
def test_predictions_are_distributed(kind: Kind, said: list[Any], expected: dict[str, float]) -> None:
    it = observing(V1, output=Extraction(kind=kind))
    for one in said:
        ask(it, {"instances": [1]}, {"predictions": one})
    found = {series[4:]: value for series, value in seen(it).items() if series.startswith("out/")}
    assert found == {"count": 2, **expected}


def test_answers_that_are_no_success_or_without_a_prediction_are_told_apart() -> None:
    it = observing(V1, output=LABEL)
    it.primary(Message("error", STABLE, status=500, copied=False), 0)
    it.primary(Message("nothing", STABLE, body=b"{}", copied=False), 0)
    it.primary(Message("stream", STABLE, skipped="stream", copied=False), 0)
    assert seen(it) == {"requests": 3, "out/count": 2, "out/error": 1, "out/empty": 1}


def test_a_copy_counts_as_an_answer_of_its_mirror_and_the_pair_is_compared_as_ever() -> None:
    it = observing(V1, output=LABEL, candidate=CANDIDATE, extractions=(LABEL,))
    it.request(Message("a", body=b'{"instances": [{"age": 1}]}'), 0)
    it.primary(Message("a", STABLE, body=b'{"predictions": [1]}'), 0)
    it.copy(Message("a", f"{CANDIDATE}-mirror", body=b'{"predictions": [2]}'), 0)
    assert seen(it, f"{CANDIDATE}-mirror") == {"requests": 1, "out/count": 1, "out/is=2": 1}
    assert seen(it)["out/is=1"] == of(seen(it), "age")["at=1"] == 1
    pairs = {series: value for _, _, series, value in it.page()["counters"]}
    assert (pairs["pairs"], pairs["class/1/2"]) == (1, 1)


def test_requests_that_nobody_gets_a_copy_of_are_no_lost_pairs() -> None:
    it = observing(V1, output=LABEL, candidate=CANDIDATE, extractions=(LABEL,))
    for number in range(10):
        ask(it, {"instances": [number]}, {"predictions": [1]}, arm=(STABLE, CANDIDATE)[number % 2])
    it.tick(1000)
    assert "unpaired" not in it.page()["totals"]
    assert not any(value for _, _, _, value in it.page()["counters"])
    assert (seen(it)["requests"], seen(it, CANDIDATE)["requests"]) == (5, 5)


# How both come together

PARTS = (Part(name="dark", path="light", value="dark"), Part(name="eu", header="x-region", value="eu"))
Step = Callable[[Collector], None]


def steps(request: str, copied: bool) -> list[Step]:
    body = json.dumps({"light": "dark", "age": 3}).encode()
    said = b'{"y": 1}'
    return [
        lambda it: it.request(Message(request, body=body), 0),
        lambda it: it.primary(Message(request, STABLE, body=said, copied=copied, headers={"x-region": "eu"}), 0),
        *([lambda it: it.copy(Message(request, f"{CANDIDATE}-mirror", body=said), 0)] if copied else []),
    ]


@pytest.mark.parametrize("copied", [True, False])
def test_any_order_of_a_requests_messages_is_the_same_in_every_part(copied: bool) -> None:
    pages = []
    for order in itertools.permutations(steps("a", copied)):
        remembered: list[Any] = []
        observed = Observed(features=(Feature(name="age", path="age"),), output=Extraction(path="y"))
        capture = Capture(
            stable=STABLE,
            candidate=CANDIDATE,
            parts=PARTS,
            observed=observed,
            labelled=Labelled(output=Extraction(path="y")),
        )
        it = Collector(capture)
        it.labels = Remembering(remembered)
        for step in order:
            step(it)
        rows = [row for row in sorted(it.page()["observed"]) if row[3]]
        pages.append((rows, [(request, arm, sorted(parts), said.rows) for request, arm, parts, said, _ in remembered]))
    assert all(page == pages[0] for page in pages)
    rows, remembered = pages[0]
    for part in ("", "dark", "eu"):
        assert [STABLE, part, "in/age/at=3.15", 1] in rows
        assert [STABLE, part, "out/is=1", 1] in rows
        assert not copied or [f"{CANDIDATE}-mirror", part, "out/is=1", 1] in rows
    assert remembered == [("a", STABLE, ["", "dark", "eu"], ("1",))], "once, for who answered the client"


class Remembering(Labels):
    def __init__(self, told: list[Any]) -> None:
        super().__init__()
        self.told = told

    def remember(self, request_id: str, arm: str, parts: Any, prediction: Prediction, now: float) -> None:
        self.told.append((request_id, arm, parts, prediction, now))


def test_a_request_that_nobody_answers_is_let_go_and_told() -> None:
    it = observing(HTTP)
    it.request(Message("a", body=b'{"age": 1}'), 0)
    it.tick(61)
    assert it.page()["totals"] == {"request": 1, "unanswered": 1}
    assert seen(it) == {"requests": 0}


def test_a_body_that_did_not_come_is_told_by_its_reason() -> None:
    it = observing(HTTP)
    for request, message in (("a", {"skipped": "tooLarge"}), ("b", {}), ("c", {"body": b"{"})):
        it.request(Message(request, **message), 0)
        it.primary(Message(request, STABLE, body=b"{}", copied=False), 0)
    totals = it.page()["totals"]
    assert {name: count for name, count in totals.items() if name.startswith("unread")} == {
        "unread/tooLarge": 1,
        "unread/empty": 1,
        "unread/notJson": 1,
    }
    assert seen(it)["requests"] == 3


def test_counters_of_a_revision_that_stays_go_on_when_a_rollout_begins() -> None:
    it = observing(HTTP)
    ask(it, {"age": 1})
    it.configure(it.capture.model_copy(update={"candidate": CANDIDATE}))
    ask(it, {"age": 1})
    ask(it, {"age": 1}, arm=CANDIDATE)
    assert (of(seen(it), "age")["at=1"], of(seen(it, CANDIDATE), "age")["at=1"]) == (2, 1)
    it.configure(it.capture.model_copy(update={"stable": CANDIDATE, "candidate": None}))
    assert {row[0] for row in it.page()["observed"]} == {CANDIDATE}
    other = Observed(features=(Feature(name="height", path="height"),))
    it.configure(it.capture.model_copy(update={"observed": other}))
    assert seen(it, CANDIDATE) == {"requests": 0}


def test_nothing_is_said_of_it_where_nothing_is_observed() -> None:
    it = Collector(Capture(stable=STABLE, candidate=CANDIDATE, extractions=(LABEL,)))
    assert "observed" not in it.page()
    assert "modelrollout_input" not in it.metrics()


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
tensors = st.lists(
    st.fixed_dictionaries(
        {"name": st.text(max_size=3), "shape": st.lists(st.integers(-1, 4), max_size=3), "data": documents}
    ),
    max_size=3,
)
bodies = st.one_of(
    documents, tensors.map(lambda found: {"inputs": found}), documents.map(lambda found: {"instances": found})
)
SMALL = Limits(entries=3, size=20_000, age=60)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(Protocol),
    st.lists(st.tuples(st.sampled_from("abcd"), bodies, st.booleans(), st.booleans(), st.floats(0, 90)), max_size=25),
)
def test_whatever_comes_memory_is_bounded_and_no_counter_falls(protocol: Protocol, stream: list[Any]) -> None:
    it = Collector(
        Capture(
            stable=STABLE,
            candidate=CANDIDATE,
            protocol=protocol,
            parts=PARTS,
            observed=Observed(output=LABEL),
            baseline=5,
        ),
        SMALL,
    )
    before: dict[tuple[str, str, str], float] = {}
    for request, document, asks, copied, now in stream:
        body = json.dumps(document).encode()
        if asks:
            it.request(Message(request, body=body), now)
        else:
            it.primary(Message(request, STABLE, body=body, copied=copied), now)
        assert len(it._table) <= SMALL.entries
        assert it._table.size <= SMALL.size
        found = {(arm, part, series): value for arm, part, series, value in it.page()["observed"]}
        assert all(value >= before.get(name, 0) for name, value in found.items())
        assert all(math.isfinite(value) for value in found.values())
        before = found
    features = {series.split("/")[1].removesuffix(".shape") for _, _, series in before if series.startswith("in/")}
    assert len(features) <= 22
    assert len({arm for arm, _, _ in before}) <= 4
    for feature in features:
        assert len([1 for arm, part, series in before if series.startswith(f"in/{feature}/is=") and not part]) <= 21 * 4
    json.loads(json.dumps(it.page(), allow_nan=False))
    assert [*parse_exposition(it.metrics())]


def test_prometheus_gets_histograms_with_the_same_bounds_always() -> None:
    it = observing(HTTP, Feature(name="age", path="age", low=0, high=10), Feature(name="x", path="x"), output=None)
    ask(it, {"age": 5, "x": 3})
    ask(it, {"age": 11, "x": 700})
    samples = [*parse_exposition(it.metrics())]
    bounds: dict[str, dict[str, float]] = {}
    for sample in samples:
        if sample.name == "modelrollout_input_value_bucket":
            bounds.setdefault(sample.labels["feature"], {})[sample.labels["le"]] = sample.value
    assert len(bounds["age"]) == WIDTHS + 2
    assert (bounds["age"]["4.5"], bounds["age"]["5"], bounds["age"]["10"], bounds["age"]["+Inf"]) == (0, 1, 1, 2)
    assert len(bounds["x"]) == 2 * 28 + 2
    assert len(bounds["bytes"]) == 28 + 2, "no length is below 0"
    assert (bounds["x"]["2"], bounds["x"]["5"], bounds["x"]["500"], bounds["x"]["1000"], bounds["x"]["+Inf"]) == (
        0,
        1,
        1,
        2,
        2,
    )
    values = {
        (sample.name, sample.labels.get("feature")): sample.value
        for sample in samples
        if sample.labels.get("part") == ""
    }
    assert values["modelrollout_observed_requests_total", None] == 2
    assert values["modelrollout_input_requests_total", "age"] == 2
    assert values["modelrollout_input_value_sum", "bytes"] == len('{"age": 5, "x": 3}') + len('{"age": 11, "x": 700}')
    assert values["modelrollout_input_value_count", "bytes"] == 2
