"""From the bytes of a body to a JSON document, in bounded time and memory, whatever the bytes are."""

import json
import math
import zlib
from dataclasses import dataclass

MAX_BODY = 1024 * 1024
"""Bytes of a body, also after it was decompressed."""

_MEMBERS = 16
"""Parts of a gzip body."""

UNDECODABLE = "undecodable"
NOT_JSON = "notJson"


@dataclass(frozen=True)
class Body:
    """What a body holds.

    Attributes:
        document: the JSON; None without.
        problem: why there is none: undecodable or notJson; empty when there is one.
    """

    document: object = None
    problem: str = ""


def read_body(body: bytes, encoding: str) -> Body:
    """Decompress and parse a body."""
    plain = _decompress(body, encoding.strip().lower())
    if plain is None:
        return Body(problem=UNDECODABLE)
    try:
        return Body(parse_json(plain.removeprefix(b"\xef\xbb\xbf").decode()))
    except ValueError:
        return Body(problem=NOT_JSON)


def parse_json(text: str, *, strict: bool = False) -> object:
    """Read a JSON text.

    Args:
        text: what may be JSON.
        strict: refuse NaN and Infinity, which Python's servers write and the standard does not know.

    Raises:
        ValueError: it is none, or nested deeper than any prediction is.
    """
    constant = _refuse if strict else None
    try:
        return json.loads(text, parse_constant=constant)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Python refuses integers of more than 4300 digits, which JSON allows.
        return json.loads(text, parse_constant=constant, parse_int=_integer)


def is_json(text: str) -> bool:
    """Return whether a text is JSON by the book."""
    try:
        parse_json(text, strict=True)
    except ValueError:
        return False
    return True


def _integer(digits: str) -> float:
    return int(digits) if len(digits) < 100 else math.copysign(math.inf, -1 if digits[0] == "-" else 1)


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def _decompress(body: bytes, encoding: str) -> bytes | None:
    """Return the body as the model wrote it; None when that cannot be said, or it is too large."""
    match encoding:
        case "" | "identity":
            return body if len(body) <= MAX_BODY else None
        case "gzip" | "x-gzip":
            return _inflate(body, zlib.MAX_WBITS | 16)
        case "deflate":
            # The standard means zlib's format; some servers send the naked stream.
            found = _inflate(body, zlib.MAX_WBITS)
            return _inflate(body, -zlib.MAX_WBITS) if found is None else found
        case _:
            return None


def _inflate(body: bytes, window: int) -> bytes | None:
    found = b""
    for _ in range(_MEMBERS):
        stream = zlib.decompressobj(window)
        try:
            found += stream.decompress(body, MAX_BODY + 1 - len(found))
        except zlib.error:
            return None
        if not stream.eof or len(found) > MAX_BODY:
            return None
        body = stream.unused_data
        if not body:
            return found
    return None
