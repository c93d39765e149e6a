"""The page of results: ours beside theirs, whether each row keeps what is promised, and where ours is not the best."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import median

from tests.verdicts.cost import Cost
from tests.verdicts.rivals import TOLD
from tests.verdicts.row import MINE, MISNAMED, Kind, Outcome, Row, Table
from tests.verdicts.statistics import Z95, Estimate, mean, median_time, share
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
WITHIN = "within"
"""What the names of columns hold whose conclusion is that a candidate is within its margin."""
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
{SLACK} × what an independent simulation of the same rules needed on the same traffic. That simulation is ours too: these
figures are of no published table, in 8.4, 8.5 and 8.7 as elsewhere. *{Kept.SO_FAR}* stands where the interval of what is wrong
reaches above α or β: nothing is against the promise, and so few runs were made that they do not show it.
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
        "that last longer than a day: the 8640 polls of a day are the most that can be played by the hundred. Nor are the "
        "columns `joined` of 8.4, which call the paired test by itself, nor the table drift: what drifts is told in the report "
        "and decides no rollout, so there is no decision to compare.\n"
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
            words.append(f"{kept} ({name.removeprefix('ours ')}: {bound})")
    return "; ".join(words)


class Kept(StrEnum):
    """Whether a promise is kept."""

    YES = "yes"
    SO_FAR = "yes, so far"
    """Nothing is against it, but so few runs were made that the interval reaches above the bound."""
    NO = "**no**"


def holds(key: str, row: Row, name: str, outcomes: Sequence[Outcome]) -> tuple[Kept, str]:
    """Return whether one of our rules keeps its promise in a row, and the promise; without words there is none."""
    theirs = reference().get(f"{key}/{row.name}", {}).get(name)
    wrong = _ends(outcomes, row.wrong)
    if row.right and name == "ours":
        often = _ends(outcomes, row.right).high >= RIGHT
        words = f"{row.wrong} ≤ 5 %, " if row.wrong else ""
        return _kept(not row.wrong or wrong.low <= ALPHA, wrong, often), f"{words}{row.right} ≥ {RIGHT * 100:.0f} %"
    if row.wrong:
        if row.kind is Kind.HEALTHY:
            return _kept(wrong.value <= ALPHA, wrong), "≤ 5 %"
        if row.kind is Kind.MIRRORED and theirs is not None:
            soon = mean([outcome.at for outcome in outcomes]).low <= SLACK * theirs["at"]
            return _kept(wrong.low <= ALPHA, wrong, soon), f"{row.wrong} ≤ 5 %, ≤ {SLACK} × {theirs['at']:.4g} s"
        return _kept(wrong.low <= ALPHA, wrong), f"{row.wrong} ≤ 5 %"
    if theirs is None:
        return Kept.YES, ""
    field = "requests" if row.kind is Kind.GOOD else "bad"
    ours = mean([getattr(outcome, field) for outcome in outcomes])
    unit = " requests" if row.kind is Kind.GOOD else ""
    cheap = ours.low <= SLACK * theirs[field]
    return Kept.YES if cheap else Kept.NO, f"≤ {SLACK} × {theirs[field]:.4g}{unit}"


def _kept(rare: bool, wrong: Estimate, other: bool = True) -> Kept:  # two promises of one row
    if not (rare and other):
        return Kept.NO
    return Kept.SO_FAR if wrong.high > ALPHA else Kept.YES


def _ends(outcomes: Sequence[Outcome], decision: str) -> Estimate:
    """Return how often runs end so; never, where no decision is named."""
    return share(sum(outcome.decision == decision for outcome in outcomes if decision), len(outcomes))


def reference() -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """Return what the independent simulation found, by row and rule."""
    rows: Mapping[str, Mapping[str, Mapping[str, float]]] = json.loads(REFERENCE.read_text())["rows"]
    return rows


def _not_better(tables: Sequence[Table], runs: Runs) -> Iterator[str]:
    """Say, for each row and each of our rules, who is better."""
    yield "## Rows where ours is not better\n"
    yield (
        "Computed from the tables above: every rule that is better than ours in a row by the row's own measures, *surely* "
        "where the intervals do not overlap. These are false rollbacks; mean bad requests until a rollback; promotions and the "
        "median time until one; wrong promotions; for copies the median time to the same conclusion, or how often it is come to "
        "where it is wrong; for pairs wrong ends, and pairs until the right one; for what drifts, what was not told or told "
        "without need, and requests until then; for climbs mean bad requests, and the median time to a promotion where the "
        "candidate is healthy. – is never in half of all runs. A rule that finds a bad candidate sooner may be one that rolls "
        "back good ones: the last column says what it does with a healthy candidate on the same traffic, where a row of 8.1 "
        "has it. A rule "
        "that promotes sooner may be one that promotes after so many minutes whatever it sees: the rows of 8.3 with a "
        "candidate at the margin or beyond tell.\n"
    )
    yield "| row | ours | better | its false rollbacks on healthy traffic |"
    yield "|---|---|---|---|"
    for table in tables:
        for row in table.rows:
            found = runs.get((table.key, row.name))
            for measure in _measures(row) if found else ():
                yield from _beaten(table.key, row, measure, found or (), runs)
    yield ""


@dataclass(frozen=True)
class _Measure:
    """What is the smaller the better.

    Attributes:
        of: computes it.
        words: says a value.
        columns: whether it fits a rule, by its name.
    """

    of: Callable[[Sequence[Outcome]], Estimate]
    words: Callable[[float], str]
    columns: Callable[[str], bool] = bool


def _beaten(key: str, row: Row, measure: _Measure, found: Sequence[Mapping[str, Outcome]], runs: Runs) -> Iterator[str]:
    theirs = {name: measure.of([run[name] for run in found]) for name in found[0] if measure.columns(name)}
    for mine in (name for name in theirs if name.startswith("ours")):
        better = [name for name in theirs if not name.startswith("ours") and theirs[name].value < theirs[mine].value]
        if not better:
            continue
        twin = runs.get(("8.1", row.twin), ())
        words, healthy = [], []
        for name in better:
            surely = " surely" if theirs[name].high < theirs[mine].low else ""
            words.append(f"{name} ({measure.words(theirs[name].value)}){surely}")
            if twin:
                alike = next((known for known in (name, name.removesuffix(", no data ok")) if known in twin[0]), None)
                if alike:
                    healthy.append(f"{name}: {_share([run[alike] for run in twin], 'rollback')}")
        yield (
            f"| {key}, {row.name} | {mine.removeprefix('ours ')} ({measure.words(theirs[mine].value)}) | "
            f"{'; '.join(words)} | {'; '.join(healthy)} |"
        )


def _measures(row: Row) -> tuple[_Measure, ...]:
    bad = _Measure(_harm, lambda value: f"{_number(value)} bad requests")
    promoted = _Measure(lambda outcomes: _until(outcomes, "promote", "at"), _seconds)
    match row.kind:
        case Kind.HEALTHY:
            return (_Measure(_rolled_back, _percent),)
        case Kind.BROKEN:
            return (bad,)
        case Kind.GOOD:
            return _Measure(_kept_back, lambda value: f"{_percent(1 - value)} promoted"), promoted
        case Kind.BAD:
            return (_Measure(_let_through, lambda value: f"{_percent(value)} promoted"),)
        case Kind.MIRRORED:
            return _concluding(row, "rollback"), _concluding(row, "promote")
        case Kind.CLIMB:
            return (promoted,) if row.wrong else (bad,)
        case Kind.PAIRS:
            return _ending(row, row.right, "pairs")
        case Kind.DRIFT:
            return _ending(row, "" if row.wrong == TOLD else TOLD, "requests")


def _concluding(row: Row, decision: str) -> _Measure:
    """Return what counts in the columns of one conclusion: how often where it is wrong, else how soon."""
    columns = lambda name: (WITHIN in name) == (decision == "promote")  # noqa: E731
    if decision == row.wrong:
        return _Measure(lambda outcomes: _ends(outcomes, decision), lambda value: f"{_percent(value)} wrong", columns)
    return _Measure(lambda outcomes: _until(outcomes, decision, "at"), _seconds, columns)


def _ending(row: Row, right: str, unit: str) -> tuple[_Measure, ...]:
    """Return how often a row ends otherwise than it should, and after how much where it should end."""

    def wrongly(outcomes: Sequence[Outcome]) -> Estimate:
        if not right:
            return _ends(outcomes, row.wrong)
        return share(sum(outcome.decision != right for outcome in outcomes), len(outcomes))

    # What is watched on does not pass, because nobody asks whether it does.
    columns = lambda name: right != "promote" or not name.endswith("watched on")  # noqa: E731
    ends = _Measure(wrongly, lambda value: f"{_percent(value)} wrong", columns)
    needed = _Measure(lambda outcomes: _until(outcomes, right, "requests"), lambda value: _needed(value, unit), columns)
    return (ends, needed) if right else (ends,)


def _until(outcomes: Sequence[Outcome], decision: str, field: str) -> Estimate:
    """Return the median of what it took to come to a decision, and its 95 % interval; infinite where none is come to."""
    n = len(outcomes)
    took = sorted(getattr(outcome, field) if outcome.decision == decision else math.inf for outcome in outcomes)
    aside = Z95 * math.sqrt(n) / 2
    ranks = ((n + 1) / 2, n / 2 - aside, n / 2 + 1 + aside)
    return Estimate(*(took[min(max(math.floor(rank), 1), n) - 1] for rank in ranks))


def _rolled_back(outcomes: Sequence[Outcome]) -> Estimate:
    return _ends(outcomes, "rollback")


def _let_through(outcomes: Sequence[Outcome]) -> Estimate:
    return _ends(outcomes, "promote")


def _kept_back(outcomes: Sequence[Outcome]) -> Estimate:
    return share(sum(outcome.decision != "promote" for outcome in outcomes), len(outcomes))


def _harm(outcomes: Sequence[Outcome]) -> Estimate:
    return mean([outcome.bad for outcome in outcomes])


def _percent(value: float) -> str:
    return f"{value:.1%}".replace("%", " %")


def _seconds(value: float) -> str:
    return _needed(value, "s")


def _needed(value: float, unit: str) -> str:
    return "–" if value == math.inf else f"{_number(value)} {unit}"


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
