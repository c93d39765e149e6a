"""What a router would hand to a collector that observes, in few words."""

import json
import struct
import zlib
from base64 import b64encode
from collections.abc import Mapping
from itertools import count
from typing import Any

from modelrollout.collector.collector import Collector, Message
from modelrollout.domain.capture import Capture, Extraction, Feature, Observed, Protocol

STABLE, CANDIDATE = "stable", "candidate"
_numbers = count()


def observing(protocol: Protocol, *features: Feature, output: Extraction | None = None, **fields: Any) -> Collector:
    """Return a collector of requests that nobody gets a copy of."""
    observed = Observed(features=features, output=output)
    return Collector(Capture(**{"stable": STABLE, "protocol": protocol, "observed": observed} | fields))


def ask(collector: Collector, document: object, said: object = None, arm: str = STABLE, **headers: str) -> None:
    """Send one request, and its answer."""
    request = f"request-{next(_numbers)}"
    collector.request(Message(request, body=json.dumps(document).encode()), 0.0)
    body = json.dumps({} if said is None else said).encode()
    collector.primary(Message(request, arm, body=body, copied=False, headers=headers), 0.0)


def seen(collector: Collector, arm: str = STABLE, part: str = "") -> dict[str, float]:
    """Return what was counted for an arm in one part of the traffic."""
    rows = collector.page()["observed"]
    return {series: value for name, where, series, value in rows if (name, where) == (arm, part)}


def of(found: Mapping[str, float], feature: str) -> dict[str, float]:
    """Return what was counted of one feature."""
    start = f"in/{feature}/"
    return {series.removeprefix(start): value for series, value in found.items() if series.startswith(start)}


def png(rows: list[list[int]], *, colour: int = 0, filters: int = 0, depth: int = 8, interlaced: int = 0) -> str:
    """Return a PNG file in base64.

    Args:
        rows: bytes of each line; three for each pixel where there are colours.
        colour: 0 is grey, 2 RGB.
        filters: of all lines, by their number in the specification.
        depth: bits of a value.
        interlaced: 1: says that it is.
    """
    step = 3 if colour == 2 else 1
    header = struct.pack(">IIBBBBB", len(rows[0]) // step, len(rows), depth, colour, 0, 0, interlaced)
    lines, above = b"", [0] * len(rows[0])
    for row in rows:
        lines += bytes([filters, *(_filtered(row, above, at, step, filters) for at in range(len(row)))])
        above = row
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines)) + _chunk(b"IEND", b"")
    return b64encode(b"\x89PNG\r\n\x1a\n" + chunks).decode()


def _filtered(row: list[int], above: list[int], at: int, step: int, kind: int) -> int:
    left = row[at - step] if at >= step else 0
    corner = above[at - step] if at >= step else 0
    up = above[at]
    nearest = min((left, up, corner), key=lambda one: abs(left + up - corner - one))
    return (row[at] - (0, left, up, (left + up) // 2, nearest)[kind]) % 256


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
