"""When a regression may begin: a prior over the block from which on the candidate is worse.

Evidence that was gathered while all was well speaks for the candidate and would mask a failure that comes late. A
mixture over starting blocks keeps fresh evidence aside for it. Each component is a test of its own that waits with
E = 1 until its block, and a mixture of e-processes with fixed weights is one, so nothing is lost in validity.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Onset:
    """Most of the weight on "from the first block", some evenly on later ones within the horizon, a little on all after it.

    Beyond the horizon the weight of the k-th place is in proportion to 1 / (k·(k + 1)): so there is always some left, and a
    failure after a day costs a few times the requests of one in the first hour.

    Attributes:
        horizon: blocks that the comparison is planned for.
        slots: number of later starting blocks within it.
        first: weight of the first block.
        beyond: weight of all starting blocks after the horizon, as far apart as those within it.
    """

    horizon: int = 360
    slots: int = 12
    first: float = 0.7
    beyond: float = 0.06

    def __post_init__(self) -> None:
        if not (0 < self.first <= 1 - self.beyond <= 1 and self.horizon >= 1 and self.slots >= 1):
            raise ValueError(
                f"{self} is no prior. The first block needs some of the weight, and later ones need places."
            )

    @property
    def every(self) -> int:
        """Blocks between two starting blocks."""
        return max(1, self.horizon // (self.slots + 1))

    def prior(self, block: int) -> float:
        """Return the weight of "it begins with this block", counted from 0."""
        if block == 0:
            return self.first
        number, rest = divmod(block, self.every)
        if rest:
            return 0.0
        if number <= self.slots:
            return (1 - self.first - self.beyond) / self.slots
        return self.beyond * (self.slots + 1) / (number * (number + 1))

    def rest(self, blocks: int) -> float:
        """Return the weight of all starts that are still to come when so many blocks are over."""
        if blocks == 0:
            return 1.0
        begun = (blocks - 1) // self.every
        if begun <= self.slots:
            return (1 - self.first - self.beyond) * (self.slots - begun) / self.slots + self.beyond
        return self.beyond * (self.slots + 1) / (begun + 1)
