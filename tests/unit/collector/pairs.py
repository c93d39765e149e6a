"""What a router would hand to a collector, in few words."""

import json
from collections.abc import Mapping
from itertools import count
from typing import Any

from modelrollout.collector.collector import Collector, Message
from modelrollout.domain.capture import Capture, Extraction, Kind, Protocol

STABLE, CANDIDATE = "stable", "candidate"
_numbers = count()


def capture(*extractions: Extraction, **fields: Any) -> Capture:
    base = {"stable": STABLE, "candidate": CANDIDATE, "protocol": Protocol.KSERVE_V1}
    return Capture(**base | {"extractions": extractions or (Extraction(),)} | fields)


def of(kind: Kind, **fields: Any) -> Collector:
    return Collector(capture(Extraction(kind=kind, **fields)))


def body(predictions: object) -> bytes:
    return json.dumps({"predictions": predictions}).encode()


def primary(request: str, predictions: object, **fields: Any) -> Message:
    return Message(request, STABLE, **{"body": body(predictions)} | fields)


def copy(request: str, predictions: object, **fields: Any) -> Message:
    return Message(request, f"{CANDIDATE}-mirror", **{"body": body(predictions)} | fields)


def again(request: str, predictions: object, **fields: Any) -> Message:
    return Message(request, f"{STABLE}-mirror", **{"body": body(predictions)} | fields)


def pair(collector: Collector, stable: object, candidate: object, now: float = 0.0, **fields: Any) -> None:
    """Hand over both answers to a request that nobody else has sent."""
    request = f"pair-{next(_numbers)}"
    collector.primary(primary(request, stable, **fields), now)
    collector.copy(copy(request, candidate), now)


def counters(collector: Collector, part: str = "", number: int = 0) -> Mapping[str, float]:
    """Return what was counted of one extraction in one part of the traffic, without what is 0."""
    key = collector.capture.extractions[number].key
    rows = collector.page()["counters"]
    return {series: value for name, where, series, value in rows if (name, where) == (key, part) and value}


def named(found: Mapping[str, float], prefix: str) -> dict[str, float]:
    """Return the series below a name."""
    return {series.removeprefix(prefix): value for series, value in found.items() if series.startswith(prefix)}
