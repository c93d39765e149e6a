"""Between what and what a share lies, looked at once: the interval of Wilson (JASA 1927), which holds near 0 and 1 too."""

import math

_NORMAL = 1.959963984540054
"""Both 2.5 % ends of a normal distribution."""


def wilson(count: float, total: float) -> tuple[float, float]:
    """Return both ends of the 95 % interval of so many out of so many, of which there is at least one."""
    share, square = count / total, _NORMAL * _NORMAL
    middle = share + square / (2 * total)
    half = _NORMAL * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    scale = 1 + square / total
    return (middle - half) / scale, (middle + half) / scale
