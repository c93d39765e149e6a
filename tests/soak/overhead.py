"""What capturing costs: the same small requests, with routes that capture ever more of them, in turns of one run."""

import asyncio
import statistics
from dataclasses import dataclass, field

from tests.soak.client import ExactClient
from tests.soak.exchanges import small
from tests.soak.faults import RATE
from tests.soak.place import ONE, Place, capture
from tests.soak.process import processor

WARM = 2.0
"""Seconds after a change of the route whose cost is not counted: connections are made, and the collector looks at its file."""


@dataclass(frozen=True)
class Sampling:
    """One way to serve.

    Attributes:
        name: as it is printed.
        copies: the candidate gets a copy of every request.
        percent: of the copied requests are captured; 0: there is no capture.
    """

    name: str
    copies: bool
    percent: int


SAMPLINGS = (
    Sampling("no copies", copies=False, percent=0),
    Sampling("copies, capture off", copies=True, percent=0),
    Sampling("1 % captured", copies=True, percent=1),
    Sampling("10 % captured", copies=True, percent=10),
    Sampling("100 % captured", copies=True, percent=100),
)
OFF = SAMPLINGS[1]


@dataclass
class Cost:
    """What one way to serve has cost, over all rounds.

    Attributes:
        p50: milliseconds, one for each round.
        p99: milliseconds, one for each round.
        router: seconds of processor time.
        collector: seconds of processor time.
        requests: that were answered.
        wrong: that were not answered exactly as they must be.
        pairs: that the collector has seen.
    """

    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    router: float = 0.0
    collector: float = 0.0
    requests: int = 0
    wrong: int = 0
    pairs: int = 0


async def measure(place: Place, rounds: int, seconds: float) -> dict[Sampling, Cost]:
    """Serve in each way for some seconds, again and again."""
    found = {sampling: Cost() for sampling in SAMPLINGS}
    await asyncio.to_thread(place.collect)
    assert place.real is not None
    for number in range(rounds):
        # Forwards and backwards in turns: a machine that becomes slower or faster meanwhile favours nobody.
        for sampling in SAMPLINGS[:: 1 if number % 2 == 0 else -1]:
            asked = capture(sampling.percent) if sampling.percent else None
            await asyncio.to_thread(place.configure, asked, copies=sampling.copies)
            warming = ExactClient(place.port, small(), RATE, ONE, leavers=False)
            await warming.run(WARM)
            used = processor(place.envoy.pid), processor(place.real.pid)
            pairs = await asyncio.to_thread(place.pairs)
            client = ExactClient(place.port, small(), RATE, ONE, leavers=False)
            report = await client.run(seconds)
            # The last pairs are under way.
            await asyncio.sleep(0.5)
            cost = found[sampling]
            cost.router += processor(place.envoy.pid) - used[0]
            cost.collector += processor(place.real.pid) - used[1]
            cost.pairs += max(0, await asyncio.to_thread(place.pairs) - pairs)
            cost.requests += report.requests
            cost.wrong += len(client.wrong) + len(warming.wrong)
            latencies = sorted(record.latency_ms for record in client.records)
            cost.p50.append(latencies[len(latencies) // 2])
            cost.p99.append(latencies[len(latencies) * 99 // 100])
    return found


def table(costs: dict[Sampling, Cost]) -> list[str]:
    """Return the lines of a table; what is added is beside copies without capture, by the medians of the rounds."""
    off = costs[OFF]
    lines = [
        "| | p50 | p99 | added p50 | added p99 | router, processor per request | collector, per request | pairs | wrong |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for sampling, cost in costs.items():
        p50, p99 = statistics.median(cost.p50), statistics.median(cost.p99)
        beside = statistics.median(off.p50), statistics.median(off.p99)
        router, before = (1e6 * each.router / each.requests for each in (cost, off))
        cells = (
            f"{p50:.2f} ms",
            f"{p99:.2f} ms",
            f"{p50 - beside[0]:+.2f} ms",
            f"{p99 - beside[1]:+.2f} ms",
            f"{router:.0f} µs, × {router / before:.2f}",
            f"{1e6 * cost.collector / cost.requests:.0f} µs",
            f"{cost.pairs} of {cost.requests * sampling.percent / 100:.0f}",
            f"{cost.wrong} of {cost.requests}",
        )
        lines.append(f"| {sampling.name} | {' | '.join(cells)} |")
    return lines
