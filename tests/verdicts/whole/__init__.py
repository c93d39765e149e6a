"""The same runs through the whole reconciler on a simulated cluster: it must decide what engine and judges decide alone.

The counters of a run are recorded and replayed by the routers of a simulated cluster, by the collectors beside them, or as a
Prometheus would have told them, so both see the same requests. The simulated cluster keeps its own clock: polls come some
seconds after the counters that they read, and never earlier.
"""

from dataclasses import dataclass
from functools import cache
from itertools import islice

from modelrollout.domain.tally import Histogram, Rate
from modelrollout.simulation.trial import Setting
from tests.verdicts.ours import Ours
from tests.verdicts.row import Kind, Row, Table, play
from tests.verdicts.traffic import HOUR, Tick
from tests.verdicts.whole import climbs, pages, routers, scraped
from tests.verdicts.whole.rollout import WORDS, Plan, play_out, until

LONGEST = 24 * HOUR
"""Rollouts that last longer take too long to replay by the hundred."""
LATER = 5.0
"""Seconds by which the reconciler may decide later: it must be told of a poll, and write."""


@dataclass(frozen=True)
class Both:
    """One run, decided twice.

    Attributes:
        row: which traffic.
        run: number of the run.
        sensitivity: of the judge.
        alone: what engine and judges decided.
        alone_at: when, in seconds since the candidate's first request.
        through: what the whole reconciler decided.
        through_at: when.
    """

    row: str
    run: int
    sensitivity: str
    alone: str
    alone_at: float
    through: str
    through_at: float

    @property
    def same(self) -> bool:
        """Whether both decided the same at the same poll."""
        return self.alone == self.through and (not self.alone or 0 <= self.through_at - self.alone_at < LATER)


@cache
def replayed(table: Table) -> tuple[Row, ...]:
    """Return the rows that a simulated cluster can play: counts at one weight, of parts and pods too, pairs, and ramps."""
    return tuple(row for row in table.rows if row.kind in {Kind.PAIRS, Kind.CLIMB} or _plain(row))


def _plain(row: Row) -> bool:
    ticks = tuple(row.traffic(row.random(0))) if row.traffic is not None else ()
    return bool(ticks) and (
        ticks[-1].at <= LONGEST
        and len({(tick.weight, tick.seconds) for tick in ticks}) == 1
        and isinstance(ticks[0].candidate.tally, Rate | Histogram)
    )


async def compare(table: Table, number: int, *, polls: int | None = None) -> Both:
    """Make one run of a table both ways; rows and sensitivities take turns.

    Args:
        table: which.
        number: of the run.
        polls: after so many it ends.
    """
    rows = replayed(table)
    row, run = rows[number % len(rows)], number // len(rows)
    if row.kind is Kind.CLIMB:
        alone, through = await climbs.compare(row.name, run)
        return Both(row.name, run, climbs.SENSITIVITY, *alone, *through)
    assert row.traffic is not None
    ticks = tuple(islice(row.traffic(row.random(run)), polls))
    promotes = any(row.kind in {Kind.GOOD, Kind.BAD} for row in rows)
    sensitivity = "" if row.kind is Kind.PAIRS else "margin" if promotes or run % 2 else "strict"
    plan = _plan(row, ticks, sensitivity, promotes=promotes)
    alone = play(ticks, {"ours": plan.rule}, {})["ours"]
    setting = Setting(document=plan.document, until=until(ticks[-1].at), recording=tuple(plan.recording))
    outcome = await play_out(setting, number, plan.prepare)
    at = outcome.verdict.at - (outcome.first_request or 0.0) - plan.begins
    return Both(row.name, run, sensitivity, alone.decision, alone.at, WORDS.get(outcome.verdict.decision, ""), at)


def _plan(row: Row, ticks: tuple[Tick, ...], sensitivity: str, *, promotes: bool) -> Plan:
    if row.kind is Kind.PAIRS:
        rule = row.rules()["ours"]
        assert isinstance(rule, Ours)
        return pages.pairs(rule.metric, ticks)
    if scraped.is_scraped(ticks[0]):
        return scraped.plan(ticks, sensitivity, promotes=promotes)
    if ticks[0].slices:
        return pages.slices(ticks, sensitivity)
    return routers.plan(
        ticks, sensitivity, promotes=promotes or (row.kind is Kind.MIRRORED and sensitivity == "margin")
    )
