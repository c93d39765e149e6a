"""Every fault at every write of one story, each in a forked copy of the world.

The story is played once; just before each write the process forks, and the copy goes on with a fault to its own end. So a
story with seventy writes costs half of what it costs to play it from the beginning for each of them. A copy ends where the
story's own part begins when the fault has left no trace until then.

Before that part stands what many stories share. Each of them breaks all of the installation and half of what comes after it,
each another half. Where all that happens until then is exactly what happens in an earlier story, a fault that left no trace there
leaves none here, and is not tried again.

Stories are read from standard input, one a line, and broken one after the other by one process: it imports everything once.
With ``--every-fault`` each write has all that can go wrong at it; without, one of that, and which depends on the story's name.
"""

import asyncio
import gc
import hashlib
import json
import os
import random
import signal
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import groupby

from modelrollout.errors import RolloutError
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.faults import Fault
from tests.sequences.ending import ending
from tests.sequences.scenario import FORGOT, ON_BEGIN, Scenario, approving, forget
from tests.sequences.scenarios import SCENARIOS
from tests.sequences.world import world

SHARED = 0.5
"""Of the faults between the installation and a story's own part so many are tried; which ones depends on its name."""
LIMIT = 1800
"""Seconds of real time after which a story, or a copy of its world, hangs and is killed."""
NO_TRACE = 3
"""How a copy exits whose fault has left no trace when the next part of the story begins."""


class Point(StrEnum):
    """What goes wrong at a write."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    STATUS_LOST = "status lost after"
    FROZEN_SHORT = "frozen for 4 s before"
    FROZEN_LONG = "frozen for 12 s before"


async def play(story: Scenario, cluster: Cluster) -> list[str]:
    """Play a story; return what went wrong."""
    wrong: list[str] = []
    try:
        with approving(cluster):
            await story.play(cluster)
    except (RolloutError, AssertionError) as exc:
        wrong.append(f"{type(exc).__name__}: {exc}")
    return [*wrong, *cluster.witness.broken]


def arm(cluster: Cluster, number: int, point: Point) -> None:
    """Have something go wrong at a write that is about to be tried, or will be."""
    match point:
        case Point.CRASH_BEFORE:
            cluster.faults.planned[number] = Fault.CRASH_BEFORE
        case Point.CRASH_AFTER:
            cluster.faults.planned[number] = Fault.CRASH_AFTER
        case Point.FROZEN_SHORT | Point.FROZEN_LONG:
            cluster.faults.planned[number] = Fault.FREEZE
            cluster.frozen_for = 4.0 if point is Point.FROZEN_SHORT else 12.0
        case Point.STATUS_LOST:
            cluster.agenda.after(0, partial(forget, cluster))


def differences(point: Point, cluster: Cluster, expected: Cluster) -> list[str]:
    """Return in what the world differs from the one without a fault."""
    history = point is not Point.STATUS_LOST
    is_there, should_be = ending(cluster, history=history), ending(expected, history=history)
    more = [f"+ {line}" for line in is_there if line not in should_be]
    return more + [f"- {line}" for line in should_be if line not in is_there]


@dataclass
class Rehearsal:
    """A story without faults.

    Attributes:
        cluster: its world.
        passes: in which pass each write is made.
        begins: the world where a part of the story that is its own begins.
        before: how many writes are made before each of them.
        courses: everything that happens before each of them, as a hash.
    """

    cluster: Cluster = field(default_factory=Cluster)
    passes: list[int] = field(default_factory=list)
    begins: list[str] = field(default_factory=list)
    before: list[int] = field(default_factory=list)
    courses: list[str] = field(default_factory=list)


async def rehearse(story: Scenario) -> Rehearsal:
    """Play a story without faults."""
    rehearsal = Rehearsal()
    cluster = rehearsal.cluster
    cluster.on_write = lambda _number: rehearsal.passes.append(id(cluster.replica) + cluster.replica.passes)

    def begin() -> None:
        rehearsal.begins.append(world(cluster))
        rehearsal.before.append(len(cluster.writes))
        rehearsal.courses.append(_course(cluster))

    ON_BEGIN[cluster] = begin
    wrong = await play(story, cluster)
    assert wrong == [], wrong
    return rehearsal


def points(passes: list[int]) -> Iterator[tuple[int, Point]]:
    """Yield every fault that differs from the others.

    A crash after a write that another one of the same pass follows is a crash before that one, and a status that is lost in
    the middle of a pass is lost at its end: the pass has read it long before.
    """
    for number in range(len(passes)):
        last = number + 1 == len(passes) or passes[number + 1] != passes[number]
        yield number, Point.CRASH_BEFORE
        yield number, Point.FROZEN_LONG if number % 2 else Point.FROZEN_SHORT
        if last:
            yield number, Point.CRASH_AFTER
            yield number, Point.STATUS_LOST


def chosen(name: str, rehearsal: Rehearsal, *, everything: bool) -> Iterator[tuple[int, Point]]:
    """Yield the faults to try: every write of the installation and of the story's own part, and every other one between them."""
    chance = random.Random(name)
    shared = range(rehearsal.before[0], rehearsal.before[-1]) if rehearsal.before else range(0)
    for number, found in groupby(points(rehearsal.passes), lambda one: one[0]):
        faults = [point for _, point in found]
        for point in faults if everything else [chance.choice(faults)]:
            if number not in shared or chance.random() < SHARED:
                yield number, point


Harmless = set[tuple[str, int, Point]]
"""Faults that left no trace: the course of the story until its next part begins, the number of the write, and the point."""


def break_everywhere(name: str, harmless: Harmless, *, everything: bool) -> int:
    """Break one story everywhere; print a line of JSON for each fault that does not end well.

    Returns in every copy of the world as well.

    Args:
        name: of the story.
        harmless: what earlier stories have found out, and to which this one adds.
        everything: all that can go wrong, at each write.

    Returns:
        How many faults were tried, here or in an earlier story.
    """
    story = SCENARIOS[name]
    rehearsal = asyncio.run(rehearse(story))
    todo = list(chosen(name, rehearsal, everything=everything))
    cluster = Cluster()
    forked: list[tuple[int, Point]] = []
    begun: list[None] = []
    parts: list[int] = []
    # A copy shares its memory with the original until one of them writes, and the garbage collector writes to all it looks at.
    gc.unfreeze()
    gc.collect()
    gc.freeze()

    def fork(number: int) -> None:
        for where, point in todo:
            course = rehearsal.courses[len(begun)] if len(begun) < len(rehearsal.courses) else ""
            if where == number and (course, number, point) not in harmless:
                child = os.fork()
                if child == 0:
                    gc.disable()
                    signal.alarm(LIMIT)
                    cluster.on_write = lambda _number: None
                    arm(cluster, number, point)
                    forked.append((number, point))
                    parts.append(len(begun))
                    return
                match os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
                    case 0:
                        pass
                    case code if code == NO_TRACE:
                        harmless.add((course, number, point))
                    case code:
                        _report(_where(name, number, point, cluster), [f"The copy of the world ended with {code}."])

    def begin() -> None:
        without = rehearsal.begins[len(begun)]
        begun.append(None)
        if forked and _has_happened(cluster, forked[0][1]) and not cluster.witness.broken and world(cluster) == without:
            os._exit(NO_TRACE if len(begun) == parts[0] + 1 else 0)

    cluster.on_write = fork
    ON_BEGIN[cluster] = begin
    wrong = asyncio.run(play(story, cluster))
    where = f"{name}: no fault at all"
    if forked:
        number, point = forked[0]
        where = _where(name, number, point, cluster)
        wrong += differences(point, cluster, rehearsal.cluster)
    if wrong:
        _report(where, wrong)
    return len(todo)


def main() -> None:
    """Break every story that is asked for; print how many faults each has, after what went wrong."""
    original = os.getpid()
    harmless: Harmless = set()
    everything = "--every-fault" in sys.argv
    for line in sys.stdin:
        name, faults = line.strip(), 0
        signal.alarm(LIMIT)
        try:
            faults = break_everywhere(name, harmless, everything=everything)
        except Exception:  # noqa: BLE001  # whatever it is, who asked must hear of it
            _report(name, [traceback.format_exc()])
        if os.getpid() != original:
            os._exit(0)
        print(json.dumps({"faults": faults}), flush=True)


def _course(cluster: Cluster) -> str:
    """Return a hash of everything that has happened, with its times and serials, and of what limits what can happen."""
    objects = json.dumps(list(cluster.store.all()), sort_keys=True, default=str)
    limits = f"rate {cluster.rate}, room {cluster.kubelet.room}, {cluster.limits}"
    return hashlib.sha256("\n".join([*cluster.log.lines, *cluster.writes, objects, limits]).encode()).hexdigest()


def _has_happened(cluster: Cluster, point: Point) -> bool:
    """A status is lost after the pass that is under way; everything else happens in the write."""
    return point is not Point.STATUS_LOST or cluster in FORGOT


def _where(name: str, number: int, point: Point, cluster: Cluster) -> str:
    return f"{name}: {point} write {number} ({cluster.log.plain(cluster.writes[number])})"


def _report(where: str, wrong: list[str]) -> None:
    print(json.dumps({"where": where, "wrong": wrong}), flush=True)


if __name__ == "__main__":
    main()
