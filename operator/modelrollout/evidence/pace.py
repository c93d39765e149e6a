"""Did it come suddenly or gradually? From how far something was away in a few stretches of time, one after the other.

The distances are fitted by least squares with all shapes that are low until one stretch, high from another one on and rise
evenly in between. The best fit says how long the rise took: up to two stretches are sudden, as a change in the middle of one
shows in two; more are gradual. A gradual shape must fit clearly better than every sudden one, because there are more of them
and chance finds one. What was away from the first stretch on rose before anybody looked, in no time that is known: sudden.
"""

import math
from collections.abc import Sequence
from typing import Literal

Pace = Literal["sudden", "gradual"]
FEWEST = 4
"""Stretches below which nobody can tell."""
CLEARLY = 0.92
"""A gradual shape fits clearly better when so large a part of the squared error is left, or less."""
_SUDDEN = 2


def pace(distances: Sequence[float], least: float) -> Pace | None:
    """Return how it came; None while there is too little to tell.

    Args:
        distances: from 0 to 1, of stretches of equal length, the oldest first.
        least: a rise that is smaller is none.
    """
    size = len(distances)
    if size < FEWEST:
        return None
    best: dict[bool, tuple[float, float]] = {}
    for start in range(size - 1):
        for end in range(start + 1, size):
            shape = [min(max((index - start) / (end - start), 0.0), 1.0) for index in range(size)]
            sudden = end - start <= _SUDDEN
            best[sudden] = min(best.get(sudden, (math.inf, 0.0)), _fit(shape, distances))
    (steps, rise), (ramps, slope) = best[True], best[False]
    if max(-rise, -slope) < least:
        return "sudden"
    return "gradual" if ramps <= CLEARLY * steps else "sudden"


def _fit(shape: Sequence[float], distances: Sequence[float]) -> tuple[float, float]:
    """Return the squared error of a line over a shape, and how far it falls along it: negative where it rises."""
    size = len(shape)
    x, y = math.fsum(shape) / size, math.fsum(distances) / size
    across = math.fsum((one - x) * (two - y) for one, two in zip(shape, distances, strict=True))
    spread = math.fsum((one - x) ** 2 for one in shape)
    total = math.fsum((two - y) ** 2 for two in distances)
    rise = max(across / spread, 0.0)
    return max(total - rise * across, 0.0), -rise
