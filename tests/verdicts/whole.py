"""The same runs through the whole reconciler on a simulated cluster: it must decide what engine and judges decide alone.

The counters of a run are recorded and replayed by the routers of a simulated cluster, so both see the same requests. The
simulated cluster keeps its own clock: polls come some seconds after the counters that they read, and never earlier.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from modelrollout.domain.tally import Rate
from modelrollout.names import API_VERSION, KIND
from modelrollout.simulation.clerk import Decision
from modelrollout.simulation.recording import Entry
from modelrollout.simulation.trial import Setting, run_trial
from tests.verdicts.ours import Ours, settings
from tests.verdicts.rivals import PROMOTE, ROLLBACK
from tests.verdicts.row import Kind, Row, Table, play
from tests.verdicts.traffic import HOUR, Tick

WORDS = {Decision.PROMOTED: PROMOTE, Decision.ROLLED_BACK: ROLLBACK}


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
    """Return the rows whose traffic a simulated cluster can replay: counts of bad requests at one weight, no predictions."""
    drawn = ((row, row.traffic) for row in table.rows if row.traffic is not None and row.kind is not Kind.PAIRS)
    return tuple(row for row, traffic in drawn if _plain(tuple(traffic(row.random(0)))))


def _plain(ticks: tuple[Tick, ...]) -> bool:
    return (
        ticks[-1].at <= LONGEST
        and len({(tick.weight, tick.seconds) for tick in ticks}) == 1
        and isinstance(ticks[0].candidate.tally, Rate)
        and not any(tick.slices or tick.joined or tick.candidate.pods for tick in ticks)
    )


async def compare(table: Table, number: int) -> Both:
    """Make one run of a table both ways; rows and sensitivities take turns."""
    rows = replayed(table)
    row, run = rows[number % len(rows)], number // len(rows)
    promotes = any(row.kind in {Kind.GOOD, Kind.BAD} for row in rows)
    sensitivity = "margin" if promotes or run % 2 else "strict"
    assert row.traffic is not None
    ticks = tuple(row.traffic(row.random(run)))
    alone = play(ticks, {"ours": Ours(settings(sensitivity), promotes=promotes)})["ours"]
    # The operator's log would be of hundreds of rollouts.
    logging.getLogger("modelrollout").setLevel(logging.CRITICAL + 1)
    setting = Setting(
        document=document(ticks[0], ticks[-1].at, sensitivity, promotes=promotes),
        until=timedelta(seconds=ticks[-1].at + 600),
        recording=tuple(_recording(ticks)),
    )
    outcome = await run_trial(setting, number)
    at = outcome.verdict.at - (outcome.first_request or 0.0)
    return Both(row.name, run, sensitivity, alone.decision, alone.at, WORDS.get(outcome.verdict.decision, ""), at)


def document(tick: Tick, seconds: float, sensitivity: str, *, promotes: bool) -> dict[str, Any]:
    """Return a rollout that stays at one weight, and is judged as :func:`tests.verdicts.ours.settings` says."""
    config = settings(sensitivity).model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    hold = f"{seconds + 3600:.0f}s"
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": "model", "namespace": "default"},
        "spec": {
            "replicas": 1,
            "template": {
                "spec": {"containers": [{"name": "model", "image": "model:1", "ports": [{"containerPort": 8080}]}]}
            },
            "service": {"port": 80, "targetPort": 8080},
            "traffic": {"envoy": {}},
            "strategy": {"canary": {"steps": [{"weight": round(tick.weight * 100), "hold": hold}]}},
            "analysis": {
                "interval": f"{tick.seconds:g}s",
                "minDuration": "0s" if promotes else hold,
                "metrics": [{"name": "errors", "router": {"signal": "errorRate"}, "compare": config}],
            },
        },
    }


def _recording(ticks: tuple[Tick, ...]) -> Iterator[Entry]:
    for tick in ticks:
        for arm, measure in (("candidate", tick.candidate), ("stable", tick.stable)):
            assert isinstance(measure.tally, Rate)
            yield Entry(tick.at, arm, int(measure.tally.total), int(measure.tally.bad))
