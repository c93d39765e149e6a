"""What both versions were asked and how much of it failed, over time: what the pictures and the sums of a trial rest on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

BIN = 10.0
"""Seconds in one bin: a poll, with the default interval."""


@dataclass
class Tape:
    """Requests by arm and time.

    Attributes:
        bins: number of all and of bad requests, by arm and number of the bin.
    """

    bins: dict[str, dict[int, tuple[int, int]]] = field(default_factory=dict)

    def add(self, arm: str, seconds: float, total: int, bad: int) -> None:
        """Note some requests."""
        bins, number = self.bins.setdefault(arm, {}), int(seconds // BIN)
        before = bins.get(number, (0, 0))
        bins[number] = (before[0] + total, before[1] + bad)

    def sums(self, arm: str) -> tuple[int, int]:
        """Return all and bad requests of an arm."""
        found = self.bins.get(arm, {}).values()
        return sum(total for total, _ in found), sum(bad for _, bad in found)

    def rates(self, arm: str, width: float) -> Mapping[float, float]:
        """Return the share of bad requests by the time at which a stretch of so many seconds begins."""
        sums: dict[float, tuple[int, int]] = {}
        for number, (total, bad) in self.bins.get(arm, {}).items():
            begin = number * BIN // width * width
            before = sums.get(begin, (0, 0))
            sums[begin] = (before[0] + total, before[1] + bad)
        return {begin: bad / total for begin, (total, bad) in sorted(sums.items()) if total}
