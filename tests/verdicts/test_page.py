"""The page says where ours is not better, in every table, and how sure a kept promise is."""

from collections.abc import Mapping

import pytest

from tests.verdicts import page
from tests.verdicts.page import Kept, holds
from tests.verdicts.rivals import PROMOTE, ROLLBACK, TOLD
from tests.verdicts.row import Outcome, Row, Table
from tests.verdicts.tables import TABLES

RUNS = 200


def _row(key: str, begin: str) -> tuple[Table, Row]:
    table = next(table for table in TABLES if table.key == key)
    return table, next(row for row in table.rows if row.name.startswith(begin))


def _beaten(key: str, begin: str, each: Mapping[str, Outcome]) -> list[str]:
    """Return the lines about a row in which every run is the same."""
    table, row = _row(key, begin)
    text = page.render([table], {(key, row.name): [each] * RUNS}, {})
    about = text.partition("## Rows where ours is not better")[2]
    return [line for line in about.splitlines() if line.startswith(f"| {key}, {row.name}")]


@pytest.mark.parametrize(
    ("key", "begin", "ours", "theirs", "says"),
    [
        (
            "8.8",
            "candidate 2 %",
            Outcome(ROLLBACK, 9.0, 15.0, 9.0),
            Outcome(ROLLBACK, 90.0, 11.0, 9.0),
            "11 bad requests",
        ),
        ("8.8", "candidate 0.5 %", Outcome(PROMOTE, 400.0, 1.0, 9.0), Outcome(PROMOTE, 300.0, 2.0, 9.0), "300 s"),
        ("8.3", "0.1 %, 10 rps", Outcome(PROMOTE, 900.0, 1.0, 9.0), Outcome(PROMOTE, 600.0, 2.0, 9.0), "600 s"),
        (
            "8.4",
            "2 %, 50 % caused by the request, +2",
            Outcome("", 900.0, 1.0, 9.0),
            Outcome(ROLLBACK, 90.0, 2.0, 9.0),
            "90 s",
        ),
        ("predictions", "as noisy", Outcome(ROLLBACK, 9.0, 0.0, 9.0), Outcome(PROMOTE, 9.0, 0.0, 70.0), "0.0 % wrong"),
        ("predictions", "as noisy", Outcome(PROMOTE, 9.0, 0.0, 90.0), Outcome(PROMOTE, 9.0, 0.0, 70.0), "70 pairs"),
        ("drift", "everything moves by 20", Outcome("", 9.0, 0.0, 90.0), Outcome(TOLD, 9.0, 0.0, 70.0), "70 requests"),
        ("drift", "nothing moves", Outcome(TOLD, 9.0, 0.0, 90.0), Outcome("", 9.0, 0.0, 70.0), "0.0 % wrong"),
    ],
)
def test_who_is_better_is_named(key: str, begin: str, ours: Outcome, theirs: Outcome, says: str):
    lines = _beaten(key, begin, {"ours": ours, "another": theirs})
    assert any("another" in line and says in line for line in lines), lines
    assert not _beaten(key, begin, {"ours": theirs, "another": theirs})


def test_a_rollback_soon_is_no_promotion_soon():
    rolled_back = Outcome(ROLLBACK, 60.0, 1.0, 9.0)
    assert not _beaten("8.3", "0.1 %, 10 rps", {"ours": Outcome(PROMOTE, 900.0, 1.0, 9.0), "another": rolled_back})


@pytest.mark.parametrize(
    ("key", "wrong", "of", "kept"),
    [
        *((key, 0, 20, Kept.SO_FAR) for key in ("8.1", "8.3")),
        *((key, 0, 200, Kept.YES) for key in ("8.1", "8.3")),
        # The interval of wrong promotions may reach the bound; false rollbacks themselves must stay below it.
        *(("8.1", 4, 40, Kept.NO), ("8.3", 4, 40, Kept.SO_FAR), ("8.3", 20, 40, Kept.NO)),
    ],
)
def test_few_runs_show_in_the_row_itself(key: str, wrong: int, of: int, kept: Kept):
    _, row = _row(key, {"8.1": "2 %", "8.3": "0.5 % → 2 %"}[key])
    outcomes = [Outcome(row.wrong if number < wrong else "", 9.0, 0.0, 9.0) for number in range(of)]
    assert holds(key, row, "ours", outcomes)[0] is kept
