"""Virtual time: an event loop that jumps to its next timer instead of waiting, so that minutes pass in milliseconds."""

import asyncio
import functools
import selectors
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SPINNING = 20_000
"""Turns of the loop without any time passing. Nothing honest needs so many; a busy loop would need them for ever."""


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._still = 0

    def select(self, timeout=None):
        ready = super().select(0)
        if timeout is None and not ready:
            raise AssertionError("everything waits, and nothing is due: this would hang for ever")
        self._still = 0 if timeout else self._still + 1
        if self._still > SPINNING:
            raise AssertionError("the loop is busy although nothing happens")
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self):
        return self._virtual.now


def run_virtually(coroutine):
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


def virtual(test):
    """Run an async test on virtual time."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        return run_virtually(test(*args, **kwargs))

    return run


def seconds():
    """What a monotonic clock shows."""
    return asyncio.get_running_loop().time()


def now():
    """What a wall clock shows."""
    return EPOCH + timedelta(seconds=seconds())
