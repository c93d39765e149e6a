"""Text in columns, and times in words."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import click

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines with aligned columns; nothing for no rows. Cells may be coloured; empty columns are left out."""
    kept = [column for column in range(len(head)) if any(row[column] for row in rows)]
    first, *lines = columns([[line[column] for column in kept] for line in (head, *rows)])
    return [click.style(first, dim=True), *lines] if rows else []


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines with aligned columns, without a head. Cells may be coloured."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "   ".join(cell + " " * (most - width(cell)) for cell, most in zip(cells, widths, strict=True)).rstrip()

    return list(map(line, rows))


def width(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    return len(_COLOUR.sub("", text))


def span(value: timedelta) -> str:
    """Return a span of time with its two largest units: ``1d4h``, ``2m5s``."""
    left = max(0, round(value / timedelta(seconds=1)))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}")
    return "".join(part for part in parts[:2] if not part.startswith("0")) or "0s"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was."""
    return f"{span(now - moment)} ago"


def clock(moment: datetime, now: datetime) -> str:
    """Return a time of day in UTC, as the operator's messages say it; with its date when that is another day."""
    return f"{moment:%H:%M:%S} UTC" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
