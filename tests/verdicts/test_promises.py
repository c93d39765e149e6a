"""The tests of the rows can fail: rules that are wrong on purpose are noticed."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.verdicts.promises import Seen, broken, due, watch, wrong_in
from tests.verdicts.rivals import PROMOTE, ROLLBACK, TOLD, NormalMixture, RepeatedZ, Rule
from tests.verdicts.row import MINE, MISNAMED, Kind, Outcome, Row, Table
from tests.verdicts.tables import TABLES

ROWS = [(table, row) for table in TABLES for row in table.rows]
OTHER = {ROLLBACK: PROMOTE, PROMOTE: ROLLBACK, TOLD: MISNAMED}
UNDECIDED = {
    *("8.5/steady: 1.1 × as slow, 1 rps", "8.5/shared noise: 1.1 × as slow, 1 rps"),
    *("8.5/shared noise: faster, but 2 % take 1 s more, 1 rps", "8.7/a slice of 2.4 % fails at 5 %, 10 rps"),
}
"""Rows with something to find that half of all runs never find: in an hour there are too few requests of the candidate's."""
MOVING = "weight 5 → 50 % and rate 0.5 → 2.5 %"


def _ours(table: Table, row: Row) -> Iterator[str]:
    yield from (name for name in (row.rules() or due(table, row)) if name.startswith(MINE))


def _noticed(table: Table, row: Row, name: str, decision: str) -> bool:
    # It serves nobody, so that harm alone is no help.
    outcomes = [Outcome(decision, 1.0, 0.0, 0.0)] * 20
    return any(broken(table, row, name, Seen(outcomes, outcomes)))


def test_a_rule_that_never_decides_is_noticed_wherever_there_is_something_to_decide():
    silent = {
        f"{table.key}/{row.name}: {name}"
        for table, row in ROWS
        for name in due(table, row)
        if not _noticed(table, row, name, "")
    }
    assert not silent


def test_in_nearly_each_row_there_is_something_to_decide():
    finds = {Kind.BROKEN, Kind.GOOD, Kind.MIRRORED, Kind.CLIMB}
    undecided = {
        f"{table.key}/{row.name}" for table, row in ROWS if (row.kind in finds or row.right) and not due(table, row)
    }
    assert undecided == UNDECIDED


def test_a_rule_that_decides_at_once_and_the_wrong_way_is_noticed_in_each_row():
    silent = set()
    for table, row in ROWS:
        for name in _ours(table, row):
            one = due(table, row).get(name)
            decision = OTHER[one.decision] if one else wrong_in(row)
            if not _noticed(table, row, name, decision):
                silent.add(f"{table.key}/{row.name}: {name}")
    assert not silent


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("0.5 %, 100 rps", lambda: RepeatedZ(0.01)),
        (f"{MOVING}, 10 rps", lambda: RepeatedZ(0.01)),
        (f"{MOVING}, 100 rps", lambda: RepeatedZ(0.01)),
        (f"{MOVING}, 100 rps", NormalMixture),
    ],
)
def test_a_test_is_noticed_that_is_repeated_or_pools_what_must_not_be_pooled(name: str, rule: Callable[[], Rule]):
    table = TABLES[0]
    row = next(row for row in table.rows if row.name == name)
    false = replace(row, rules=lambda: {"ours strict": rule()})
    (seen,) = watch(table, false).values()
    assert list(broken(table, false, "ours strict", seen))
