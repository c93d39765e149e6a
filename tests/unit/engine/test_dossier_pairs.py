"""How the report shows where both versions differ."""

from modelrollout.engine.dossier_pairs import pairs_part


def test_a_few_classes_are_shown_as_a_matrix_in_the_order_of_numbers():
    said = {"same": {"confusion": [["10", "10", 1200], ["9", "9", 30], ["9", "10", 7]]}}

    page = pairs_part(said)

    assert page.splitlines() == [
        "## Predictions of same: what stable said, and the candidate to the same request",
        "",
        "| stable ↓ candidate → | `9` | `10` |",
        "| --- | --- | --- |",
        "| `9` | 30 | 7 |",
        "| `10` | · | 1,200 |",
    ]


def test_of_many_classes_only_the_ways_to_differ_are_shown_the_frequent_ones_first():
    agreeing = [[f"class-{number}", f"class-{number}", 50] for number in range(20)]
    said = {"same": {"confusion": [*agreeing, ["class-1", "class-2", 3], ["class-2", "class-1", 9]]}}

    page = pairs_part(said)

    assert page.splitlines()[-2:] == ["| `class-2` | `class-1` | 9 |", "| `class-1` | `class-2` | 3 |"]
    assert "50" not in page


def test_examples_name_the_request_and_hold_no_prediction_that_was_not_kept():
    said = {"same": {"examples": [{"id": "a-1", "slice": ["light=dark"]}, {"id": "b|2"}]}}

    page = pairs_part(said)

    assert page.splitlines() == [
        "## Requests that same differs on, the newest",
        "",
        "| x-request-id | slices |",
        "| --- | --- |",
        "| `a-1` | light=dark |",
        "| `b\\|2` |  |",
    ]


def test_kept_predictions_stand_beside_the_request():
    said = {"same": {"examples": [{"id": "a", "stable": "7", "candidate": "`1`"}]}}

    assert "| `a` | `7` | `'1'` |" in pairs_part(said)


def test_nothing_is_said_of_metrics_without_pairs():
    assert pairs_part({}) == ""
    assert pairs_part({"same": {}}) == ""
