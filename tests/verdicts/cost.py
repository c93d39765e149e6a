"""What verdicts cost: processor time of a poll and size of a checkpoint, by kind of gate."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from random import Random
from typing import Any

from modelrollout.domain.reading import Key
from modelrollout.domain.tally import Mean, Measure, Shares, Tally
from modelrollout.engine.books import dump
from modelrollout.judges._compare import CompareConfig
from tests.verdicts.ours import METRIC, Counted, Generated, Ours, settings
from tests.verdicts.sampling import poisson
from tests.verdicts.tables.healthy import TABLE as HEALTHY
from tests.verdicts.tables.latency import TABLE as LATENCY
from tests.verdicts.tables.pods import TABLE as PODS
from tests.verdicts.tables.slices import TABLE as SLICES
from tests.verdicts.traffic import BOUNDS, Tick, Traffic

POLLS = 360
"""An hour of them."""
CLASSES = 10


class _Other(Generated):
    """Reads the series of means and of classes too."""

    def measure_arm(self, config: Any, increments: Mapping[str, float]) -> Measure | None:
        """Return what one arm's series say."""
        if "sum" in increments:
            return Measure(Mean(increments["sum"], increments["total"])) if increments["total"] else None
        counts = {name[6:]: count for name, count in increments.items() if name.startswith("class=")}
        return Measure(Shares(counts)) if counts else super().measure_arm(config, increments)


class _Gate(Ours):
    """Ours, of any kind, with a look at what it would store."""

    def __init__(self, config: CompareConfig) -> None:
        super().__init__(config, source=(_Other(), Counted()))

    def poll(self, tick: Tick) -> str | None:
        """Add a tick to the counters and let the engine look at them."""
        if not isinstance(tick.candidate.tally, Mean | Shares):
            return super().poll(tick)
        grown = [*_counters("candidate", tick.candidate.tally), *_counters("stable", tick.stable.tally)]
        if self._wants is None:
            self._counters = {key: 0.0 for key, _ in grown}
            self._wants = self._asked(tick)
            self._weigh(tick.at - tick.seconds)
        for key, count in grown:
            self._counters[key] += count
        return self._decide(self._weigh(tick.at), tick.seconds)

    def checkpoint(self) -> str:
        """Return what is stored of it."""
        assert self._book is not None
        assert self._wants is not None
        return dump({METRIC: self._book}, self._wants)


def _counters(arm: str, tally: Tally) -> Iterator[tuple[Key, float]]:
    match tally:
        case Mean():
            yield Key(arm, arm, "sum"), tally.sum
            yield Key(arm, arm, "total"), tally.total
        case Shares():
            for name, count in tally.counts.items():
                yield Key(arm, arm, f"class={name}"), count


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
        ("one quantile of it", quantile, latency),
        ("mean, known range", mean, _means),
        (f"shares of {CLASSES} classes", shares, _shares),
    )
    for kind, config, traffic in kinds:
        spent, stored = [], 0
        for number in range(runs):
            ticks = tuple(islice(traffic(Random(f"cost-{number}")), POLLS))
            rule = _Gate(config)
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
