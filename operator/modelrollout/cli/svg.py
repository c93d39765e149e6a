"""Just enough SVG for a picture of a rollout: panels over one axis of time, with lines, bars and marks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

WIDTH = 860
LEFT, RIGHT, TOP = 64, 150, 44
HEIGHT, GAP = 150, 46
"""Of a panel, and between two of them."""
INK, PALE = "#222222", "#dddddd"


@dataclass(frozen=True)
class Line:
    """Points joined by a line.

    Attributes:
        label: what it shows.
        points: x and y.
        colour: of the line.
        steps: a value holds until the next point.
    """

    label: str
    points: Sequence[tuple[float, float]]
    colour: str
    steps: bool = False


@dataclass(frozen=True)
class Level:
    """A horizontal line at one value, such as a limit."""

    label: str
    value: float
    colour: str = "#888888"


@dataclass(frozen=True)
class Panel:
    """Lines that share an axis.

    Attributes:
        title: what the axis shows, with its unit.
        lines: at least none.
        levels: limits.
        least: the axis ends no lower than here.
        top: the axis ends no lower than here at its upper end.
    """

    title: str
    lines: Sequence[Line]
    levels: Sequence[Level] = ()
    bottom: float = 0.0
    top: float = 0.0


@dataclass(frozen=True)
class Mark:
    """A vertical line through all panels."""

    label: str
    x: float
    colour: str


@dataclass(frozen=True)
class Picture:
    """Panels, one below the other.

    Attributes:
        title: of the picture.
        end: upper end of the axis of time, which begins at 0.
        unit: what it counts.
        panels: from top to bottom.
        marks: moments.
    """

    title: str
    end: float
    unit: str
    panels: Sequence[Panel]
    marks: Sequence[Mark] = field(default=())


def render(picture: Picture) -> str:
    """Return the SVG document."""
    height = TOP + len(picture.panels) * (HEIGHT + GAP) + 10
    begin = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="12">'
    )
    body = [
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(LEFT, 24, picture.title, size=15),
        *(part for index, panel in enumerate(picture.panels) for part in _panel(picture, panel, _y(index))),
        *(part for mark in picture.marks for part in _mark(picture, mark)),
    ]
    return "\n".join([begin, f"<title>{escape(picture.title)}</title>", *body, "</svg>"]) + "\n"


def _y(index: int) -> float:
    return TOP + index * (HEIGHT + GAP) + 14


def _x(picture: Picture, x: float) -> float:
    return LEFT + x / picture.end * (WIDTH - LEFT - RIGHT)


def _panel(picture: Picture, panel: Panel, y: float) -> Iterator[str]:
    values = [value for line in panel.lines for _, value in line.points] + [level.value for level in panel.levels]
    marks = ticks(min([panel.bottom, *values]), max([panel.top, *values]))
    low, high = marks[0], marks[-1]

    def down(value: float) -> float:
        return y + HEIGHT - (value - low) / (high - low) * HEIGHT

    yield _text(LEFT, y - 6, panel.title)
    for tick in marks:
        yield _stroke(LEFT, down(tick), WIDTH - RIGHT, down(tick), PALE)
        yield _text(LEFT - 6, down(tick) + 4, f"{tick:g}", anchor="end")
    for tick in ticks(0, picture.end):
        if tick <= picture.end:
            yield _stroke(_x(picture, tick), y + HEIGHT, _x(picture, tick), y + HEIGHT + 4, INK)
            words = f"{tick:g} {picture.unit}" if tick == 0 else f"{tick:g}"
            yield _text(_x(picture, tick), y + HEIGHT + 17, words, anchor="middle")
    for level in panel.levels:
        yield _stroke(LEFT, down(level.value), WIDTH - RIGHT, down(level.value), level.colour, dashes="5 4")
        yield _text(WIDTH - RIGHT + 6, down(level.value) + 4, level.label, colour=level.colour)
    for line in panel.lines:
        yield _path(line, [(_x(picture, x), down(value)) for x, value in line.points])
    for number, line in enumerate(panel.lines):
        yield _text(WIDTH - RIGHT - 6, y + 14 + number * 15, line.label, anchor="end", colour=line.colour)


def _path(line: Line, points: Sequence[tuple[float, float]]) -> str:
    parts: list[str] = []
    for number, (x, y) in enumerate(points):
        if number == 0:
            parts.append(f"M{x:.1f} {y:.1f}")
        else:
            parts.append(f"H{x:.1f}V{y:.1f}" if line.steps else f"L{x:.1f} {y:.1f}")
    return f'<path d="{"".join(parts)}" fill="none" stroke="{line.colour}" stroke-width="1.6"/>' if parts else ""


def _mark(picture: Picture, mark: Mark) -> Iterator[str]:
    x = _x(picture, mark.x)
    bottom = _y(len(picture.panels) - 1) + HEIGHT
    yield f'<g class="mark" data-label={quoteattr(mark.label)}>'
    yield _stroke(x, TOP, x, bottom, mark.colour, dashes="2 3")
    yield _text(x, TOP - 4, mark.label, anchor="middle", colour=mark.colour)
    yield "</g>"


def _stroke(x1: float, y1: float, x2: float, y2: float, colour: str, *, dashes: str = "") -> str:  # noqa: PLR0913  # two points and how
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashed}/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", colour: str = INK, size: int = 12) -> str:  # noqa: PLR0913  # a place, a text and how
    sized = f' font-size="{size}"' if size != 12 else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{sized}>{escape(words)}</text>'


def ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers that reach from one number to another."""
    high = high if high > low else low + 1
    step = 10.0**-12
    for power in range(-6, 12):
        for digit in (1, 2, 5):
            step = digit * 10.0**power
            if (high - low) / step <= 5:
                first, last = int(low // step), int(-(-high // step))
                return [round(number * step, 9) for number in range(first, last + 1)]
    return [low, high]
