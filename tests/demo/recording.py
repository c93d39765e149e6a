"""What was measured while the demo ran: values with times, from which screen, summary and picture are made.

Kept as one JSON file, so that the picture can be drawn again from what was really measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Bin:
    """What a client's requests that ended in a short span of time came to."""

    at: float
    """The end of the span, seconds since the epoch, by the clock of the client."""
    span: float
    requests: int
    ours: int
    """Failed because of what is between client and model: what a rollout must never cause."""
    model: int
    """Failed because the model answered with an error."""
    answers: Mapping[str, int] = field(default_factory=dict)
    """By revision, errors included."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """By revision: the model's own errors."""
    right: Mapping[str, int] = field(default_factory=dict)
    wrong: Mapping[str, int] = field(default_factory=dict)
    first_error: float | None = None
    """When the first of the model's errors arrived."""

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Bin:
        """Read what the client printed: one of its live lines, or the sum at its end."""
        notes: Mapping[str, Mapping[str, int]] = line["notes"]
        return cls(
            at=line.get("time", 0.0),
            span=line.get("interval", 0.0),
            requests=line["requests"],
            ours=line["ours"],
            model=line["model"],
            answers=line["revisions"],
            errors=line["model_errors"],
            right={revision: counts.get("right", 0) for revision, counts in notes.items()},
            wrong={revision: sum(counts.values()) - counts.get("right", 0) for revision, counts in notes.items()},
            first_error=line.get("first_model_error"),
        )

    @property
    def failed(self) -> int:
        return self.ours + self.model


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route that every router ran from this moment on."""

    at: float
    shares: Mapping[str, int]
    """By revision: percent of the answers."""
    copies: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Something that happened, in words."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the rollout of one version ended."""

    version: str
    revision: str
    strategy: str
    state: str
    reason: str
    cause: str
    """Why it was aborted, in the operator's words."""
    mirrored: int
    """The most copies that were seen in one stage."""


@dataclass(kw_only=True)
class Recording:
    """The whole demo."""

    started: float = 0.0
    names: dict[str, str] = field(default_factory=dict)
    """Revision to version. A client of the plain Deployment reads versions, which stand for themselves."""
    ours: list[Bin] = field(default_factory=list)
    plain: list[Bin] = field(default_factory=list)
    total_ours: Bin | None = None
    """What the client itself added up at its end; it holds the last requests too, which no live line does."""
    total_plain: Bin | None = None
    routes: list[Route] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    stable: str = ""
    """The version that is stable in the end."""

    def name(self, revision: str) -> str:
        """Return the version of a revision."""
        return self.names.get(revision, revision)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read what `save` wrote."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        kinds = {"ours": Bin, "plain": Bin, "routes": Route, "decisions": Decision, "outcomes": Outcome}
        for name, kind in kinds.items():
            raw[name] = [kind(**item) for item in raw[name]]
        for name in ("total_ours", "total_plain"):
            raw[name] = None if raw[name] is None else Bin(**raw[name])
        return cls(**raw)


def versions(counts: Mapping[str, int], recording: Recording) -> dict[str, int]:
    """Add up counts by revision to counts by version, in the order of the versions."""
    sums: dict[str, int] = {}
    for revision, count in counts.items():
        sums[recording.name(revision)] = sums.get(recording.name(revision), 0) + count
    return dict(sorted(sums.items()))
