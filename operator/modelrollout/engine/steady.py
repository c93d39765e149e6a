"""When a pod is warm: the time that its answers take has stopped falling."""

from collections.abc import Sequence
from statistics import median

BLOCK = 5
"""Answers that are compared with as many before them."""
WITHIN = 0.2
"""How far their medians may be apart, as a share of the earlier one."""


def steady(seconds: Sequence[float]) -> bool:
    """Return whether the last answers take about as long as those just before; never with fewer than ten."""
    if len(seconds) < 2 * BLOCK:
        return False
    before, now = median(seconds[-2 * BLOCK : -BLOCK]), median(seconds[-BLOCK:])
    return abs(now - before) <= WITHIN * before
