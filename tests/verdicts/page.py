"""The page of results: ours beside theirs, whether each row keeps what is promised, and where ours is not the best."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from tests.verdicts.cost import Cost
from tests.verdicts.rivals import TOLD
from tests.verdicts.row import MINE, MISNAMED, Kind, Outcome, Row, Table
from tests.verdicts.statistics import Estimate, mean, median_time, share
from tests.verdicts.whole import Both

ALPHA = 0.05
"""And β: both error rates are the same here."""
KNOWN: Mapping[str, float] = {
    "robust/failed requests are sent three times, 10 rps: as good": 0.11,
}
"""Rows in which false rollbacks are more than α, because bad requests come in clumps, and their share as it was measured."""
RIGHT = 0.9
"""The share of runs that must end as they should, where a row says how."""
SLACK = 1.1
"""By what factor bad requests may be more than those of the independent simulation of the same rules."""
REFERENCE = Path(__file__).parent / "reference.json"
Runs = Mapping[tuple[str, str], Sequence[Mapping[str, Outcome]]]


def render(
    tables: Sequence[Table], runs: Runs, through: Mapping[str, Sequence[Both]], costs: Sequence[Cost] = ()
) -> str:
    """Return the page as Markdown, about the runs that there are."""
    lines = [_head()]
    lines += _made(tables, runs, through)
    for table in tables:
        lines += _table(table, runs)
    lines += _through(through)
    lines += _above(tables, runs)
    lines += _not_better(tables, runs)
    lines += _costs(costs)
    return "\n".join(lines) + "\n"


def _head() -> str:
    return f"""# Figures of the verdicts

How often [verdicts](verdicts.md) are wrong, and what that costs: the engine and the judges, and rules of other controllers
restated by us, all on the same generated traffic. It is simulated, and none of production. `make bench-verdicts` measures it
and writes this page; it takes hours, can be stopped, and goes on where it was. Shares have 95 % Wilson intervals in brackets,
means their 95 % normal interval. Run *n* of a row has the random generator `Random("seed-n")`, so every run can be made again.

α = β = 5 %. `ours margin` accepts +0.5 percentage points. `ours strict` rolls back what is proven worse than both +0.1
percentage points and × 1.1, the tolerance it is shipped with. The other rules are simplified and idealised (no scrape, no
delay); `tests/verdicts/rivals.py` describes them and names their sources: Argo is 99 % success each 30 s with
`failureLimit: 3`, Flagger 99 % success each 60 s with `threshold: 5`, Kayenta its Mann–Whitney classifier (98 %, tolerance
0.25) on a point a minute, each ten minutes; `z` is a two-proportion test at each poll, `mSPRT` a normal mixture on pooled
totals, both from 30 requests on.

The column *kept* says whether ours keeps what is promised in this row: false rollbacks ≤ α; wrong promotions, whose
interval must reach β; mean bad requests (for promotions mean requests, for copies mean time), whose interval must reach
{SLACK} × what an independent simulation of the same rules needed on the same traffic.
"""


def _made(tables: Sequence[Table], runs: Runs, through: Mapping[str, Sequence[Both]]) -> Iterator[str]:
    yield "## What was run\n"
    yield (
        "Runs of each row, from run 0 on, all rules on the same traffic; *in full* is what `make bench-verdicts` without "
        "arguments makes; where that is more, the page was written before all was measured (`--page`). Few runs make wide "
        "intervals. *Reconciler*: runs that were also decided by the whole operator on a simulated cluster.\n"
    )
    yield "| table | rows | runs of each row | in full | reconciler |"
    yield "|---|---|---|---|---|"
    for table in tables:
        made = [len(runs.get((table.key, row.name), ())) for row in table.rows]
        each = f"{made[0]}" if len(set(made)) == 1 else f"{min(made)} to {max(made)}"
        whole = len(through[table.key]) if table.key in through else "–"
        yield f"| {table.key}: {table.title} | {len(made)} | {each} | {table.runs} | {whole} |"
    yield ""


def _table(table: Table, runs: Runs) -> Iterator[str]:
    rows = [(row, found) for row in table.rows if (found := runs.get((table.key, row.name)))]
    if not rows:
        return
    names = list(rows[0][1][0])
    yield f"## {table.key[0].upper() + table.key[1:]}: {table.title}\n\n{table.words}\n"
    yield f"|  | seed, runs | {' | '.join(names)} | kept |"
    yield "|---" * (len(names) + 3) + "|"
    for row, found in rows:
        cells = [cell(row.kind, [run[name] for run in found]) for name in names]
        yield f"| {row.name} | {row.seed}, {len(found)} | {' | '.join(cells)} | {verdict(table.key, row, found)} |"
    yield ""


def _through(through: Mapping[str, Sequence[Both]]) -> Iterator[str]:
    yield "## Through the whole reconciler\n"
    yield (
        "The counters of some runs were also replayed by the routers of a simulated cluster, by the collectors beside them, "
        "or as a Prometheus would have told them, and the operator's own loop decided. *Same*: the same decision, at the same "
        "poll. Rows whose weight does not change take turns, and so do `strict` and `margin`. Not replayed are rows "
        "that last longer than a day: the 8640 polls of a day are the most that can be played by the hundred.\n"
    )
    yield "| table | runs | of the rows | same | otherwise |"
    yield "|---|---|---|---|---|"
    for key, runs in through.items():
        others = [run for run in runs if not run.same]
        words = "; ".join(
            f"{run.row}, run {run.run}, {run.sensitivity}: {run.alone or 'nothing'} at {run.alone_at:.0f} s, "
            f"{run.through or 'nothing'} at {run.through_at:.0f} s"
            for run in others
        )
        rows = "; ".join(dict.fromkeys(run.row for run in runs))
        yield f"| {key} | {len(runs)} | {rows} | {len(runs) - len(others)} | {words} |"
    yield ""


def _above(tables: Sequence[Table], runs: Runs) -> Iterator[str]:
    """Say where the bound of false rollbacks does not hold."""
    yield "## Where α does not hold\n"
    yield (
        "α is promised where one request's fate does not depend on another's. Where bad requests come in clumps (a failed "
        "request that is sent again, a user who tries three times, a pod that fails alone), one cause counts as many, and the "
        "split of requests by chance does not cover it. φ divides the evidence by how clumped they are, but it must first be "
        "seen: from stable's pods where a source tells pods apart, else from stable's polls with bad requests in them. Computed "
        "from the tables above: every row with a healthy candidate in which one of ours rolled back more than 5 %.\n"
    )
    yield "| row | ours | others |"
    yield "|---|---|---|"
    kept: list[tuple[float, str]] = []
    unsure = 0
    for table in tables:
        for row in table.rows:
            found = runs.get((table.key, row.name))
            if not found or row.kind is not Kind.HEALTHY:
                continue
            shares = {name: _rolled_back([run[name] for run in found]) for name in found[0]}
            ours = [one for name, one in shares.items() if name.startswith(MINE)]
            most = max(one.value for one in ours)
            if most <= ALPHA:
                kept.append((most, f"{table.key}, {row.name}"))
                unsure += any(one.high > ALPHA for one in ours)
                continue
            words = {
                name: f"{name.removeprefix('ours ')} {_share([run[name] for run in found], 'rollback')}"
                for name in shares
            }
            mine = "; ".join(text for name, text in words.items() if name.startswith(MINE))
            others = "; ".join(text for name, text in words.items() if not name.startswith(MINE))
            yield f"| {table.key}, {row.name} | {mine} | {others} |"
    if kept:
        most, where = max(kept)
        percent = f"{most:.1%}".replace("%", " %")
        yield f"\nIn the other {len(kept)} rows with a healthy candidate ours rolled back at most {percent} of the runs: {where}."
        if unsure:
            yield f"In {unsure} of these, so few runs were made that more than 5 % cannot be excluded."
    yield ""


def _costs(costs: Sequence[Cost]) -> Iterator[str]:
    if not costs:
        return
    yield "## What it costs\n"
    yield (
        "Processor time of one poll of one metric (counters, evidence, guard and gate; not the request for the numbers), and "
        "what its evidence takes in a checkpoint after an hour. One core of the machine that wrote this page, the fastest of "
        "three hours of polls; a candidate as good as stable, 10 requests per second.\n"
    )
    yield "| gate | a poll | checkpoint |"
    yield "|---|---|---|"
    for cost in costs:
        yield f"| {cost.kind} | {cost.seconds * 1000:.2f} ms | {cost.stored} bytes |"
    yield ""


def cell(kind: Kind, outcomes: Sequence[Outcome]) -> str:
    """Return what one rule did in one row."""
    match kind:
        case Kind.HEALTHY:
            return _share(outcomes, "rollback")
        case Kind.BROKEN:
            return f"{_part(outcomes, 'rollback'):.0%}, {_time(outcomes, 'rollback')}, {_bad(outcomes)}".replace(
                "%", " %"
            )
        case Kind.GOOD:
            counted = [outcome.requests for outcome in outcomes if outcome.decision == "promote"]
            requests = f", {median(counted):.0f} requests" if counted else ""
            back = f"{_part(outcomes, 'rollback'):.1%}".replace("%", " %")
            return f"{_share(outcomes, 'promote')}, {_time(outcomes, 'promote')}{requests}; rolled back {back}"
        case Kind.BAD:
            back = f"{_part(outcomes, 'rollback'):.0%}".replace("%", " %")
            return f"promoted {_share(outcomes, 'promote')}; rolled back {back}, {_time(outcomes, 'rollback')}"
        case Kind.MIRRORED:
            decided = "rollback" if any(outcome.decision == "rollback" for outcome in outcomes) else "promote"
            return f"{_share(outcomes, decided)}, {_time(outcomes, decided)}"
        case Kind.PAIRS:
            return _pairs(outcomes)
        case Kind.DRIFT:
            return _told(outcomes)
        case Kind.CLIMB:
            parts = f"{_part(outcomes, 'promote'):.0%} / {_part(outcomes, 'rollback'):.0%}".replace("%", " %")
            return f"{parts}, {_time(outcomes, '')}, {_bad(outcomes)}"


def verdict(key: str, row: Row, runs: Sequence[Mapping[str, Outcome]]) -> str:
    """Return whether ours keeps its promises in a row, with what it is held against."""
    words = []
    for name in (name for name in runs[0] if name.startswith(MINE)):
        kept, bound = holds(key, row, name, [run[name] for run in runs])
        if bound:
            words.append(f"{'yes' if kept else '**no**'} ({name.removeprefix('ours ')}: {bound})")
    return "; ".join(words)


def holds(key: str, row: Row, name: str, outcomes: Sequence[Outcome]) -> tuple[bool, str]:
    """Return whether one of our rules keeps its promise in a row, and the promise; without words there is none."""
    theirs = reference().get(f"{key}/{row.name}", {}).get(name)
    if row.right and name == "ours":
        often = share(sum(outcome.decision == row.right for outcome in outcomes), len(outcomes)).high
        rare = share(sum(outcome.decision == row.wrong for outcome in outcomes), len(outcomes)).low
        words = f"{row.wrong} ≤ 5 %, " if row.wrong else ""
        return (not row.wrong or rare <= ALPHA) and often >= RIGHT, f"{words}{row.right} ≥ {RIGHT * 100:.0f} %"
    if row.wrong:
        found = share(sum(outcome.decision == row.wrong for outcome in outcomes), len(outcomes))
        if row.kind is Kind.HEALTHY:
            return found.value <= ALPHA, "≤ 5 %"
        if row.kind is Kind.MIRRORED and theirs is not None:
            soon = mean([outcome.at for outcome in outcomes]).low <= SLACK * theirs["at"]
            return found.low <= ALPHA and soon, f"{row.wrong} ≤ 5 %, ≤ {SLACK} × {theirs['at']:.4g} s"
        return found.low <= ALPHA, f"{row.wrong} ≤ 5 %"
    if theirs is None:
        return True, ""
    field = "requests" if row.kind is Kind.GOOD else "bad"
    ours = mean([getattr(outcome, field) for outcome in outcomes])
    unit = " requests" if row.kind is Kind.GOOD else ""
    return ours.low <= SLACK * theirs[field], f"≤ {SLACK} × {theirs[field]:.4g}{unit}"


def reference() -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """Return what the independent simulation found, by row and rule."""
    rows: Mapping[str, Mapping[str, Mapping[str, float]]] = json.loads(REFERENCE.read_text())["rows"]
    return rows


def _not_better(tables: Sequence[Table], runs: Runs) -> Iterator[str]:
    """Say, for each row and each of our rules, who is better."""
    yield "## Rows where ours is not better\n"
    yield (
        "Computed from the tables above: every rule that is better than ours in a row by the row's own measure (false "
        "rollbacks; mean bad requests; promotions), *surely* where the intervals do not overlap. A rule that finds a bad "
        "candidate sooner may be one that rolls back good ones: the last column says what it does with a healthy candidate "
        "on the same traffic, where a row of 8.1 has it.\n"
    )
    yield "| row | ours | better | its false rollbacks on healthy traffic |"
    yield "|---|---|---|---|"
    for table in tables:
        for row in table.rows:
            found = runs.get((table.key, row.name))
            if found and row.kind in _MEASURES:
                yield from _beaten(table.key, row, found, runs)
    yield ""


def _beaten(key: str, row: Row, found: Sequence[Mapping[str, Outcome]], runs: Runs) -> Iterator[str]:
    theirs = {name: _MEASURES[row.kind]([run[name] for run in found]) for name in found[0]}
    for mine in (name for name in theirs if name.startswith("ours")):
        better = [name for name in theirs if not name.startswith("ours") and theirs[name].value < theirs[mine].value]
        if not better:
            continue
        twin = runs.get(("8.1", row.twin), ())
        words, healthy = [], []
        for name in better:
            surely = " surely" if theirs[name].high < theirs[mine].low else ""
            words.append(f"{name} ({_figure(row.kind, theirs[name])}){surely}")
            if twin:
                alike = next((known for known in (name, name.removesuffix(", no data ok")) if known in twin[0]), None)
                if alike:
                    healthy.append(f"{name}: {_share([run[alike] for run in twin], 'rollback')}")
        yield (
            f"| {key}, {row.name} | {mine.removeprefix('ours ')} ({_figure(row.kind, theirs[mine])}) | {'; '.join(words)} | "
            f"{'; '.join(healthy)} |"
        )


def _rolled_back(outcomes: Sequence[Outcome]) -> Estimate:
    return share(sum(outcome.decision == "rollback" for outcome in outcomes), len(outcomes))


def _harm(outcomes: Sequence[Outcome]) -> Estimate:
    return mean([outcome.bad for outcome in outcomes])


def _kept_back(outcomes: Sequence[Outcome]) -> Estimate:
    return share(sum(outcome.decision != "promote" for outcome in outcomes), len(outcomes))


def _let_through(outcomes: Sequence[Outcome]) -> Estimate:
    return share(sum(outcome.decision == "promote" for outcome in outcomes), len(outcomes))


_MEASURES = {Kind.HEALTHY: _rolled_back, Kind.BROKEN: _harm, Kind.GOOD: _kept_back, Kind.BAD: _let_through}
"""What is the smaller the better."""


def _figure(kind: Kind, found: Estimate) -> str:
    match kind:
        case Kind.BROKEN:
            return f"{_number(found.value)} bad requests"
        case Kind.GOOD:
            return f"{1 - found.value:.1%} promoted".replace("%", " %")
        case Kind.BAD:
            return f"{found.value:.1%} promoted".replace("%", " %")
        case Kind.HEALTHY | Kind.MIRRORED | Kind.PAIRS | Kind.DRIFT | Kind.CLIMB:
            return f"{found.value:.1%}".replace("%", " %")


def _number(value: float) -> str:
    """Return three digits, or all before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _part(outcomes: Sequence[Outcome], decision: str) -> float:
    return sum(outcome.decision == decision for outcome in outcomes) / len(outcomes)


def _share(outcomes: Sequence[Outcome], decision: str) -> str:
    found = share(sum(outcome.decision == decision for outcome in outcomes), len(outcomes))
    return f"{found.value * 100:.1f} % [{found.low * 100:.1f}, {found.high * 100:.1f}]"


def _pairs(outcomes: Sequence[Outcome]) -> str:
    """Return each end that there was, with the median number of pairs until it."""
    ends = sorted({outcome.decision for outcome in outcomes if outcome.decision} | {"promote", "rollback"})
    words = []
    for end in ends:
        took = [outcome.requests for outcome in outcomes if outcome.decision == end]
        after = f" after {median(took):.0f} pairs" if took else ""
        words.append(f"{_PAST[end]} {_share(outcomes, end)}{after}")
    return "; ".join(words)


def _told(outcomes: Sequence[Outcome]) -> str:
    """Return how often something was said, with the median number of the candidate's requests until then."""
    words = []
    for end in (TOLD, *([MISNAMED] if any(one.decision == MISNAMED for one in outcomes) else [])):
        took = [outcome.requests for outcome in outcomes if outcome.decision == end]
        after = f" after {median(took):.0f}" if took else ""
        words.append(f"{'' if end == TOLD else 'of another, '}{_share(outcomes, end)}{after}")
    return "; ".join(words)


_PAST = {"promote": "passed", "rollback": "stopped", MISNAMED: "stopped, another or no slice named"}


def _bad(outcomes: Sequence[Outcome]) -> str:
    found = _harm(outcomes)
    return f"{_number(found.value)} ± {found.high - found.value:.{0 if found.value >= 100 else 1}f}"


def _time(outcomes: Sequence[Outcome], decision: str) -> str:
    """Return the median time until a decision, over all runs; any decision where none is named."""
    decided = [outcome.at for outcome in outcomes if outcome.decision and decision in ("", outcome.decision)]
    found = median_time(decided, len(outcomes))
    if found is None:
        return "–"
    if found < 600:
        return f"{found:.0f} s"
    return f"{found / 60:.0f} min" if found < 7200 else f"{found / 3600:.1f} h"
