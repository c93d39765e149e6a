"""What a piece of work costs, as a ratio: its CPU time beside that of a fixed loop, so that no machine is too slow for a test."""

import gc
import math
import time
from collections.abc import Callable

LOOP = 10_000
"""Logarithms in the loop that everything is measured with: about a millisecond where this was written."""
TRIES = 3


def loops(work: Callable[[], object]) -> float:
    """Return how many times as much CPU time some work takes as the loop; the least of three tries of each."""
    # What other tests left in memory is not the work's: the garbage collector must not look through it for every list made.
    gc.collect()
    gc.freeze()
    try:
        return _least(work) / _least(_loop)
    finally:
        gc.unfreeze()


def loop() -> float:
    """Return how many seconds of CPU time the loop takes: how fast this machine is just now."""
    return _least(_loop)


def _least(work: Callable[[], object]) -> float:
    return min(_seconds(work) for _ in range(TRIES))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _loop() -> float:
    return math.fsum([math.log1p(number) for number in range(LOOP)])
