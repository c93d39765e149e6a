"""What a value in an answer amounts to, by the kind of prediction: rows that can be compared, and what they lack."""

import math
from array import array
from itertools import islice
from typing import NamedTuple, TypeAlias

from modelrollout.collector.body import is_json
from modelrollout.collector.text import digest, label
from modelrollout.domain.capture import Extraction, Kind
from modelrollout.domain.jsonpath import MAX_VALUES

Rows: TypeAlias = "tuple[str | None, ...] | tuple[tuple[str, ...], ...] | array[float]"
"""Labels, digests of texts, rankings or numbers, one for each row of a batch; null is None or NaN."""


class Form(NamedTuple):
    """Rows, and what can be said of them without the other answer.

    Attributes:
        rows: one for each row of a batch.
        length: characters of text, entries of rankings, rows otherwise.
        empty: one of them is null or empty, or there is none.
        invalid: a text is not JSON.
    """

    rows: Rows
    length: int
    empty: bool
    invalid: bool = False


def form(value: object, extraction: Extraction) -> Form:
    """Return what a value amounts to.

    Raises:
        TypeError: it is of another form than this kind of prediction has.
    """
    match extraction.kind:
        case Kind.LABEL:
            labels = tuple(_class(row) for row in _rows(value))
            return Form(labels, len(labels), not labels or None in labels)
        case Kind.NUMBER:
            numbers = array("d", islice(_numbers(value), MAX_VALUES))
            return Form(numbers, len(numbers), not numbers or any(map(math.isnan, numbers)))
        case Kind.TEXT:
            return _texts(_rows(value), exact=extraction.exact)
        case Kind.RANKING:
            return _rankings(value, extraction.top)


def _rows(value: object) -> list[object]:
    return value[:MAX_VALUES] if isinstance(value, list) else [] if value is None else [value]


def _class(row: object) -> str | None:
    """Return the label of a row: a scalar, several labels, or the index of the largest of some probabilities."""
    if not isinstance(row, list):
        return label(row)
    if len(row) == 1:
        return label(row[0])
    numbers = [item for item in row if isinstance(item, (int, float)) and not isinstance(item, bool)]
    if any(isinstance(item, float) for item in numbers) and len(numbers) == len(row):
        return None if any(item != item for item in numbers) else str(numbers.index(max(numbers)))  # noqa: PLR0124  # NaN
    return label(",".join(label(item) or "" for item in row[:MAX_VALUES]))


def _numbers(value: object) -> list[float]:
    found: list[float] = []
    for row in _rows(value):
        if isinstance(row, list):
            found += (_number(item) for item in row[:MAX_VALUES])
            if len(found) >= MAX_VALUES:
                break
        else:
            found.append(_number(row))
    return found


def _number(value: object) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(type(value))
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _texts(rows: list[object], *, exact: bool) -> Form:
    texts = [_text(row) for row in rows]
    digests = tuple(None if text is None else digest(text, exact=exact) for text in texts)
    said = [text for text in texts if text is not None]
    empty = not texts or any(text is None or not text.strip() for text in texts)
    return Form(digests, sum(map(len, said)), empty, not all(map(is_json, said)))


def _text(row: object) -> str | None:
    if row is not None and not isinstance(row, str):
        raise TypeError(type(row))
    return row


def _rankings(value: object, top: int) -> Form:
    rows = _rows(value)
    if rows and not isinstance(rows[0], list):
        # One ranking; as such even a single entry is one, of one entry.
        rows = [value if isinstance(value, list) else rows]
    lists = [_entries(row) for row in rows]
    rankings = tuple(tuple(label(item) or "" for item in row[:top]) for row in lists)
    return Form(rankings, sum(map(len, lists)), not lists or not all(lists))


def _entries(row: object) -> list[object]:
    if row is None:
        return []
    if not isinstance(row, list):
        raise TypeError(type(row))
    return row
