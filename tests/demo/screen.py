"""What people see: one live screen on a terminal, and plain lines, one for each decision, everywhere else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from tests.demo.recording import Bin, Decision, Recording
from tests.demo.show import Show
from tests.demo.summary import LOST, WRONG, Summary, summarize

COLOURS = {"v1": "bright_black", "v2-rc1": "magenta", "v2-rc2": "yellow", "v2": "green", "v3": "red", "v4": "blue"}
WORDS = {WRONG: "always wrong", LOST: "lost in the dark"}
BAR = 40
"""Characters of 100 %."""
SPARKS = "▁▂▃▄▅▆▇█"
SHOWN = 10
"""Decisions on the screen."""
WHOLE = 0.25
"""Error rate that fills a sparkline."""


@contextmanager
def screen(console: Console) -> Iterator[Show]:
    """Show a show for the length of a block."""
    if not console.is_terminal:
        show = Show(
            lambda decision: console.print(
                _line(decision, show.recording), markup=False, highlight=False, soft_wrap=True
            )
        )
        yield show
        return
    show = Show()
    # The last state stays on the terminal, above the summary.
    with Live(console=console, get_renderable=lambda: render(show), refresh_per_second=4):
        yield show


def render(show: Show) -> RenderableType:
    """Draw the whole screen."""
    with show.lock:
        recording, view = show.recording, show.view
        lines = [_line(decision, recording) for decision in recording.decisions[-SHOWN:]]
        parts: list[RenderableType] = [_traffic(show), _stage(show)]
        if view.gates:
            parts.append(_gates(show))
        if recording.ours:
            parts += [Rule(style="bright_black"), _clients(recording)]
        parts += [Rule(style="bright_black"), Text("\n".join(lines))]
    clock = f"{time.time() - recording.started:.0f} s"  # noqa: TID251  # a demo owns a clock
    return Panel(Group(*parts), title=f"[bold]{escape(show.act)}", subtitle=clock, padding=(1, 2))


def figures(summary: Summary) -> Table:
    """Return the summary as a table."""
    table = Table(title="What the clients saw", title_style="bold", show_header=True, header_style="bold")
    table.add_column("")
    table.add_column("modelrollout", justify="right")
    table.add_column("plain Deployment", justify="right")
    table.add_row("requests sent", f"{summary.sent:,}", f"{summary.plain_sent:,}")
    lost = summary.failed_by_rollouts
    ours = f"[{'red' if lost else 'green'}]{lost}"
    table.add_row("failed because of the rollouts", ours, f"{summary.plain_failed_otherwise:,}")
    table.add_row(
        "failed because of the bad model", f"{summary.failed_by_model:,}", f"{summary.plain_failed_by_model:,}"
    )
    table.add_row(
        "from the first bad answer to weight 0",
        _seconds(summary.reaction),
        f"{_seconds(summary.plain_reaction)}, by hand",
    )
    for version, words in WORDS.items():
        reached = summary.reached[version]
        table.add_row(f"answers of {version}, {words}", f"[{'red' if reached else 'green'}]{reached:,}", "")
    for version, right in summary.right.items():
        if right is not None:
            table.add_row(f"digits read right by {version}", f"{right:.1%}", "")
    return table


def _seconds(span: float | None) -> str:
    return "never" if span is None else f"{span:.1f} s"


def _line(decision: Decision, recording: Recording) -> str:
    return f"{decision.at - recording.started:6.1f} s  {decision.text}"


def _traffic(show: Show) -> Table:
    """Who answers: what the routers run, and what the clients have got so far."""
    view, recording = show.view, show.recording
    total = summarize(recording)
    table = Table.grid(padding=(0, 2))
    for revision, share in sorted(view.shares.items(), key=lambda item: recording.name(item[0])):
        version = recording.name(revision)
        table.add_row(Text(version, "bold"), _bar(share, version), f"{share} %", _quality(total, version))
    for revision, share in view.copies.items():
        version = recording.name(revision)
        table.add_row(
            Text(version, "bold"), _bar(share, version, "░"), f"{share} %", "copies; nobody gets these answers"
        )
    if not view.shares:
        table.add_row(Text("nobody answers yet", "bright_black"))
    return table


def _bar(share: int, version: str, character: str = "█") -> Text:
    filled = round(BAR * share / 100)
    text = Text(character * filled, COLOURS.get(version, "white"))
    return text.append("·" * (BAR - filled), "bright_black")


def _quality(total: Summary, version: str) -> str:
    right = total.right.get(version)
    said = f"{total.answers.get(version, 0):,} answers"
    return said if right is None else f"{said}, {right:.1%} of the digits right"


def _stage(show: Show) -> Text:
    view = show.view
    message = view.message
    for revision, version in show.recording.names.items():
        message = message.replace(revision, version)
    return Text.assemble("\n", (view.phase or "Starting", "bold"), "  ", message)


def _gates(show: Show) -> Table:
    colours = {"Pass": "green", "Fail": "bold red", "Undecided": "yellow"}
    table = Table.grid(padding=(0, 2))
    for gate in show.view.gates:
        value = "-" if gate.get("value") is None else f"{gate['value']:.3g}"
        verdict = gate["verdict"]
        table.add_row(
            gate["name"], value, gate.get("limit", ""), Text(verdict, colours.get(verdict, "")), gate.get("message", "")
        )
    return table


def _clients(recording: Recording) -> Table:
    """The two clients side by side; the plain one from the moment it exists."""
    summary = summarize(recording)
    table = Table(box=None, header_style="bold", padding=(0, 2))
    for heading in ("clients of", "sent", "failed: rollout", "failed: model", "failing now", "error rate, last minute"):
        table.add_column(heading, justify="left" if heading in ("clients of", "error rate, last minute") else "right")
    rows = [("the ModelDeployment", summary.sent, summary.failed_by_rollouts, summary.failed_by_model, recording.ours)]
    if recording.plain:
        plain = (summary.plain_sent, summary.plain_failed_otherwise, summary.plain_failed_by_model)
        rows.append(("a plain Deployment", *plain, recording.plain))
    for name, sent, ours, model, bins in rows:
        now = rate(bins[-2:])
        failing = Text(f"{now:.0%}", "red" if now else "green")
        table.add_row(
            name, f"{sent:,}", Text(f"{ours:,}", "red" if ours else "green"), f"{model:,}", failing, sparkline(bins)
        )
    return table


def rate(bins: list[Bin]) -> float:
    """Return the share of requests that failed."""
    sent = sum(each.requests for each in bins)
    return sum(each.failed for each in bins) / sent if sent else 0.0


def sparkline(bins: list[Bin], length: int = 30, together: int = 4) -> str:
    """Return the latest error rates, the newest at the right; any error at all is seen."""
    groups = [bins[start : start + together] for start in range(0, len(bins), together)][-length:]
    heights = [min(1.0, rate(group) / WHOLE) for group in groups]
    return "".join(SPARKS[max(1, round(height * 7))] if height else SPARKS[0] for height in heights)
