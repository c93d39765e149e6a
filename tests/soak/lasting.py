"""Memory of router and collector over many minutes of everything a model server may do, with nothing wrong."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tests.soak.client import ExactClient
from tests.soak.exchanges import mixed
from tests.soak.place import ONE, Place
from tests.soak.process import memory, processor

ROUTER_GROWS = 48.0
COLLECTOR_GROWS = 32.0
"""MiB that memory may grow by after it has settled."""
SETTLED = 110.0
"""Seconds until every buffer has been filled once."""


@dataclass(frozen=True)
class Moment:
    """One reading.

    Attributes:
        seconds: since the start.
        router: MiB.
        collector: MiB.
        pairs: that the collector has seen.
    """

    seconds: float
    router: float
    collector: float
    pairs: int


@dataclass(frozen=True)
class Lasted:
    """What became of it all.

    Attributes:
        moments: readings, at the start, each minute and at the end.
        requests: of clients that stayed.
        wrong: what became of each that was not answered exactly as it must be.
        left: clients that left, by moment.
        totals: of the collector.
        drops: what the router counts of the collector.
        router: seconds of processor time.
        collector: seconds of processor time.
        complaints: of the router.
    """

    moments: tuple[Moment, ...]
    requests: int
    wrong: list[str]
    left: Counter[str]
    totals: dict[str, int]
    drops: dict[str, int]
    router: float
    collector: float
    complaints: str


async def last(place: Place, seconds: float, rate: float, told: Callable[[Moment], None]) -> Lasted:
    """Serve for so many seconds, and tell each reading when it is made."""
    await asyncio.to_thread(place.collect)
    assert place.real is not None
    pids = place.envoy.pid, place.real.pid
    used = [processor(pid) for pid in pids]
    client = ExactClient(place.port, mixed(), rate, ONE)
    moments: list[Moment] = []
    begun = asyncio.get_running_loop().time()

    async def read() -> None:
        past = asyncio.get_running_loop().time() - begun
        moments.append(Moment(past, *(memory(pid) for pid in pids), await asyncio.to_thread(place.pairs)))
        told(moments[-1])

    async def each_minute() -> None:
        for minute in range(int(seconds / 60) + 1):
            await asyncio.sleep(max(0.0, begun + 60 * minute - asyncio.get_running_loop().time()))
            await read()

    reading = asyncio.create_task(each_minute())
    report = await client.run(seconds)
    reading.cancel()
    await read()
    page = await asyncio.to_thread(place.page)
    assert page is not None
    router, collector = (processor(pid) - before for pid, before in zip(pids, used, strict=True))
    return Lasted(
        moments=tuple(moments),
        requests=report.requests,
        wrong=client.wrong,
        left=client.left,
        totals=page["totals"],
        drops=place.drops(),
        router=router,
        collector=collector,
        complaints=place.complaints(),
    )


def row(moment: Moment) -> str:
    """Return one line of the table."""
    return f"| {moment.seconds:.0f} s | {moment.router:.1f} MiB | {moment.collector:.1f} MiB | {moment.pairs} |"


def table(lasted: Lasted) -> list[str]:
    """Return what became of it all, as lines."""
    left, totals, drops = (
        ", ".join(f"{name} {count}" for name, count in sorted(found.items()))
        for found in (lasted.left, lasted.totals, lasted.drops)
    )
    router, collector = (1e6 * used / lasted.requests for used in (lasted.router, lasted.collector))
    return [
        "",
        "| after | router | collector | pairs |",
        "|---|---|---|---|",
        *map(row, lasted.moments),
        "",
        f"- requests: {lasted.requests}, failed or changed: {len(lasted.wrong)}; clients that left: {left}",
        f"- totals of the collector: {totals}",
        f"- counted by the router as lost on the way to it: {drops or 'nothing'}",
        f"- processor per request: router {router:.0f} µs, collector {collector:.0f} µs",
    ]


def broken(lasted: Lasted) -> list[str]:
    """Say what is not as it must be."""
    end = lasted.moments[-1]
    settled = next((moment for moment in lasted.moments if moment.seconds >= SETTLED), end)
    said = [f"memory: {len(lasted.wrong)} wrong answers: {lasted.wrong[:3]}"] if lasted.wrong else []
    if end.router > settled.router + ROUTER_GROWS:
        said.append(f"memory: the router grew from {settled.router:.0f} to {end.router:.0f} MiB")
    if end.collector > settled.collector + COLLECTOR_GROWS:
        said.append(f"memory: the collector grew from {settled.collector:.0f} to {end.collector:.0f} MiB")
    return [*said, *([f"memory: the router says {lasted.complaints[:1000]}"] if lasted.complaints else [])]
