"""The demo as one picture, drawn from its recording: who answered, who failed, and what was decided when.

python -m tests.demo.picture RECORDING.json PICTURE.png PICTURE.svg ...
"""

from __future__ import annotations

import itertools
import math
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.demo.recording import Bin, Recording, versions
from tests.demo.summary import summarize

COLOURS = {
    "v1": "#a3a9b0",
    "v2-rc1": "#8e4fa8",
    "v2-rc2": "#b8860b",
    "v2": "#4c9f70",
    "v3": "#d64545",
    "v4": "#4a7fc1",
}
OTHER = "#dddddd"
PLAIN, OURS = "#c77d0a", "#1b1b1b"
LONGEST = 70
"""Characters of a decision that fit into one of two columns."""
LEVELS = 3
COPIES = (70, 40, 55)
"""Heights at which it is written who gets copies: short times side by side have long words."""
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    # The same recording makes the same file.
    "svg.hashsalt": "demo",
}


def draw(recording: Recording, *paths: Path) -> None:
    """Draw to files; the ending of each says its format."""
    with mpl.rc_context(STYLE):
        lines = (len(recording.decisions) + 1) // 2
        figure = Figure(figsize=(11, 5.6 + 0.17 * lines), layout="constrained")
        upper, lower, text = figure.subplots(3, 1, height_ratios=(3.2, 2, 0.1 + 0.17 * lines))
        lower.sharex(upper)
        _shares(upper, recording)
        _errors(lower, recording)
        _decisions((upper, lower), text, recording)
        upper.set_xlim(0, _end(recording))
        upper.tick_params(labelbottom=False)
        lower.set_xlabel("seconds")
        figure.suptitle(_headline(recording), fontsize=12, fontweight="bold")
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def _headline(recording: Recording) -> str:
    found = summarize(recording)
    return (
        f"{found.sent:,} requests, {found.failed_by_rollouts} failed because of a rollout. "
        f"Answers of two models that are healthy and wrong: {sum(found.reached.values())}\n"
        f"Errors of the bad model: {found.failed_by_model} with modelrollout, "
        f"{found.plain_failed_by_model:,} with a plain Deployment"
    )


def _end(recording: Recording) -> float:
    last = [recording.started + 1, *(each.at for each in recording.ours), *(route.at for route in recording.routes)]
    return max(last) - recording.started


def _shares(axes: Axes, recording: Recording) -> None:
    """Areas: which version answered, as the client counted it. Line: the weights that the routers had confirmed."""
    spans = _windows(recording.ours, 1.0)
    counts = [versions(_sum(each.answers for each in span), recording) for span in spans]
    names = sorted({name for count in counts for name in count})
    bottoms = [0.0] * len(spans)
    times = [span[0].at - span[0].span - recording.started for span in spans]
    for name in names:
        shares = [100 * count.get(name, 0) / max(1, sum(count.values())) for count in counts]
        tops = [bottom + share for bottom, share in zip(bottoms, shares, strict=True)]
        colour = COLOURS.get(name, OTHER)
        axes.fill_between(
            times, bottoms, tops, step="post", color=colour, alpha=0.75, linewidth=0, label=f"answered by {name}"
        )
        bottoms = tops
    _copies(axes, recording)
    weights = [(route.at - recording.started, 100 - _newest(route.shares, recording)) for route in recording.routes]
    if weights:
        weights.append((_end(recording), weights[-1][1]))
        line = {"where": "post", "color": OURS, "linewidth": 1.1, "label": "weights that every router confirmed"}
        axes.step([at for at, _ in weights], [weight for _, weight in weights], **line)
        axes.legend(loc="lower center", ncols=3, fontsize=8, framealpha=0.9)
    axes.set_ylabel("% of answers")
    axes.set_ylim(0, 101)


def _copies(axes: Axes, recording: Recording) -> None:
    """Hatch the time in which a candidate got copies, and say which of them got no further."""
    stopped = {each.revision for each in recording.outcomes if each.state == "Aborted"}
    heights = itertools.cycle(COPIES)
    ends = [*(route.at for route in recording.routes), recording.started + _end(recording)][1:]
    for route, end in zip(recording.routes, ends, strict=False):
        for revision in route.copies:
            name = recording.name(revision)
            start, stop = route.at - recording.started, end - recording.started
            axes.axvspan(start, stop, facecolor="none", edgecolor=COLOURS.get(name, OTHER), hatch="////", linewidth=0)
            box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
            label = f"copies\nto {name}" + (":\nstopped" if revision in stopped else "")
            axes.text((start + stop) / 2, next(heights), label, ha="center", va="center", fontsize=8, bbox=box)


def _newest(shares: Mapping[str, int], recording: Recording) -> int:
    """Return the share of the newest version where two answer: what the areas show on top."""
    return shares[max(shares, key=recording.name)] if len(shares) > 1 else 0


def _errors(axes: Axes, recording: Recording) -> None:
    """Error rates of the two clients."""
    for bins, colour, name in ((recording.plain, PLAIN, "plain Deployment"), (recording.ours, OURS, "modelrollout")):
        spans = _windows(bins, 1.0)
        if not spans:
            continue
        times = [span[-1].at - recording.started for span in spans]
        rates = [
            100 * sum(each.failed for each in span) / max(1, sum(each.requests for each in span)) for span in spans
        ]
        label = f"{name}: {sum(each.failed for each in bins):,} failed"
        axes.plot(times, rates, color=colour, linewidth=1.4, label=label)
        axes.fill_between(times, rates, color=colour, alpha=0.2, linewidth=0)
        axes.legend(loc="upper left", fontsize=8)
    axes.set_ylabel("% of requests failed")
    axes.set_ylim(0, None)


def _decisions(axes: Sequence[Axes], text: Axes, recording: Recording) -> None:
    """Number what was decided in the time lines, and say it below them in two columns."""
    text.set_axis_off()
    text.set_xlim(0, 2)
    lines = (len(recording.decisions) + 1) // 2
    text.set_ylim(lines, -0.5)
    taken = [-math.inf] * LEVELS
    for number, decision in enumerate(recording.decisions, start=1):
        at = decision.at - recording.started
        for each in axes:
            each.axvline(at, color=OURS, linewidth=0.5, alpha=0.35)
        # Numbers of what came in quick succession stand above one another.
        free = [level for level, last in enumerate(taken) if at - last > 0.015 * _end(recording)]
        level = free[0] if free else LEVELS - 1
        taken[level] = at
        where = {"xycoords": ("data", "axes fraction"), "annotation_clip": False, "ha": "center", "va": "bottom"}
        axes[0].annotate(f"{number}", (at, 1.02 + 0.05 * level), fontsize=7, **where)
        column, row = divmod(number - 1, lines)
        said = textwrap.shorten(decision.text, LONGEST, placeholder=" …")
        text.text(column, row, f"{number:2}  {at:5.1f} s  {said}", fontsize=7, va="center", family="monospace")


def _windows(bins: Sequence[Bin], seconds: float) -> list[list[Bin]]:
    """Group bins into spans of at least so many seconds."""
    groups: list[list[Bin]] = []
    for each in bins:
        if not groups or sum(one.span for one in groups[-1]) >= seconds:
            groups.append([])
        groups[-1].append(each)
    return groups


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for each in counts:
        for name, count in each.items():
            sums[name] = sums.get(name, 0) + count
    return sums


if __name__ == "__main__":
    source, *targets = map(Path, sys.argv[1:])
    draw(Recording.load(source), *targets)
