"""The collector of one simulated router pod: the real one, asked once for each two kinds of requests that can come in a row.

What two requests amount to does not depend on when they come, so it is asked of a collector that has seen nothing else, and
counted as often as chance has it. Two and not one, because Cohen's kappa is made of pairs taken two by two. Counting is all
that is done here, so hours of traffic cost as much as a few requests, and no rule is written twice.
"""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Any

from modelrollout.collector.collector import Collector
from modelrollout.domain.capture import Capture
from modelrollout.names import mirror_cluster
from modelrollout.simulation.bodies import answer, request
from modelrollout.simulation.chance import binomial, split
from modelrollout.simulation.kinds import SILENCE, Kind, Meeting, kinds

EXAMPLES = 10
LATE = 3600.0
"""Seconds after which nobody waits for an answer any more."""

STEPS = (0.7548776662466927, 0.5698402909980532)
"""Multiples of these two fill a square evenly, in however small a stretch of them (Roberts, 2018)."""

Series = tuple[str, str, str]
"""Extraction, part and name of a counter."""


@dataclass(frozen=True)
class Grown:
    """What two requests in a row amount to."""

    counters: tuple[tuple[Series, float], ...]
    examples: tuple[tuple[str, Mapping[str, Any]], ...]
    totals: tuple[tuple[str, int], ...]


class Pairs:
    """Counts the pairs of one router pod; it begins anew with its process, and with other revisions.

    Args:
        random: decides about each request; None: every share is exact.
        name: of the pod; ids of its requests begin with it.
    """

    def __init__(self, random: Random | None, name: str = "simulated") -> None:
        self._random = random
        self._name = name
        self.capture: Capture | None = None
        self._clear()

    def _clear(self) -> None:
        self._counters: Counter[Series] = Counter()
        self._totals: Counter[str] = Counter()
        self._examples: dict[str, deque[Mapping[str, Any]]] = {}
        self._shown = 0
        self._restart()

    def _restart(self) -> None:
        # Of requests whose share is exact all are kept, and of their couples the number that was told; of requests by chance
        # those that came since, and of those that were told the one that waits for its second.
        self._waiting: dict[Meeting, float] = {}
        self._told: Counter[Meeting] = Counter()

    def obey(self, capture: Capture | None) -> None:
        """Compare what a capture says from now on."""
        before, self.capture = self.capture, capture
        if capture == before:
            return
        if capture is None or before is None or _who(capture) != _who(before):
            self._clear()
            return
        self._restart()
        keys = {extraction.key for extraction in capture.extractions}
        self._counters = Counter({series: value for series, value in self._counters.items() if series[0] in keys})

    def copied(self, meeting: Meeting, requests: float) -> None:
        """Take so many copied requests."""
        self._waiting[meeting] = self._waiting.get(meeting, 0.0) + requests

    def page(self) -> dict[str, Any]:
        """Return what the collector would show."""
        assert self.capture is not None
        for meeting in self._waiting:
            self._count(self.capture, meeting)
        page = _nothing(self.capture)
        counters = {**{(key, part, name): value for key, part, name, value in page["counters"]}, **self._counters}
        return {
            **page,
            "counters": [[*series, value] for series, value in counters.items()],
            "examples": {**page["examples"], **{key: list(found)[::-1] for key, found in self._examples.items()}},
            "totals": {**page["totals"], **self._totals},
        }

    def _count(self, capture: Capture, meeting: Meeting) -> None:
        for couple, number in self._couples(capture, meeting).items():
            grown = _grown(capture, *couple)
            for series, value in grown.counters:
                self._counters[series] += value * number  # type: ignore[assignment]  # sums of biases are no whole numbers
            for name, count in grown.totals:
                self._totals[name] += count * number
            for key, example in grown.examples:
                self._shown += 1
                kept = self._examples.setdefault(key, deque(maxlen=EXAMPLES))
                kept.append({**example, "id": f"{self._name}-{self._shown}"})

    def _couples(self, capture: Capture, meeting: Meeting) -> Mapping[tuple[Kind, Kind], int]:
        """Return how often each two kinds came one after the other since this was last asked."""
        shares = kinds(meeting)
        every, values = list(shares), list(shares.values())
        if self._random is None:
            before, couples = self._told[meeting], int(self._waiting[meeting] / 2 * capture.percent / 100)
            self._told[meeting] = couples
            return _evenly(before, couples, every, values)
        chosen = self._told[meeting] + binomial(self._random, int(self._waiting[meeting]), capture.percent / 100)
        self._waiting[meeting] = 0.0
        self._told[meeting] = chosen % 2
        return {
            (first, second): number
            for first, couples in zip(every, split(self._random, chosen // 2, values), strict=True)
            if couples
            for second, number in zip(every, split(self._random, couples, values), strict=True)
            if number
        }


def _evenly(since: int, until: int, every: Sequence[Kind], shares: Sequence[float]) -> Mapping[tuple[Kind, Kind], int]:
    """Return couples of these numbers, each kind as often as its share says, in any stretch of them."""
    ends = list(accumulate(shares))

    def chosen(number: int, step: float) -> Kind:
        return every[min(bisect_right(ends, number * step % 1.0), len(every) - 1)]

    return Counter((chosen(number, STEPS[0]), chosen(number, STEPS[1])) for number in range(since, until))


def _who(capture: Capture) -> tuple[str | None, str | None]:
    return capture.stable, capture.candidate


@lru_cache(maxsize=64)
def _nothing(capture: Capture) -> dict[str, Any]:
    return Collector(capture).page()


@lru_cache(maxsize=16384)
def _grown(capture: Capture, first: Kind, second: Kind) -> Grown:
    """Ask the real collector what two requests amount to."""
    collector = Collector(capture)
    for number, kind in enumerate((first, second)):
        _send(collector, capture, kind, str(number))
    collector.tick(LATE)
    page = collector.page()
    return Grown(
        tuple(((key, part, name), value) for key, part, name, value in page["counters"] if value),
        tuple((key, example) for key, found in page["examples"].items() for example in found),
        tuple(page["totals"].items()),
    )


def _send(collector: Collector, capture: Capture, kind: Kind, number: str) -> None:
    stable, candidate = capture.stable or "", capture.candidate or ""
    asked = request(capture, kind.part, number)
    collector.request(asked, 0.0)
    if kind.stable != SILENCE:
        collector.primary(answer(capture, kind.stable, number, stable, asked), 0.0)
    if kind.candidate != SILENCE:
        collector.copy(answer(capture, kind.candidate, number, mirror_cluster(candidate), asked), 0.0)
    if kind.again not in (None, SILENCE):
        collector.copy(answer(capture, kind.again or "", number, mirror_cluster(stable), asked), 0.0)
