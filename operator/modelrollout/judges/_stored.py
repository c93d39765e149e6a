"""How a ledger is written down and read again: short, and never with more evidence than there was.

Evidence is rounded down, so a restart can delay a decision and never cause one. What is read was written by us, but a person
may have edited it: every number is checked.
"""

import math
from collections.abc import Sequence

PLACES = 4
"""Decimals of evidence that are kept."""


def down(log: float) -> float:
    """Return evidence to be stored; what was rounded before stays as it is."""
    near = round(log, PLACES)
    return near if near <= log else round(near - 10.0**-PLACES, PLACES)


def short(number: float) -> float:
    """Return a count or a sum to be stored: whole ones exactly, others with six digits."""
    near = number if number.is_integer() else float(f"{number:.6g}")
    return int(near) if near.is_integer() and abs(near) < 1e15 else near


def numbers(raw: object, least: int = 0, most: int = 10_000) -> list[float]:
    """Return a stored list of numbers.

    Raises:
        ValueError: it is none, too short or too long, or holds something else.
    """
    if not isinstance(raw, list) or not least <= len(raw) <= most:
        raise ValueError(f"The ledger holds no list of {least} to {most} numbers where one belongs.")
    return [number(item) for item in raw]


def number(raw: object) -> float:
    """Return a stored number.

    Raises:
        ValueError: it is none.
    """
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        raise ValueError(f"The ledger holds {raw!r} where a number belongs.")
    return float(raw)


def count(raw: object) -> int:
    """Return a stored number of blocks.

    Raises:
        ValueError: it is none.
    """
    if isinstance(raw, bool) or not isinstance(raw, int) or raw < 0:
        raise ValueError(f"The ledger holds {raw!r} where a count belongs.")
    return raw


def fields(raw: object, length: int) -> Sequence[object]:
    """Return a stored row.

    Raises:
        ValueError: it has another length.
    """
    if not isinstance(raw, list) or len(raw) != length:
        raise ValueError(f"The ledger holds no row of {length} where one belongs.")
    return raw
