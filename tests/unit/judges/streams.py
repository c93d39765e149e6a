"""Worlds to compare in: what two versions do, block by block, drawn with a seed."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from typing import Any

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.tally import Block, Histogram, Mean, Rate, Shares
from modelrollout.judges._base import Question, Weigher
from modelrollout.judges.compare import PLUGIN, CompareConfig

ALPHA = BETA = 0.05
ENOUGH = math.log(1 / ALPHA)
BOUNDS = tuple(
    milliseconds / 1000
    for milliseconds in (5, 10, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 800, 1000, 1500, 2500, 5000, 10000)
)
Level = Callable[[int], float]
World = Iterator[Block]


def question(form: type, **others: Any) -> Question:
    return Question(ALPHA, BETA, 360, form, **others)


def always(level: float) -> Level:
    return lambda block: level


def during(start: int, end: int, level: float, otherwise: float) -> Level:
    return lambda block: level if start <= block < end else otherwise


def split(random: Random, requests: int, weight: float) -> tuple[int, int]:
    """Return how many requests each version gets in one block."""
    ours = max(2, sum(random.random() < weight for _ in range(requests)))
    return ours, max(10, requests - ours)


def failures(random: Random, requests: int, rate: float) -> float:
    return float(sum(random.random() < rate for _ in range(requests)))


def rates(seed: int, candidate: Level, stable: Level, *, requests: int = 100, weight: float = 0.1) -> World:
    random = Random(seed)
    for number in range(100_000):
        ours, theirs = split(random, requests, weight)
        yield Block(
            Rate(failures(random, ours, candidate(number)), ours),
            Rate(failures(random, theirs, stable(number)), theirs),
            10.0,
        )


def histogram(random: Random, requests: int, median: float, slow: float, bounds: tuple[float, ...]) -> Histogram:
    """Return latencies that are log-normal, a share of them one second longer."""
    cells = [0] * (len(bounds) + 1)
    for _ in range(requests):
        seconds = median * math.exp(random.gauss(0, 0.5)) + (1.0 if random.random() < slow else 0.0)
        cells[bisect_left(bounds, seconds)] += 1
    sums = [float(sum(cells[: index + 1])) for index in range(len(cells))]
    return Histogram(tuple(zip((*bounds, math.inf), sums, strict=True)))


def latencies(
    seed: int,
    candidate: tuple[Level, Level],
    stable: tuple[Level, Level],
    *,
    requests: int = 100,
    weight: float = 0.1,
    bounds: tuple[float, ...] = BOUNDS,
) -> World:
    """Each version has a median in seconds, and a share of requests that take a second longer."""
    random = Random(seed)
    for number in range(100_000):
        ours, theirs = split(random, requests, weight)
        yield Block(
            histogram(random, ours, candidate[0](number), candidate[1](number), bounds),
            histogram(random, theirs, stable[0](number), stable[1](number), bounds),
            10.0,
        )


def classes(seed: int, candidate: dict[str, float], stable: dict[str, float], *, requests: int = 100) -> World:
    random = Random(seed)

    def draw(number: int, shares: dict[str, float]) -> Shares:
        drawn = random.choices(list(shares), list(shares.values()), k=number)
        return Shares({name: float(drawn.count(name)) for name in shares if name in drawn})

    for _ in range(100_000):
        ours, theirs = split(random, requests, 0.1)
        yield Block(draw(ours, candidate), draw(theirs, stable), 10.0)


def means(
    seed: int, candidate: float, stable: float, *, spread: float, low: float = -math.inf, high: float = math.inf
) -> World:
    random = Random(seed)

    def draw(number: int, mean: float) -> Mean:
        return Mean(sum(min(max(random.gauss(mean, spread), low), high) for _ in range(number)), float(number))

    for _ in range(100_000):
        ours, theirs = split(random, 100, 0.1)
        yield Block(draw(ours, candidate), draw(theirs, stable), 10.0)


def alone(world: World) -> World:
    """Leave only the candidate: it has all requests."""
    for block in world:
        yield Block(block.candidate, None, block.seconds, alone=True)


def outcome(
    config: Any, world: World, blocks: int = 360, *, judge: Weigher[Any, Any] = PLUGIN, **asked: Any
) -> tuple[str, int]:
    """Return what is decided about one metric alone, and after how many blocks; or that nothing is."""
    ledger = None
    for number, block in enumerate(islice(world, blocks), 1):
        if ledger is None:
            ledger = judge.begin(config, question(type(block.candidate), **asked))
        ledger = judge.weigh(config, ledger, block, 1.0, math.inf)
        evidence = judge.evidence(config, ledger)
        if evidence.against >= ENOUGH:
            return "rollback", number
        if evidence.within >= ENOUGH and evidence.requests >= judge.min_requests(config):
            return "pass", number
    return "undecided", blocks


def outcomes(config: Any, world: Callable[[int], World], runs: int, blocks: int = 360, **asked: Any) -> dict[str, int]:
    """Return how many of so many seeds end how."""
    found = [outcome(config, world(seed), blocks, **asked)[0] for seed in range(runs)]
    return {name: found.count(name) for name in ("rollback", "pass", "undecided")}


def gathered(
    config: CompareConfig, world: World, blocks: int, *, ledger: Any = None, noise: float = 1.0, cap: float = math.inf
) -> Any:
    """Return the ledger of ``compare`` after so many blocks."""
    for block in islice(world, blocks):
        if ledger is None:
            ledger = PLUGIN.begin(config, question(type(block.candidate)))
        ledger = PLUGIN.weigh(config, ledger, block, noise, cap)
    return ledger


def evidence(config: CompareConfig, world: World, blocks: int, **others: Any) -> Evidence:
    return PLUGIN.evidence(config, gathered(config, world, blocks, **others))
