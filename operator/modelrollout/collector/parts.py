"""Which parts of the traffic a request belongs to."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from modelrollout.collector.text import hashed, label
from modelrollout.domain.capture import Part
from modelrollout.domain.jsonpath import ABSENT, read_path

_MOST = 256
"""Values of one request that are looked at."""


class Parts:
    """The parts that a capture tells apart.

    Args:
        parts: as the capture has them.

    Attributes:
        headers: of requests, that they need.
        needs_body: some are told by the request's body.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._by_header = _grouped(parts, lambda part: part.header)
        self._by_path = _grouped(parts, lambda part: part.path if part.header is None else None)
        self.headers = frozenset(self._by_header)
        self.needs_body = bool(self._by_path)

    def of_headers(self, headers: Mapping[str, str]) -> list[str]:
        """Return the parts that headers tell."""
        return _found(self._by_header, lambda header: headers.get(header, ABSENT))

    def of_document(self, document: object) -> list[str]:
        """Return the parts that a request's JSON tells."""
        return _found(self._by_path, lambda path: read_path(document, path))


def _grouped(parts: Iterable[Part], key: Callable[[Part], str | None]) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = {}
    for part in parts:
        if (place := key(part)) is not None:
            found.setdefault(place, []).append(part)
    return found


def _found(groups: Mapping[str, list[Part]], read: Callable[[str], object]) -> list[str]:
    names: list[str] = []
    for place, group in groups.items():
        value = read(place)
        if value is not ABSENT:
            values = value if isinstance(value, list) else [value]
            names += [part.name for part in group if any(_is(part, item) for item in values[:_MOST])]
    return names


def _is(part: Part, value: object) -> bool:
    try:
        if part.value is not None:
            text = label(value)
            return text is not None and (hashed(text) if part.hashed else text) == part.value
        number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        return False
    low, high = (-math.inf if part.low is None else part.low), (math.inf if part.high is None else part.high)
    return low <= number < high or (part.high is None and number >= low)
