"""``modelrollout report``: the report of a finished attempt, as the operator wrote it."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from modelrollout.cli.access import Access, Object, access
from modelrollout.cli.html import page
from modelrollout.cli.options import Where, say
from modelrollout.cli.view import RUNNING, status_of
from modelrollout.domain.status import Status
from modelrollout.errors import RolloutError
from modelrollout.names import COMPONENT_REPORT, LABEL_COMPONENT
from modelrollout.resources.report import JSON, MARKDOWN


class NoReportError(RolloutError):
    """There is no such report."""


@dataclass(frozen=True)
class Report:
    """One report.

    Attributes:
        values: the facts.
        page: the same for people.
    """

    values: Mapping[str, Any]
    page: str

    @property
    def revision(self) -> str:
        """The candidate."""
        return str(self.values["candidate"]["revision"])

    @property
    def attempt(self) -> int:
        """Which attempt at it."""
        return int(self.values["attempt"])

    @property
    def title(self) -> str:
        """The attempt, as ``--revision`` and ``--attempt`` name it."""
        return f"{self.revision}/{self.attempt}"


@dataclass(frozen=True)
class Wanted:
    """Which report, and in which form.

    Attributes:
        revision: the candidate, or the beginning of its name; None: any.
        attempt: at it; None: any. Of several that fit the last one is shown.
        html: write it as a page for a browser into this file; ``-``: to standard output; None: do not.
        as_json: the facts instead of the page for a terminal.
    """

    revision: str | None
    attempt: int | None
    html: str | None = None
    as_json: bool = False


def show_report(where: Where, name: str, wanted: Wanted) -> int:
    """Print or write a report; return the exit code.

    Raises:
        NoReportError: none fits.
        RolloutError: the file cannot be written, or the report is not one that can be drawn.
    """
    if wanted.as_json and wanted.html == "-":
        raise click.BadParameter("standard output cannot be both a page and JSON. Name a file.", param_hint="--html")

    async def run() -> tuple[Object, Sequence[Object]]:
        async with access(where) as cluster:
            return await _read(cluster, name)

    raw, maps = asyncio.run(run())
    status = status_of(raw)
    found = choose(name, status, read_reports(maps), wanted.revision, wanted.attempt)
    _show(found, wanted)
    note = doubt(status, found, newest=wanted.revision is None and wanted.attempt is None)
    if note:
        say(note, err=True)
    return 0


def _show(found: Report, wanted: Wanted) -> None:
    if wanted.html is not None:
        drawn = page(found.values)
        if wanted.html == "-":
            say(drawn.rstrip("\n"))
        else:
            _write(wanted.html, drawn)
    if wanted.as_json:
        say(json.dumps(found.values, indent=2, ensure_ascii=False))
    elif wanted.html is None:
        say(found.page.rstrip("\n"))
    elif wanted.html != "-":
        say(f"The report of {found.title} is in {wanted.html}.")


def _write(file: str, text: str) -> None:
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise RolloutError(f"{file} cannot be written: {exc}") from exc


async def _read(cluster: Access, name: str) -> tuple[Object, Sequence[Object]]:
    return await cluster.read(name), await cluster.children("ConfigMap", name)


def read_reports(maps: Iterable[Mapping[str, Any]]) -> list[Report]:
    """Return the reports among ConfigMaps, the newest first; what cannot be read is left out."""
    found = []
    for raw in maps:
        if (raw["metadata"].get("labels") or {}).get(LABEL_COMPONENT) != COMPONENT_REPORT:
            continue
        try:
            report = Report(json.loads(raw["data"][JSON]), raw["data"][MARKDOWN])
            found.append((str(report.values["endedAt"]), report.attempt, report.revision, report))
        except (KeyError, TypeError, ValueError):
            # Somebody made it by hand, or another version of the operator did.
            continue
    return [report for *_, report in sorted(found, key=lambda item: item[:3], reverse=True)]


def choose(name: str, status: Status, reports: Sequence[Report], revision: str | None, attempt: int | None) -> Report:
    """Return the newest report that fits.

    Raises:
        NoReportError: there is none.
    """
    for report in reports:
        if report.revision.startswith(revision or "") and attempt in (None, report.attempt):
            return report
    if reports:
        asked = revision or "any revision"
        asked += f", attempt {attempt}" if attempt is not None else ""
        known = ", ".join(report.title for report in reports)
        raise NoReportError(f"{name} keeps no report of {asked}. There are (REVISION/ATTEMPT): {known}.")
    raise NoReportError(_none(name, status))


def _none(name: str, status: Status) -> str:
    if status.history:
        return (
            f"There is no report of {name}, although it has had rollouts. Either you may not list its ConfigMaps, or an older "
            f"operator ran them. `kubectl modelrollout history {name}` shows how they ended."
        )
    if status.rollout is not None and status.rollout.state in RUNNING:
        return (
            f"The first rollout of {name} is still on its way, and a report is written at its end. "
            f"`kubectl modelrollout status {name}` shows where it stands."
        )
    return f"{name} has had no rollout yet, so there is no report."


def doubt(status: Status, report: Report, *, newest: bool) -> str:
    """Return what the reader must know about a report that may not be the one that was meant; empty when it is.

    Args:
        status: of the ModelDeployment.
        report: that is shown.
        newest: the last one was asked for.
    """
    # A status that was lost begins to count attempts anew.
    for past in status.history:
        same = (past.revision, past.attempt) == (report.revision, report.attempt)
        if same and past.started_at.isoformat().replace("+00:00", "Z") != report.values["startedAt"]:
            return f"This is an older attempt that had the number {report.title} too; the status was lost since."
    last = status.history[0] if status.history else None
    if newest and last is not None and (last.revision, last.attempt) != (report.revision, report.attempt):
        return f"The report of the last attempt, {last.revision}/{last.attempt}, is not there; this is the one before."
    return ""
