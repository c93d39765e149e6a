"""The page of a collector: counters by extraction, and requests that show where both versions differ.

It is read once for all metrics of a poll. What is not as promised is refused as a whole: half a page would be half a truth.
A counter is a row of extraction, part of the traffic (empty: all of it), series and value. The series are:

======================== =========================================================================================
pairs                    requests of which both answers were looked at
score/V                  of these: so much of the predictions agreed, from 0 to 1 in twentieths
beyond/V                 of those that stable answered twice: agreement of stable with itself, less that with the
                         candidate, from -1 to 1
kappa/D/C                pairs two by two: D of 2 have different labels, and C of 2 when they are crossed
class/STABLE/CANDIDATE   predictions by what both versions said, percent-encoded
bad/FLAG/CELL            error, empty, invalidJson and refusal: of both, the candidate, stable or neither
difference/le=BOUND      requests whose largest difference is at most this
bias/up, down, count     sums of mean differences above and below 0, and their number
length/ARM/sum, count    lengths of what stable or the candidate said
finish/ARM/REASON        why their answers ended
skipped/REASON           answers that were not compared
======================== =========================================================================================

What was observed of all requests, copied or not, and what became of labels, stand beside it: rows of arm, part of the traffic,
series and value; the series are named in ``_observed.py`` and ``labels.py``.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, zip_longest
from typing import Any, NamedTuple
from urllib.parse import unquote

from modelrollout.errors import SourceError

EXAMPLES = 10
"""Requests that are shown."""
CELLS = 40
"""Ways to differ that are shown, the frequent ones."""
_TEXT = 200
"""Characters of a prediction that are shown."""
_VERSION = 1
_NAMES = [str, str, str]
_REASONS = {
    "empty": "without a body",
    "error": "of stable that are no success",
    "noPath": "without anything at the path",
    "notJson": "that are no JSON",
    "shape": "that are no prediction of this kind",
    "stream": "that are streams",
    "tooLarge": "that are too large",
    "undecodable": "that cannot be decoded",
    "unpaired": "without the other version's",
}
"""Why answers are not compared, for people."""


class Counted(NamedTuple):
    """One counter. There may be tens of thousands, so it is a tuple.

    Attributes:
        part: of the traffic; empty: all of it.
        series: what it counts.
        value: so many, since the collector started or the revisions changed.
    """

    part: str
    series: str
    value: float


class Labels(NamedTuple):
    """What is known of labels.

    Attributes:
        counters: by the arm that answered.
        kept: requests that the collector remembers.
        seconds: how long ago the oldest of them was answered.
    """

    counters: Mapping[str, tuple[Counted, ...]]
    kept: int
    seconds: float


@dataclass(frozen=True)
class Page:
    """What one collector says.

    Attributes:
        stable: the revision that answers; None while nothing is compared.
        candidate: the revision that gets copies.
        counters: by the key of the extraction.
        examples: the same, the newest first.
        observed: what was observed of requests and answers, by the arm that answered; None: nothing is.
        labels: the same of labels; None: none are taken.
    """

    stable: str | None
    candidate: str | None
    counters: Mapping[str, tuple[Counted, ...]]
    examples: Mapping[str, tuple[Mapping[str, Any], ...]]
    observed: Mapping[str, tuple[Counted, ...]] | None = None
    labels: Labels | None = None


def read(pod: str, answer: object) -> Page:
    """Return what the collector beside a router says.

    Raises:
        SourceError: the answer is no page.
    """
    try:
        return page(str(answer))
    except ValueError as exc:
        raise SourceError(f"Reading the collector of {pod}: {exc}. Its log says more.") from exc


@lru_cache(maxsize=8)
def page(text: str) -> Page:
    """Return what a text says.

    Raises:
        ValueError: it is no page of a collector, in words.
    """
    try:
        raw = json.loads(text)
    except (TypeError, ValueError, RecursionError) as exc:
        raise ValueError("the page is no JSON") from exc
    if not isinstance(raw, Mapping) or raw.get("v") != _VERSION:
        raise ValueError("the page is of another version")
    match raw:
        case {
            "stable": str() | None as stable,
            "candidate": str() | None as candidate,
            "counters": list(rows),
            "examples": dict(examples),
        }:
            observed, shown = raw.get("observed"), {key: _examples(found) for key, found in examples.items()}
            if "observed" in raw and not isinstance(observed, list):
                raise ValueError("the page has no list of what was observed")
            return Page(
                stable,
                candidate,
                _grouped(rows),
                shown,
                _grouped(observed) if observed is not None else None,
                _labels(raw),
            )
        case _:
            raise ValueError("the page lacks revisions, counters or examples")


def _labels(raw: Mapping[str, Any]) -> Labels | None:
    if raw.get("labels") is None:
        return None
    match raw:
        case {"labels": list(rows), "labelTotals": {"kept": int(kept), "seconds": int(seconds) | float(seconds)}} if (
            kept >= 0 and 0 <= seconds < math.inf
        ):
            return Labels(_grouped(rows), kept, float(seconds))
        case _:
            raise ValueError("the page has no list of labels, or does not say how far back they reach")


def _grouped(rows: Iterable[object]) -> Mapping[str, tuple[Counted, ...]]:
    """Return rows by what stands first in them."""
    counters: dict[str, list[Counted]] = defaultdict(list)
    for key, counted in map(_counted, rows):
        counters[key].append(counted)
    return {key: tuple(found) for key, found in counters.items()}


def _counted(row: object) -> tuple[str, Counted]:
    if (
        not isinstance(row, list)
        or [*map(type, row[:3])] != _NAMES
        or len(row) != 4
        or type(row[3]) not in (int, float)
    ):
        raise ValueError("the page has a counter that is none")
    key, part, series, value = row
    if 0 <= value < math.inf:
        return key, Counted(part, series, float(value))
    raise ValueError(f"{series} is {value}, which no counter can be")


def _examples(found: object) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise ValueError("the page has examples that are none")
    return tuple(dict(_shown(item)) for item in found[:EXAMPLES])


def _shown(item: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what is known of an example, and nothing that is longer than promised."""
    match item.get("id"):
        case str(name):
            yield "id", name[:_TEXT]
        case _:
            raise ValueError("the page has an example without an id")
    if isinstance(parts := item.get("slice"), list) and parts:
        yield "slice", [str(part)[:_TEXT] for part in parts[:20]]
    for arm in ("stable", "candidate"):
        if item.get(arm) is not None:
            yield arm, str(item[arm])[:_TEXT]


def details(pages: Iterable[Page], key: str) -> dict[str, Any]:
    """Return what the report shows of one extraction: how both versions differ, and on which requests.

    Args:
        pages: of collectors that compare the same two revisions.
        key: of the extraction.

    Returns:
        ``confusion``: [label of stable, label of the candidate, how often], the frequent ones; ``examples``: the newest
        of each router in turn; ``totals``: pairs, and answers that were not compared, by reason. What there is none of is
        left out.
    """
    pages = list(pages)
    cells: dict[tuple[str, str], float] = defaultdict(float)
    totals: dict[str, float] = defaultdict(float)
    for counted in (counted for one in pages for counted in one.counters.get(key, ()) if not counted.part):
        kind, *names = counted.series.split("/")
        if kind == "class" and len(names) == 2:
            cells[unquote(names[0]), unquote(names[1])] += counted.value
        elif kind in ("pairs", "skipped"):
            totals[counted.series] += counted.value
    turns = zip_longest(*(one.examples.get(key, ()) for one in pages))
    found = {
        "confusion": [cell for same in (True, False) for cell in _frequent(cells, same=same)],
        "examples": list(islice((dict(item) for turn in turns for item in turn if item), EXAMPLES)),
        "totals": {series: round(count) for series, count in sorted(totals.items()) if count > 0},
    }
    return {name: shown for name, shown in found.items() if shown}


def _frequent(cells: Mapping[tuple[str, str], float], *, same: bool) -> list[list[Any]]:
    """Return the cells in which both versions say the same, or in which they do not, the frequent ones first."""
    found = [(stable, candidate, round(count)) for (stable, candidate), count in cells.items()]
    ordered = sorted((cell for cell in found if (cell[0] == cell[1]) is same), key=lambda cell: (-cell[2], cell))
    return [list(cell) for cell in ordered[:CELLS]]


def incomparable(totals: Mapping[str, int]) -> str:
    """Return why no answer was compared, empty when there was none.

    Args:
        totals: of the details.
    """
    reasons = {series.partition("/")[2]: count for series, count in totals.items() if series != "pairs"}
    words = ", ".join(f"{count} {_REASONS.get(reason, reason)}" for reason, count in reasons.items())
    return f"No answer could be compared: {words}." if words else ""
