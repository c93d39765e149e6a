"""Texts made comparable: labels as short texts, and free text as digests, so that nothing long is kept."""

import hashlib
import json
import math
import unicodedata
from collections.abc import Iterator

MAX_LABEL = 128
SHORT = 512
"""Characters of an example."""
_PIECE = 256
"""Characters that are normalised at once: the cost grows with the square of the combining marks in a row, and a word may be
nothing else."""
_ITEMS = 64


def label(value: object) -> str | None:
    """Return a scalar as text: the same number is the same text whether a server writes 3 or 3.0; None when it is empty.

    Raises:
        TypeError: it is no scalar.
    """
    match value:
        case None | "":
            return None
        case bool():
            return "true" if value else "false"
        case str():
            return _bounded(value)
        case float() if math.isnan(value):
            return None
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case int() | float():
            return _bounded(repr(value))
        case _:
            raise TypeError(type(value))


def digest(text: str, *, exact: bool) -> str:
    """Return a short name of a text; unless ``exact``, the same for case, white space and Unicode forms."""
    found = hashlib.blake2b(digest_size=12)
    for piece in (text,) if exact else _normal(text):
        found.update(_bytes(piece))
    return found.hexdigest()


def hashed(text: str) -> str:
    """Return the first 16 hex characters of a text's SHA-256."""
    return hashlib.sha256(_bytes(text)).hexdigest()[:16]


def shown(value: object) -> str:
    """Return a value as a short text for people."""
    if isinstance(value, str):
        return value[:SHORT]
    if isinstance(value, list):
        value = value[:_ITEMS]
    try:
        return json.dumps(value, ensure_ascii=False)[:SHORT]
    except (ValueError, RecursionError):
        return "(nested too deeply)"


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_LABEL else f"{text[:96]}…{hashed(text)}"


def _normal(text: str) -> Iterator[str]:
    """Yield words, each behind one blank, in pieces: some characters have forms that are 18 times as long."""
    if text.isascii():
        yield "".join(f" {word}" for word in text.lower().split())
        return
    inside = False
    for piece in _pieces(text):
        normal = unicodedata.normalize("NFKC", piece).casefold()
        words = " ".join(normal.split())
        if words:
            yield words if inside and not normal[0].isspace() else f" {words}"
        inside = not normal[-1].isspace()


def _pieces(text: str) -> Iterator[str]:
    """Yield a text in pieces that end between words, where there are words."""
    at = 0
    while at < len(text):
        end = at + _PIECE
        blank = text.rfind(" ", at, end) if end < len(text) else -1
        end = end if blank < at else blank + 1
        yield text[at:end]
        at = end


def _bytes(text: str) -> bytes:
    """Encode any text: JSON may hold half a surrogate pair."""
    return text.encode("utf-8", "surrogatepass")
