"""The time line of a rollout: how much traffic the candidate got, and what was decided when, by whom."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelrollout.cli.html_markup import Markup, finite, join, moment, tag
from modelrollout.cli.svg import ticks

Values = Mapping[str, Any]

WIDTH, LEFT, RIGHT = 1040, 96, 40
TOP, TALL = 14, 120
LANES = ("stages", "people", "operator")
LANE = 26
NEAR = 46
"""Pixels within which marks become one."""


@dataclass(frozen=True)
class Happening:
    """Something that happened.

    Attributes:
        at: when.
        lane: whose it is: a stage that was entered, what people did, or what the operator decided.
        what: in words.
    """

    at: str
    lane: str
    what: Markup


def happenings(values: Values) -> list[Happening]:
    """Return everything that a report says happened, in order of time."""
    return sorted(_happenings(values), key=lambda one: (datetime.fromisoformat(one.at), LANES.index(one.lane)))


def _happenings(values: Values) -> Iterator[Happening]:
    for stage in values["stages"]:
        copies = f", {stage['mirror']} % copied" if stage.get("mirror") else ""
        yield Happening(stage["at"], "stages", join((stage["label"], f": weight {stage['weight']} %{copies}")))
    for edit in values.get("edits", ()):
        what = join(filter(None, (edit.get("metric"), edit.get("setting"))), ": ") or "the analysis"
        yield Happening(edit["at"], "people", join(("edit of ", what)))
    for request in values.get("requests", ()):
        who = join((" by ", request["by"])) if request.get("by") else ""
        yield Happening(request["at"], "people", join((request["action"], who, ". ", request.get("message", ""))))
    cause = values.get("cause")
    if cause:
        yield Happening(cause["at"], "operator", join((cause["reason"], ": ", cause.get("message", ""))))
    yield Happening(values["endedAt"], "operator", join(("the end: ", values["outcome"])))


def time_line(values: Values) -> Markup:
    """Return the picture."""
    begin = datetime.fromisoformat(values["startedAt"])
    seconds = max(float(values["seconds"]), 1.0)
    scale, unit = next((size, unit) for size, unit in _UNITS if seconds > 3 * size or size == 1)

    def across(text: str) -> float:
        share = (datetime.fromisoformat(text) - begin).total_seconds() / seconds
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)

    known = happenings(values)
    low = TOP + TALL
    bottom = low + len(LANES) * LANE + 6
    parts = [*_grid(low), *_hours(seconds / scale, unit, bottom), *_weights(values, across, low)]
    marks: list[Markup] = []
    for place, lane in enumerate(LANES):
        y = low + 6 + (place + 0.5) * LANE
        parts.append(_text(lane, LEFT - 30, y + 4, "end"))
        for words, x in _groups([(number, across(one.at)) for number, one in enumerate(known, 1) if one.lane == lane]):
            parts.append(_line(x, TOP, x, y, "drop"))
            marks += _mark(words, x, y)
    # A mark lies upon the lines of the lanes below its own.
    height = bottom + 24
    return tag(
        "svg",
        *parts,
        *marks,
        viewBox=f"0 0 {WIDTH} {height}",
        width=WIDTH,
        height=height,
        role="img",
        aria_label="time line",
    )


_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def _grid(bottom: float) -> Iterator[Markup]:
    for percent in (0, 50, 100):
        y = bottom - percent / 100 * TALL
        yield _line(LEFT, y, WIDTH - RIGHT, y, "axis")
        yield _text(f"{percent} %", LEFT - 12, y + 4, "end", "dim")


def _hours(end: float, unit: str, bottom: float) -> Iterator[Markup]:
    for tick in ticks(0, end):
        if tick <= end:
            x = LEFT + tick / end * (WIDTH - LEFT - RIGHT)
            yield _line(x, bottom, x, bottom + 4, "zero")
            yield _text(f"{tick:g} {unit}", x, bottom + 17, "middle", "dim")


def _weights(values: Values, across: Any, bottom: float) -> Iterator[Markup]:  # noqa: ANN401  # from a time to a place
    stages = values["stages"]
    lefts = [across(stage["at"]) for stage in stages]
    rights = [*lefts[1:], WIDTH - RIGHT]
    # An attempt that was aborted ends with its traffic at home, however far it had come.
    weight = _steps([(x, finite(stage["weight"]) or 0.0) for x, stage in zip(lefts, stages, strict=True)], bottom)
    if not weight:
        return
    yield tag(
        "path",
        d=f"M{lefts[0]:.1f} {bottom:.1f}V{weight[1:].partition(' ')[2]}H{rights[-1]:.1f}V{bottom:.1f}Z",
        class_="under",
    )
    yield tag("path", d=f"{weight}H{rights[-1]:.1f}", class_="weight")
    for left, right, stage in zip(lefts, rights, stages, strict=True):
        if copies := finite(stage.get("mirror")):
            y = bottom - copies / 100 * TALL
            yield tag("path", d=f"M{left:.1f} {y:.1f}H{right:.1f}", class_="copies")


def _steps(points: Sequence[tuple[float, float]], bottom: float) -> str:
    found = [(x, bottom - percent / 100 * TALL) for x, percent in points]
    return "".join(f"M{x:.1f} {y:.1f}" if place == 0 else f"H{x:.1f}V{y:.1f}" for place, (x, y) in enumerate(found))


def _groups(places: Sequence[tuple[int, float]]) -> Iterator[tuple[str, float]]:
    """Yield the numbers of what happened, and where; those that are too near to each other stand together."""
    groups: list[list[tuple[int, float]]] = []
    for number, x in places:
        if groups and x - groups[-1][0][1] < NEAR:
            groups[-1].append((number, x))
        else:
            groups.append([(number, x)])
    for group in groups:
        yield _numbers([number for number, _ in group]), group[0][1]


def _mark(words: str, x: float, y: float) -> Iterator[Markup]:
    wide = 10 + 7 * len(words)
    left = min(x - wide / 2, WIDTH - wide - 1)
    yield tag("rect", x=f"{left:.1f}", y=y - 9, width=wide, height=18, rx=9, class_="mark")
    yield _text(words, left + wide / 2, y + 4, "middle")


def _numbers(found: Sequence[int]) -> str:
    if len(found) < 3:
        return ", ".join(map(str, found))
    return f"{found[0]}–{found[-1]}" if found[-1] - found[0] == len(found) - 1 else f"{found[0]}…{found[-1]}"


def happened(values: Values) -> Iterator[tuple[object, ...]]:
    """Yield what happened as rows of a table, numbered as in the picture."""
    for number, one in enumerate(happenings(values), 1):
        yield (number, moment(one.at), {"stages": "stage"}.get(one.lane, one.lane), one.what)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=kind)


def _text(words: str, x: float, y: float, anchor: str, kind: str = "") -> Markup:
    return tag("text", words, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=kind or None)
