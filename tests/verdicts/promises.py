"""What a row promises of a few runs: what is wrong stays rare, and what is right comes about as soon as it is recorded.

Most runs are cut early, which is enough to see what is wrong, because most false rollbacks come early. Where a decision takes
longer, fewer runs go on until it is due, and are polled more rarely: the counters are the same.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.verdicts import page
from tests.verdicts.rivals import PROMOTE, ROLLBACK
from tests.verdicts.row import MINE, Kind, Outcome, Row, Table
from tests.verdicts.statistics import likely_at_most, mean
from tests.verdicts.traffic import HOUR

RUNS = 50
MANY = {"8.1/0.5 %, 100 rps": 100}
"""Runs of a row in which a test that is repeated as if nobody had looked before must be told from ours."""
PATIENT = 20
"""Runs that go on until a decision is due, where that is later than the others are cut."""
POLLS = {
    "8.1": 30,
    "8.2": 30,
    "8.3": 15,
    "8.4": 8,
    "8.5": 10,
    "8.7": 6,
    "pods": 24,
    "late": 30,
    "robust": 40,
    "predictions": 60,
    "drift": 16,
}
"""After which a run is cut where nothing is decided soon: there is no time for hours."""
MOVES = {f"8.1/weight 5 → 50 % and rate 0.5 → 2.5 %, {rps} rps": 6 for rps in (10, 100)}
"""Rows in which what is wrong shows only once the weight has moved: they go on for the hour, with a poll each so many."""
SOON = 54
"""Polls. What is due by then is waited for in all runs."""
GRAIN = 26
"""Polls until the median time of a decision, where these are rarer than in the traffic."""
UNAFFORDABLE = {
    (f"8.4/10 %, {shared} % caused by the request, +0 pp", "ours, copies: within +0.5 pp") for shared in (50, 90)
}
"""Rules, by row, that are not waited for: they decide after 870 polls, and later still where these are rarer."""
CHANCE = 1e-4
"""Of a failure although the promise is kept. Seeds are fixed, so it fails always or never."""
LOOSE = 1.5
"""By what factor a mean or a median may be above the recorded one; the interval of a mean must reach that."""
RECORDED = Path(__file__).parent / "recorded.json"


@dataclass(frozen=True)
class Due:
    """What one of our rules decides in most runs of a row.

    Attributes:
        decision: which.
        after: seconds; before, it is wrong.
        by: seconds, by which half of all runs must have come to it.
        median: seconds until half of all runs had, when it was recorded.
    """

    decision: str
    after: float
    by: float
    median: float


@dataclass(frozen=True)
class Asked:
    """How far a rule is followed in a row.

    Attributes:
        until: seconds at which its runs are cut.
        polled: of the patient runs: each so many polls there is one. 0: there are none, because all runs are long enough.
        patience: seconds at which these are cut.
    """

    until: float
    polled: int = 0
    patience: float = 0.0


def due(table: Table, row: Row) -> Mapping[str, Due]:
    """Return what is to be decided in a row by when, by rule; nothing of rules that mostly decide nothing."""
    key = f"{table.key}/{row.name}"
    found = {}
    for name, raw in (page.reference().get(key, {}) | _recorded().get(key, {})).items():
        median = raw["median_seconds"]
        if median is not None and (key, name) not in UNAFFORDABLE:
            more = PROMOTE if raw.get("promotions", 0) > raw.get("rollbacks", 0) else ROLLBACK
            by = row.begins + LOOSE * (median - row.begins)
            found[name] = Due(raw.get("decision", more), row.begins, by, median)
    return found


@cache
def _recorded() -> Mapping[str, Mapping[str, Mapping[str, float | str]]]:
    rows: Mapping[str, Mapping[str, Mapping[str, float | str]]] = json.loads(RECORDED.read_text())["rows"]
    return rows


def asked(table: Table, row: Row) -> Mapping[str, Asked]:
    """Return how far each of our rules is followed; empty where a row makes its own runs, which always end."""
    if row.traffic is None:
        return {}
    poll = next(iter(row.traffic(row.random(0)))).seconds
    known, cut = due(table, row), POLLS.get(table.key, SOON)
    found = {}
    for name in (name for name in row.rules() if name.startswith(MINE)):
        one = known.get(name)
        polls = math.ceil(one.by / poll) if one else 0
        if (polled := MOVES.get(f"{table.key}/{row.name}")) is not None:
            found[name] = Asked(poll * cut, polled, HOUR)
        elif one is None or polls <= max(cut, SOON):
            found[name] = Asked(poll * max(cut, polls))
        else:
            polled = max(1, int((one.median - row.begins) / poll / GRAIN))
            found[name] = Asked(poll * cut, polled, poll * polls)
    return found


@dataclass(frozen=True)
class Seen:
    """What one of our rules did in a row.

    Attributes:
        cut: the outcomes of all runs.
        patient: of those that went on until a decision was due; the same where it was due soon.
    """

    cut: Sequence[Outcome]
    patient: Sequence[Outcome]


def watch(table: Table, row: Row) -> Mapping[str, Seen]:
    """Make the runs of a row, with our rules only."""
    wanted = asked(table, row)
    until = {name: one.until for name, one in wanted.items()}
    runs = [row.run(number, until=until) for number in range(MANY.get(f"{table.key}/{row.name}", RUNS))]
    cut = {name: [run[name] for run in runs] for name in runs[0] if name.startswith(MINE)}
    later = {name: one for name, one in wanted.items() if one.polled}
    patient = dict(cut)
    for name, one in later.items():
        alone = {name: one.patience}
        patient[name] = [row.run(number, until=alone, polled=one.polled)[name] for number in range(PATIENT)]
    return {name: Seen(cut[name], patient[name]) for name in cut}


def broken(table: Table, row: Row, name: str, seen: Seen) -> Iterator[str]:
    """Yield, in words, each promise that one of our rules does not keep."""
    wrong = wrong_in(row)
    if wrong:
        bound = page.KNOWN.get(f"{table.key}/{row.name}", page.ALPHA)
        for outcomes in (seen.cut, seen.patient):
            often = sum(outcome.decision == wrong for outcome in outcomes)
            if not likely_at_most(often, len(outcomes), bound, CHANCE):
                yield f"{name}: {often} of {len(outcomes)} times {wrong}"
    if row.right and name == "ours":
        missed = sum(outcome.decision != row.right for outcome in seen.cut)
        if not likely_at_most(missed, len(seen.cut), 1 - page.RIGHT, CHANCE):
            yield f"{name}: {missed} of {len(seen.cut)} times no {row.right}"
    if (one := due(table, row).get(name)) is not None:
        missed = sum(not _on_time(outcome, one) for outcome in seen.patient)
        if not likely_at_most(missed, len(seen.patient), 0.5, CHANCE):
            yield f"{name}: {missed} of {len(seen.patient)} times no {one.decision} by {one.by:.0f} s"
    yield from _dearer(table, row, name, seen)


def wrong_in(row: Row) -> str:
    """Return the decision that is wrong in a row: nothing that is broken may be promoted."""
    return row.wrong or (PROMOTE if row.kind is Kind.BROKEN else "")


def _on_time(outcome: Outcome, one: Due) -> bool:
    return outcome.decision == one.decision and one.after < outcome.at <= one.by


def _dearer(table: Table, row: Row, name: str, seen: Seen) -> Iterator[str]:
    theirs = page.reference().get(f"{table.key}/{row.name}", {}).get(name)
    field = {Kind.BROKEN: "bad", Kind.CLIMB: "bad", Kind.GOOD: "requests"}.get(row.kind)
    if theirs is None or field is None:
        return
    for outcomes in (seen.cut, seen.patient):
        needed = mean([getattr(outcome, field) for outcome in outcomes])
        if needed.low > LOOSE * theirs[field]:
            yield f"{name}: {needed.value:.4g} {field}, more than {LOOSE} × {theirs[field]:.4g}"
