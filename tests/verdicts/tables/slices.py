"""Twenty slices of the traffic, one of them broken: many looks at once must not make false alarms."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random

from modelrollout.domain.tally import Measure, Rate
from tests.verdicts.ours import Ours, settings
from tests.verdicts.rivals import ROLLBACK, RepeatedZ, Rule
from tests.verdicts.row import Kind, Row, Table
from tests.verdicts.traffic import HOUR, POLL, Tick, Traffic, arm

SLICES = 20
_RAW = tuple((index + 1) ** -0.76 for index in range(SLICES))
SHARES = tuple(raw / math.fsum(_RAW) for raw in _RAW)
"""Of the traffic, by slice: a fifth in the largest, 2 % in the smallest."""
LARGE, SMALL = 0, 15
"""Slices with 20 % and 2.4 % of the traffic."""
STABLE = 0.005


class _Each(Rule):
    """A repeated z test on each slice."""

    def __init__(self, alpha: float) -> None:
        self._tests = {str(index): RepeatedZ(alpha) for index in range(SLICES)}

    def poll(self, tick: Tick) -> str | None:
        """Roll back when any slice is worse."""
        parts = (
            (self._tests[name], replace(tick, candidate=one, stable=other))
            for name, (one, other) in tick.slices.items()
        )
        alarms = [test.poll(part) for test, part in parts]
        return ROLLBACK if any(alarms) else None


class _Overall(Ours):
    """Ours without a look at slices."""

    def poll(self, tick: Tick) -> str | None:
        """Hide the slices."""
        return super().poll(replace(tick, slices={}))


def _traffic(rng: Random, rps: float, broken: int | None, rate: float) -> Iterator[Tick]:
    for number in range(1, round(HOUR / POLL) + 1):
        parts = {}
        for index, share in enumerate(SHARES):
            requests = rps * POLL * share
            candidate = arm(rng, requests * 0.1, rate if index == broken else STABLE)
            parts[str(index)] = Measure(candidate), Measure(arm(rng, requests * 0.9, STABLE))
        whole = [
            Measure(
                Rate(
                    sum(pair[side].tally.bad for pair in parts.values()),
                    sum(pair[side].tally.total for pair in parts.values()),
                )
            )
            for side in (0, 1)
        ]
        yield Tick(number * POLL, POLL, 0.1, *whole, slices=parts)


def rules() -> Mapping[str, Rule]:
    """Return all rules, each new."""
    return {
        "z 5 % on each": _Each(0.05),
        "z, Bonferroni": _Each(0.05 / SLICES),
        "ours strict, no slices": _Overall(settings("strict")),
        "ours strict": Ours(settings("strict")),
    }


def _sliced(rps: float, broken: int | None, rate: float) -> Traffic:
    return lambda rng: _traffic(rng, rps, broken, rate)


def _rows() -> Iterator[Row]:
    seed = 8700
    for rps in (10, 100):
        yield Row(f"none broken, {rps} rps", Kind.HEALTHY, seed, _sliced(rps, None, 0.0), rules)
        for offset, (slice_, rate) in enumerate(((LARGE, 0.05), (SMALL, 0.05), (SMALL, 0.3)), 1):
            name = f"a slice of {SHARES[slice_]:.1%} fails at {rate:.0%}, {rps} rps".replace("%", " %")
            yield Row(name, Kind.BROKEN, seed + offset, _sliced(rps, slice_, rate), rules)
        seed += 10


TABLE = Table(
    "8.7",
    "Twenty slices",
    "Stable fails at 0.5 %; one slice of the candidate's traffic fails more often. 60 minutes, polls each 10 s, weight 10 %.",
    100,
    tuple(_rows()),
)
