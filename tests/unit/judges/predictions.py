"""Pairs of predictions, drawn with a seed."""

from collections import Counter
from collections.abc import Callable, Iterator
from random import Random

from modelrollout.domain.tally import Block, Crossed, Paired, Scores

Draw = Callable[[Random], tuple[object, object]]
"""Returns one pair: stable's label and the candidate's."""
PAIRS = 20
"""Of a block."""


def alike(disagree: float) -> Draw:
    """A candidate that differs in so large a share, whatever the label; two labels, as frequent as one another."""

    def draw(random: Random) -> tuple[bool, bool]:
        label = random.random() < 0.5
        return label, label is not (random.random() < disagree)

    return draw


def rare(positives: float, *, missed: float = 0.0, invented: float = 0.0) -> Draw:
    """Stable says "yes" to so large a share; the candidate misses a part of them and invents others."""

    def draw(random: Random) -> tuple[bool, bool]:
        label = random.random() < positives
        return label, random.random() >= missed if label else random.random() < invented

    return draw


def scores(seed: int, draw: Draw) -> Iterator[Block]:
    """Yield how often both agree."""
    random = Random(seed)
    while True:
        found = Counter(float(x == y) for x, y in (draw(random) for _ in range(PAIRS)))
        yield Block(Scores(found), None, 10.0)


def couples(seed: int, draw: Draw) -> Iterator[Block]:
    """Yield labels two by two."""
    random = Random(seed)
    while True:
        pairs = [(draw(random), draw(random)) for _ in range(PAIRS // 2)]
        yield Block(Crossed(Counter(couple(*one, *other) for one, other in pairs)), None, 10.0)


def couple(x: object, y: object, x2: object, y2: object) -> tuple[int, int]:
    """Return d and c of two pairs."""
    return (x != y) + (x2 != y2), (x != y2) + (x2 != y)


def noisy(seed: int, stable: float, candidate: float, *, twice: float = 0.5) -> Iterator[Block]:
    """Yield scores of models that answer differently from what is usual in such a share; stable answers a part twice."""
    random = Random(seed)
    while True:
        counts: Counter[float] = Counter()
        beyond: Counter[float] = Counter()
        for _ in range(PAIRS):
            first, theirs = random.random() < stable, random.random() < candidate
            score = float(first is theirs)
            counts[score] += 1
            if random.random() < twice:
                beyond[float(first is (random.random() < stable)) - score] += 1
        yield Block(Scores(counts, beyond), None, 10.0)


def answers(seed: int, both: float, candidate: float, stable: float) -> Iterator[Block]:
    """Yield pairs of answers of which so large shares are bad."""
    random = Random(seed)
    names = ("both", "candidate", "stable", "neither")
    weights = (both, candidate, stable, 1 - both - candidate - stable)
    while True:
        found = Counter(random.choices(names, weights, k=PAIRS))
        yield Block(Paired(**{name: float(found[name]) for name in names}), None, 10.0)
