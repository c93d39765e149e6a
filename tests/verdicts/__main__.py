"""``make bench-verdicts``: how often verdicts are wrong and what that costs, ours and others' side by side.

Runs are kept in build/verdicts, so an interrupted measurement goes on where it was. Without arguments everything is measured
and the page is written to docs/verdicts-figures.md. With ``--page`` nothing is measured and the page is written from the runs
that are there. ``--keep`` writes all runs that are there to tests/verdicts/runs, from where the next measurement takes them,
on whichever machine.
"""

import argparse
import math
import os
from pathlib import Path

from tests.verdicts import archive, cells, page
from tests.verdicts.cost import costs
from tests.verdicts.tables import TABLES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "verdicts-figures.md"
BUILT = ROOT / "build" / "verdicts"


def main() -> None:
    """Measure what is missing and print the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.verdicts", description=__doc__)
    parser.add_argument("--whole", type=int, default=200, metavar="RUNS", help="of each table through the reconciler")
    parser.add_argument("--runs", type=int, help="of each row; without it each table has its own number")
    parser.add_argument(
        "--table", action="append", choices=[table.key for table in TABLES], help="only this; repeatable"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--resume", type=Path, default=BUILT, metavar="DIR", help="where runs are kept")
    parser.add_argument("--minutes", type=float, default=math.inf, help="after which no further part is begun")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page from what is there")
    parser.add_argument("--keep", action="store_true", help="write the runs of these tables to tests/verdicts/runs")
    asked = parser.parse_args()
    tables = [table for table in TABLES if not asked.table or table.key in asked.table]
    codes = cells.codes()
    archive.bring(asked.resume, codes)
    if not asked.page:
        cells.measure(
            tables,
            runs=asked.runs,
            through=asked.whole,
            directory=asked.resume,
            jobs=asked.jobs,
            told=lambda words: print(words, flush=True),
            seconds=asked.minutes * 60,
        )
    if asked.keep:
        archive.keep([table.key for table in tables], asked.resume, codes)
    found = cells.found(tables, asked.resume)
    text = page.render(tables, found.alone, found.through, tuple(costs()))
    print(text)
    complete = not asked.table and asked.runs is None and asked.minutes == math.inf
    out = PAGE if asked.page or complete else asked.resume / "page.md"
    out.write_text(text)
    print(f"written to {out}")


if __name__ == "__main__":
    main()
