"""Every fault at every write of one story, each in a forked copy of the world.

The story is played once; just before each write the process forks, and the copy goes on with a fault to its own end. So a
story with seventy writes costs half of what it costs to play it from the beginning for each of them.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from enum import StrEnum

from modelrollout.errors import RolloutError
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.faults import Fault
from tests.sequences.ending import ending
from tests.sequences.scenario import BEGINS, Scenario, approving
from tests.sequences.scenarios import SCENARIOS


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
            cluster.agenda.after(0, cluster.person.lose_status)


def judge(story: Scenario, point: Point, cluster: Cluster, expected: Cluster, wrong: list[str]) -> list[str]:
    """Return everything that must not be so after a story with a fault."""
    if story.forgets and point is Point.STATUS_LOST:
        return list(cluster.witness.broken)
    return wrong + differences(point, cluster, expected)


def differences(point: Point, cluster: Cluster, expected: Cluster) -> list[str]:
    """Return in what the world differs from the one without a fault."""
    history = point is not Point.STATUS_LOST
    is_there, should_be = ending(cluster, history=history), ending(expected, history=history)
    more = [f"+ {line}" for line in is_there if line not in should_be]
    return more + [f"- {line}" for line in should_be if line not in is_there]


async def rehearse(story: Scenario) -> tuple[Cluster, list[int]]:
    """Play a story without faults; return its world, and the pass of each write."""
    cluster, passes = Cluster(), []
    cluster.on_write = lambda _number: passes.append(id(cluster.replica) + cluster.replica.passes)
    wrong = await play(story, cluster)
    assert wrong == [], wrong
    return cluster, passes


def points(passes: list[int], begins: int) -> Iterator[tuple[int, Point]]:
    """Yield every fault that differs from the others.

    A crash after a write that another one of the same pass follows is a crash before that one, and a status that is lost in
    the middle of a pass is lost at its end: the pass has read it long before.
    """
    for number in range(begins, len(passes)):
        last = number + 1 == len(passes) or passes[number + 1] != passes[number]
        yield number, Point.CRASH_BEFORE
        yield number, Point.FROZEN_LONG if number % 2 else Point.FROZEN_SHORT
        if last:
            yield number, Point.CRASH_AFTER
            yield number, Point.STATUS_LOST


def main(name: str) -> int:
    """Break one story everywhere; print a line of JSON for each fault that does not end well."""
    story = SCENARIOS[name]
    expected, passes = asyncio.run(rehearse(story))
    todo = list(points(passes, BEGINS.get(expected, 0)))
    cluster = Cluster()
    forked: list[tuple[int, Point]] = []

    def fork(number: int) -> None:
        for where, point in todo:
            if where == number:
                child = os.fork()
                if child == 0:
                    cluster.on_write = lambda _number: None
                    arm(cluster, number, point)
                    forked.append((number, point))
                    return
                os.waitpid(child, 0)

    cluster.on_write = fork
    wrong = asyncio.run(play(story, cluster))
    if forked:
        wrong = judge(story, forked[0][1], cluster, expected, wrong)
    if wrong:
        number, point = forked[0] if forked else (0, "no fault at all, and")
        where = f"{name}: {point} write {number} ({cluster.log.plain(cluster.writes[number])})"
        print(json.dumps({"where": where, "wrong": wrong}), flush=True)
    if forked:
        os._exit(0)
    print(json.dumps({"faults": len(todo)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
