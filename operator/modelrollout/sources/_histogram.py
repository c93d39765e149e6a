"""Quantiles from cumulative buckets, as ``histogram_quantile`` of Prometheus computes them for classic histograms.

See https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile: values are taken to be spread
evenly within a bucket, the lowest bucket starts at 0, and a quantile beyond the highest bound is that bound.
"""

import math
from collections.abc import Mapping
from itertools import pairwise

DEFAULT_QUANTILE = 0.99


def quantile(buckets: Mapping[float, float], q: float) -> float | None:
    """Return a quantile in the unit of the bounds, None when the histogram is empty.

    Args:
        buckets: how many values were at most so large, by upper bound; the bound infinity holds all.
        q: between 0 and 1.
    """
    finite = sorted(bound for bound in buckets if math.isfinite(bound))
    total = max(buckets.values(), default=0.0)
    if total <= 0 or not finite:
        return None
    rank = q * total
    below = 0.0
    for lower, upper in pairwise((0.0, *finite)):
        # Routers merge their workers' buckets one by one, so a count may lag behind that of the bucket below it.
        count = max(buckets[upper], below)
        if count >= rank and count > below:
            return lower + (upper - lower) * max(rank - below, 0.0) / (count - below)
        below = count
    return finite[-1]
