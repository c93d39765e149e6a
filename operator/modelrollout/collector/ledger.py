"""The counters of one extraction in one part of the traffic."""

import math
from collections import Counter
from collections.abc import Iterator

from modelrollout.collector.compare import BOUNDS, FLAGS, Increment, Outcome


class Ledger:
    """Counters that only grow.

    Attributes:
        counts: by series, as they are stored: differences by bucket, and of the bad cells those that are.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._couple: tuple[str, str] | None = None

    def add(self, outcome: Outcome) -> None:
        """Count a request."""
        counts = self.counts
        for series, amount in outcome.increments:
            counts[series] += amount  # type: ignore[assignment]  # sums of biases are no whole numbers
        if outcome.couple is not None:
            self._cross(outcome.couple)

    def rows(self) -> Iterator[Increment]:
        """Yield all series with their values; pairs and bad cells from the first."""
        counts = self.counts
        yield "pairs", counts["pairs"]
        for flag in FLAGS:
            cells = {cell: counts[f"bad/{flag}/{cell}"] for cell in ("both", "candidate", "stable")}
            cells["neither"] = counts["pairs"] - sum(cells.values())
            yield from ((f"bad/{flag}/{cell}", count) for cell, count in cells.items())
        yield from self._differences()
        for series, count in counts.items():
            if series != "pairs" and not series.startswith(("bad/", "difference/")):
                yield series, count

    def _differences(self) -> Iterator[Increment]:
        if not self.counts["bias/count"]:
            return
        total = 0
        for bound in BOUNDS:
            total += self.counts[f"difference/{bound:g}"]
            yield f"difference/le={'+Inf' if math.isinf(bound) else format(bound, 'g')}", total

    def _cross(self, labels: tuple[str, str]) -> None:
        """Count two pairs, every other time: how many differ as they are, and how many when crossed."""
        if self._couple is None:
            self._couple = labels
            return
        (stable, candidate), (other_stable, other_candidate) = self._couple, labels
        direct = (stable != candidate) + (other_stable != other_candidate)
        crossed = (stable != other_candidate) + (other_stable != candidate)
        self.counts[f"kappa/{direct}/{crossed}"] += 1
        self._couple = None
