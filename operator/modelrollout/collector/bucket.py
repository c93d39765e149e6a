"""A token bucket: so many a second, and as many at once as one request may bring."""

import math


class Bucket:
    """Counts what is taken.

    Args:
        rate: so many a second.
        burst: so many at once after a rest.
        now: monotonic, in seconds.
    """

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = now

    def take(self, number: int, now: float) -> int:
        """Take so many; return 0, or after how many whole seconds there will be enough, and take nothing."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if number <= self._left:
            self._left -= number
            return 0
        return max(1, math.ceil((number - self._left) / self._rate))
