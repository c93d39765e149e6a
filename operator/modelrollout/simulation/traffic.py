"""What clients send: so many requests per second, shared by the routers that are Ready. And what they lost."""

from collections import defaultdict
from typing import TYPE_CHECKING

from modelrollout.simulation.arrivals import Chance
from modelrollout.simulation.kinds import Mix

if TYPE_CHECKING:
    from modelrollout.simulation.envoy import Envoy


class Traffic:
    """The load of one client Service.

    Attributes:
        rate: requests per second; none come before somebody sets it.
        lost: requests that no model answered, by what happened.
        mix: what clients ask.
        chance: decides about each request; None: requests are a flow, of which every share is exact.
    """

    def __init__(self) -> None:
        self.rate = 0.0
        self.lost: dict[str, float] = defaultdict(float)
        self.mix = Mix()
        self.chance: Chance | None = None
        # In the order in which they became Ready, and no set: the same seed must give the same rollout.
        self._routers: dict[Envoy, None] = {}

    def open(self, router: "Envoy") -> None:
        """Send requests to a router, too."""
        router.serves = True
        self._routers[router] = None

    def close(self, router: "Envoy") -> None:
        """Send nothing more to a router."""
        router.serves = False
        self._routers.pop(router, None)

    def of(self, router: "Envoy") -> float:
        """Return the requests per second that a router gets."""
        return self.rate / len(self._routers) if router in self._routers else 0.0

    def lose(self, requests: float, why: str) -> None:
        """Note requests that failed and were not the model's fault."""
        self.lost[why] += requests

    def settle(self) -> None:
        """Count everything until now; before anything changes that the counting depends on."""
        for router in self._routers:
            router.account()
