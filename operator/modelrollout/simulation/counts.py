"""What one cluster of a router has seen since the process started."""

from collections import defaultdict
from dataclasses import dataclass, field

from modelrollout.routers._envoy_bootstrap import BUCKETS


def _empty() -> list[int]:
    return [0] * (len(BUCKETS) + 1)


@dataclass
class Member:
    """What one address has seen.

    Attributes:
        total: its requests.
        failed: those that failed.
    """

    total: float = 0.0
    failed: float = 0.0


@dataclass
class Counts:
    """One cluster.

    Attributes:
        completed: requests that ended.
        failed: those that ended badly.
        slow: those that were cut because they took too long.
        latencies: answers by the seconds that they took, where all take the same.
        times: answers by Envoy's buckets of time, the last one for what is longer; where chance rules.
        first_bytes: the same of good answers alone.
        members: by address.
    """

    completed: float = 0.0
    failed: float = 0.0
    slow: float = 0.0
    latencies: dict[float, float] = field(default_factory=lambda: defaultdict(float))
    times: list[int] = field(default_factory=_empty)
    first_bytes: list[int] = field(default_factory=_empty)
    members: dict[str, Member] = field(default_factory=lambda: defaultdict(Member))
