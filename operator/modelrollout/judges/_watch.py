"""The watch after the last step: the candidate answers everything, and only what stable did before is left to compare with.

Each rate is held against a constant, the margin above the upper end of what stable's rate may have been (95 %, Wilson). A
test would grow tired: evidence for a healthy hour would have to be undone first. A change detector does not, and has a
stated time to a false alarm instead of a chance of one: 10,000 blocks on average at least, as long as the rate is below its
constant. At one block per 10 s that is more than a day; a bake is much shorter. It cannot tell a bad candidate from a
bad hour. While no rollout is on its way ``_limit_watch`` uses the same watch, with the limit for a constant.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelrollout.evidence.constant import ConstantTest
from modelrollout.evidence.detector import Detector
from modelrollout.evidence.mixture import log_sum
from modelrollout.evidence.pair import Pair
from modelrollout.evidence.wilson import wilson
from modelrollout.judges._case import Damping, average, counts
from modelrollout.judges._margin import Accepted
from modelrollout.judges._stored import down, numbers, short

DETECTOR = Detector(arl=10_000.0)
GRID = (1.5, 4.0, 15.0)
"""Alternatives, as factors on the odds of the constant."""
RISING = math.log(2.0)
"""Of the detector's state, as a logarithm: below it nothing speaks for a change."""


@dataclass(frozen=True)
class Watch:
    """What was seen of one version that answers everything.

    Attributes:
        state: of the detector, the alternatives of each rate in turn.
        bad: bad requests of the candidate, by rate.
        total: all of its requests.
        risen: bad requests since the detector began to rise, by rate: what was before a change does not thin it out.
        risen_total: all requests since then.
        kept: what each block leaves of the requests before it, as a fraction of 1.
    """

    state: tuple[float, ...]
    bad: tuple[float, ...]
    risen: tuple[float, ...]
    total: float = 0.0
    risen_total: float = 0.0
    kept: float = 1.0

    @property
    def speaks(self) -> bool:
        """Whether the detector speaks."""
        return bool(self.state) and DETECTOR.alarm(self.state)

    def alarm(self, alpha: float) -> float:
        """Return the evidence that an alarm stands for: at least ln(1/α), growing; −∞ without an alarm."""
        if not self.speaks:
            return -math.inf
        return math.log(1 / alpha) + average(self.state) - math.log1p(DETECTOR.arl)

    @property
    def requests(self) -> float:
        """What its rates are of: all requests; with an alarm, those since it began."""
        return self.risen_total if self.speaks else self.total

    def rate(self, index: int) -> float | None:
        """Return one of the candidate's rates: with an alarm, that since it began; None without requests."""
        bad, total = (self.risen, self.risen_total) if self.speaks else (self.bad, self.total)
        return bad[index] / total if total > 0 else None

    def loudest(self) -> int:
        """Return the number of the rate that speaks most."""
        size = len(GRID)
        return max(range(len(self.bad)), key=lambda index: log_sum(self.state[index * size : (index + 1) * size]))


def begin(rates: int, kept: float = 1.0) -> Watch:
    """Return the watch before the first block."""
    return Watch(DETECTOR.start(rates * len(GRID)), (0.0,) * rates, (0.0,) * rates, kept=kept)


def constant(margin: Accepted, stable: Pair) -> float | None:
    """Return what a rate is held against, None when it cannot be above it."""
    if stable.ns <= 0:
        return None
    limit = margin.worst(wilson(stable.ks, stable.ns)[1])
    return limit if limit < 1 else None


def look(watch: Watch, limits: Sequence[float | None], bad: Sequence[float], total: float, damping: Damping) -> Watch:
    """Return the watch with one more block.

    Args:
        watch: before the block.
        limits: constant of each rate; None: it says nothing in this block.
        bad: bad requests by rate.
        total: all requests.
        damping: what takes evidence away.
    """
    increments: list[float] = []
    for limit, part in zip(limits, bad, strict=True):
        if limit is None:
            increments += [0.0] * len(GRID)
        else:
            found = ConstantTest(limit, grid=GRID).increments(Pair(), counts(part, total))
            increments += [min(increment / damping.noise, damping.cap) for increment in found]
    state = DETECTOR.step(watch.state, increments)
    rises, kept = average(state) > RISING, watch.kept
    return Watch(
        state,
        _added(watch.bad, bad, kept),
        _added(watch.risen, bad, kept) if rises else (0.0,) * len(bad),
        watch.total * kept + total,
        watch.risen_total * kept + total if rises else 0.0,
        kept,
    )


def _added(before: Sequence[float], more: Sequence[float], kept: float) -> tuple[float, ...]:
    return tuple(known * kept + part for known, part in zip(before, more, strict=True))


def write(watch: Watch | None) -> list[Any]:
    """Return a watch to be stored."""
    if watch is None:
        return []
    counted = (watch.total, watch.risen_total, *watch.bad, *watch.risen)
    return [*map(short, counted), *map(down, watch.state)]


def read(raw: object, rates: int) -> Watch | None:
    """Return the watch that was stored.

    Raises:
        ValueError: it is none of so many rates.
    """
    if raw == []:
        return None
    length = 2 + rates * (2 + len(GRID))
    total, risen_total, *rest = numbers(raw, length, length)
    bad, risen, state = rest[:rates], rest[rates : 2 * rates], rest[2 * rates :]
    return Watch(tuple(state), tuple(bad), tuple(risen), total, risen_total)
