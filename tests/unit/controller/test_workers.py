import asyncio
import logging
from datetime import timedelta

import pytest

from modelrollout.controller.queue import KeyedQueue
from modelrollout.controller.telemetry import Telemetry
from modelrollout.controller.workers import Workers
from modelrollout.errors import ConflictError, UnavailableError
from tests.unit.controller.clock import now, seconds, virtual

A, B, C = ("n", "a"), ("n", "b"), ("n", "c")


class World:
    """Reconciles as told, and keeps who ran when."""

    def __init__(self, act=None):
        self.act = act or self.nothing
        self.runs = []
        self.running, self.most = [], 0
        self.telemetry = Telemetry()
        self.workers = Workers(KeyedQueue(), now, self.telemetry)

    async def nothing(self, key, number):
        return None

    async def reconcile(self, key):
        assert key not in self.running, "one run for each key"
        self.running.append(key)
        self.most = max(self.most, len(self.running))
        self.runs.append((key, seconds()))
        try:
            return await self.act(key, sum(run[0] == key for run in self.runs))
        finally:
            self.running.remove(key)

    async def work(self, *keys, until=1000.0, count=4):
        for key in keys:
            self.workers.wake(key)
        task = asyncio.create_task(self.workers.run(self.reconcile, count))
        await asyncio.sleep(until)
        self.workers.stop()
        await task
        return self.runs

    def result(self, name):
        return self.telemetry.registry.get_sample_value("modelrollout_reconciles_total", {"result": name})


@virtual
async def test_each_key_is_worked_on():
    assert await World().work(A, B, A) == [(A, 0.0), (B, 0.0)]


@virtual
async def test_a_key_is_looked_at_again_when_it_is_due():
    async def act(key, number):
        return now() + timedelta(seconds=30) if number < 3 else None

    assert [when for _, when in await World(act).work(A)] == pytest.approx([0, 30, 60])


@virtual
async def test_a_wake_in_the_middle_of_a_pass_leads_to_one_more():
    async def act(key, number):
        if number == 1:
            world.workers.wake(A)
            await asyncio.sleep(5)

    world = World(act)
    assert [when for _, when in await world.work(A)] == pytest.approx([0, 5])


@virtual
async def test_so_many_run_at_once_and_no_more():
    async def act(key, number):
        await asyncio.sleep(10)

    world = World(act)
    assert [when for _, when in await world.work(A, B, C, count=2)] == pytest.approx([0, 0, 10])
    assert world.most == 2


@virtual
async def test_while_all_are_busy_a_due_key_waits_without_keeping_the_loop_busy():
    async def act(key, number):
        if key == A and number == 1:
            return now() + timedelta(seconds=1)
        await asyncio.sleep(60)
        return None

    assert await World(act).work(A, B, count=1) == [(A, 0.0), (B, 0.0), (A, pytest.approx(60))]


@virtual
async def test_a_pass_that_fails_is_repeated_later_and_later():
    async def act(key, number):
        if number <= 4:
            raise UnavailableError("no answer", 503)

    world = World(act)
    assert [when for _, when in await world.work(A)] == pytest.approx([0, 0.5, 1.5, 3.5, 7.5])
    assert (world.result("UnavailableError"), world.result("ok")) == (4, 1)


@virtual
async def test_the_server_is_not_asked_again_sooner_than_it_said():
    async def act(key, number):
        if number == 1:
            raise UnavailableError("too many", 429, retry_after=20)

    assert [when for _, when in await World(act).work(A)] == pytest.approx([0, 20])


@virtual
async def test_a_bug_in_one_pass_stops_nobody_else(caplog):
    async def act(key, number):
        if key == A and number == 1:
            raise ZeroDivisionError

    runs = await World(act).work(A, B)
    assert [key for key, _ in runs] == [A, B, A]
    record = next(record for record in caplog.records if record.exc_info)
    assert (record.levelno, record.modeldeployment) == (logging.ERROR, "a")


@virtual
async def test_a_conflict_is_ordinary_and_told_to_nobody(caplog):
    async def act(key, number):
        if number == 1:
            raise ConflictError("changed meanwhile", 409)

    assert len(await World(act).work(A)) == 2
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]


@virtual
async def test_after_a_stop_what_runs_may_end_and_nothing_begins():
    async def act(key, number):
        await asyncio.sleep(10)
        ended.append(key)

    ended = []
    world = World(act)
    await world.work(A, B, until=5.0, count=1)
    assert ended == [A]
    assert seconds() == pytest.approx(10)
    assert world.workers._queue.depth == 1


@virtual
async def test_workers_that_are_cancelled_take_their_passes_with_them():
    async def act(key, number):
        await asyncio.sleep(10)
        ended.append(key)

    ended = []
    world = World(act)
    world.workers.wake(A)
    task = asyncio.create_task(world.workers.run(world.reconcile, 4))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait({task})
    await asyncio.sleep(60)
    assert ended == []
