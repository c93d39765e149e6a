"""What may happen to a collector while clients are served, and what must be true whatever happens.

No client gets a failed or changed answer; the router's memory stays bounded, and the collector's; what was lost is counted where
people can see it; and pairs flow again as soon as there is a healthy collector.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.soak.client import ExactClient
from tests.soak.exchanges import Exchange, middling, mixed
from tests.soak.place import ONE, Place, capture
from tests.soak.watch import Watch, watch

RATE = 200.0
ROUTER = 192.0
"""MiB that the router may need: half of what its container has, with one of its two workers."""
WAITS = 200.0
"""Milliseconds. A router that waited for a collector would wait for up to a second."""
PATIENCE = 20.0
"""Seconds until pairs must flow again."""
COLLECTOR = 128.0
"""MiB that the collector may need, of the 160 that it is given."""

Act = Callable[[Place], None]


@dataclass(frozen=True)
class Step:
    """Something happens, and clients are served for some seconds more."""

    act: Act
    seconds: float


@dataclass(frozen=True)
class Fault:
    """One story.

    Attributes:
        name: what happens.
        mix: what clients ask meanwhile.
        steps: in order.
        flows: pairs must flow in the last step.
        drops: something is lost, which must be counted.
    """

    name: str
    mix: Callable[[], Iterable[Exchange]]
    steps: tuple[Step, ...]
    flows: bool = False
    drops: bool = True


def _stand_in(kind: str) -> Act:
    return lambda place: place.stand_in(kind)


def _signal(number: int) -> Act:
    return lambda place: place.signal(number)


def _share(percent: int | None) -> Act:
    return lambda place: place.configure(None if percent is None else capture(percent))


def _nothing(place: Place) -> None:
    """Leave everything as it is."""


FAULTS = (
    Fault("never there", mixed, (Step(Place.end, 4),)),
    Fault("healthy", mixed, (Step(Place.collect, 1), Step(_nothing, 4)), flows=True, drops=False),
    Fault(
        "stopped for 10 s and continued, bodies of 100 KB",
        middling,
        (
            Step(Place.collect, 1),
            Step(_signal(signal.SIGSTOP), 10),
            Step(_signal(signal.SIGCONT), 1),
            Step(_nothing, 3),
        ),
        flows=True,
    ),
    Fault(
        "killed and started anew",
        mixed,
        (Step(Place.collect, 1), Step(Place.end, 3), Step(Place.collect, 3)),
        flows=True,
    ),
    Fault(
        "told to look at another share",
        mixed,
        (Step(Place.collect, 1), Step(_share(1), 1), Step(_share(None), 1), Step(_share(100), 3)),
        flows=True,
        drops=False,
    ),
    Fault("answers after 5 s", mixed, (Step(_stand_in("slow"), 5),)),
    Fault("answers 500", mixed, (Step(_stand_in("errors"), 3),)),
    Fault("answers without end", mixed, (Step(_stand_in("endless"), 4),)),
    Fault("answers no HTTP", mixed, (Step(_stand_in("garbage"), 3),)),
    Fault("hangs up", mixed, (Step(_stand_in("closing"), 3),)),
)


@dataclass
class Outcome:
    """What became of it.

    Attributes:
        requests: of clients that stayed.
        wrong: what became of each that was not answered exactly as it must be.
        left: clients that left, by moment.
        memory: of router and collector.
        drops: what the router counts of the collector meanwhile.
        pairs: that the collector saw in the last step.
        captured: milliseconds that small predictions took on average.
        unseen: milliseconds of those that are not captured, at the same time.
        complaints: of the router.
    """

    requests: int = 0
    wrong: list[str] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    memory: Watch = field(default_factory=Watch)
    drops: dict[str, int] = field(default_factory=dict)
    pairs: int = 0
    captured: float = 0.0
    unseen: float = 0.0
    complaints: str = ""


async def suffer(place: Place, fault: Fault, rate: float = RATE) -> Outcome:
    """Let a fault happen while clients are served, and return what became of both."""
    before = Counter(place.drops())
    client = ExactClient(place.port, fault.mix(), rate, ONE)
    async with watch(place) as seen:
        running = asyncio.create_task(client.run())
        pairs = 0
        for step in fault.steps:
            await asyncio.to_thread(step.act, place)
            pairs = await asyncio.to_thread(place.pairs) if fault.flows and step is fault.steps[-1] else 0
            await asyncio.sleep(step.seconds)
        flown = await _flown(place, pairs) if fault.flows else 0
        client.stop()
        report = await running
    return Outcome(
        requests=report.requests,
        wrong=client.wrong,
        left=client.left,
        memory=seen,
        drops=dict(Counter(place.drops()) - before),
        pairs=flown,
        captured=client.mean("POST"),
        unseen=client.mean("GET"),
        complaints=place.complaints(),
    )


async def _flown(place: Place, before: int) -> int:
    """Return how many pairs more there are, as soon as there is one: a busy machine may need a while."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while True:
        flown = await asyncio.to_thread(place.pairs) - before
        if flown > 0 or asyncio.get_running_loop().time() > end:
            return flown
        await asyncio.sleep(0.2)


def broken(fault: Fault, outcome: Outcome, rate: float = RATE) -> list[str]:
    """Say what is not as it must be.

    Args:
        fault: what happened.
        outcome: what became of it.
        rate: of requests.
    """
    seconds = sum(step.seconds for step in fault.steps)
    # A machine that is busy with other things serves fewer.
    return [
        *([f"{len(outcome.wrong)} wrong answers: {outcome.wrong[:3]}"] if outcome.wrong else []),
        *_unless(outcome.requests >= 0.2 * rate * seconds, f"only {outcome.requests} requests in {seconds:g} s"),
        *_unless(sum(outcome.left.values()) > 0.2 * seconds, f"only {outcome.left} left"),
        *_unless(outcome.memory.router.most <= ROUTER, f"router: {outcome.memory.router}"),
        *_unless(outcome.memory.collector.most <= COLLECTOR, f"collector: {outcome.memory.collector}"),
        # Whatever slows the machine slows both; waiting for the collector would slow only one.
        *_unless(
            outcome.captured <= 2 * outcome.unseen + WAITS,
            f"captured predictions took {outcome.captured:.0f} ms, others {outcome.unseen:.0f} ms",
        ),
        *_unless(bool(outcome.drops) or not fault.drops, "nothing was counted as lost"),
        *_unless(outcome.pairs > 0 or not fault.flows, "no pairs flow"),
        *([f"the router says {outcome.complaints[:1000]}"] if outcome.complaints else []),
    ]


def _unless(kept: bool, words: str) -> list[str]:
    return [] if kept else [words]
