"""What becomes of requests that arrive by chance: which pod gets them, which of them fail, and how long each takes.

A request fails by itself with the chance that its pod's image has, and in an incident with a chance that all images share.
How long an answer takes is lognormal, whatever the load: half of the answers take longer than the image's ``latency``, one in
a hundred takes more than 3.2 times as long (sigma 0.5).
"""

from collections.abc import Mapping
from functools import lru_cache
from math import erf, log, sqrt

from modelrollout.routers._envoy_bootstrap import BUCKETS
from modelrollout.simulation.arrivals import Chance
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.chance import binomial, split
from modelrollout.simulation.counts import Counts

SIGMA = 0.5
"""Standard deviation of the logarithm of the time that an answer takes."""


def answer(chance: Chance, counts: Counts, members: Mapping[str, Behaviour], requests: int) -> int:
    """Count requests and what becomes of them; return how many fail.

    Args:
        chance: decides.
        counts: of the cluster that gets them.
        members: its addresses, and how each behaves; at least one.
        requests: how many arrive.
    """
    bad = 0
    each = split(chance.random, requests, [1 / len(members)] * len(members))
    for number, (address, behaviour) in zip(each, members.items(), strict=True):
        fails = 1 - (1 - behaviour.errors) * (1 - chance.shared)
        failed = number if behaviour.hangs else binomial(chance.random, number, fails)
        _note(chance, counts, address, behaviour, number, failed)
        bad += failed
    return bad


def recall(chance: Chance, counts: Counts, members: Mapping[str, Behaviour], requests: int, bad: int) -> None:
    """Count requests of which it is known how many failed, evenly spread over the members."""
    for index, (address, behaviour) in enumerate(members.items()):
        part, failed = ((number + index) // len(members) for number in (requests, bad))
        _note(chance, counts, address, behaviour, part, failed)


def _note(  # noqa: PLR0913, PLR0917  # what, where, and how many
    chance: Chance, counts: Counts, address: str, behaviour: Behaviour, requests: int, failed: int
) -> None:
    counts.completed += requests
    counts.failed += failed
    member = counts.members[address]
    member.total += requests
    member.failed += failed
    if behaviour.hangs:
        counts.slow += requests
        return
    if not chance.timed:
        return
    shares = _shares(behaviour.latency)
    for index, number in enumerate(split(chance.random, requests - failed, shares)):
        if number:
            counts.times[index] += number
            counts.first_bytes[index] += number
    for index, number in enumerate(split(chance.random, failed, shares)):
        if number:
            counts.times[index] += number


@lru_cache(maxsize=64)
def _shares(latency: float) -> tuple[float, ...]:
    """Return which share of the answers falls into each bucket."""
    below = [(1 + erf(log(bound / 1000 / latency) / SIGMA / sqrt(2))) / 2 for bound in BUCKETS]
    return tuple(upper - lower for lower, upper in zip([0.0, *below], [*below, 1.0], strict=True))
