"""The client's command line: options in, records and live numbers out."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from tests.traffic.client import BODY, Client, Load
from tests.traffic.http1 import Response
from tests.traffic.record import Blame, Report


def main(arguments: list[str] | None = None) -> None:
    """Run the client; the exit code says nothing about losses, the summary does."""
    options = _parser().parse_args(arguments)
    asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> None:
    samples = _samples(options.requests)
    load = Load(
        host=options.host,
        port=options.port,
        rate=options.rate,
        connections=options.connections,
        requests_per_connection=options.requests_per_connection,
        path=options.path,
        bodies=[body for body, _, _ in samples],
        body_headers=[headers for _, headers, _ in samples],
        headers=dict(_header(text) for text in options.header),
        long_every=options.long_every,
        long_ms=options.long_ms,
        stream_every=options.sse_every,
        stream_tokens=options.sse_tokens,
        stream_interval_ms=options.sse_interval_ms,
        time_out=options.timeout,
        model_header=options.model_header,
    )
    expected = [answer for _, _, answer in samples]

    def check(number: int, answer: Response) -> str:
        wanted = expected[number % len(expected)]
        if wanted is None:
            return ""
        try:
            return "right" if json.loads(answer.body)["outputs"][0]["data"] == wanted else "wrong"
        except (ValueError, LookupError, TypeError):
            return "unreadable"

    client = Client(load, check=check if options.requests else None)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, client.stop)
    live = asyncio.create_task(_live(client, options.live, sys.stderr)) if options.live else None
    report = await client.run(options.duration)
    if live is not None:
        live.cancel()
    _write(client, report, options.out)


async def _live(client: Client, every: float, to: TextIO) -> None:
    """Print what ended in each interval, one JSON object per line."""
    seen = 0
    while True:
        await asyncio.sleep(every)
        new, seen = client.records[seen:], len(client.records)
        numbers = Report.of(new).as_dict()
        del numbers["losses"]
        now = time.time()  # noqa: TID251 -- a command line owns a clock
        bad = [record.start + record.latency_ms / 1000 for record in new if record.blame is Blame.MODEL]
        times = {"time": round(now, 3), "interval": every, "first_model_error": min(bad, default=None)}
        print(json.dumps({**times, **numbers}), file=to, flush=True)


def _write(client: Client, report: Report, out: Path | None) -> None:
    sent = client.load
    summary = {
        "target": f"{sent.host}:{sent.port}",
        "rate": sent.rate,
        **report.as_dict(),
        "skipped": client.skipped,
        "idle_closes": client.idle_closes,
    }
    if out is not None:
        with out.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(record)) + "\n" for record in client.records)
        Path(f"{out}.summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary))


def _samples(path: Path | None) -> list[tuple[bytes, dict[str, str], object]]:
    """Bodies to send in turn, each with its headers and the data its answer should hold."""
    if path is None:
        return [(BODY, {}, None)]
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [(json.dumps(line["body"]).encode(), line.get("headers", {}), line.get("expect")) for line in lines]


def _header(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name.strip().lower(), value.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.traffic.client", description="Count what an open-loop client loses.")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    add = parser.add_argument
    add("--rate", type=float, default=240.0, help="requests per second")
    add("--connections", type=int, default=24, help="connections kept open")
    add("--requests-per-connection", type=int, default=0, help="close a connection after so many requests (0: never)")
    add("--path", default="/v2/models/m/infer")
    add("--header", action="append", default=[], metavar="'NAME: VALUE'", help="sent with every request; repeatable")
    add(
        "--requests",
        type=Path,
        metavar="FILE",
        help='JSON lines {"body": {...}, "headers": {...}, "expect": [...]}, sent in turn',
    )
    add("--long-every", type=int, default=0, metavar="N", help="every N-th request is a long one (0: none)")
    add("--long-ms", type=int, default=1500)
    add("--sse-every", type=int, default=0, metavar="N", help="every N-th request is an event stream (0: none)")
    add("--sse-tokens", type=int, default=60)
    add("--sse-interval-ms", type=int, default=1000)
    add("--timeout", type=float, default=10.0, help="seconds for an answer, or between two pieces of a stream")
    add("--model-header", default="x-model-error", help="the header that marks an error as the model's own")
    add("--duration", type=float, metavar="S", help="end by itself after S seconds")
    add("--live", type=float, default=0.0, metavar="S", help="every S seconds one JSON line on stderr")
    add("--out", type=Path, help="one JSON line per request; the sum goes to FILE.summary.json")
    return parser
