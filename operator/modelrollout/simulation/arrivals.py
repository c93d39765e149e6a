"""How many requests reach each cluster of a router, by chance: so many in a time, shared out by the weights.

Requests arrive independently of each other (a Poisson process), and the router decides about each by itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Protocol

from modelrollout.simulation.chance import binomial, poisson, split

if TYPE_CHECKING:
    from modelrollout.simulation.envoy import Routes


@dataclass(frozen=True)
class Arrived:
    """Requests that reached one cluster.

    Attributes:
        total: how many.
        bad: how many of them fail, where that is known beforehand; None: chance decides.
    """

    total: int
    bad: int | None = None


class Arrivals(Protocol):
    """What clients send."""

    def reach(self, routes: "Routes", expected: float, since: datetime, until: datetime) -> Mapping[str, Arrived]:
        """Return what reached each cluster of a router in a time.

        Args:
            routes: who gets which share.
            expected: the requests that its clients send on average in this time.
            since: begin of the time.
            until: end of the time.
        """


class RandomArrivals:
    """Requests by chance.

    Args:
        random: chance.
    """

    def __init__(self, random: Random) -> None:
        self._random = random

    def reach(self, routes: "Routes", expected: float, since: datetime, until: datetime) -> Mapping[str, Arrived]:  # noqa: ARG002  # no moment is like another, and none matters
        """Return what reached each cluster: each request chooses by the weights, and is copied or not."""
        random, number = self._random, poisson(self._random, expected)
        shares = [weight / 100 for weight in routes.arms.values()]
        found = dict(zip(routes.arms, map(Arrived, split(random, number, shares)), strict=True)) if shares else {}
        for cluster, percent in routes.mirrors.items():
            found[cluster] = Arrived(binomial(random, number, percent / 100))
        return found


@dataclass
class Chance:
    """What is left to chance in a cluster where requests are counted one by one.

    Attributes:
        random: the generator of it all.
        arrivals: how many requests there are.
        shared: chance of each request to fail that does not depend on who answers it.
        timed: how long answers take is drawn too; False where nobody looks at it.
        tell: told cluster, requests and bad ones of each stretch of time.
    """

    random: Random
    arrivals: Arrivals
    shared: float = 0.0
    timed: bool = True
    tell: Callable[[str, int, int], None] = lambda _cluster, _requests, _bad: None
