"""What is found in answers, by protocol and kind of prediction."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.collector.prediction import Prediction, Reader
from modelrollout.collector.text import digest
from modelrollout.domain.capture import Capture, Extraction, Kind, Protocol
from modelrollout.domain.jsonpath import MAX_VALUES, replace_path

OPENAI = Path(__file__).parents[2] / "data" / "predictions" / "openai"
NAN = math.nan


def read(protocol: Protocol, body: object, status: int = 200, skipped: str = "", **extraction: Any) -> Prediction:
    capture = Capture(protocol=protocol, extractions=(Extraction(**extraction),), keep_bodies=True)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    (prediction,) = Reader(capture).read(status, raw, "", skipped)
    return prediction


def rows(prediction: Prediction) -> list[object]:
    assert prediction.problem == ""
    return [None if isinstance(row, float) and math.isnan(row) else row for row in prediction.rows]


def tensor(data: object, shape: list[int], datatype: str = "FP64") -> dict[str, object]:
    return {"model_name": "m", "outputs": [{"name": "predict", "shape": shape, "datatype": datatype, "data": data}]}


@pytest.mark.parametrize(
    ("body", "kind", "found"),
    [
        (tensor([3, 8], [2, 1], "INT64"), Kind.LABEL, ["3", "8"]),
        (tensor(["cat"], [1], "BYTES"), Kind.LABEL, ["cat"]),
        (tensor([0.1, 0.7, 0.2, 0.5, 0.3, 0.2], [2, 3]), Kind.LABEL, ["1", "0"]),
        (tensor([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]], [2, 3]), Kind.LABEL, ["1", "0"]),
        (tensor([0, 1, 1, 0], [2, 2], "INT64"), Kind.LABEL, ["0", "1", "1", "0"]),
        (tensor([1.5, 2.5], [2, 1]), Kind.NUMBER, [1.5, 2.5]),
        (tensor([[1.5], [2.5]], [2, 1]), Kind.NUMBER, [1.5, 2.5]),
        (tensor([1, 2, 3, 4], [2, 2], "INT64"), Kind.RANKING, [("1", "2"), ("3", "4")]),
        (tensor(["a", "b"], [2], "BYTES"), Kind.RANKING, [("a", "b")]),
        (tensor([1, 2], [0, 2]), Kind.NUMBER, [1, 2]),
        (tensor([1.0, 2.0], [7, 7]), Kind.LABEL, ["1", "2"]),
    ],
)
def test_open_inference(body: object, kind: Kind, found: list[object]) -> None:
    assert rows(read(Protocol.OPEN_INFERENCE, body, kind=kind)) == found


@pytest.mark.parametrize(
    ("predictions", "kind", "found"),
    [
        ([1, 2.0, "2", True, None, ""], Kind.LABEL, ["1", "2", "2", "true", None, None]),
        ([[0.2, 0.8], [1], ["a", "b"], [1, 2], [NAN, 0.5]], Kind.LABEL, ["1", "1", "a,b", "1,2", None]),
        (7, Kind.LABEL, ["7"]),
        (None, Kind.LABEL, []),
        ([], Kind.LABEL, []),
        ([0.1 + 0.2], Kind.LABEL, ["0.30000000000000004"]),
        ([1, 2.5, None, NAN], Kind.NUMBER, [1.0, 2.5, None, None]),
        ([[1, 2], [3]], Kind.NUMBER, [1.0, 2.0, 3.0]),
        (10**400, Kind.NUMBER, [math.inf]),
        (["a", "b"], Kind.RANKING, [("a", "b")]),
        ([["a"], ["b", 2]], Kind.RANKING, [("a",), ("b", "2")]),
        ("a", Kind.RANKING, [("a",)]),
        ([["a"], None], Kind.RANKING, [("a",), ()]),
    ],
)
def test_kserve_v1(predictions: object, kind: Kind, found: list[object]) -> None:
    assert rows(read(Protocol.KSERVE_V1, {"predictions": predictions}, kind=kind)) == found


@pytest.mark.parametrize(
    ("predictions", "kind"),
    [
        ({"a": 1}, Kind.LABEL),
        ([[{"a": 1}, 2]], Kind.LABEL),
        (["1.5"], Kind.NUMBER),
        ([True], Kind.NUMBER),
        ([[[1]]], Kind.NUMBER),
        ([1], Kind.TEXT),
        ({"a": 1}, Kind.TEXT),
        ([{"id": 1}], Kind.RANKING),
        ([["a"], "b"], Kind.RANKING),
    ],
)
def test_another_form_than_the_kind_has(predictions: object, kind: Kind) -> None:
    found = read(Protocol.KSERVE_V1, {"predictions": predictions}, kind=kind)
    assert (found.problem, len(found.rows), found.shown) == ("shape", 0, "(shape)")


@pytest.mark.parametrize(
    ("kind", "predictions"),
    [
        (Kind.LABEL, [1, None]),
        (Kind.LABEL, []),
        (Kind.NUMBER, [1, None]),
        (Kind.NUMBER, [NAN]),
        (Kind.TEXT, ["a", " \n"]),
        (Kind.TEXT, None),
        (Kind.RANKING, []),
        (Kind.RANKING, [["a"], []]),
    ],
)
def test_empty_predictions(kind: Kind, predictions: object) -> None:
    assert read(Protocol.KSERVE_V1, {"predictions": predictions}, kind=kind).empty


def test_a_path_of_ones_own() -> None:
    body = {"result": {"items": [{"id": "x"}, {"id": "y"}, {}]}}
    assert rows(read(Protocol.HTTP, body, path="result.items[*].id")) == ["x", "y", None]
    assert read(Protocol.HTTP, body).problem == "noPath"
    assert read(Protocol.HTTP, body, path="result.other").problem == "noPath"


@pytest.mark.parametrize(
    ("name", "said", "finish"),
    [
        ("chat", "The capital of France is Paris.", "stop"),
        ("chat-cut", "The capital of France", "length"),
        ("chat-filtered", "The ", "content_filter"),
        ("completion", "\n\nParis.", "length"),
    ],
)
def test_openai_text(name: str, said: str, finish: str) -> None:
    found = read(Protocol.OPEN_AI, (OPENAI / f"{name}.json").read_bytes(), kind=Kind.TEXT)
    assert (rows(found), found.length, found.finish) == ([digest(said, exact=False)], len(said), finish)
    assert (found.shown, found.invalid, found.empty, found.refused) == (said, True, False, False)


def test_openai_flags() -> None:
    flags = {}
    for name in ("chat-json", "chat-refusal", "chat-empty", "chat-tool"):
        found = read(Protocol.OPEN_AI, (OPENAI / f"{name}.json").read_bytes(), kind=Kind.TEXT)
        flags[name] = (found.problem, found.empty, found.invalid, found.refused, found.finish)
    assert flags == {
        "chat-json": ("", False, False, False, "stop"),
        "chat-refusal": ("", False, False, True, "stop"),
        "chat-empty": ("", True, True, False, "stop"),
        "chat-tool": ("", False, False, False, "tool_calls"),
    }


def test_openai_tools_are_the_same_whatever_the_call_is_named() -> None:
    one, same, other = (
        rows(read(Protocol.OPEN_AI, (OPENAI / f"chat-tool{name}.json").read_bytes(), kind=Kind.TEXT))
        for name in ("", "-again", "-other")
    )
    assert one == same != other


def test_openai_embeddings() -> None:
    found = read(Protocol.OPEN_AI, (OPENAI / "embedding.json").read_bytes(), kind=Kind.NUMBER)
    assert rows(found) == [0.0023064255, -0.009327292, -0.0028842222]
    assert found.finish == ""


def test_openai_errors() -> None:
    raw = (OPENAI / "error.json").read_bytes()
    assert read(Protocol.OPEN_AI, raw, 404, kind=Kind.TEXT).shown == "(error 404)"
    assert read(Protocol.OPEN_AI, raw, 200, kind=Kind.TEXT).problem == "noPath"


def test_an_unknown_reason_to_end_is_another_one() -> None:
    body = {"choices": [{"text": "a", "finish_reason": "function_call"}]}
    assert read(Protocol.OPEN_AI, body, kind=Kind.TEXT).finish == "other"
    assert read(Protocol.OPEN_AI, {"choices": [{"text": "a"}]}, kind=Kind.TEXT).finish == ""


@pytest.mark.parametrize(
    ("body", "status", "skipped", "found"),
    [
        (b"oh", 500, "", Prediction("error", shown="(error 500)")),
        (b"", 503, "notJson", Prediction("error", shown="(error 503)")),
        (b"", 200, "", Prediction("notJson", empty=True, invalid=True, shown="(notJson)")),
        (b"", 200, "empty", Prediction("notJson", empty=True, invalid=True, shown="(notJson)")),
        (b"<html>", 200, "", Prediction("notJson", invalid=True, shown="(notJson)")),
        (b"", 200, "notJson", Prediction("notJson", invalid=True, shown="(notJson)")),
        (b"", 200, "stream", Prediction("stream", shown="(stream)")),
        (b"", 200, "tooLarge", Prediction("tooLarge", shown="(tooLarge)")),
        (b"", 200, "else", Prediction("undecodable", shown="(undecodable)")),
    ],
)
def test_answers_without_a_document(body: bytes, status: int, skipped: str, found: Prediction) -> None:
    assert read(Protocol.KSERVE_V1, body, status, skipped) == found


def test_large_batches_are_looked_at_up_to_a_limit() -> None:
    for kind, row in ((Kind.LABEL, 1), (Kind.NUMBER, 1), (Kind.TEXT, "a"), (Kind.RANKING, ["a"])):
        assert len(read(Protocol.KSERVE_V1, {"predictions": [row] * 100_000}, kind=kind).rows) == MAX_VALUES
    found = read(Protocol.KSERVE_V1, {"predictions": list(range(100_000))}, kind=Kind.RANKING, top=3)
    assert (found.rows, found.length) == ((("0", "1", "2"),), 100_000)


def test_what_is_kept_of_long_texts_is_short() -> None:
    long = "word " * 50_000
    for kind in (Kind.LABEL, Kind.TEXT, Kind.RANKING):
        found = read(Protocol.KSERVE_V1, {"predictions": [long]}, kind=kind)
        assert found.size < 2000
        assert len(found.shown) <= 512
    one, other = (read(Protocol.KSERVE_V1, {"predictions": [long + end]}).rows for end in "ab")
    assert one != other


@pytest.mark.parametrize(
    ("redact", "shown"),
    [
        ((), '[{"name": "Ada", "label": 1}]'),
        (("predictions[*].name",), '[{"name": "(redacted)", "label": 1}]'),
        (("predictions",), "(redacted)"),
        (("predictions[0]",), '["(redacted)"]'),
        (("$",), "(redacted)"),
        (("other", "predictions[*].name"), '[{"name": "(redacted)", "label": 1}]'),
    ],
)
def test_what_is_shown_is_redacted(redact: tuple[str, ...], shown: str) -> None:
    capture = Capture(
        protocol=Protocol.KSERVE_V1,
        extractions=(Extraction(path="predictions[*].label"), Extraction(path="predictions[0].name"), Extraction()),
        keep_bodies=True,
        redact=redact,
    )
    document = {"predictions": [{"name": "Ada", "label": 1}]}
    labels, _, _ = Reader(capture).read(200, json.dumps(document).encode(), "", "")
    assert labels.rows == ("1",)
    for path in redact:
        document = replace_path(document, path, "(redacted)")
    assert Reader(capture).extractors[2].show(document) == shown


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=4) | st.dictionaries(st.sampled_from(["content", "text"]), below, max_size=2)
    ),
    max_leaves=15,
)


@given(values, st.sampled_from(Kind), st.sampled_from(Protocol))
def test_any_value_is_a_prediction_or_has_a_problem(value: object, kind: Kind, protocol: Protocol) -> None:
    bodies = {
        Protocol.OPEN_INFERENCE: {"outputs": [{"data": value, "shape": [2, 2], "datatype": "FP32"}]},
        Protocol.KSERVE_V1: {"predictions": value},
        Protocol.OPEN_AI: {"choices": [{"message": value, "finish_reason": value}]},
        Protocol.HTTP: value,
    }
    found = read(protocol, bodies[protocol], kind=kind, path="$" if protocol is Protocol.HTTP else None)
    assert found.problem in ("", "shape", "noPath")
    assert found.size > 0
