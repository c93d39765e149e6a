"""What the tables promise, on few runs with fixed seeds: engine and judges alone, and a handful through the reconciler."""

from collections.abc import Mapping

import pytest

from tests.verdicts import page, whole
from tests.verdicts.row import MINE, Kind, Row, Table
from tests.verdicts.statistics import likely_at_most, mean
from tests.verdicts.tables import TABLES
from tests.verdicts.traffic import POLL

RUNS = 50
POLLS = {
    "8.1": 60,
    "8.2": 30,
    "8.3": 15,
    "8.4": 8,
    "8.5": 10,
    "8.7": 6,
    "pods": 24,
    "late": 195,
    "robust": 40,
    "predictions": 60,
    "drift": 16,
}
"""After which a run ends where nothing is decided soon: there is no time for hours. Most false rollbacks come early."""
SOON = 180.0
"""Seconds. A row in which half of all runs were decided by then goes on for three times as long."""
CHANCE = 1e-4
"""Of a failure although the promise is kept. Seeds are fixed, so it fails always or never."""
THROUGH = 5
"""Runs of each table through the whole reconciler."""
LONGEST = 720
"""Polls after which these end."""
LOOSE = 1.5
"""By what factor a mean may be above the recorded one; its interval must reach that, because these are few runs."""
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
            bound = page.KNOWN.get(f"{table.key}/{row.name}", page.ALPHA)
            assert likely_at_most(wrong, RUNS, bound, CHANCE), f"{name}: {wrong} of {RUNS} times {row.wrong}"
        if row.right and name == "ours":
            missed = sum(outcome.decision != row.right for outcome in outcomes)
            assert likely_at_most(missed, RUNS, 1 - page.RIGHT, CHANCE), f"{missed} of {RUNS} times no {row.right}"
        theirs = recorded.get(name)
        if theirs and row.kind in {Kind.BROKEN, Kind.CLIMB}:
            bad = mean([outcome.bad for outcome in outcomes])
            assert bad.low <= LOOSE * theirs["bad"], f"{name}: {bad} bad requests"
        if theirs and row.kind is Kind.GOOD:
            requests = mean([outcome.requests for outcome in outcomes])
            assert requests.low <= LOOSE * theirs["requests"], f"{name}: {requests} requests"


def _polls(table: Table, recorded: Mapping[str, Mapping[str, float | None]]) -> int | None:
    """Return after how many polls a run ends; none where there is no traffic to cut."""
    medians = [rule["median_seconds"] for rule in recorded.values()]
    soon = bool(medians) and all(median is not None and median <= SOON for median in medians)
    return round(3 * SOON / POLL) if soon else POLLS.get(table.key)


@pytest.mark.parametrize("table", [table for table in TABLES if whole.replayed(table)], ids=lambda table: table.key)
async def test_the_whole_reconciler_decides_the_same_at_the_same_poll(table: Table):
    rows = len(whole.replayed(table))
    for number in range(THROUGH):
        both = await whole.compare(table, number * rows // THROUGH + number * rows, polls=LONGEST)
        assert both.same, both
