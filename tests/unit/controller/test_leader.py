import asyncio
import itertools
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.controller.leader import Elector, Terms
from modelrollout.errors import ConflictError, UnavailableError
from tests.unit.controller.clock import now, run_virtually, seconds, virtual


class Leases:
    """One Lease in memory, with the API server's rules. A request may arrive late, or be carried out unheard."""

    def __init__(self):
        self.lease = None
        self.versions = itertools.count(1)
        self.writes = []

    async def get(self, kind, namespace, name):
        return self.lease

    async def put_lease(self, body):
        metadata = body["metadata"]
        current = self.lease["metadata"]["resourceVersion"] if self.lease else None
        if metadata.get("resourceVersion") != current:
            raise ConflictError("somebody was faster", 409)
        self.lease = {**body, "metadata": {**metadata, "resourceVersion": str(next(self.versions))}}
        self.writes.append((seconds(), body["spec"]["holderIdentity"]))
        return self.lease

    @property
    def holder(self):
        return self.lease["spec"]["holderIdentity"] if self.lease else None


class Broken:
    """Fails for a while."""

    def __init__(self, leases):
        self.leases, self.error = leases, None

    async def get(self, *what):
        if self.error == "hang":
            await asyncio.sleep(1000)
        if self.error:
            raise self.error
        return await self.leases.get(*what)

    async def put_lease(self, body):
        return await self.leases.put_lease(body)


def elector(leases, identity, **terms):
    return Elector(leases, Terms("n", "l", identity, **terms), seconds, now)


async def take_part(candidate):
    while True:
        await candidate.acquire()
        await candidate.hold()


@virtual
async def test_the_first_one_leads_and_the_second_waits():
    leases = Leases()
    a, b = elector(leases, "a"), elector(leases, "b")
    await a.acquire()
    assert (a.leads, await b.attempt()) == (True, False)
    assert leases.lease["spec"] == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-02T03:04:05.000000Z",
        "renewTime": "2026-01-02T03:04:05.000000Z",
        "leaseTransitions": 0,
    }


@virtual
async def test_a_leader_that_renews_leads_on():
    leases = Leases()
    a, b = elector(leases, "a"), elector(leases, "b")
    tasks = [asyncio.create_task(take_part(each)) for each in (a, b)]
    await asyncio.sleep(600)
    assert (a.leads, b.leads) == (True, False)
    assert {holder for _, holder in leases.writes} == {"a"}
    await cancel(tasks)


async def cancel(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@virtual
async def test_a_lease_that_was_given_up_is_taken_at_once():
    leases = Leases()
    a, b = elector(leases, "a"), elector(leases, "b")
    await a.acquire()
    waiting = asyncio.create_task(b.acquire())
    await asyncio.sleep(5)
    assert not b.leads
    await a.release()
    assert not a.leads
    await waiting
    assert seconds() <= 5 + 2.4
    assert (b.leads, leases.lease["spec"]["leaseTransitions"]) == (True, 1)


@virtual
async def test_a_lease_whose_holder_is_dead_is_taken_when_it_has_expired():
    leases = Leases()
    await elector(leases, "a").acquire()
    b = elector(leases, "b")
    await b.acquire()
    assert 15 < seconds() <= 15 + 2.4


@virtual
async def test_expiry_is_judged_by_our_own_clock_and_not_by_the_others():
    leases = Leases()
    await elector(leases, "a").acquire()
    leases.lease["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
    b = elector(leases, "b")
    assert not await b.attempt()
    await asyncio.sleep(14)
    assert not await b.attempt()


@pytest.mark.parametrize("fault", ["hang", UnavailableError("no answer")])
@virtual
async def test_a_leader_that_cannot_renew_stops_before_another_may_start(fault):
    leases = Leases()
    broken = Broken(leases)
    a, b = elector(broken, "a"), elector(leases, "b")
    await a.acquire()
    holding = asyncio.create_task(a.hold())
    waiting = asyncio.create_task(b.acquire())
    await asyncio.sleep(2.1)
    broken.error = fault
    last = leases.writes[-1][0]
    await asyncio.sleep(last + 9.9 - seconds())
    assert a.leads
    await asyncio.sleep(0.2)
    assert not a.leads
    await waiting
    assert seconds() > last + 15
    await holding


@virtual
async def test_a_fault_that_ends_in_time_costs_nothing():
    leases = Leases()
    broken = Broken(leases)
    a = elector(broken, "a")
    await a.acquire()
    holding = asyncio.create_task(a.hold())
    for _ in range(20):
        broken.error = UnavailableError("no answer")
        await asyncio.sleep(7)
        broken.error = None
        await asyncio.sleep(3)
        assert a.leads
    await cancel([holding])


@virtual
async def test_who_does_not_hold_the_lease_gives_up_nothing():
    leases = Leases()
    a, b = elector(leases, "a"), elector(leases, "b")
    await a.acquire()
    await b.release()
    assert leases.holder == "a"
    # a was frozen, and b has taken over since.
    await asyncio.sleep(1)
    leases.lease["spec"]["holderIdentity"] = "b"
    await a.release()
    assert leases.holder == "b"


@virtual
async def test_a_renewal_that_arrives_while_the_lease_is_given_up_does_not_keep_it():
    class Late(Leases):
        async def get(self, *what):
            found = self.lease
            if self.late:
                self.late = False
                await Leases.put_lease(self, found)
            return found

    leases = Late()
    leases.late = False
    a = elector(leases, "a")
    await a.acquire()
    leases.late = True
    await a.release()
    assert leases.holder == ""


@virtual
async def test_a_server_that_is_gone_does_not_keep_a_replica_from_ending():
    leases = Leases()
    broken = Broken(leases)
    a = elector(broken, "a")
    await a.acquire()
    broken.error = "hang"
    await a.release()
    assert seconds() <= 5


class Network:
    """Between one replica and the Lease: latency, lost requests, lost answers, and a process that stands still."""

    def __init__(self, leases, random, until):
        self.leases, self.random, self.until = leases, random, until
        self.frozen_until = self.weather_until = 0.0
        self.weather = ()

    async def get(self, *what):
        return await self._send(lambda: self.leases.get(*what))

    async def put_lease(self, body):
        return await self._send(lambda: self.leases.put_lease(body))

    async def sleep(self, span):
        await asyncio.sleep(span)
        await self._thaw()

    async def _send(self, call):
        calm = seconds() > self.until
        there, back = (0.01, 0.01) if calm else (self._latency(), self._latency())
        if not calm and seconds() >= self.weather_until:
            self.weather_until = seconds() + self.random.choice([3, 8, 16, 25])
            self.weather = self.random.choice([("ok",), ("ok", "ok", "lost", "unheard", "frozen"), ("lost",)])
        fate = "ok" if calm else self.random.choice(self.weather)
        if fate == "frozen":
            self.frozen_until = seconds() + self.random.choice([1, 9, 14, 20, 40])
        if fate == "lost":
            await asyncio.sleep(there)
            await self._thaw()
            raise UnavailableError("no answer")
        # Once sent, it arrives, whether or not somebody still waits for the answer.
        arrival = asyncio.ensure_future(self._arrive(there, call))
        arrival.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            result = await asyncio.shield(arrival)
            await asyncio.sleep(back)
        finally:
            await self._thaw()
        if fate == "unheard":
            raise UnavailableError("the connection failed")
        return result

    async def _arrive(self, there, call):
        await asyncio.sleep(there)
        return await call()

    async def _thaw(self):
        # A process that stands still notices its time-outs only afterwards, too.
        if (rest := self.frozen_until - seconds()) > 0:
            await asyncio.sleep(rest)
            await self._thaw()

    def _latency(self):
        return self.random.choice([0.001, 0.01, 0.3, 2.0, 4.9, 12.0])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 3))
def test_there_are_never_two_leaders_and_in_calm_times_there_is_one(seed, count):
    # Not Hypothesis' own random numbers: it prefers simple ones, and simple weather is good weather.
    random = Random(seed)

    async def story():
        leases = Leases()
        electors = []
        for number in range(count):
            rate, offset = random.choice([0.98, 1.0, 1.02]), random.uniform(0, 1e6)
            network = Network(leases, random, until=80.0)
            electors.append(
                Elector(
                    network,
                    Terms("n", "l", f"replica-{number}", duration=11.0),
                    lambda rate=rate, offset=offset: offset + rate * seconds(),
                    now,
                    network.sleep,
                )
            )
        tasks = [asyncio.create_task(take_part(each)) for each in electors]
        while seconds() < 130:
            await asyncio.sleep(0.2)
            assert sum(each.leads for each in electors) <= 1, leases.writes
        assert sum(each.leads for each in electors) == 1
        assert not [task for task in tasks if task.done()]
        await cancel(tasks)

    run_virtually(story())
