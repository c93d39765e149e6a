"""``modelrollout status`` and ``history``: read once, print."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from modelrollout.cli.access import Access, Object, access, now
from modelrollout.cli.ask import read_snapshots
from modelrollout.cli.options import Where, say
from modelrollout.cli.picture import picture
from modelrollout.cli.table import clock, span, table
from modelrollout.cli.view import View, models_of, status_of, view
from modelrollout.domain.revision import Revision
from modelrollout.domain.status import Status


async def look(cluster: Access, raw: Object) -> View:
    """Return the view of an object that was just read."""
    name = raw["metadata"]["name"]
    deployments, snapshots = await asyncio.gather(
        cluster.children("Deployment", name), cluster.children("ControllerRevision", name)
    )
    return view(raw, deployments, snapshots)


def show_status(where: Where, name: str, *, as_json: bool) -> int:
    """Print where a ModelDeployment stands; return the exit code."""

    async def run() -> View:
        async with access(where) as cluster:
            return await look(cluster, await cluster.read(name))

    found = asyncio.run(run())
    say(json.dumps(found.dump(), indent=2, ensure_ascii=False) if as_json else picture(found, now()))
    return 0


def show_history(where: Where, name: str, *, as_json: bool) -> int:
    """Print the last rollouts and the revisions that are kept; return the exit code."""

    async def run() -> tuple[Object, list[Object]]:
        async with access(where) as cluster:
            raw = await cluster.read(name)
            return raw, list(await cluster.children("ControllerRevision", name))

    raw, snapshots = asyncio.run(run())
    status = status_of(raw)
    found = history(name, status, read_snapshots(name, snapshots), models_of(name, snapshots, status))
    say(json.dumps(found, indent=2, ensure_ascii=False) if as_json else history_text(name, found, now()))
    return 0


def history(name: str, status: Status, kept: Mapping[str, Revision], models: Mapping[str, str]) -> dict[str, Any]:
    """Return the rollouts, newest first, and the revisions that ``rollback`` can go to."""
    return {
        "name": name,
        "stable": status.stable,
        "rollouts": [past.dump() for past in status.history],
        "revisions": [{"revision": revision, "model": models.get(revision, "")} for revision in kept],
    }


def history_text(name: str, found: Mapping[str, Any], at: datetime) -> str:
    """Return the history as text."""
    rows = [
        (
            past["revision"],
            past.get("model", ""),
            str(past["attempt"]),
            past["strategy"],
            past["outcome"],
            clock(datetime.fromisoformat(past["endedAt"]), at),
            span(datetime.fromisoformat(past["endedAt"]) - datetime.fromisoformat(past["startedAt"])),
            past.get("reason", ""),
        )
        for past in found["rollouts"]
    ]
    lines = table(("REVISION", "MODEL", "ATTEMPT", "STRATEGY", "OUTCOME", "ENDED", "TOOK", "WHY"), rows)
    if not rows:
        lines = [f"{name} has had no rollout yet."]
    kept = [
        (one["revision"], one["model"], "stable now" if one["revision"] == found["stable"] else "")
        for one in found["revisions"]
    ]
    if kept:
        lines += ["", f"Kept, for `kubectl modelrollout rollback {name} --to REVISION`:"]
        lines += table(("REVISION", "MODEL", ""), kept)
    return "\n".join(lines)
