"""When a regression may begin: a prior over the block from which on the candidate is worse.

Evidence that was gathered while all was well speaks for the candidate and would mask a failure that comes late. A
mixture over starting blocks keeps fresh evidence aside for it. Each component is a test of its own that waits with
E = 1 until its block, and a mixture of e-processes with fixed weights is one, so nothing is lost in validity.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Onset:
    """Most of the weight on "from the first block", the rest evenly on later ones.

    Attributes:
        horizon: blocks that the comparison is planned for.
        slots: number of later starting blocks, evenly within the horizon.
        first: weight of the first block.
    """

    horizon: int = 360
    slots: int = 12
    first: float = 0.7

    def __post_init__(self) -> None:
        if not (0 < self.first <= 1 and self.horizon >= 1 and self.slots >= 1):
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
        return (1 - self.first) / self.slots if rest == 0 and number <= self.slots else 0.0

    def rest(self, blocks: int) -> float:
        """Return the weight of all starts that are still to come when so many blocks are over."""
        if blocks == 0:
            return 1.0
        begun = min(self.slots, (blocks - 1) // self.every)
        return (1 - self.first) * (self.slots - begun) / self.slots
