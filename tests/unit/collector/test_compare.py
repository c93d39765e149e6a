"""Two predictions, and what is counted of them."""

import itertools
import math
import random
from pathlib import Path

import pytest

from modelrollout.collector.collector import Collector
from modelrollout.domain.capture import DIFFERENCES, Extraction, Kind, Protocol
from tests.unit.collector.pairs import again, capture, copy, counters, named, of, pair, primary

LONG = "a" * 300
OPENAI = Path(__file__).parents[2] / "data" / "predictions" / "openai"


@pytest.mark.parametrize(
    ("kind", "options", "stable", "candidate", "score"),
    [
        (Kind.LABEL, {}, [1], [1.0], "1"),
        (Kind.LABEL, {}, ["cat"], ["Cat"], "0"),
        (Kind.LABEL, {}, [1, 2, 3, 4], [1, 2, 3, 5], "0.75"),
        (Kind.LABEL, {}, [1, 2], [1, 2, 3, 4], "0.5"),
        (Kind.LABEL, {}, [None], [None], "1"),
        (Kind.LABEL, {}, [None], [1], "0"),
        (Kind.LABEL, {}, [], [], "1"),
        (Kind.LABEL, {}, [], [1], "0"),
        (Kind.LABEL, {}, [LONG], [LONG], "1"),
        (Kind.LABEL, {}, [LONG + "x"], [LONG + "y"], "0"),
        (Kind.NUMBER, {}, [1.0], [1.0], "1"),
        (Kind.NUMBER, {}, [1.0], [1.1], "0"),
        (Kind.NUMBER, {"absolute": 0.125}, [1.0, 1.0], [1.125, 1.126], "0.5"),
        (Kind.NUMBER, {"relative": 0.5}, [-2.0, 2.0], [-3.0, 0.9], "0.5"),
        (Kind.NUMBER, {"absolute": 1, "relative": 0.1}, [1.0, 100.0], [2.0, 110.0], "1"),
        (Kind.NUMBER, {"absolute": 9}, [None, 1.0], [None, None], "0.5"),
        (Kind.NUMBER, {"relative": 9}, [1e999, 1e999], [1e999, 1.0], "0.5"),
        (Kind.TEXT, {}, "Hello  World", "hello world\n", "1"),
        (Kind.TEXT, {"exact": True}, "Hello  World", "hello world\n", "0"),
        (Kind.TEXT, {}, "ﬁne Äpfel", "FINE a\u0308pfel", "1"),
        (Kind.TEXT, {"exact": True}, "Ä", "A\u0308", "0"),
        (Kind.TEXT, {}, ["a", "b"], ["a", "c"], "0.5"),
        (Kind.RANKING, {"top": 4}, [1, 2, 3, 4, 5], [4, 3, 2, 9, 5], "0.75"),
        (Kind.RANKING, {"top": 2}, [1, 2, 3], [1, 2, 4], "1"),
        (Kind.RANKING, {}, [1, 2], [1, 2, 3, 4], "0.5"),
        (Kind.RANKING, {}, [], [], "1"),
        (Kind.RANKING, {}, [["a"], ["b"]], [["a"], ["c"]], "0.5"),
        (Kind.RANKING, {}, [1, 1, 1], [1], "1"),
    ],
)
def test_agreement(kind: Kind, options: dict, stable: object, candidate: object, score: str) -> None:
    collector = of(kind, **options)
    pair(collector, stable, candidate)
    assert named(counters(collector), "score/") == {score: 1}


@pytest.mark.parametrize(
    ("stable", "candidate", "exact", "score"),
    [
        ("chat", "chat-same", False, "1"),
        ("chat", "chat-same", True, "0"),
        ("chat", "chat-cut", False, "0"),
        ("chat", "chat-refusal", False, "0"),
        ("chat-refusal", "chat-refusal", True, "1"),
        ("chat-tool", "chat-tool-again", True, "1"),
        ("chat-tool", "chat-tool-other", False, "0"),
    ],
)
def test_agreement_of_openai_answers(stable: str, candidate: str, exact: bool, score: str) -> None:
    collector = Collector(capture(Extraction(kind=Kind.TEXT, exact=exact), protocol=Protocol.OPEN_AI))
    collector.primary(primary("a", None, body=(OPENAI / f"{stable}.json").read_bytes()), 0)
    collector.copy(copy("a", None, body=(OPENAI / f"{candidate}.json").read_bytes()), 0)
    assert named(counters(collector), "score/") == {score: 1}


def test_scores_are_rounded_so_that_their_mean_stays() -> None:
    collector = of(Kind.LABEL)
    batch = list(range(50))
    for _ in range(1000):
        pair(collector, batch, [*batch[:-1], -1])
    scores = named(counters(collector), "score/")
    assert set(scores) == {"0.95", "1"}
    mean = sum(float(score) * count for score, count in scores.items()) / 1000
    assert mean == pytest.approx(0.98, abs=0.003)


@pytest.mark.parametrize(
    ("stable", "candidate", "cells"),
    [
        ({}, {}, {"error/neither", "empty/neither", "invalidJson/neither", "refusal/neither"}),
        ({}, {"status": 500}, {"error/candidate", "empty/neither", "invalidJson/neither", "refusal/neither"}),
        ({"status": 400}, {"status": 422}, {"error/both", "empty/neither", "invalidJson/neither", "refusal/neither"}),
        (
            {"status": 404, "skipped": "notJson"},
            {},
            {"error/stable", "empty/neither", "invalidJson/neither", "refusal/neither"},
        ),
        (
            {},
            {"body": b'{"predictions": null}'},
            {"error/neither", "empty/candidate", "invalidJson/neither", "refusal/neither"},
        ),
        ({}, {"body": b"NaN{"}, {"error/neither", "empty/neither", "invalidJson/candidate", "refusal/neither"}),
        ({}, {"skipped": "empty"}, {"error/neither", "empty/candidate", "invalidJson/candidate", "refusal/neither"}),
    ],
)
def test_what_is_bad(stable: dict, candidate: dict, cells: set[str]) -> None:
    collector = of(Kind.LABEL)
    collector.primary(primary("a", [1], **stable), 0)
    collector.copy(copy("a", [1], **candidate), 0)
    assert named(counters(collector), "bad/") == dict.fromkeys(cells, 1)


@pytest.mark.parametrize(
    ("stable", "candidate", "series"),
    [
        ({}, {"status": 500}, "score/0"),
        ({}, {"body": b"<html>"}, "score/0"),
        ({}, {"body": b"{}"}, "score/0"),
        ({}, {"body": b'{"predictions": {}}'}, "score/0"),
        ({}, {"skipped": "empty"}, "score/0"),
        ({}, {"encoding": "gzip"}, "skipped/undecodable"),
        ({}, {"skipped": "stream"}, "skipped/stream"),
        ({}, {"skipped": "tooLarge"}, "skipped/tooLarge"),
        ({"status": 500}, {}, "skipped/error"),
        ({"body": b"<html>"}, {}, "skipped/notJson"),
        ({"body": b"{}"}, {"body": b"{}"}, "skipped/noPath"),
        ({"body": b'{"predictions": {}}'}, {}, "skipped/shape"),
        ({"encoding": "br"}, {"encoding": "br"}, "skipped/undecodable"),
    ],
)
def test_what_the_candidate_alone_lacks_is_a_difference(stable: dict, candidate: dict, series: str) -> None:
    collector = of(Kind.LABEL)
    collector.primary(primary("a", [1], **stable), 0)
    collector.copy(copy("a", [1], **candidate), 0)
    found = counters(collector)
    assert found["pairs"] == 1
    assert {name for name in found if name.startswith(("score/", "skipped/"))} == {series}


@pytest.mark.parametrize("reason", ["stream", "notJson", "tooLarge", "empty"])
def test_an_answer_that_cannot_be_compared_is_no_pair(reason: str) -> None:
    collector = of(Kind.LABEL)
    collector.copy(copy("a", [1]), 0)
    collector.primary(primary("a", None, body=b"", skipped=reason), 0)
    collector.copy(copy("b", [1]), 0)
    assert counters(collector) == {f"skipped/{reason}": 1}
    assert collector.page()["totals"] == {"copy": 2, "primary": 1, f"skipped/{reason}": 1}


def test_labels_of_both_versions_are_crossed() -> None:
    collector = of(Kind.LABEL)
    pair(collector, ["a", "b", None], ["a", "c", "d"])
    pair(collector, ["x/y %"], ["a" * 40])
    assert named(counters(collector), "class/") == {
        "a/a": 1,
        "b/c": 1,
        "null/d": 1,
        f"x%2Fy%20%25/{'a' * 32}": 1,
    }


def test_classes_are_few() -> None:
    collector = of(Kind.LABEL)
    pair(collector, list(range(100)), list(range(100)))
    classes = named(counters(collector), "class/")
    assert len(classes) == 21
    assert classes["other/other"] == 80


def test_redacted_labels_are_told_apart_and_not_told() -> None:
    collector = Collector(capture(redact=("predictions[*]",)))
    pair(collector, ["Ada", "Ada", "Eve"], ["Ada", "Eve", "Eve"])
    classes = named(counters(collector), "class/")
    assert sorted(classes.values()) == [1, 1, 1]
    assert "Ada" not in str(collector.page())


def test_numbers_apart() -> None:
    collector = of(Kind.NUMBER)
    for stable, candidate in (([1, 2], [1, 2.4]), ([0, 0], [0, 0]), ([5], [-1e9]), ([None], [1]), ([1], [2])):
        pair(collector, stable, candidate)
    found = counters(collector)
    bounds = named(found, "difference/le=")
    assert [bounds.get(bound, 0) for bound in ("1e-06", "0.2", "0.5", "1", "1e+06", "+Inf")] == [1, 1, 2, 3, 3, 4]
    assert named(found, "bias/") == {"count": 4, "up": pytest.approx(1.2), "down": 1e9 + 5}
    assert set(map(float, bounds)) == {*DIFFERENCES, math.inf}


def test_endless_numbers_leave_the_counters_finite() -> None:
    collector = of(Kind.NUMBER)
    pair(collector, [1, 1e999, 1e999, -1e999], [1e999, 1, -1e999, 1e999])
    pair(collector, [1e308], [-1e308])
    assert all(math.isfinite(row[3]) for row in collector.page()["counters"])


def test_lengths_by_version() -> None:
    collector = Collector(capture(*(Extraction(kind=kind) for kind in (Kind.TEXT, Kind.RANKING, Kind.LABEL))))
    pair(collector, ["four", "five"], ["six"])
    pair(collector, [], ["six"])
    collector.primary(primary("a", ["x"]), 0)
    collector.copy(copy("a", None, status=500), 0)
    assert named(counters(collector, number=0), "length/") == {
        "stable/sum": 9,
        "stable/count": 3,
        "candidate/sum": 6,
        "candidate/count": 2,
    }
    assert named(counters(collector, number=1), "length/stable/") == {"sum": 3, "count": 3}
    assert named(counters(collector, number=2), "length/candidate/") == {"sum": 2, "count": 2}


def test_reasons_to_end_by_version() -> None:
    collector = Collector(capture(Extraction(kind=Kind.TEXT), protocol=Protocol.OPEN_AI))
    collector.primary(primary("a", None, body=b'{"choices": [{"text": "a", "finish_reason": "stop"}]}'), 0)
    collector.copy(copy("a", None, body=b'{"choices": [{"text": "a", "finish_reason": "length"}]}'), 0)
    assert named(counters(collector), "finish/") == {"stable/stop": 1, "candidate/length": 1}


def test_a_refusal_is_the_candidates() -> None:
    collector = Collector(capture(Extraction(kind=Kind.TEXT), protocol=Protocol.OPEN_AI))
    collector.primary(primary("a", None, body=b'{"choices": [{"message": {"content": "a"}}]}'), 0)
    collector.copy(copy("a", None, body=b'{"choices": [{"message": {"content": null, "refusal": "No."}}]}'), 0)
    found = counters(collector)
    assert (found["bad/refusal/candidate"], found["bad/empty/neither"], found["score/0"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("stable", "candidate", "second", "excess"),
    [
        ([1], [1], [1], "0"),
        ([1], [2], [1], "1"),
        ([1], [1], [2], "-1"),
        ([1], [2], [2], "0"),
        ([1, 2, 3, 4], [1, 2, 3, 9], [1, 2, 9, 9], "-0.25"),
    ],
)
def test_stables_own_noise(stable: object, candidate: object, second: object, excess: str) -> None:
    collector = Collector(capture(baseline=10))
    collector.primary(primary("a", stable), 0)
    collector.copy(copy("a", candidate), 0)
    collector.copy(again("a", second), 0)
    assert named(counters(collector), "beyond/") == {excess: 1}


def test_a_second_answer_that_failed_is_noise_and_one_that_was_not_seen_is_nothing() -> None:
    collector = Collector(capture(baseline=10))
    for request, fields in (("a", {"status": 500}), ("b", {"skipped": "tooLarge"}), ("c", {"encoding": "br"})):
        collector.primary(primary(request, [1]), 0)
        collector.copy(copy(request, [1]), 0)
        collector.copy(again(request, [1], **fields), 0)
    assert named(counters(collector), "beyond/") == {"-1": 1}
    assert collector.page()["totals"]["baseline"] == 3


def kappa(labels: list[tuple[str, str]]) -> float:
    """Cohen's kappa as in the textbook."""
    total = len(labels)
    agree = sum(one == two for one, two in labels) / total
    names = {name for couple in labels for name in couple}
    chance = sum(
        sum(one == name for one, _ in labels) * sum(two == name for _, two in labels) / total**2 for name in names
    )
    return (agree - chance) / (1 - chance)


@pytest.mark.parametrize("candidate", ["same", "negative", "noisy"])
def test_kappa_is_that_of_the_textbook(candidate: str) -> None:
    chance = random.Random(5)
    answers = {
        "same": lambda label: label,
        "negative": lambda _: "no",
        "noisy": lambda label: label if chance.random() < 0.8 else chance.choice("abc"),
    }
    collector = of(Kind.LABEL)
    labels = []
    for _ in range(3000):
        label = chance.choices(["yes", "no", "a", "b"], [1, 60, 20, 19])[0]
        labels.append((label, answers[candidate](label)))
        pair(collector, [labels[-1][0]], [labels[-1][1]])
    cells = {tuple(map(int, name.split("/"))): n for name, n in named(counters(collector), "kappa/").items()}
    assert sum(cells.values()) == 1500
    found = 1 - sum(d * n for (d, _), n in cells.items()) / sum(c * n for (_, c), n in cells.items())
    assert found == pytest.approx(kappa(labels), abs=0.05)


def test_kappa_is_for_labels_and_of_the_first_row() -> None:
    collector = Collector(capture(Extraction(), Extraction(kind=Kind.TEXT)))
    for stable, candidate in itertools.product((["a", "b"], ["b", "a"]), (["a", "b"], ["b", "a"])):
        pair(collector, stable, candidate)
    assert sum(named(counters(collector), "kappa/").values()) == 2
    assert not named(counters(collector, number=1), "kappa/")


def test_an_error_is_unlike_every_label() -> None:
    collector = of(Kind.LABEL)
    for request in ("a", "b"):
        collector.primary(primary(request, [None]), 0)
        collector.copy(copy(request, None, status=500), 0)
    assert named(counters(collector), "kappa/") == {"2/2": 1}
