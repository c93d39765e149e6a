"""The small pictures beside the numbers: a value with its limits, a difference with its interval, evidence with its bounds.

All pictures of one metric share an axis, so its slices can be compared by eye.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelrollout.cli.html_limit import Limits
from modelrollout.cli.html_markup import Markup, finite, number, tag
from modelrollout.cli.svg import ticks

Values = Mapping[str, Any]

WIDTH, HEIGHT = 240, 34
SIDE = 12
"""Room for a mark at either end."""
BARS, NAMES, NUMBERS = 160, 54, 50
"""Pixels of the evidence, left of it, and right of it."""
ROW = 17
_TESTS = (("against", "beyond"), ("within", "within"), ("worse", "worse"))


@dataclass(frozen=True)
class Axis:
    """What all pictures of one metric share.

    Attributes:
        low: left end.
        high: right end.
        differences: it shows candidate − stable, not the values themselves.
    """

    low: float
    high: float
    differences: bool

    def at(self, value: float) -> float:
        """Return where a value is, at the nearer end when it is outside."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return SIDE + share * (WIDTH - 2 * SIDE)


def axis_of(rows: Sequence[Values], limits: Limits) -> Axis | None:
    """Return the axis of a metric; None when there is nothing to draw."""
    differences = any(finite(row.get(end)) is not None for row in rows for end in ("low", "high"))
    found = [value for row in rows for value in (_differing(row, limits) if differences else _lying(row, limits))]
    if len(found) < 2:
        return None
    marks = ticks(min(found), max(found))
    return Axis(marks[0], marks[-1], differences)


def _differing(row: Values, limits: Limits) -> Iterator[float]:
    yield 0.0
    margins = limits.differences(finite(row.get("stable")))
    for value in (row.get("low"), row.get("high"), _difference(row), *(at for at, _ in margins)):
        found = finite(value)
        if found is not None:
            yield found


def _lying(row: Values, limits: Limits) -> Iterator[float]:
    values = [finite(row.get(arm)) for arm in ("candidate", "stable")]
    if any(value is not None for value in values):
        yield from (value for value in values if value is not None)
        yield from (at for at, _ in limits.values(values[1]))


def _difference(row: Values) -> float | None:
    candidate, stable = finite(row.get("candidate")), finite(row.get("stable"))
    return candidate - stable if candidate is not None and stable is not None else None


def value_picture(row: Values, axis: Axis, limits: Limits) -> Markup | None:
    """Return a value, or a difference, against its limits."""
    middle = HEIGHT / 2
    parts = [_line(SIDE, middle, WIDTH - SIDE, middle, "axis")]
    if axis.differences:
        words, drawn = "difference", [*_interval(row, axis, middle)]
        bounds = limits.differences(finite(row.get("stable")))
        parts.append(_line(axis.at(0), 3, axis.at(0), HEIGHT - 3, "zero"))
    else:
        words, drawn = "values", [*_points(row, axis, middle)]
        bounds = limits.values(finite(row.get("stable")))
    if not drawn:
        return None
    parts += [_line(axis.at(at), 3, axis.at(at), HEIGHT - 3, f"bound {kind}") for at, kind in bounds]
    return _svg(WIDTH, HEIGHT, words, *parts, *drawn)


def _interval(row: Values, axis: Axis, middle: float) -> Iterator[Markup]:
    low, high, value = finite(row.get("low")), finite(row.get("high")), _difference(row)
    if low is not None or high is not None:
        left = axis.at(low) if low is not None else SIDE
        right = axis.at(high) if high is not None else WIDTH - SIDE
        yield _line(left, middle, right, middle, "span")
        # An end that is not known has no end.
        yield from (
            _line(at, middle - 6, at, middle + 6, "ends") for at, end in ((left, low), (right, high)) if end is not None
        )
    if value is not None:
        yield tag("circle", cx=f"{axis.at(value):.1f}", cy=middle, r=4.5, class_="candidate")


def _points(row: Values, axis: Axis, middle: float) -> Iterator[Markup]:
    stable, candidate = finite(row.get("stable")), finite(row.get("candidate"))
    if stable is not None:
        at = axis.at(stable)
        yield tag("rect", x=f"{at - 5:.1f}", y=middle - 5, width=10, height=10, class_="stable")
    if candidate is not None:
        yield tag("circle", cx=f"{axis.at(candidate):.1f}", cy=middle, r=4.5, class_="candidate")


def axis_picture(axis: Axis, *, fraction: bool) -> Markup:
    """Return the ends of an axis in numbers, and zero where it is far from both."""
    sign = "+" if axis.differences else ""
    places = [(axis.low, "start", SIDE), (axis.high, "end", WIDTH - SIDE)]
    if axis.differences and 70 < axis.at(0) < WIDTH - 70:
        places.append((0.0, "middle", round(axis.at(0))))
    texts = (
        tag(
            "text",
            number(value, fraction=fraction, sign=sign if value else ""),
            x=x,
            y=12,
            text_anchor=anchor,
            class_="dim",
        )
        for value, anchor, x in places
    )
    return _svg(WIDTH, 16, "axis", *texts)


def evidence_axis(rollback: float, passes: float) -> Markup:
    """Return no evidence, and the bounds, in numbers."""
    most = 2 * max(rollback, passes)
    places = [(0.0, _bar_at(0, most)), (rollback, _bar_at(rollback, most))]
    if abs(_bar_at(passes, most) - places[1][1]) > 24 and _bar_at(passes, most) - places[0][1] > 16:
        places.append((passes, _bar_at(passes, most)))
    texts = (
        tag("text", f"{value:.1f}" if value else "0", x=f"{x:.1f}", y=12, text_anchor="middle", class_="dim")
        for value, x in places
    )
    return _svg(NAMES + BARS + NUMBERS, 16, "axis", *texts)


def evidence_picture(seen: Values, rollback: float, passes: float) -> Markup:
    """Return the evidence of one metric or slice.

    Args:
        seen: what was gathered.
        rollback: ln E at which a candidate goes home.
        passes: ln E at which a metric has passed.
    """
    bounds = {"against": rollback, "within": passes, "worse": rollback}
    most = 2 * max(rollback, passes)
    parts = [_line(_bar_at(0, most), 0, _bar_at(0, most), 3 * ROW, "zero")]
    for place, (key, word) in enumerate(_TESTS):
        parts += _bar(place * ROW, (key, word), finite(seen.get(key)), bounds[key], most)
    return _svg(NAMES + BARS + NUMBERS, 3 * ROW, "evidence", *parts)


def _bar(y: float, test: tuple[str, str], value: float | None, bound: float, most: float) -> Iterator[Markup]:
    key, word = test
    yield tag("text", word, x=NAMES - 8, y=y + 12.5, text_anchor="end")
    at = _bar_at(bound, most)
    if value is not None:
        zero, end = _bar_at(0, most), _bar_at(value, most)
        reached = value >= bound
        yield tag(
            "rect",
            x=f"{min(zero, end):.1f}",
            y=y + 4,
            width=f"{abs(end - zero):.1f}",
            height=9,
            class_=f"bar {key}{' reached' if reached else ''}",
        )
        # Never shown as more than it is: rounded up, it would look reached.
        size = value if reached or value < 0 else math.floor(value * 10) / 10
        words = f"{round(size, 1) or 0:.1f}{' ✓' if reached else ''}".replace("-", "−")
        yield tag("text", words, x=NAMES + BARS + 6, y=y + 12.5)
    yield _line(at, y + 1, at, y + ROW - 1, "bound")


def _bar_at(value: float, most: float) -> float:
    """Return where so much evidence is; what is beyond an end is at it, and its number says the rest."""
    low = -most / 4
    return NAMES + (min(max(value, low), most) - low) / (most - low) * BARS


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=kind.strip())


def _svg(width: int, height: int, words: str, *parts: object) -> Markup:
    return tag("svg", *parts, viewBox=f"0 0 {width} {height}", width=width, height=height, role="img", aria_label=words)
