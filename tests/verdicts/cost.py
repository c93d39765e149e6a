"""What verdicts cost: processor time of a poll and size of a checkpoint, by kind of gate."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from random import Random
from typing import Any

from modelrollout.domain.tally import Mean, Measure, Shares
from modelrollout.engine.books import dump
from modelrollout.judges._compare import CompareConfig
from modelrollout.sources.router import BOUNDS as ROUTER_BOUNDS
from tests.verdicts.ours import METRIC, Counted, Generated, Ours, settings
from tests.verdicts.sampling import poisson
from tests.verdicts.tables.healthy import TABLE as HEALTHY
from tests.verdicts.tables.latency import TABLE as LATENCY
from tests.verdicts.tables.pods import TABLE as PODS
from tests.verdicts.tables.slices import TABLE as SLICES
from tests.verdicts.traffic import BOUNDS, Latency, Tick, Traffic, latencies

ROUTERS = (*(bound / 1000 for bound in ROUTER_BOUNDS), math.inf)
"""Seconds: the buckets of the router's own histograms."""
POLLS = 360
"""An hour of them."""
OWN = "the router's own histogram"
CLASSES = 10


class _Gate(Ours):
    """Ours, with a look at what it would store."""

    def checkpoint(self) -> str:
        """Return what is stored of it."""
        assert self._book is not None
        assert self._wants is not None
        return dump({METRIC: self._book}, self._wants)


@dataclass(frozen=True)
class Cost:
    """Of one kind of gate.

    Attributes:
        kind: in words.
        seconds: of processor for each poll, counters and gate included; the fastest of a few runs.
        stored: characters in a checkpoint after an hour.
    """

    kind: str
    seconds: float
    stored: int


def costs(runs: int = 3) -> Iterator[Cost]:
    """Measure each kind, with a candidate that is as good as stable."""
    quantile = CompareConfig.model_validate({"quantile": {"q": 0.99, "ratio": 1.2}})
    mean = CompareConfig.model_validate({"margin": {"absolute": 0.1}, "lowest": 0, "highest": 1})
    shares = CompareConfig.model_validate({"margin": {"absolute": 0.1}})
    latency = _traffic(LATENCY, "steady: same, 10 rps")
    kinds = (
        ("rate", settings("margin"), _traffic(HEALTHY, "0.5 %, 10 rps")),
        ("rate, nine pods known of stable", settings("margin"), _traffic(PODS, "pods alike, 10 rps, × 1")),
        ("rate, 20 slices", settings("margin"), _traffic(SLICES, "none broken, 10 rps")),
        (f"histogram, {len(BOUNDS)} buckets", settings("margin"), latency),
        (f"the router's own histogram, {len(ROUTERS)} buckets", settings("margin"), _of_router),
        ("one quantile of it", quantile, latency),
        (f"{OWN}, {len(ROUTERS)} buckets", settings("margin"), _of_router),
        (f"one quantile of {OWN}", quantile, _of_router),
        ("mean, known range", mean, _means),
        (f"shares of {CLASSES} classes", shares, _shares),
    )
    for kind, config, traffic in kinds:
        spent, stored = [], 0
        for number in range(runs):
            ticks = tuple(islice(traffic(Random(f"cost-{number}")), POLLS))
            rule = _Gate(config, source=(Generated(ROUTERS if OWN in kind else BOUNDS), Counted()))
            begun = time.process_time()
            for tick in ticks:
                rule.poll(tick)
            spent.append((time.process_time() - begun) / len(ticks))
            stored = max(stored, len(rule.checkpoint()))
        yield Cost(kind, min(spent), stored)


def _traffic(table: Any, name: str) -> Traffic:
    row = next(row for row in table.rows if row.name == name)
    assert row.traffic is not None
    return row.traffic


def _of_router(rng: Random) -> Iterator[Tick]:
    return latencies(rng, 10, Latency(), 0.0, ROUTERS)


def _means(rng: Random) -> Iterator[Tick]:
    for tick in _counts(rng):
        yield replace(tick, **{arm: Measure(Mean(requests / 2, requests)) for arm, requests in _totals(tick).items()})


def _shares(rng: Random) -> Iterator[Tick]:
    for tick in _counts(rng):
        drawn = {
            arm: {str(index): poisson(rng, requests / CLASSES) for index in range(CLASSES)}
            for arm, requests in _totals(tick).items()
        }
        yield replace(tick, **{arm: Measure(Shares(counts)) for arm, counts in drawn.items()})


def _counts(rng: Random) -> Iterator[Tick]:
    return _traffic(HEALTHY, "0.5 %, 10 rps")(rng)


def _totals(tick: Tick) -> dict[str, float]:
    return {"candidate": tick.candidate.tally.total, "stable": tick.stable.tally.total}
