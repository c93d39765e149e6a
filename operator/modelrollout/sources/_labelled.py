"""The part of a collector's page that is about labels: rows of arm, part of the traffic, series and value.

======================== =========================================================================================
requests                 that were answered and are waited for labels of
labels, right            labels that came, and those that the prediction was equal to, or near enough
truth/PREDICTED/LABEL    labels by what was predicted, percent-encoded
error/at=BOUND           distances between prediction and label that are at most this, and above the bound before
ripe                     requests whose time for events is over
event/NAME               of these: those with an event; both/A/B: those with two
group/PART/…             total, positive: predictions in a part; actualPositive, truePositive: labels, and predictions of these
======================== =========================================================================================
"""

import json
import math
from functools import lru_cache
from typing import NamedTuple

from modelrollout.sources._collected import page

_NAMES = [str, str, str]


class Row(NamedTuple):
    """One counter.

    Attributes:
        arm: the revision that answered.
        part: of the traffic; empty: all of it.
        series: what it counts.
        value: so many.
    """

    arm: str
    part: str
    series: str
    value: float


def reach(text: str) -> tuple[int, float]:
    """Return how many requests a collector remembers, and how many seconds ago the oldest of them was answered.

    Raises:
        ValueError: the page does not say it.
    """
    told = json.loads(text).get("labelTotals")
    match told:
        case {"kept": int(kept), "seconds": int(seconds) | float(seconds)} if kept >= 0 and 0 <= seconds < math.inf:
            return kept, float(seconds)
        case _:
            raise ValueError("the page does not say how far back its labels reach")


@lru_cache(maxsize=8)
def labelled(text: str) -> tuple[Row, ...] | None:
    """Return the rows of a page about labels; None when its collector takes none.

    Raises:
        ValueError: it is no page of a collector, in words.
    """
    # What is not as promised elsewhere is no page that labels could be trusted on.
    page(text)
    rows = json.loads(text).get("labels")
    if rows is None:
        return None
    if not isinstance(rows, list):
        raise ValueError("the page has labels that are none")  # noqa: TRY004  # a page is text, and all its mistakes are alike
    return tuple(map(_row, rows))


def _row(row: object) -> Row:
    if not isinstance(row, list) or len(row) != 4 or [*map(type, row[:3])] != _NAMES:
        raise ValueError("the page has a counter of labels that is none")
    arm, part, series, value = row
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise ValueError(f"{series} is {value}, which no counter can be")
    return Row(arm, part, series, float(value))
