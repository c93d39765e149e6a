"""What the operator asked of the API server, from the server's own audit log."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

ACCOUNT = "system:serviceaccount:modelrollout-system:modelrollout-operator"
_WRITES = frozenset({"create", "update", "patch", "delete"})


@dataclass(frozen=True)
class Entry:
    """One finished request."""

    at: datetime
    user: str
    verb: str
    resource: str
    namespace: str
    name: str

    @property
    def writes(self) -> bool:
        """Whether it asked for a change."""
        return self.verb in _WRITES


def entries(log: Path, offset: int) -> Iterator[Entry]:
    """Yield every request that was logged from a place in the file on."""
    with log.open() as file:
        file.seek(offset)
        for line in file:
            if not line.endswith("\n"):
                return
            raw = json.loads(line)
            target = raw.get("objectRef")
            if target is None:
                continue
            sub = f"/{target['subresource']}" if "subresource" in target else ""
            yield Entry(
                datetime.fromisoformat(raw["stageTimestamp"]),
                raw["user"]["username"],
                raw["verb"],
                target["resource"] + sub,
                target.get("namespace", ""),
                target.get("name", ""),
            )


def kinds_of_writes(found: Iterator[Entry], namespace: str) -> Counter[str]:
    """Count the operator's writes in a namespace: objects, status, nudges, Events."""
    counts: Counter[str] = Counter()
    for entry in found:
        if entry.user == ACCOUNT and entry.namespace == namespace and entry.writes:
            match entry.resource:
                case "modeldeployments/status":
                    counts["status"] += 1
                case "pods":
                    counts["nudges"] += 1
                case "events":
                    counts["events"] += 1
                case _:
                    counts["objects"] += 1
                    counts[f"  {entry.verb} {entry.resource}"] += 1
    return counts
