"""Reads the memory of router and collector again and again while traffic runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.soak.place import Place
from tests.soak.process import memory

EVERY = 0.25


@dataclass
class Memory:
    """MiB of one process.

    Attributes:
        seen: every value, in order.
    """

    seen: list[float] = field(default_factory=list)

    @property
    def most(self) -> float:
        return max(self.seen, default=0.0)

    def __str__(self) -> str:
        return f"{self.seen[0]:.0f} → {self.seen[-1]:.0f}, at most {self.most:.0f} MiB" if self.seen else "–"


@dataclass
class Watch:
    """Memory of both processes; the collector's only while it is the real one."""

    router: Memory = field(default_factory=Memory)
    collector: Memory = field(default_factory=Memory)


@asynccontextmanager
async def watch(place: Place) -> AsyncIterator[Watch]:
    """Read until the end of the block."""
    found = Watch()

    async def read() -> None:
        while True:
            found.router.seen.append(memory(place.envoy.pid))
            if place.real is not None:
                # It may be killed between the two lines.
                with suppress(OSError):
                    found.collector.seen.append(memory(place.real.pid))
            await asyncio.sleep(EVERY)

    reading = asyncio.create_task(read())
    try:
        yield found
    finally:
        reading.cancel()
        # A router that is gone has no memory, and that must be heard.
        with suppress(asyncio.CancelledError):
            await reading
