"""``modelrollout watch``: a live picture on a terminal, a line for each change elsewhere; it ends when the rollout does."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from modelrollout.cli.access import Access, Object, access, now
from modelrollout.cli.options import Where, say
from modelrollout.cli.picture import picture, weight
from modelrollout.cli.status import look
from modelrollout.cli.table import span
from modelrollout.cli.view import View, held
from modelrollout.domain.status import RolloutState
from modelrollout.errors import UnavailableError

TICK = 0.5
"""Seconds between two pictures: clocks go on although nothing changes."""
PODS = 2.0
"""Seconds after which pods are counted again although the ModelDeployment did not change."""
SILENCE = "The API server does not answer; trying again."


def watch(where: Where, name: str, *, as_json: bool) -> int:
    """Follow a rollout to its end; return 0 when it is Ready, 1 when it is Stalled, 130 after ctrl-C."""
    console = Console()

    async def run() -> View | None:
        async with access(where) as cluster, aclosing(views(cluster, name)) as coming:
            if console.is_terminal and not console.is_dumb_terminal and not as_json:
                return await _draw(coming, console)
            return await _print(coming, as_json=as_json)

    try:
        last = asyncio.run(run())
    except KeyboardInterrupt:
        say("Not watching any more; the rollout goes on.", err=True)
        return 130
    return 0 if last is not None and last.settled() == "Ready" else 1


async def views(cluster: Access, name: str) -> AsyncGenerator[View | None]:
    """Yield the view at each change and every few seconds, until it is settled; None when nothing answers."""
    raw: Object | None = None
    async with aclosing(cluster.changes(name)) as changes:
        coming = asyncio.ensure_future(anext(changes))
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=PODS)
                if done:
                    raw = coming.result()
                    coming = asyncio.ensure_future(anext(changes))
                found = await _look(cluster, raw)
                yield found
                if found is not None and found.settled():
                    return
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def _look(cluster: Access, raw: Object | None) -> View | None:
    try:
        return await look(cluster, raw) if raw is not None else None
    except UnavailableError:
        return None


async def _print(coming: AsyncIterator[View | None], *, as_json: bool) -> View | None:
    """Print a line whenever it differs from the one before."""
    last, printed = None, ""
    async for found in coming:
        last = found or last
        if found is None:
            if not as_json and printed:
                say(SILENCE, err=True)
            continue
        text = json.dumps(found.dump(), ensure_ascii=False) if as_json else line(found)
        if text != printed:
            say(text if as_json else f"{now():%H:%M:%S} {text}")
            printed = text
    return last


def line(view: View) -> str:
    """Return a view in one line, without anything that changes by itself."""
    rollout = view.rollout
    if rollout is None or not view.running:
        return f"{view.name}: {view.phase or 'Unknown'}. {view.message}".rstrip()
    place = rollout.label if rollout.state is RolloutState.PROGRESSING else "going home"
    return (
        f"{view.name}: {view.phase}, {place} ({rollout.stage} of {rollout.of}), weight {weight(view)}. {view.message}"
    )


async def _draw(coming: AsyncIterator[View | None], console: Console) -> View | None:
    """Draw the newest view over the one before, twice a second."""
    last: View | None = None
    silent = False

    async def follow() -> None:
        nonlocal last, silent
        async for found in coming:
            silent, last = found is None, found or last

    following = asyncio.ensure_future(follow())
    try:
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                done, _ = await asyncio.wait({following}, timeout=TICK)
                if last is not None:
                    live.update(drawing(last, now(), silent=silent), refresh=True)
                if done:
                    following.result()
                    return last
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def drawing(view: View, at: datetime, *, silent: bool = False) -> RenderableType:
    """Return the picture with its bars.

    Args:
        view: what to draw.
        at: the time of day.
        silent: the API server does not answer, so the view is an old one.
    """
    parts: list[RenderableType] = [Text.from_ansi(picture(view, at))]
    rollout = view.rollout
    if rollout is not None and view.running:
        bars = Table.grid(padding=(0, 2))
        colour = "red" if rollout.state is RolloutState.ABORTING else "green"

        def bar(name: str, share: float, text: str) -> None:
            bars.add_row(name, ProgressBar(total=1, completed=share, width=40, complete_style=colour), text)

        bar("stages", (rollout.stage - 1) / rollout.of, f"{rollout.stage} of {rollout.of}")
        bar("weight", (view.weight_verified or 0) / 100, f"{view.weight_verified or 0} % verified")
        hold = held(rollout, at)
        if hold is not None:
            passed, whole = hold
            bar("hold", passed / whole, f"{span(passed)} of {span(whole)}")
        parts += [Text(), bars]
    if silent:
        parts.append(Text(SILENCE, style="yellow"))
    return Group(*parts)
