"""Asking the operator for something: read, annotate, wait for the answer, print it."""

import asyncio
import json
import uuid
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import TypeVar

import click

from modelrollout.cli.access import Access, Object, access, now
from modelrollout.cli.ask import AskError, Intent, abort_outcome, abort_value, intent, read_snapshots, rollback
from modelrollout.cli.options import Where, say
from modelrollout.cli.view import status_of
from modelrollout.errors import ConflictError
from modelrollout.names import ANNOTATION_ABORT, ANNOTATION_REQUEST

PATIENCE = 10.0
"""Seconds to wait for an answer: an operator that leads needs less than one."""
TRIES = 5
"""How often a request is written again because the object changed in between."""

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What became of a request.

    Attributes:
        name: of the ModelDeployment.
        action: what was asked.
        accepted: None while nobody has answered.
        message: for people.
        id: of the request; empty where none was needed.
    """

    name: str
    action: str
    accepted: bool | None
    message: str
    id: str = ""


def ask(where: Where, name: str, action: str, *, wait: bool, as_json: bool) -> int:
    """Ask for an action other than abort and rollback, and print the answer; return the exit code."""

    async def run() -> Answer:
        async with access(where) as cluster:
            return await _ask(cluster, name, action, lambda raw: intent(action, name, status_of(raw)), wait=wait)

    return _print(asyncio.run(run()), as_json=as_json, wait=wait)


def ask_rollback(where: Where, name: str, to: str | None, *, wait: bool, as_json: bool) -> int:
    """Ask to go back to an earlier revision, and print the answer; return the exit code."""

    async def run() -> Answer:
        async with access(where) as cluster:
            kept = read_snapshots(name, await cluster.children("ControllerRevision", name))
            return await _ask(
                cluster, name, "rollback", lambda raw: rollback(name, status_of(raw), kept, to), wait=wait
            )

    return _print(asyncio.run(run()), as_json=as_json, wait=wait)


def ask_abort(where: Where, name: str, *, wait: bool, as_json: bool) -> int:
    """Abort the rollout, and print what became of it; return the exit code."""

    async def run() -> Answer:
        async with access(where) as cluster:
            return await _abort(cluster, name, wait=wait)

    return _print(asyncio.run(run()), as_json=as_json, wait=wait)


async def _ask(
    cluster: Access, name: str, action: str, meant_by: Callable[[Object], Intent | None], *, wait: bool
) -> Answer:
    raw = await cluster.read(name)
    meant = meant_by(raw)
    if meant is None:
        return Answer(name, action, accepted=True, message=f"{status_of(raw).stable} is stable already.")
    request = uuid.uuid4().hex[:10]
    value = meant.text(request, now(), await cluster.whoami())
    for _ in range(TRIES):
        try:
            await cluster.annotate(raw, {ANNOTATION_REQUEST: value}, fenced=True)
            break
        except ConflictError:
            raw = await cluster.read(name)
            if raw["metadata"].get("annotations", {}).get(ANNOTATION_REQUEST) == value:
                break
            if meant_by(raw) != meant:
                raise AskError(
                    f"{name} moved on in the same moment. Look at `kubectl modelrollout status {name}` and ask again."
                ) from None
    else:
        raise AskError(f"{name} changes all the time, so the request could not be written. Try again.")
    if not wait:
        return _unanswered(name, action, request)

    def answered(found: Object) -> Answer | None:
        given = status_of(found).request
        if given is None or given.id != request:
            return None
        return Answer(name, action, given.accepted, given.message, request)

    return await _wait(cluster, name, answered) or _unanswered(name, action, request)


async def _abort(cluster: Access, name: str, *, wait: bool) -> Answer:
    raw = await cluster.read(name)
    status = status_of(raw)
    value = abort_value(name, status)
    if value is None:
        return Answer(name, "abort", accepted=True, message="It is aborted already.")
    # Unfenced: the value itself names the attempt, and nothing that happens meanwhile may delay an abort.
    await cluster.annotate(raw, {ANNOTATION_ABORT: value}, fenced=False)
    if not wait:
        return _unanswered(name, "abort", value)

    def obeyed(found: Object) -> Answer | None:
        outcome = abort_outcome(value, status_of(found))
        return Answer(name, "abort", *outcome, id=value) if outcome else None

    return await _wait(cluster, name, obeyed) or _unanswered(name, "abort", value)


async def _wait(cluster: Access, name: str, read: Callable[[Object], T | None]) -> T | None:
    """Return what is read from the first object that says something, None when none does in time."""
    try:
        async with asyncio.timeout(PATIENCE), aclosing(cluster.changes(name)) as changes:
            async for found in changes:
                if found is not None and (answer := read(found)) is not None:
                    return answer
    except TimeoutError:
        pass
    return None


def _unanswered(name: str, action: str, request: str) -> Answer:
    message = f"Written, and not answered yet. `kubectl modelrollout status {name}` shows the answer."
    return Answer(name, action, accepted=None, message=message, id=request)


def _print(answer: Answer, *, as_json: bool, wait: bool) -> int:
    """Print an answer; the exit code is 1 for a refusal and for a silence that was not asked for."""
    if as_json:
        say(json.dumps(asdict(answer), ensure_ascii=False))
    elif answer.accepted is False:
        say(f"{answer.name}: {click.style(f'{answer.action} refused', fg='red')}. {answer.message}", err=True)
    elif answer.accepted is None and wait:
        text = (
            f"{answer.name}: {answer.action}: no answer within {PATIENCE:g} s. Does the operator run? {answer.message}"
        )
        say(click.style(text, fg="yellow"), err=True)
    else:
        say(f"{answer.name}: {answer.action}: {answer.message}")
    return 0 if answer.accepted or (answer.accepted is None and not wait) else 1
