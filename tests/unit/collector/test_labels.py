"""The store: what a label joins, what it counts as, why it misses, and that nothing grows without end."""

from array import array
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.collector.collector import Collector
from modelrollout.collector.labels import ARMS, EVENTS, Item, Labels, Outcome, parse_items
from modelrollout.collector.prediction import Prediction
from modelrollout.domain.capture import Capture, Kind
from modelrollout.domain.exposition import parse_exposition
from modelrollout.domain.sampling import sampled
from tests.unit.collector.labelled import capture_of, counted, event, label, said, store


def test_a_label_counts_for_the_version_that_answered_and_in_each_part_of_its_request() -> None:
    labels = store()
    labels.remember("a", "old", ["light=dark"], said("cat"), 0)
    labels.remember("b", "new", ["", "light=dark"], said("dog"), 1)
    assert label(labels, "a", "cat") is Outcome.JOINED
    assert label(labels, "b", "cat", 5) is Outcome.JOINED
    assert counted(labels) == counted(labels, part="light=dark") == {
        "requests": 1, "labels": 1, "right": 1, "truth/cat/cat": 1,
    }  # fmt: skip
    assert counted(labels, "new") == {"requests": 1, "labels": 1, "truth/dog/cat": 1}


def test_a_label_that_comes_after_the_rollout_went_on_still_counts_for_its_version() -> None:
    labels = store()
    labels.remember("a", "old", [], said("cat"), 0)
    labels.configure(capture_of().model_copy(update={"stable": "new", "candidate": None}))
    labels.remember("b", "new", [], said("cat"), 100)
    assert label(labels, "a", "dog", 5000) is Outcome.JOINED
    assert counted(labels)["truth/cat/dog"] == 1


@pytest.mark.parametrize(("predicted", "told"), [("3", 3), ("3", 3.0), ("3", "3"), ("3", [3]), ("true", True)])
def test_a_label_is_compared_as_a_prediction_is(predicted: str, told: object) -> None:
    labels = store()
    labels.remember("a", "old", [], said(predicted), 0)
    assert label(labels, "a", told) is Outcome.JOINED
    assert counted(labels)["right"] == 1


def test_numbers_are_right_within_the_tolerance_and_their_distance_is_counted() -> None:
    labels = store(Kind.NUMBER, absolute=0.5)
    for request, predicted in (("a", 1.0), ("b", 1.5), ("c", 4.0), ("d", float("inf"))):
        labels.remember(request, "old", [], Prediction(rows=array("d", [predicted])), 0)
        assert label(labels, request, 1) is Outcome.JOINED
    assert counted(labels) == {
        "requests": 4, "labels": 4, "right": 2, "error/at=1e-06": 1, "error/at=0.5": 1, "error/at=5": 1, "error/at=inf": 1,
    }  # fmt: skip


def test_an_answer_without_a_prediction_is_wrong_and_one_that_nobody_could_read_is_not() -> None:
    labels = store()
    for request, problem in (("a", "error"), ("b", "noPath"), ("c", "tooLarge"), ("d", "undecodable")):
        labels.remember(request, "old", [], Prediction(problem), 0)
    labels.remember("e", "old", [], said(None), 0)
    outcomes = [label(labels, request, "cat") for request in "abcde"]
    assert outcomes == ["joined", "joined", "unusable", "unusable", "joined"]
    assert counted(labels) == {"requests": 5, "labels": 3, "truth/null/cat": 3}


def test_one_row_stands_for_a_request_of_many() -> None:
    labels = store()
    for number in range(400):
        labels.remember(f"r{number}", "old", [], said("cat", "dog", "cat", "cat"), 0)
        assert label(labels, f"r{number}", ["cat", "cat", "cat", "cat"]) is Outcome.JOINED
    found = counted(labels)
    assert found["labels"] == 400
    assert 260 < found["right"] < 340, "three rows of four are right"


@pytest.mark.parametrize("told", [["cat"], ["cat", "dog", "cat"], "cat", None, {"a": 1}, [None, None], []])
def test_a_label_that_does_not_fit_the_answer_is_unusable_and_leaves_room_for_one_that_does(told: object) -> None:
    labels = store()
    labels.remember("a", "old", [], said("cat", "dog"), 0)
    assert label(labels, "a", told) is Outcome.UNUSABLE
    assert label(labels, "a", ["cat", "dog"]) is Outcome.JOINED


def test_the_second_label_of_a_request_changes_nothing() -> None:
    labels = store()
    labels.remember("a", "old", [], said("cat"), 0)
    assert [label(labels, "a", value) for value in ("cat", "cat", "dog")] == ["joined", "duplicate", "duplicate"]
    assert counted(labels)["right"] == counted(labels)["labels"] == 1


def test_each_miss_has_its_reason() -> None:
    labels = store(percent=50, kept=100)
    for number in range(150):
        labels.remember(f"r{number}", "old", [], said("cat"), number)
    known = next(name for name in map(str, range(1000)) if sampled(name, 50))
    other = next(name for name in map(str, range(1000)) if not sampled(name, 50))
    asked = ("r149", "r0", known, other, "", "x" * 129)
    outcomes = [label(labels, request, "cat", 200) for request in asked]
    assert outcomes == ["joined", "forgotten", "unknown", "notSampled", "unusable", "unusable"]
    labels.miss(1)
    labels.refuse(7)
    told = labels.told()
    assert told == {
        "joined": 1, "unknown": 1, "notSampled": 1, "forgotten": 1, "duplicate": 0, "unusable": 2, "refused": 7,
        "kept": 100, "seconds": 150.0,
    }  # fmt: skip


def test_whoever_was_sampled_at_a_larger_share_is_not_said_to_be_left_out() -> None:
    labels = store(percent=80)
    labels.configure(capture_of(percent=1).model_copy(update={"candidate": None}))
    name = next(name for name in map(str, range(1000)) if sampled(name, 80) and not sampled(name, 1))
    assert label(labels, name, "cat") is Outcome.UNKNOWN


def test_an_event_counts_with_its_request_when_its_time_is_over() -> None:
    labels = store()
    for number in range(4):
        labels.remember(f"r{number}", "old", ["eu"], said("cat"), number)
    assert event(labels, "r0", "click", 10) is Outcome.JOINED
    assert event(labels, "r0", "click", 10) is Outcome.DUPLICATE
    assert event(labels, "r0", "shown", 10) is Outcome.JOINED
    assert event(labels, "r1", "shown", 10) is Outcome.JOINED
    assert counted(labels) == {"requests": 4}
    labels.tick(62)
    expected = {"requests": 4, "ripe": 3, "event/click": 1, "event/shown": 2, "both/click/shown": 1}
    assert counted(labels) == counted(labels, part="eu") == expected
    assert event(labels, "r1", "click", 63) is Outcome.FORGOTTEN
    assert label(labels, "r1", "cat", 63) is Outcome.JOINED, "labels come as late as they come"


def test_a_request_that_is_forgotten_before_its_time_counts_for_no_event() -> None:
    labels = store(kept=100)
    for number in range(150):
        labels.remember(f"r{number}", "old", [], said("cat"), 0)
    labels.tick(1000)
    assert counted(labels)["requests"] == 150
    assert counted(labels)["ripe"] == 100


def test_kinds_of_events_are_few_and_their_names_cannot_break_a_series() -> None:
    labels = store()
    labels.remember("a", "old", [], said("cat"), 0)
    assert event(labels, "a", "a/b c") is Outcome.JOINED
    outcomes = [event(labels, "a", f"e{number}") for number in range(EVENTS)]
    assert outcomes == ["joined"] * (EVENTS - 1) + ["unusable"]
    assert event(labels, "a", "x" * 41) is Outcome.UNUSABLE
    labels.tick(60)
    assert "event/a%2Fb%20c" in counted(labels)


def test_groups_count_good_outcomes_at_once_and_true_ones_with_the_label() -> None:
    labels = store(groups=("sex=f", "sex=m"), positive="yes")
    for request, group, predicted, right in (
        ("a", "sex=f", "yes", "yes"), ("b", "sex=f", "no", "yes"), ("c", "sex=m", "yes", "no"), ("d", "else", "yes", "yes"),
    ):  # fmt: skip
        labels.remember(request, "old", [group], said(predicted), 0)
        label(labels, request, right)
    groups = {series: value for series, value in counted(labels).items() if series.startswith("group/")}
    assert groups == {
        "group/sex%3Df/total": 2, "group/sex%3Df/positive": 1,
        "group/sex%3Df/actualPositive": 2, "group/sex%3Df/truePositive": 1,
        "group/sex%3Dm/total": 1, "group/sex%3Dm/positive": 1,
    }  # fmt: skip
    assert not any(series.startswith("group/") for series in counted(labels, part="sex=f"))


def test_classes_are_few() -> None:
    labels = store()
    for number in range(30):
        labels.remember(f"r{number}", "old", [], said(f"c{number}"), 0)
        label(labels, f"r{number}", f"c{number}")
    found = counted(labels)
    assert sum(series.startswith("truth/") for series in found) == 21
    assert (found["truth/other/other"], found["right"]) == (10, 30)


def test_predictions_that_are_redacted_are_not_told() -> None:
    labels = Labels()
    labels.configure(capture_of().model_copy(update={"redact": ("predictions",), "protocol": "kserveV1"}))
    labels.remember("a", "old", [], said("secret"), 0)
    label(labels, "a", "secret")
    assert "secret" not in str(counted(labels))
    assert counted(labels)["right"] == 1


def test_nothing_is_kept_while_no_labels_are_taken() -> None:
    labels = store()
    labels.remember("a", "old", [], said("cat"), 0)
    labels.configure(Capture())
    assert (list(labels.rows()), labels.size, labels.page()) == ([], 0, {})
    labels.remember("b", "old", [], said("cat"), 0)
    labels.configure(capture_of())
    assert label(labels, "a", "cat") is not Outcome.JOINED


def test_another_meaning_of_a_prediction_begins_anew_and_another_bound_does_not() -> None:
    labels = store()
    labels.remember("a", "old", [], said("cat"), 0)
    labels.configure(capture_of(kept=200))
    assert label(labels, "a", "cat") is Outcome.JOINED
    labels.configure(capture_of(Kind.NUMBER))
    assert list(labels.rows()) == []


def test_only_the_last_versions_are_counted() -> None:
    labels = store()
    for number in range(ARMS + 3):
        labels.remember(f"r{number}", f"arm{number}", [], said("cat"), number)
    assert {arm for arm, *_ in labels.rows()} == {f"arm{number}" for number in range(3, ARMS + 3)}


def test_bytes_are_bounded_whatever_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelrollout.collector.labels.LARGEST", 1024 * 1024)
    labels = store(kept=200_000)
    for number in range(5000):
        labels.remember(f"{number:0120d}", "old", [], said("x" * 120), number)
    assert labels.size <= 1024 * 1024
    assert 1500 < labels.told()["kept"] < 3000


def test_prometheus_gets_what_became_of_them() -> None:
    collector = Collector(capture_of())
    labels = collector.labels
    for request in ("a", "b"):
        labels.remember(request, "old", ["eu"], said("cat"), 0)
    label(labels, "a", "cat", 1)
    event(labels, "a", "a click", 1)
    label(labels, "b", "dog", 90)
    label(labels, "b", "dog", 90)
    found = {
        (point.name, *sorted(point.labels.items())): point.value for point in parse_exposition(collector.metrics())
    }
    prefix, place = "modelrollout_predictions", [("part", "eu"), ("revision", "old")]
    assert found[f"{prefix}_labelled_requests_total", *place] == 2
    assert found[f"{prefix}_labels_total", *place, ("right", "true")] == 1
    assert found[f"{prefix}_labels_total", *place, ("right", "false")] == 1
    assert found[f"{prefix}_events_total", ("event", "a click"), *place] == 1
    assert found[f"{prefix}_ripe_total", *place] == 2
    assert found[f"{prefix}_labels_missed_total", ("reason", "duplicate")] == 1
    assert found[(f"{prefix}_label_horizon_seconds",)] == 90


DOCUMENTS = [
    ({"id": "a", "label": 3}, [Item("a", 3)]),
    ({"id": "a", "event": "click"}, [Item("a", event="click")]),
    ({"labels": [{"id": "a", "label": "x"}, {"id": "b", "event": "e"}]}, [Item("a", "x"), Item("b", event="e")]),
    ({"labels": []}, []),
    # One that is wrong spoils no other.
    ({"labels": [1, {"id": 3, "label": 1}, {"id": "a"}, {"id": "b", "label": 0}]}, [Item("")] * 3 + [Item("b", 0)]),
    ({"id": "a", "label": 1, "event": "e"}, [Item("")]),
    ({"id": "a", "event": ""}, [Item("")]),
]


@pytest.mark.parametrize(("document", "expected"), DOCUMENTS)
def test_a_document_is_one_item_or_a_list_of_them(document: object, expected: Sequence[Item]) -> None:
    assert parse_items(document) == expected


@pytest.mark.parametrize("document", [None, 3, [], {}, {"id": "a"}, {"labels": 3}, "x"])
def test_anything_else_is_no_document(document: object) -> None:
    with pytest.raises(ValueError, match="it is no"):
        parse_items(document)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.integers(0, 150), st.sampled_from(["cat", "dog", None])),
        st.tuples(st.just("label"), st.integers(0, 150), st.sampled_from(["cat", "dog", 3, None, ["cat"]])),
        st.tuples(st.just("event"), st.integers(0, 150), st.sampled_from(["click", "redo"])),
        st.tuples(st.just("tick"), st.integers(1, 100), st.none()),
    ),
    max_size=400,
)


@given(ACTIONS)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_counters_only_grow_and_parts_of_a_whole_never_exceed_it(actions: list[tuple[str, int, Any]]) -> None:
    labels, now, before = store(kept=100), 0.0, dict[str, float]()
    taken = 0
    for kind, number, value in actions:
        if kind == "answer":
            labels.remember(f"r{number}", "old", [], said(value), now)
        elif kind == "tick":
            now += number
            labels.tick(now)
        else:
            taken += 1
            item = Item(f"r{number}", value) if kind == "label" else Item(f"r{number}", event=value)
            labels.miss([*labels.take([item], now)].count(Outcome.UNKNOWN))
        found = counted(labels)
        assert all(found.get(series, 0) >= count for series, count in before.items())
        before = found
        truths = sum(count for series, count in found.items() if series.startswith("truth/"))
        assert truths == found.get("labels", 0) <= found.get("requests", 0)
        assert found.get("right", 0) <= found.get("labels", 0)
        assert all(found.get(f"event/{name}", 0) <= found.get("ripe", 0) for name in ("click", "redo"))
        assert sum(labels.totals.values()) == taken, "each is counted once"
