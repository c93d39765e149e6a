"""HTML that nobody's text can break: whatever is not markup already is escaped, and there is no other way to write any.

Names, messages and predictions are other people's texts. Beside the signs of HTML they may hold what no one can see and
everyone is misled by: control characters, and marks that turn the direction of the text around them.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_SEEN = {ord("\t"): " ", ord("\n"): " ", ord("\r"): " "}
_TURNING = {
    code: f"⟨U+{code:04X}⟩" for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
_SHOWN: dict[int, int | str] = {**_PICTURES, **_SEEN, **_TURNING}


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


def tag(name: str, *inner: object, **attributes: object) -> Markup:
    """Return an element.

    Args:
        name: of the element.
        inner: markup, or texts of anybody, which are escaped; None: nothing.
        attributes: an underscore at the end of a name is dropped, others are hyphens; None: without the attribute.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(shown(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{said}>{join(inner)}</{name}>")


def join(parts: Iterable[object], between: str = "") -> Markup:
    """Return parts in a row; what is no markup is escaped."""
    return Markup(between.join(_safe(part) for part in parts if part is not None))


def _safe(part: object) -> str:
    return part if isinstance(part, Markup) else escape(shown(str(part)))


def shown(text: str) -> str:
    """Return a text with everything in it to be seen, and with nothing that UTF-8 cannot say."""
    return text.translate(_SHOWN).encode("utf-8", "replace").decode("utf-8")


def code(text: object) -> Markup | None:
    """Return somebody's text as it was written; nothing for no text."""
    return tag("code", text) if text not in (None, "") else None


def table(heads: Sequence[object], rows: Iterable[Sequence[object]], *, kind: str = "") -> Markup | None:
    """Return a table without its empty columns; nothing for no rows. The first column heads its row."""
    found = [[None if cell == "" else cell for cell in row] for row in rows]
    if not found:
        return None
    kept = [place for place in range(len(heads)) if place == 0 or any(row[place] is not None for row in found)]
    head = tag("tr", *(tag("th", heads[place], scope="col") for place in kept))
    lines = (
        tag("tr", *(tag("td", row[place]) if place else tag("th", row[place], scope="row") for place in kept))
        for row in found
    )
    drawn = tag("table", tag("thead", head), tag("tbody", *lines), class_=kind or None)
    # A wide table moves within its place, and the page stays where it is.
    return tag("div", drawn, class_="wide")


def section(title: object, *inner: object, kind: str = "") -> Markup | None:
    """Return a section with a heading; nothing when there is nothing in it."""
    found = [part for part in inner if part]
    return tag("section", tag("h2", title), *found, class_=kind or None) if found else None


def finite(value: object) -> float | None:
    """Return a number that can be drawn; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def number(value: object, *, fraction: bool, sign: str = "") -> str:
    """Return a measured value as people read it; empty when there is none."""
    found = finite(value)
    if found is None:
        return ""
    text = f"{found * 100:{sign}.3g} %" if fraction else f"{found:{sign}.4g}"
    return text.replace("-", "−")


def count(value: object) -> str:
    """Return a count with its thousands apart; empty when there is none."""
    found = finite(value)
    return f"{found:,.0f}" if found is not None else ""


def moment(text: object, form: str = "%Y-%m-%d %H:%M:%S UTC") -> str:
    """Return a time of the report for people."""
    return f"{datetime.fromisoformat(str(text)):{form}}"
