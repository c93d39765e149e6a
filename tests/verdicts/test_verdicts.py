"""What the tables promise, on few runs with fixed seeds: engine and judges alone, and a handful through the reconciler."""

import pytest

from tests.verdicts import whole
from tests.verdicts.promises import broken, watch
from tests.verdicts.row import Row, Table
from tests.verdicts.tables import TABLES

THROUGH = 5
"""Runs of each table through the whole reconciler."""
LONGEST = 720
"""Polls after which these end."""
ROWS = [(table, row) for table in TABLES for row in table.rows]
IDS = [f"{table.key}: {row.name}" for table, row in ROWS]


@pytest.mark.parametrize(("table", "row"), ROWS, ids=IDS)
def test_rows_keep_what_they_promise(table: Table, row: Row):
    seen = watch(table, row)
    assert not [words for name, one in seen.items() for words in broken(table, row, name, one)]


@pytest.mark.parametrize("table", [table for table in TABLES if whole.replayed(table)], ids=lambda table: table.key)
async def test_the_whole_reconciler_decides_the_same_at_the_same_poll(table: Table):
    rows = len(whole.replayed(table))
    for number in range(THROUGH):
        both = await whole.compare(table, number * rows // THROUGH + number * rows, polls=LONGEST)
        assert both.same, both
