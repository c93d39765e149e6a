"""The limits of a metric as numbers, so that they can be drawn.

A report says them in words, as the operator applied them with all its defaults: ``≤ stable + 0.5 pp or × 1.25``. Constants also
stand in the settings of the judge.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelrollout.cli.html_markup import finite

_ABSOLUTE = re.compile(r"stable(?: with itself)? ([+−±]) ([0-9.e+-]+)( pp)?")
_RATIO = re.compile(r"× ([0-9.e+-]+)|([0-9.e+-]+) × stable")


@dataclass(frozen=True)
class Limits:
    """What a value is held against.

    Attributes:
        constants: values that are limits whatever stable does.
        above: so far above stable at most; None: no such limit.
        below: so far below it at most.
        ratio: so many times stable's value at most.
    """

    constants: tuple[float, ...] = ()
    above: float | None = None
    below: float | None = None
    ratio: float | None = None

    def differences(self, stable: float | None) -> list[tuple[float, str]]:
        """Return the margins of candidate − stable, each with its kind; one of a ratio where stable is known."""
        found = [(sign * size, "") for sign, size in ((1, self.above), (-1, self.below)) if size is not None]
        if self.ratio is not None and stable is not None:
            found.append(((self.ratio - 1) * stable, "ratio"))
        return found

    def values(self, stable: float | None) -> list[tuple[float, str]]:
        """Return the limits of the candidate's value, each with its kind; those beside stable's where it is known."""
        found = [(constant, "") for constant in self.constants]
        return found if stable is None else found + [(stable + by, kind) for by, kind in self.differences(stable)]


def limits_of(gate: Mapping[str, Any]) -> Limits:
    """Return the limits of a gate of a report, as far as it says them."""
    words, judge = str(gate.get("limit", "")), gate.get("judge") or {}
    asked = [(judge.get("threshold") or {}).get(end) for end in ("max", "min")]
    asked.append((judge.get("agreement") or {}).get("min"))
    absolute, ratio = _ABSOLUTE.search(words), _RATIO.search(words)
    size = _number(absolute[2]) if absolute else None
    if size is not None and absolute and absolute[3]:
        size /= 100
    sign = absolute[1] if absolute else ""
    return Limits(
        constants=tuple(value for value in map(finite, asked) if value is not None),
        above=size if sign in ("+", "±") else None,
        below=size if sign in ("−", "±") else None,
        ratio=_number(ratio[1] or ratio[2]) if ratio else None,
    )


def _number(text: str) -> float | None:
    try:
        return finite(float(text))
    except ValueError:
        return None
