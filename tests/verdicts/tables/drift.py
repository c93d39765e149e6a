"""The distribution of a feature moves, for everybody or for the candidate alone: is it told, by whose doing, and how soon?"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from random import Random

from modelrollout.domain.tally import Features, Histogram, Measure
from modelrollout.engine.wants import AnalysisWants, Referred
from modelrollout.judges.drift import PLUGIN, DriftConfig
from modelrollout.sources.inputs import PLUGIN as INPUTS
from modelrollout.sources.inputs import InputsConfig
from modelrollout.sources.outputs import PLUGIN as OUTPUTS
from modelrollout.sources.outputs import PREDICTION, OutputsConfig
from tests.verdicts.ours import BEGIN, METRIC, Ours
from tests.verdicts.rivals import TOLD, RepeatedSmirnov, Rule, StabilityIndex
from tests.verdicts.row import MISNAMED, Kind, Row, Table
from tests.verdicts.traffic import HOUR, POLL, Tick, Traffic

KEPT = 5000
"""Requests that the reference was counted from."""
EACH = (20, 60)
"""Requests of candidate and stable between two polls, of those that are looked at."""
MEAN, SPREAD = 1.5, 0.6
BOUNDS = (*(index / 10 for index in range(1, 31)), float("inf"))


class _Drift(Ours):
    """Ours with the judge ``drift``: it must say whose doing it is, and nothing while nothing has moved."""

    def __init__(self, right: str, *, inputs: bool) -> None:
        source = (INPUTS, InputsConfig()) if inputs else (OUTPUTS, OutputsConfig())
        super().__init__(DriftConfig(), rolls_back=False, judge=PLUGIN, source=source)
        self._right = right

    def poll(self, tick: Tick) -> str | None:
        """Look at what has moved."""
        super().poll(tick)
        moved = self.evidence.moved if self.evidence is not None else None
        if moved is None:
            return None
        return TOLD if self._right in ("", moved) else MISNAMED

    def _asked(self, tick: Tick) -> AnalysisWants:
        assert tick.reference is not None
        kept = Referred(tick.reference.tally, "kept", BEGIN + timedelta(days=1))
        return replace(super()._asked(tick), references={METRIC: kept})


def _rules(right: str, *, inputs: bool) -> Mapping[str, Rule]:
    return {
        "ours": _Drift(right, inputs=inputs),
        "PSI > 0.2": StabilityIndex(0.2),
        "KS at 5 %, at each poll": RepeatedSmirnov(0.05),
    }


def _drawn(rng: Random, requests: int, mean: float, name: str) -> Measure:
    cells = [0] * len(BOUNDS)
    for _ in range(requests):
        cells[bisect_left(BOUNDS, rng.gauss(mean, SPREAD))] += 1
    below, buckets = 0, []
    for bound, count in zip(BOUNDS, cells, strict=True):
        below += count
        buckets.append((bound, float(below)))
    return Measure(Features({name: Histogram(tuple(buckets))}, float(requests)))


def _traffic(candidate: float, stable: float, name: str) -> Traffic:
    """Return values whose means are so far from the reference's, from the first request on."""

    def ticks(rng: Random) -> Iterator[Tick]:
        kept = _drawn(rng, KEPT, MEAN, name)
        for number in range(1, round(HOUR / POLL) + 1):
            ours, theirs = (
                _drawn(rng, requests, MEAN + shift, name)
                for requests, shift in zip(EACH, (candidate, stable), strict=True)
            )
            yield Tick(number * POLL, POLL, 0.25, ours, theirs, reference=kept)

    return ticks


def _rows() -> Iterator[Row]:
    # A shift of the mean by so much moves shares by at most this many percentage points.
    points = {0.1: 7, 0.3: 20, 0.6: 38, 1.2: 68}
    rows: list[tuple[str, float, float, str]] = [
        ("nothing moves", 0.0, 0.0, ""),
        ("everything moves by 7 pp, less than the floor", 0.1, 0.1, ""),
        *((f"everything moves by {points[shift]} pp", shift, shift, "world") for shift in (0.3, 0.6, 1.2)),
        *((f"the candidate's answers by {points[shift]} pp", shift, 0.0, "candidate") for shift in (0.3, 0.6, 1.2)),
    ]
    for seed, (name, candidate, stable, right) in enumerate(rows, 9100):
        inputs = right == "world"
        traffic = _traffic(candidate, stable, "value" if inputs else PREDICTION)
        rules: Callable[[], Mapping[str, Rule]] = partial(_rules, right, inputs=inputs)
        # What is little more than the floor takes long.
        end = TOLD if candidate > SPREAD / 2 else ""
        yield Row(name, Kind.DRIFT, seed, traffic, rules, wrong=MISNAMED if right else TOLD, right=end)


TABLE = Table(
    "drift",
    "Distributions that move",
    "A feature whose values spread by 0.6 around a mean; 80 requests are looked at between two polls, 20 of them the "
    "candidate's, and the reference was counted from 5,000. It moves from the first request on, and an hour is watched at most. "
    "*Told*, with the median number of the candidate's requests until then. `ours` is the judge `drift` as shipped (floor 0.1): "
    "it must also say whose doing it is, `world` or `candidate`, which the others cannot. They look at the candidate's requests "
    "against the reference, from 100 on.",
    200,
    tuple(_rows()),
)
