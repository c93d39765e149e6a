"""Exact random counts from a seeded generator of the standard library.

Requests arrive as a Poisson process, and a part of a Poisson process is one too: good and bad requests, the buckets of a
histogram and the answers of a pod are all independent Poisson counts. So one sampler is enough.
"""

import math
from random import Random


def poisson(rng: Random, mean: float) -> int:
    """Draw a Poisson count: by inversion while the mean is small, else by transformed rejection.

    Hörmann, "The transformed rejection method for generating Poisson random variables" (1993), algorithm PTRS.
    """
    if mean <= 0:
        return 0
    if mean < 10:
        return _invert(rng, mean)
    root = math.sqrt(mean)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    accept = 0.9277 - 3.6227 / (b - 2)
    while True:
        u = rng.random() - 0.5
        v = rng.random()
        us = 0.5 - abs(u)
        count = math.floor((2 * a / us + b) * u + mean + 0.43) if us > 0 else -1
        if us >= 0.07 and v <= accept:
            return count
        if count < 0 or (us < 0.013 and v > us) or v <= 0:
            continue
        hat = math.log(v * (1.1239 + 1.1328 / (b - 3.4)) / (a / (us * us) + b))
        if hat <= count * math.log(mean) - mean - math.lgamma(count + 1):
            return count


def _invert(rng: Random, mean: float) -> int:
    u = rng.random()
    term = math.exp(-mean)
    count, reached = 0, term
    # Rounding may leave the sum of all terms below u; no mean under 10 ever reaches 200.
    while u > reached and count < 200:
        count += 1
        term *= mean / count
        reached += term
    return count


def clumps(rng: Random, groups: int, size: float) -> int:
    """Return the sum of so many geometric sizes, each at least 1 and ``size`` on average.

    The part above 1 of all of them together is negative binomial, which is Poisson with a gamma mean.
    """
    if groups == 0 or size <= 1:
        return groups
    return groups + poisson(rng, rng.gammavariate(groups, size - 1))
