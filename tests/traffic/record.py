"""What one request met, and what many of them add up to.

The one question a rollout test asks is "did a client lose anything *because of us*?". So a failure is either ours (the
transport and the router: refused, reset, cut, timed out, an answer the router made up) or the model's (the model server
itself answered with an error). Whatever cannot be proved to be the model's counts as ours.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from tests.traffic.http1 import Response


class Blame(StrEnum):
    """Who a result is to be blamed on."""

    NOBODY = "nobody"
    OURS = "ours"
    MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request as its sender saw it."""

    start: float
    """When it was sent, seconds since the epoch."""
    latency_ms: float
    kind: str
    """`short`, `long` or `stream`."""
    result: str
    """A status (with the router's response flags: `503:UF`) or what went wrong: `refused`, `reset`, `timeout`, …"""
    blame: Blame
    revision: str = ""
    pod: str = ""
    router: str = ""
    connection: int = 0
    """0 when no connection came about."""
    fresh: bool = False
    """The connection was opened for this very request."""
    tokens: int = 0
    """Events that a stream delivered."""
    note: str = ""
    """What the caller's own check made of the answer; of a loss, the words of whoever answered."""

    @property
    def ok(self) -> bool:
        return self.blame is Blame.NOBODY


def blame(answer: Response, model_header: str) -> Blame:
    """Tell whose answer this is.

    The model's errors are marked by a header or by the V2 protocol's error object. A 500 without either is a model server's that
    broke down, if it names its program: the router passes ``server`` on and gives its own answers none. A program that is
    overloaded or about to leave says 503, and that may be our doing.
    """
    if answer.status == 200:
        return Blame.NOBODY
    # A router adds its response headers to the answers it makes up too, so its own flags are looked at first.
    if answer.status < 500 or flags(answer):
        return Blame.OURS
    marked = model_header in answer.headers or _is_v2_error(answer.body)
    return Blame.MODEL if marked or (answer.status == 500 and answer.headers.get("server")) else Blame.OURS


def flags(answer: Response) -> str:
    """The router's response flags (`UF`, …) if it was told to show them; empty for an answer it only passed on."""
    return answer.headers.get("x-flags", "").replace("-", "")


def revision(answer: Response) -> str:
    """The revision that answered: from the header of the test model, else from the V2 body of a real server."""
    return answer.headers.get("x-model-revision") or str(_json_object(answer.body).get("model_version") or "")


def _is_v2_error(body: bytes) -> bool:
    return isinstance(_json_object(body).get("error"), str)


def _json_object(body: bytes) -> dict[str, object]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, kw_only=True)
class Report:
    """The sum of many records."""

    requests: int
    ok: int
    ours: int
    """Failures because of us: the number that has to be 0."""
    model: int
    """Failures because of the model."""
    results: dict[str, int] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)
    """Answers by revision, the model's own errors included."""
    model_errors: dict[str, int] = field(default_factory=dict)
    """The model's own errors by revision."""
    notes: dict[str, dict[str, int]] = field(default_factory=dict)
    """By revision: what the caller's check said, how often."""
    kinds: dict[str, int] = field(default_factory=dict)
    connections: int = 0
    """Connections that carried at least one request."""
    tokens: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    """Latencies are those of the short requests that were answered."""
    losses: list[Record] = field(default_factory=list)
    """The first failures that are ours, for the message of a failed test."""

    @classmethod
    def of(cls, records: Iterable[Record]) -> Report:
        """Add up records."""
        every = list(records)
        short = sorted(record.latency_ms for record in every if record.ok and record.kind == "short")
        blames = Counter(record.blame for record in every)
        answered = [record for record in every if record.revision]
        notes: dict[str, Counter[str]] = {}
        for record in answered:
            if record.note:
                notes.setdefault(record.revision, Counter())[record.note] += 1
        return cls(
            requests=len(every),
            ok=blames[Blame.NOBODY],
            ours=blames[Blame.OURS],
            model=blames[Blame.MODEL],
            results=dict(Counter(record.result for record in every)),
            revisions=dict(Counter(record.revision for record in answered)),
            model_errors=dict(Counter(record.revision for record in answered if record.blame is Blame.MODEL)),
            notes={name: dict(counts) for name, counts in notes.items()},
            kinds=dict(Counter(record.kind for record in every)),
            connections=len({record.connection for record in every} - {0}),
            tokens=sum(record.tokens for record in every),
            p50_ms=_quantile(short, 0.5),
            p99_ms=_quantile(short, 0.99),
            max_ms=_quantile(short, 1.0),
            losses=[record for record in every if record.blame is Blame.OURS][:20],
        )

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def _quantile(ordered: list[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0
