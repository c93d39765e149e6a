"""Random counts, drawn exactly and from one seeded generator: so many of n, so many in a time, so many of each kind.

The standard library has no binomial before Python 3.12, and an approximation would bend the very tails that a test of error
rates looks at. Large counts are halved by an order statistic until they are small (Devroye, Non-Uniform Random Variate
Generation, 1986, X.4.3): the m-th smallest of n uniform numbers has a beta distribution, and says of about half of them on
which side of p they lie. Poisson counts are reduced in the same way by a gamma variate (Ahrens and Dieter, 1974).
"""

from collections.abc import Sequence
from math import exp, log, log1p
from random import Random

FEW = 16.0
"""Expected number up to which single events are drawn."""


def binomial(random: Random, trials: int, chance: float) -> int:
    """Return how many of so many trials succeed, each with the same chance."""
    found = 0
    while trials > 0:
        if chance <= 0:
            return found
        if chance >= 1:
            return found + trials
        if trials * min(chance, 1 - chance) <= FEW:
            return found + _one_by_one(random, trials, chance)
        # The number at which the middle one of `trials` uniform numbers lies.
        middle = trials // 2 + 1
        at = random.betavariate(middle, trials + 1 - middle)
        if at <= chance:
            found += middle
            trials -= middle
            chance = (chance - at) / (1 - at)
        else:
            trials = middle - 1
            chance = chance / at
    return found


def _one_by_one(random: Random, trials: int, chance: float) -> int:
    """Jump from success to success: the number of failures in between is geometric."""
    if chance > 0.5:
        return trials - _one_by_one(random, trials, 1 - chance)
    scale = log1p(-chance)
    found, at = 0, 0
    while True:
        # 1 - random() is never 0.
        at += int(log(1.0 - random.random()) / scale) + 1
        if at > trials:
            return found
        found += 1


def poisson(random: Random, mean: float) -> int:
    """Return how many events happen where so many are expected."""
    found = 0
    while mean > FEW:
        part = int(mean * 7 / 8)
        # When the event of this number happens, the expected number being the clock.
        at = random.gammavariate(part, 1.0)
        if at > mean:
            return found + binomial(random, part - 1, mean / at)
        found += part
        mean -= at
    limit, product = exp(-mean), random.random()
    while product > limit:
        found += 1
        product *= random.random()
    return found


def split(random: Random, number: int, shares: Sequence[float]) -> list[int]:
    """Return how many of a number fall to each share; the shares sum to 1."""
    last = len(shares) - 1
    if last == 0:
        return [number]
    counts = [0] * (last + 1)
    if number < FEW:
        for _ in range(number):
            counts[_choose(random.random(), shares)] += 1
        return counts
    rest = 1.0
    for index, share in enumerate(shares):
        if index == last or not number:
            counts[index] = number
            break
        found = counts[index] = binomial(random, number, share / rest) if share > 0 else 0
        number -= found
        rest = max(rest - share, 1e-300)
    return counts


def _choose(at: float, shares: Sequence[float]) -> int:
    for index, share in enumerate(shares):
        at -= share
        if at < 0:
            return index
    return len(shares) - 1


def portions(random: Random | None, number: float, shares: Sequence[float]) -> list[float]:
    """Return how many of so many are of each share; exactly as many where nothing decides by chance."""
    if random is None:
        return [number * share for share in shares]
    return list(split(random, round(number), shares))


def some(random: Random | None, number: float, share: float) -> float:
    """Return how many of so many are chosen, each with the same chance; exactly that share where nothing decides by chance."""
    return number * share if random is None else binomial(random, round(number), share)
