import asyncio
import contextlib
import json
import signal
import sys
from io import StringIO

import pytest
from rich.console import Console

from modelrollout.cli.access import NotThereError
from modelrollout.cli.view import view
from modelrollout.cli.watch import _draw, drawing, line
from tests.unit.cli.states import DEPLOYMENTS, NOW, ROLLOUT, SNAPSHOTS, aborted, finished, progressing, route, thing


@contextlib.asynccontextmanager
async def watching(cluster, *words):
    """A watch in a process of its own, which has printed its first line."""
    # A shell that runs the tests in the background has them ignore ctrl-C, and a child would inherit that.
    command = [sys.executable, "-m", "modelrollout", "watch", "digits", "--kubeconfig", cluster.kubeconfig, *words]
    process = await asyncio.create_subprocess_exec(
        *["env", "--default-signal=INT", *command],
        env={"PYTHONPATH": "operator", "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def next_line(process):
    async with asyncio.timeout(30):
        return (await process.stdout.readline()).decode()


async def test_each_change_is_a_line_and_ready_is_the_end(cluster):
    cluster.world.put(thing(progressing()))
    async with watching(cluster) as process:
        first = await next_line(process)
        assert first[9:] == (
            "digits: Progressing, step 1/3 (2 of 6), weight 25 % asked, verified on every router. "
            "step 1/3 holds until 12:01:12 UTC\n"
        )
        cluster.world.set_status(progressing(**route(50, verified=False)))
        assert "weight 50 % asked, not verified yet" in await next_line(process)
        cluster.world.set_status(finished())
        assert "digits: Ready. " in await next_line(process)
        assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_stalled_is_an_end_that_is_no_success(cluster):
    cluster.world.put(thing(aborted()))
    result = await cluster.run("watch", "digits")
    assert result.exit_code == 1
    assert "digits: Aborted. GateFailed" in result.stdout
    assert len(result.stdout.splitlines()) == 1


async def test_lines_of_json(cluster):
    cluster.world.put(thing(finished()))
    result = await cluster.run("watch", "digits", "-o", "json")
    assert result.exit_code == 0
    assert [json.loads(one)["phase"] for one in result.stdout.splitlines()] == ["Ready"]


async def test_a_watch_that_breaks_is_begun_again(cluster):
    cluster.world.put(thing(progressing()))
    cluster.world.drop_watches = 2
    async with watching(cluster) as process:
        await next_line(process)
        await asyncio.wait_for(cluster.world.watched.wait(), 30)
        cluster.world.set_status(finished())
        assert "digits: Ready" in await next_line(process)


async def test_an_object_that_is_deleted_ends_it(cluster):
    cluster.world.put(thing(progressing()))
    async with watching(cluster) as process:
        await next_line(process)
        cluster.world.remove()
        assert await asyncio.wait_for(process.wait(), 30) == 1
        assert b"Error: ModelDeployment digits was deleted." in await process.stderr.read()


async def test_ctrl_c_ends_the_view_and_not_the_rollout(cluster):
    cluster.world.put(thing(progressing()))
    async with watching(cluster) as process:
        await next_line(process)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 30) == 130
        assert await process.stderr.read() == b"Not watching any more; the rollout goes on.\n"
        assert cluster.world.patches == []


async def test_a_reader_that_has_seen_enough_ends_it_without_a_traceback(cluster):
    cluster.world.put(thing(progressing()))
    async with watching(cluster) as process:
        await next_line(process)
        process.stdout._transport.close()
        cluster.world.set_status(progressing(message="more"))
        await asyncio.wait_for(process.wait(), 30)
        assert await process.stderr.read() == b""


def drawn(raw, **more):
    console = Console(file=StringIO(), width=100, force_terminal=False)
    console.print(drawing(view(raw, DEPLOYMENTS, SNAPSHOTS), NOW, **more))
    return console.file.getvalue()


def test_bars_stand_below_the_picture():
    lines = drawn(thing(progressing())).splitlines()
    assert lines[0] == "digits in team: Progressing"
    bars = {words[0]: (one.count("━"), " ".join(words[2:])) for one in lines[-3:] if (words := one.split())}
    assert bars["weight"] == (10, "25 % verified")
    assert bars["hold"] == (16, "48s of 2m")
    assert bars["stages"][1] == "2 of 6"


def test_what_is_over_has_no_bars():
    assert "━" not in drawn(thing(finished()))


def test_an_old_picture_says_that_it_is_old():
    assert drawn(thing(finished()), silent=True).endswith("The API server does not answer; trying again.\n")


async def test_on_a_terminal_the_last_picture_stays():
    console = Console(file=StringIO(), width=100, height=60, force_terminal=True, legacy_windows=False)

    async def coming():
        yield view(thing(progressing()), DEPLOYMENTS, SNAPSHOTS)
        yield None
        yield view(thing(finished()), DEPLOYMENTS, SNAPSHOTS)

    last = await _draw(coming(), console)
    assert last is not None
    assert last.settled() == "Ready"
    assert "Completed" in console.file.getvalue()


async def test_an_error_ends_the_drawing():
    async def coming():
        yield view(thing(progressing()), DEPLOYMENTS, SNAPSHOTS)
        raise NotThereError("digits was deleted.")

    with pytest.raises(NotThereError):
        await _draw(coming(), Console(file=StringIO(), width=100, height=60, force_terminal=True))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (thing(None), "digits: Unknown."),
        (
            thing(progressing(phase="Aborting", message="", rollout={**ROLLOUT, "state": "Aborting"}, **route(0))),
            "digits: Aborting, going home (2 of 6), weight 0 % asked, verified on every router. ",
        ),
    ],
)
def test_a_view_in_one_line(raw, text):
    assert line(view(raw, (), ())) == text


def test_a_drawing_shows_evidence_too():
    evidence = {"against": 0.4, "within": 2.4, "candidate": 0.006, "stable": 0.005, "requests": 1240}
    gates = [{"name": "errors", "verdict": "Undecided", "state": "Value", "evidence": evidence}]
    raw = thing(progressing(rollout={**ROLLOUT, "gates": gates}))
    console = Console(file=StringIO(), width=200)
    console.print(drawing(view(raw, DEPLOYMENTS, SNAPSHOTS), NOW))
    assert "rollback ░░░░░|  0.4 of 3.0   pass ████░|  2.4 of 3.0" in console.file.getvalue()
