"""What the tables promise, on few runs with fixed seeds: engine and judges alone, and a handful through the reconciler."""

from collections.abc import Mapping
from statistics import fmean

import pytest

from tests.verdicts import page, whole
from tests.verdicts.row import MINE, Kind, Row, Table
from tests.verdicts.statistics import likely_at_most
from tests.verdicts.tables import TABLES

RUNS = 50
POLLS = {"8.1": 60, "8.2": 180, "8.3": 40, "8.4": 30, "8.5": 12, "8.7": 10, "pods": 30, "late": 240, "robust": 40}
"""After which a run ends where nothing is decided soon: there is no time for hours. Most false rollbacks come early."""
CHANCE = 1e-4
"""Of a failure although the promise is kept. Seeds are fixed, so it fails always or never."""
THROUGH = 5
"""Runs of each table through the whole reconciler."""
SOON = 300.0
"""Seconds. A row in which half of all runs were decided by then is played to its end."""
LOOSE = 1.5
"""By what factor a mean of so few runs may be above the recorded one."""
ROWS = [(table, row) for table in TABLES for row in table.rows]
IDS = [f"{table.key}: {row.name}" for table, row in ROWS]


@pytest.mark.parametrize(("table", "row"), ROWS, ids=IDS)
def test_rows_keep_what_they_promise(table: Table, row: Row):
    recorded = page.reference().get(f"{table.key}/{row.name}", {})
    runs = [row.run(number, polls=_polls(table, recorded), rivals=False) for number in range(RUNS)]
    for name in (name for name in runs[0] if name.startswith(MINE)):
        outcomes = [run[name] for run in runs]
        if row.wrong:
            wrong = sum(outcome.decision == row.wrong for outcome in outcomes)
            assert likely_at_most(wrong, RUNS, page.ALPHA, CHANCE), f"{name}: {wrong} of {RUNS} times {row.wrong}"
        theirs = recorded.get(name)
        if theirs and row.kind in {Kind.BROKEN, Kind.CLIMB}:
            bad = fmean(outcome.bad for outcome in outcomes)
            assert bad <= LOOSE * theirs["bad"], f"{name}: {bad} bad requests"
        if theirs and row.kind is Kind.GOOD:
            requests = fmean(outcome.requests for outcome in outcomes)
            assert requests <= LOOSE * theirs["requests"], f"{name}: {requests} requests"


def _polls(table: Table, recorded: Mapping[str, Mapping[str, float | None]]) -> int | None:
    """Return after how many polls a run ends; None: it ends with its traffic, because it is decided soon."""
    medians = [rule["median_seconds"] for rule in recorded.values()]
    soon = bool(medians) and all(median is not None and median <= SOON for median in medians)
    return None if soon else POLLS.get(table.key)


@pytest.mark.parametrize("table", [table for table in TABLES if whole.replayed(table)], ids=lambda table: table.key)
async def test_the_whole_reconciler_decides_the_same_at_the_same_poll(table: Table):
    rows = len(whole.replayed(table))
    for number in range(THROUGH):
        both = await whole.compare(table, number * rows // THROUGH + number * rows)
        assert both.same, both
