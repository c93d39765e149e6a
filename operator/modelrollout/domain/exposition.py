"""The Prometheus text format, read line by line: what routers and sources both understand of a status page.

Strict on purpose: a page that was cut off or is no exposition at all must be an error, never a page with fewer numbers.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from modelrollout.errors import SourceError

_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?) +(\S+)(?: +-?[0-9]+)?")
_HEAD = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")


class Point(NamedTuple):
    """One line: a series and its value."""

    name: str
    labels: Mapping[str, str]
    value: float


def parse_exposition(text: str) -> Iterator[Point]:
    """Read a page in the Prometheus text format, version 0.0.4.

    Raises:
        SourceError: a line that is none, or a last line without its end (a page that was cut off).
    """
    for series, value in numbers(text):
        name, labels = read_series(series)
        yield Point(name, labels, value)


def numbers(text: str) -> list[tuple[str, float]]:
    """Read a page; return each series as it stands there and its value.

    The same series come again at each poll, so whoever reads many pages keeps what they mean and reads only the numbers. A
    series is held against the format by :func:`read_series`.

    Raises:
        SourceError: a line without a number, or a last line without its end.
    """
    if text and not text.endswith("\n"):
        raise SourceError(
            "Reading a metrics page: its last line has no end, so the page was cut off. It is read again at the next poll."
        )
    # Not splitlines(): it also splits at form feeds and Unicode line ends, which may stand inside a label.
    lines = [line.rpartition(" ") for line in text.split("\n") if line and line[0] != "#"]
    try:
        # Nearly all lines are a series, one blank and a number.
        return [
            (series, float(number)) if series[-1:] == "}" else _other(series + blank + number)
            for series, blank, number in lines
        ]
    except ValueError as exc:
        raise SourceError(f"Reading a metrics page: {exc}.") from exc


def _other(line: str) -> tuple[str, float]:
    """Return series and number of any line."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise SourceError(f"Reading a metrics page: {line[:80]!r} is no line of the Prometheus text format.")
    return found[1], float(found[2])


@lru_cache(maxsize=8192)
def read_series(text: str) -> tuple[str, Mapping[str, str]]:
    """Return name and labels of a series.

    Raises:
        SourceError: it is none, or a label is broken.
    """
    found = _HEAD.fullmatch(text)
    if found is None:
        raise SourceError(f"Reading a metrics page: {text[:80]!r} is no line of the Prometheus text format.")
    return found[1], MappingProxyType(_labels(found[2] or ""))


def _labels(text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    position = 0
    while position < len(text):
        found = _LABEL.match(text, position)
        if found is None:
            raise SourceError(f"Reading a metrics page: {text[:80]!r} holds a broken label.")
        key, value = found.groups()
        labels[key] = _ESCAPE.sub(_unescape, value) if "\\" in value else value
        position = found.end()
    return labels


def _unescape(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]
