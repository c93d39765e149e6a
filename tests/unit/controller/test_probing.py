"""Pinned requests in the background, on virtual time."""

import asyncio
import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.controller import probing
from modelrollout.controller.probing import AT_ONCE, LARGE, Prober
from modelrollout.domain.golden import Answer, GoldenWants, Target
from modelrollout.engine.examples import read_examples
from modelrollout.errors import SourceError, UnavailableError
from tests.unit.controller.clock import now, seconds, virtual

KEY = ("n", "d")
POD, OTHER = Target("u1", "d-x-1", "10.0.0.1"), Target("u2", "d-x-2", "10.0.0.2")
WANTS = GoldenWants("q1", "n", "golden", (POD,), 8080, timedelta(seconds=10))


def example(number):
    return json.dumps({"request": {"path": f"/{number}"}, "expect": {"path": "got", "equals": number}})


def data(count):
    return {f"e{number}": example(number) for number in range(count)}


class World:
    """Pods that answer as told, a ConfigMap, and a prober that wakes nobody but this world."""

    def __init__(self, examples=3, **options):
        self.data = data(examples)
        self.down = False
        self.reads, self.sent, self.woken = [], [], []
        self.takes = lambda _address, _count: 0.01
        self.answer = lambda number: number
        self.hanging = set()
        self.prober = Prober(self, self, now, self.wake, **options)

    def wake(self, key):
        self.woken.append(seconds())

    async def get(self, kind, namespace, name):
        self.reads.append((kind, namespace, name))
        if self.down:
            raise UnavailableError("no answer from 10.1.2.3:443")
        metadata = {"uid": "u", "resourceVersion": str(self.data)}
        return None if self.data is None else {"metadata": metadata, "data": self.data}

    async def probe(self, address, port, sent, limit):
        self.sent.append((address, sent.path))
        number = int(sent.path[1:])
        took = self.takes(address, len(self.sent))
        if number in self.hanging or took > limit.total_seconds():
            await asyncio.sleep(limit.total_seconds())
            raise SourceError("no answer within 10s")
        await asyncio.sleep(took)
        return Answer(200, json.dumps({"got": self.answer(number)}).encode(), took)

    @property
    def probes(self):
        return self.prober.probed(KEY)

    def want(self, **changes):
        self.prober.want(KEY, replace(WANTS, **changes))


async def end(world):
    world.prober.stop()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1


@virtual
async def test_each_example_is_sent_once_and_the_pods_take_turns():
    world = World(4)
    world.want(pods=(POD, OTHER))
    await asyncio.sleep(60)
    assert world.sent == [("10.0.0.1", "/0"), ("10.0.0.2", "/1"), ("10.0.0.1", "/2"), ("10.0.0.2", "/3")]
    assert [(result.name, result.ok) for result in world.probes.results] == [(f"e{n}", True) for n in range(4)]
    assert world.probes.total == 4
    assert world.reads == [("ConfigMap", "n", "golden")]
    await end(world)


@virtual
async def test_after_one_failure_too_many_nothing_more_is_sent_and_it_is_told_at_once():
    world = World(9)
    world.takes = lambda _address, _count: 5.0
    world.answer = lambda number: -1 if number == 1 else number
    world.want()
    await asyncio.sleep(60)
    assert [path for _, path in world.sent] == ["/0", "/1"]
    assert [result.words() for result in world.probes.failed] == ["example e1: expected 1, got -1"]
    assert world.woken[-1] == pytest.approx(10.0)
    await end(world)


@virtual
async def test_failures_that_are_allowed_stop_nothing():
    world = World(3)
    world.answer = lambda _number: -1
    world.want(failures=3)
    await asyncio.sleep(5)
    assert len(world.probes.failed) == 3
    await end(world)


@virtual
async def test_what_is_not_answered_is_asked_again_and_the_rest_meanwhile():
    world = World(3)
    world.hanging = {1}
    world.want()
    await asyncio.sleep(11)
    assert [result.name for result in world.probes.results] == ["e0", "e2"]
    assert world.probes.silent == "example e1: no answer within 10s"
    world.hanging = set()
    await asyncio.sleep(15)
    assert len(world.probes.results) == 3
    assert world.probes.silent == ""
    assert [path for _, path in world.sent].count("/0") == 1
    await end(world)


@virtual
async def test_a_slow_model_delays_nobody_who_reads():
    """Whoever wants something else gets it at once, in the middle of a request that hangs."""
    world = World(50)
    world.hanging = set(range(50))
    world.want(timeout=timedelta(minutes=10))
    await asyncio.sleep(100)
    before = seconds()
    assert world.probes.results == ()
    world.prober.want(KEY, None)
    assert seconds() == before
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
    assert len(world.sent) == 1


@virtual
async def test_another_question_does_not_wait_for_the_answer_to_the_last_one():
    world = World(2)
    world.hanging = {0}
    world.want(timeout=timedelta(minutes=10))
    await asyncio.sleep(5)
    world.hanging = set()
    world.want(question="q2")
    await asyncio.sleep(1)
    assert (world.probes.question, len(world.probes.results)) == ("q2", 2)
    await end(world)


@virtual
async def test_a_config_map_is_read_again_until_it_is_right():
    world = World(1)
    world.data = None
    world.want()
    await asyncio.sleep(1)
    assert (world.probes.problem, world.probes.total) == ("ConfigMap golden does not exist", 0)
    world.data = {"seven": "{}"}
    await asyncio.sleep(3)
    assert world.probes.problem == "ConfigMap golden: example seven: request is missing"
    world.data = data(1)
    await asyncio.sleep(3)
    assert (world.probes.problem, len(world.probes.results)) == ("", 1)
    await end(world)


@virtual
async def test_a_config_map_that_has_not_changed_is_not_parsed_again(monkeypatch):
    parsed = []

    def count(found):
        parsed.append(found)
        return read_examples(found)

    monkeypatch.setattr(probing, "read_examples", count)
    world = World(1)
    world.data = {"seven": "{}"}
    world.want()
    await asyncio.sleep(60)
    assert (len(parsed), world.probes.total) == (1, 0)
    world.data = data(2)
    await asyncio.sleep(5)
    world.want(question="q2")
    await asyncio.sleep(5)
    assert (len(parsed), len(world.probes.results)) == (2, 2)
    assert len(world.reads) > 20
    await end(world)


async def test_many_examples_are_read_while_others_work(monkeypatch):
    """On a real clock: what takes its time is done in a thread."""
    world = World(20, background=False)
    assert sum(map(len, world.data.values())) < LARGE
    monkeypatch.setattr(probing, "LARGE", 10)
    ended = []

    def slow(found):
        ended.append(threading.current_thread() is not threading.main_thread())
        return read_examples(found)

    monkeypatch.setattr(probing, "read_examples", slow)
    world.takes = lambda _address, _count: 0.0
    world.want()
    await world.prober.probe(KEY)
    assert ended == [True]
    assert len(world.probes.results) == 20


@virtual
async def test_an_api_server_that_does_not_answer_is_told_in_words_that_stay_the_same():
    world = World(1)
    world.down = True
    world.want()
    await asyncio.sleep(60)
    assert world.probes.problem == "ConfigMap golden cannot be read"
    assert len(world.woken) == 1
    await end(world)


@virtual
async def test_progress_wakes_now_and_then_and_not_at_each_answer():
    world = World(50)
    world.takes = lambda _address, _count: 1.0
    world.want()
    await asyncio.sleep(60)
    assert len(world.probes.results) == 50
    assert 3 <= len(world.woken) <= 8
    await end(world)


@virtual
async def test_pods_that_are_gone_get_nothing_more():
    world = World(4)
    world.takes = lambda _address, _count: 1.0
    world.want(pods=(POD,))
    await asyncio.sleep(1.5)
    world.want(pods=(OTHER,))
    await asyncio.sleep(10)
    assert [address for address, _ in world.sent] == ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2"]
    await end(world)


class TestWarmUp:
    @virtual
    async def test_a_pod_is_warm_once_its_latency_is_steady(self):
        world = World(1)
        world.takes = lambda _address, count: max(0.1, 3.0 - 0.2 * count)
        world.want(examples=False, warm_up=100)
        await asyncio.sleep(60)
        assert world.probes.warm == {"u1"}
        # The fifteenth is the first that takes no less than the one before; by then the last five hardly differ.
        assert 15 <= len(world.sent) <= 25
        await end(world)

    @virtual
    async def test_a_pod_that_never_gets_steady_has_all_its_requests_and_no_more(self):
        world = World(2)
        world.takes = lambda _address, count: 0.1 if count // 5 % 2 else 0.9
        world.want(examples=False, warm_up=30)
        await asyncio.sleep(120)
        assert world.probes.warm == {"u1"}
        assert len(world.sent) == 30
        assert {path for _, path in world.sent} == {"/0", "/1"}
        await end(world)

    @virtual
    async def test_pods_are_warmed_side_by_side(self):
        world = World(1)
        world.takes = lambda _address, _count: 1.0
        world.want(examples=False, warm_up=100, pods=(POD, OTHER))
        await asyncio.sleep(10.5)
        assert world.probes.warm == {"u1", "u2"}
        assert len(world.sent) == 20
        await end(world)

    @virtual
    async def test_a_wrong_answer_warms_as_well_as_a_right_one(self):
        world = World(1)
        world.answer = lambda _number: -1
        world.want(examples=False, warm_up=100)
        await asyncio.sleep(5)
        assert world.probes.warm == {"u1"}
        assert world.probes.results == ()
        await end(world)

    @virtual
    async def test_examples_come_first_and_a_candidate_that_fails_them_is_not_warmed(self):
        world = World(2)
        world.answer = lambda _number: -1
        world.want(warm_up=100)
        await asyncio.sleep(60)
        assert len(world.sent) == 1
        assert world.probes.warm == frozenset()
        await end(world)

    @virtual
    async def test_a_pod_that_does_not_answer_is_not_warm_until_its_requests_are_used_up(self):
        world = World(1)
        world.hanging = {0}
        world.want(examples=False, warm_up=10, timeout=timedelta(seconds=10))
        await asyncio.sleep(60)
        assert world.probes.warm == frozenset()
        assert world.probes.silent == "example e0: no answer within 10s"
        await asyncio.sleep(120)
        assert world.probes.warm == {"u1"}
        await end(world)

    @virtual
    async def test_a_warm_pod_stays_so_for_the_next_question_and_a_new_one_is_not(self):
        world = World(1)
        world.want(examples=False, warm_up=100)
        await asyncio.sleep(5)
        world.want(question="q2", examples=False, warm_up=100, pods=(POD, OTHER))
        assert world.probes.warm == {"u1"}
        await asyncio.sleep(5)
        assert world.probes.warm == {"u1", "u2"}
        assert [address for address, _ in world.sent].count("10.0.0.1") == 10
        await end(world)


@virtual
async def test_there_is_a_limit_to_what_runs_at_the_same_time():
    running, most = 0, 0
    world = World(1)
    send = world.probe

    async def counted(*asked):
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await send(*asked)
        finally:
            running -= 1

    world.probe = counted
    world.takes = lambda _address, _count: 1.0
    pods = tuple(Target(f"u{number}", f"p{number}", f"10.0.1.{number}") for number in range(3 * AT_ONCE))
    world.want(examples=False, warm_up=100, pods=pods)
    await asyncio.sleep(60)
    assert world.probes.warm == {pod.uid for pod in pods}
    assert most == AT_ONCE
    await end(world)


@virtual
async def test_a_bug_does_not_end_the_probing(caplog):
    world = World(1)
    world.answer = lambda _number: 1 / 0
    world.want()
    await asyncio.sleep(5)
    assert "a probe failed" in caplog.text
    world.answer = lambda number: number
    await asyncio.sleep(5)
    assert len(world.probes.results) == 1
    await end(world)


@virtual
async def test_what_is_gone_is_forgotten_and_after_the_stop_nothing_starts():
    world = World(1)
    world.want()
    await asyncio.sleep(1)
    world.prober.forget(KEY)
    assert (world.probes, world.prober.wants(KEY)) == (None, None)
    world.prober.stop()
    world.want()
    sent = len(world.sent)
    await asyncio.sleep(60)
    assert len(world.sent) == sent
    assert len(asyncio.all_tasks()) == 1
