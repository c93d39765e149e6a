"""How evidence is told to people: numbers with their units, and chances as "1 in so many"."""

import math

_SURE = 1e9


def percent(share: float) -> str:
    """Return a share as ``0.52 %``."""
    return f"{_digits(100 * share)} %"


def points(share: float) -> str:
    """Return a difference of shares as ``0.5 pp`` (percentage points)."""
    return f"{_digits(100 * share)} pp"


def plain(number: float) -> str:
    """Return a number with as many digits as are of use."""
    return f"{number:.4g}"


def count(number: int, unit: str) -> str:
    """Return ``1,240 requests``."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def nearly(share: float) -> str:
    """Return a share of which the last digits matter even near 1: ``99.95 %``."""
    rest = 100 * (1 - share)
    if not 0 < rest < 1:
        return percent(share)
    return f"{100 * share:.{min(3 - math.floor(math.log10(rest)), 8)}g} %"


def about(count: int) -> str:
    """Return a number that nobody knows exactly: ``1,900`` for 1874."""
    return f"{float(f'{count:.2g}'):,.0f}"


def chance(log_e: float) -> str:
    """Return how rarely evidence like this comes about by chance: ``1 in 1,900``. At most, at any time (Ville)."""
    if log_e >= math.log(_SURE):
        return f"less than 1 in {_SURE:,.0f}"
    # What is stored is rounded down itself: ln 20 as 2.9957.
    number = math.exp(max(log_e, 0.0)) * 1.0001
    # Two digits, rounded down: it is the most that is claimed.
    digit = 10 ** max(math.floor(math.log10(number)) - 1, 0)
    return f"1 in {math.floor(number / digit) * digit:,}"


def _digits(number: float) -> str:
    return f"{number:.3g}" if abs(number) >= 10 else f"{number:.2g}"
