"""``make soak``: that capturing predictions never hurts a client, what it costs, and what it needs after many minutes.

Everything runs on loopback: two models, the real Envoy with what the router renders, the collector, and a client that knows every
byte of every answer beforehand. Exits with 1 when anything was not as it must be.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.api.envoy import binary
from tests.soak import lasting, overhead
from tests.soak.faults import COLLECTOR, FAULTS, RATE, ROUTER, Outcome, broken, suffer
from tests.soak.place import Place, place

OUT = Path("build/soak.md")
PARTS = ("faults", "overhead", "memory")


def main() -> int:
    """Run what is asked for, print it, and write build/soak.md."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="of the part `memory` (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=RATE, help="requests per second of that part")
    parser.add_argument("--rounds", type=int, default=6, help="of the part `overhead`")
    parser.add_argument("--seconds", type=float, default=10, help="of each way to serve in a round of it")
    parser.add_argument("--only", choices=PARTS, action="append", help="repeatable; without it all parts")
    asked = parser.parse_args()
    lines: list[str] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        program = binary(Path(scratch))
        for part in asked.only or PARTS:
            directory = Path(scratch) / part
            directory.mkdir()
            with place(program, directory) as made:
                for text in _PARTS[part](made, asked, wrong):
                    print(text, flush=True)
                    lines.append(text)
    lines.append("")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("\n".join(lines))
    print(f"written to {OUT}")
    for words in wrong:
        print(f"NOT AS IT MUST BE: {words}", file=sys.stderr)
    return 1 if wrong else 0


def _faults(made: Place, _: argparse.Namespace, wrong: list[str]) -> Iterator[str]:
    yield "\n| the collector | requests | failed or changed | clients that left | router | collector | counted as lost |"
    yield "|---|---|---|---|---|---|---|"
    for fault in FAULTS:
        outcome = asyncio.run(suffer(made, fault))
        wrong += [f"{fault.name}: {words}" for words in broken(fault, outcome)]
        yield f"| {fault.name} | {_row(outcome)} |"
    yield f"\nThe router may need {ROUTER:.0f} MiB, the collector {COLLECTOR:.0f}."


def _row(outcome: Outcome) -> str:
    drops = ", ".join(f"{name.removeprefix('upstream_')} {count}" for name, count in outcome.drops.items())
    cells = (
        len(outcome.wrong),
        sum(outcome.left.values()),
        outcome.memory.router,
        outcome.memory.collector,
        drops or "–",
    )
    return " | ".join(map(str, (outcome.requests, *cells)))


def _overhead(made: Place, asked: argparse.Namespace, wrong: list[str]) -> Iterator[str]:
    costs = asyncio.run(overhead.measure(made, asked.rounds, asked.seconds))
    wrong += [f"{sampling.name}: {cost.wrong} wrong answers" for sampling, cost in costs.items() if cost.wrong]
    yield ""
    yield from overhead.table(costs)


def _memory(made: Place, asked: argparse.Namespace, wrong: list[str]) -> Iterator[str]:
    def told(moment: lasting.Moment) -> None:
        print(lasting.row(moment), flush=True)

    lasted = asyncio.run(lasting.last(made, asked.minutes * 60, asked.rate, told))
    wrong += lasting.broken(lasted)
    yield from lasting.table(lasted)


_PARTS = {"faults": _faults, "overhead": _overhead, "memory": _memory}

if __name__ == "__main__":
    sys.exit(main())
