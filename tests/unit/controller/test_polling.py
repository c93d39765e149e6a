import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest

from modelrollout.adapters.reading import read_pod
from modelrollout.controller.polling import QUERIES_AT_ONCE, Poller
from modelrollout.domain.reading import Key, Sample, State
from modelrollout.domain.route import Arm, Route, RouteAsk
from modelrollout.domain.status import Status
from modelrollout.domain.verdict import Mode
from modelrollout.engine.wants import Against, AnalysisWants, Comparison, MetricWants, RouterWants, Wants
from modelrollout.errors import SourceError
from modelrollout.judges.compare import PLUGIN as COMPARE
from modelrollout.judges.compare import CompareConfig
from modelrollout.routers._base import Report
from modelrollout.sources._base import Fetch, Measured, Origin, Scope
from modelrollout.sources._selectors import MARKER
from modelrollout.sources.prometheus import PLUGIN as PROMETHEUS
from modelrollout.sources.prometheus import PrometheusConfig
from modelrollout.sources.router import PLUGIN as SIGNALS
from modelrollout.sources.router import RouterConfig, Signal
from tests.unit.controller.clock import EPOCH, now, seconds, virtual

KEY = ("n", "d")
NOTHING = Wants()


def route(serial=1, *, clusters=("a", "b"), **status):
    ask = RouteAsk(serial=serial, route=Route(arms=(Arm(revision="a", weight=100),)), clusters=clusters)
    return Status(route=ask, **status)


class FakeRouter:
    """Its status page is ``version``, or ``version cluster=requests``: so many are in flight, and as many were sent."""

    status_port, status_path = 9901, "/status"

    def parse(self, text):
        version, *active = text.split()
        pairs = (pair.split("=") for pair in active)
        numbers = {name: int(count) for name, count in pairs}
        return Report(version, active=numbers, tries=numbers)


ROUTER = FakeRouter()


class Gauge:
    """A number from Prometheus."""

    def counts(self, config):
        return False

    def errors(self, config):
        return False

    def fetch(self, config, scope):
        return Fetch(Origin.PROMETHEUS, config)

    def parse(self, config, scope, answers, at):
        return Sample(at, gauge=float(answers[""]))


class Requests:
    """A counter from the routers: the length of their pages."""

    def counts(self, config):
        return True

    def errors(self, config):
        return False

    def fetch(self, config, scope):
        return Fetch(Origin.ROUTERS)

    def parse(self, config, scope, answers, at):
        counters = {Key(scope.arm, pod, "total"): float(len(page)) for pod, page in answers.items()}
        return Sample(at, counters)

    def measure(self, config, increments, seconds):
        total = round(increments.get("total", 0))
        return Measured(1.0 if total else None, total)


class Predictions(Requests):
    """The same from the collectors, with something to show."""

    def fetch(self, config, scope):
        return Fetch(Origin.COLLECTORS)

    def parse(self, config, scope, answers, at):
        shown = {"examples": sorted(answers.values())} if any(answers.values()) else {}
        return replace(super().parse(config, scope, answers, at), details=shown)


JUDGE = SimpleNamespace(min_requests=lambda config: 1, weighs=lambda config: False)
QUERY = MetricWants("query", Gauge(), "up", JUDGE, None)
COUNT = MetricWants("count", Requests(), None, JUDGE, None)
PREDICTED = MetricWants("predicted", Predictions(), None, JUDGE, None)
COMPARED = MetricWants("errors", SIGNALS, RouterConfig(signal=Signal.ERROR_RATE), COMPARE, CompareConfig())
PAIR = {"bad": 'failed{pod=~"$pods"}', "total": 'requests{pod=~"$pods"}'}
SCRAPED = replace(COMPARED, source=PROMETHEUS, source_config=PrometheusConfig.model_validate({"counters": PAIR}))
SCOPE = Scope("n", "d", "b", "b", "a", ("pb",), ("pa",))


def measure(*metrics, epoch="1", interval=1.0, not_before=EPOCH, attempt="b/1"):
    comparison = Comparison(attempt, "10/0/True", Against.STABLE, 10, 0.05, 0.05, "")
    return AnalysisWants(epoch, timedelta(seconds=interval), not_before, SCOPE, comparison, ROUTER, metrics)


class World:
    """Routers and a Prometheus that answer as told, a poller, and passes that only count."""

    def __init__(self, **options):
        self.page, self.number = "1-x", 1.0
        self.collected = "1"
        self.answer = lambda: self.number
        self.hang_prometheus = self.hang_routers = self.hang_collectors = False
        self.hangs = ""
        self.asked, self.queries, self.collections = [], [], []
        self.woken, self.told = [], Counter()
        self.pods = [router_pod("r1")]
        self.poller = Poller(self, self, now, self.wake, lambda *what: self.told.update([what]), **options)

    def wake(self, key):
        self.woken.append((key, seconds()))

    def of(self, namespace, name):
        return [read_pod(raw) for raw in self.pods]

    async def router_status(self, address, port, path):
        self.asked.append((address, seconds()))
        assert (port, path) == (9901, "/status")
        if self.hang_routers:
            await asyncio.sleep(1)
            raise SourceError("Asking a router's status page: no answer within 1 s.")
        await asyncio.sleep(0.001)
        return self.page() if callable(self.page) else self.page

    async def predictions(self, address, port):
        self.collections.append((address, seconds()))
        assert port == 9901
        if self.hang_collectors:
            await asyncio.sleep(1)
            raise SourceError("Asking the collector in a router's pod: no answer within 1 s.")
        await asyncio.sleep(0.001)
        return self.collected

    async def prometheus(self, query):
        self.queries.append((query, seconds()))
        if self.hang_prometheus or query == self.hangs:
            await asyncio.sleep(5)
            raise SourceError("Asking Prometheus: no answer within 5 s.")
        await asyncio.sleep(0.001)
        return self.answer()

    def want(self, *, fast=None, analysis=None, status=None, key=KEY):
        routers = None if fast is None else RouterWants(ROUTER, fast=fast)
        self.poller.want(key, Wants(routers, analysis), status or route())

    def readings(self, key=KEY):
        return self.poller.polled(key).readings

    def routers(self, key=KEY):
        return self.poller.polled(key).routers


def router_pod(name, *, address="10.0.0.1", component="router", phase="Running"):
    return {
        "metadata": {
            "name": name,
            "namespace": "n",
            "uid": f"uid-{name}",
            "labels": {"modelrollout.dev/component": component, "modelrollout.dev/name": "d"},
        },
        "status": {
            "phase": phase,
            **({"podIP": address} if address else {}),
            "containerStatuses": [{"name": "envoy", "state": {"running": {}}}],
        },
    }


async def end(world):
    world.poller.stop()
    await asyncio.sleep(0.01)


class TestWhatIsPolled:
    @virtual
    async def test_an_idle_object_is_not_polled(self):
        world = World()
        world.want()
        await asyncio.sleep(600)
        assert (world.asked, world.queries, world.woken) == ([], [], [])
        assert len(asyncio.all_tasks()) == 1

    @pytest.mark.parametrize(("fast", "times"), [(True, 100), (False, 5)])
    @virtual
    async def test_routers_are_asked_often_only_while_an_answer_is_awaited(self, fast, times):
        world = World()
        world.want(fast=fast)
        await asyncio.sleep(10)
        assert len(world.asked) == pytest.approx(times, abs=1)
        await end(world)

    @virtual
    async def test_a_pass_that_begins_to_wait_for_an_answer_gets_the_next_one_at_once(self):
        world = World()
        world.want(fast=False)
        await asyncio.sleep(0.5)
        world.want(fast=True)
        await asyncio.sleep(0.01)
        assert len(world.asked) == 2
        await end(world)

    @virtual
    async def test_metrics_are_measured_at_their_interval(self):
        world = World()
        world.want(analysis=measure(QUERY, COUNT, interval=10.0))
        await asyncio.sleep(60.5)
        assert (len(world.queries), len(world.asked)) == (7, 7)
        await end(world)

    @virtual
    async def test_one_page_serves_all_metrics(self):
        world = World()
        world.want(analysis=measure(COUNT, replace(COUNT, name="other"), interval=10.0))
        await asyncio.sleep(0.5)
        assert len(world.asked) == 1
        assert set(world.readings()) == {"count", "other"}
        await end(world)

    @virtual
    async def test_what_is_no_longer_wanted_stops_in_the_middle(self):
        world = World()
        world.hang_prometheus = True
        world.want(fast=True, analysis=measure(QUERY))
        await asyncio.sleep(1)
        world.want()
        asked = len(world.asked)
        await asyncio.sleep(60)
        assert len(world.asked) == asked
        assert len(asyncio.all_tasks()) == 1

    @virtual
    async def test_an_object_that_is_gone_is_forgotten(self):
        world = World()
        world.want(fast=True)
        await asyncio.sleep(1)
        world.poller.forget(KEY)
        await asyncio.sleep(60)
        assert world.routers() == {}
        assert world.poller.wants(KEY) == NOTHING
        assert len(asyncio.all_tasks()) == 1

    @virtual
    async def test_a_pass_that_ends_after_the_stop_starts_nothing(self):
        world = World()
        world.poller.stop()
        world.want(fast=True, analysis=measure(QUERY))
        await asyncio.sleep(60)
        assert (world.asked, world.queries) == ([], [])

    @virtual
    async def test_a_bug_in_one_poll_does_not_end_the_polling(self, caplog):
        def broken():
            if len(world.asked) == 2:
                raise ZeroDivisionError
            return "1-x"

        world = World()
        world.page = broken
        world.want(fast=True)
        await asyncio.sleep(1)
        assert len(world.asked) >= 9
        assert [record.modeldeployment for record in caplog.records if record.exc_info] == ["d"]
        await end(world)


class TestRouters:
    @virtual
    async def test_every_pod_that_can_still_answer_is_asked(self):
        world = World()
        world.pods = [
            router_pod("r1", address="1"),
            router_pod("r2", address="2"),
            router_pod("starting", address=None),
            router_pod("gone", address="3", phase="Succeeded"),
            router_pod("model", address="4", component="model"),
        ]
        world.want(fast=True)
        await asyncio.sleep(0.05)
        assert sorted(address for address, _ in world.asked) == ["1", "2"]
        said = {report.pod.name: (report.version, report.error) for report in world.routers().values()}
        assert said == {"r1": ("1-x", ""), "r2": ("1-x", ""), "starting": (None, "has no address yet")}
        await end(world)

    @virtual
    async def test_a_router_that_does_not_answer_has_acknowledged_nothing_and_says_why(self):
        world = World()
        world.hang_routers = True
        world.want(fast=True)
        await asyncio.sleep(1.05)
        (report,) = world.routers().values()
        assert (report.version, report.at) == (None, EPOCH)
        assert "no answer" in report.error
        await end(world)

    @virtual
    async def test_only_news_wakes(self):
        world = World()
        world.want(fast=True)
        await asyncio.sleep(1.01)
        assert len(world.woken) == 1
        world.page = "2-y"
        await asyncio.sleep(1)
        assert len(world.woken) == 2
        assert next(iter(world.routers().values())).version == "2-y"
        await end(world)

    @virtual
    async def test_requests_in_flight_are_news_only_where_they_are_waited_for(self):
        world = World()
        world.page = "1-x a=5 b=3"
        world.want(fast=True, status=route(clusters=("a", "b")))  # b has left the route, a serves
        await asyncio.sleep(1.01)
        woken = len(world.woken)
        world.page = "1-x a=9 b=1"
        await asyncio.sleep(1)
        assert len(world.woken) == woken
        world.page = "1-x a=9 b=0"
        await asyncio.sleep(1)
        assert len(world.woken) == woken + 1
        await end(world)

    @virtual
    async def test_after_a_pass_that_changed_the_route_the_next_answer_counts_even_if_it_is_no_news(self):
        world = World()
        world.want(fast=False)
        await asyncio.sleep(1)
        woken = len(world.woken)
        world.want(fast=False, status=route(serial=2))
        await asyncio.sleep(0.01)
        assert len(world.woken) == woken + 1
        await end(world)

    @virtual
    async def test_an_answer_to_a_question_from_before_the_pass_does_not_count_as_that_answer(self):
        async def router_status(address, port, path):
            await asyncio.sleep(0.5)
            return "1-x"

        world = World()
        world.router_status = router_status
        world.want(fast=True)
        await asyncio.sleep(0.9)  # the first answer came at 0.5, the second question was asked at 0.6
        assert len(world.woken) == 1
        world.want(fast=True, status=route(serial=2))
        await asyncio.sleep(0.5)  # the answer to the second question came at 1.1
        assert len(world.woken) == 1
        await asyncio.sleep(0.3)  # the answer to the third question came at 1.6
        assert len(world.woken) == 2
        await end(world)


class TestMetrics:
    @virtual
    async def test_a_prometheus_that_hangs_delays_neither_the_routers_answers_nor_their_numbers(self):
        world = World()
        world.hang_prometheus = True
        requests = iter(range(1, 10_000))
        world.page = lambda: "x" * next(requests)
        world.want(fast=True, analysis=measure(QUERY, COUNT, interval=1.0))
        await asyncio.sleep(60)
        assert len(world.asked) == pytest.approx(60 / 0.101 + 60, abs=10)
        counted = world.readings()["count"]
        assert (counted.state, now() - counted.at < timedelta(seconds=1.1)) == (State.VALUE, True)
        assert world.readings()["query"].state is State.ERROR
        await end(world)

    @virtual
    async def test_many_objects_with_a_prometheus_that_hangs_do_not_delay_another_ones_numbers(self):
        world = World()
        world.hang_prometheus = True
        for number in range(5 * QUERIES_AT_ONCE):
            world.want(analysis=measure(QUERY), key=("n", f"other-{number}"))
        world.want(analysis=measure(COUNT, interval=1.0))
        await asyncio.sleep(30)
        assert len(world.asked) >= 29
        assert len(world.queries) <= QUERIES_AT_ONCE * (30 / 5 + 1), "one Prometheus is not asked by all at once"
        await end(world)

    @virtual
    async def test_another_stage_is_measured_at_once_and_from_nothing(self):
        world = World()
        world.want(analysis=measure(QUERY, interval=60.0))
        await asyncio.sleep(1)
        assert world.readings()["query"].value == 1.0
        world.number = 2.0
        world.want(analysis=measure(QUERY, epoch="2", interval=60.0))
        assert world.readings() == {}
        await asyncio.sleep(0.1)
        reading = world.readings()["query"]
        assert (reading.value, reading.epoch) == (2.0, "2")
        await end(world)

    @virtual
    async def test_an_answer_to_an_old_stage_is_dropped(self):
        world = World()
        world.hang_prometheus = True
        world.want(analysis=measure(QUERY, interval=1.0))
        await asyncio.sleep(1)
        world.want(analysis=measure(QUERY, epoch="2", interval=1.0))
        woken = len(world.woken)
        await asyncio.sleep(4.5)  # the answer to the old question comes, and the new question is asked
        assert (world.readings(), len(world.woken)) == ({}, woken)
        await asyncio.sleep(5)
        assert world.readings()["query"].epoch == "2"
        await end(world)

    @virtual
    async def test_a_source_that_fails_is_an_error_and_no_number(self):
        world = World()
        world.pods = []
        world.want(analysis=measure(COUNT))
        await asyncio.sleep(0.1)
        reading = world.readings()["count"]
        assert (reading.state, reading.value) == (State.ERROR, None)
        assert world.told == {(Origin.ROUTERS, "error"): 1}
        await end(world)

    @virtual
    async def test_a_router_that_does_not_answer_leaves_the_others_numbers_usable(self):
        world = World()
        world.pods = [router_pod("r1", address="1"), router_pod("r2", address="2")]

        async def router_status(address, port, path):
            if address == "1":
                raise SourceError("Asking a router's status page: no answer within 1 s.")
            return "x" * int(10 + seconds())

        world.router_status = router_status
        world.want(analysis=measure(COUNT))
        await asyncio.sleep(5)
        assert world.readings()["count"].state is State.VALUE
        await end(world)

    @virtual
    async def test_numbers_that_nobody_renews_become_stale(self):
        world = World(background=False)
        world.want(analysis=measure(QUERY, interval=1.0))
        await world.poller.poll_metrics(KEY)
        assert world.readings()["query"].state is State.VALUE
        await asyncio.sleep(60)
        assert world.readings()["query"].state is State.STALE

    @virtual
    async def test_a_candidate_that_warms_up_is_neither_measured_nor_missed(self):
        world = World(background=False)
        world.want(analysis=measure(QUERY, COUNT, not_before=EPOCH + timedelta(seconds=30)))
        for _ in range(5):
            await world.poller.poll_metrics(KEY)
        assert {reading.closed for reading in world.readings().values()} == {False}
        assert "Warming up" in world.readings()["count"].message
        world.pods = []
        for _ in range(5):
            await world.poller.poll_metrics(KEY)
        assert world.readings()["count"].state is State.VALUE
        await asyncio.sleep(31)
        await world.poller.poll_metrics(KEY)
        assert world.readings()["count"].state is State.ERROR
        assert world.readings()["query"].value == 1.0


class TestCollectors:
    @virtual
    async def test_one_page_of_each_router_serves_all_metrics_of_predictions(self):
        world = World()
        world.pods = [router_pod("r1"), router_pod("r2", address="10.0.0.2")]
        world.want(analysis=measure(PREDICTED, replace(PREDICTED, name="other"), COUNT, interval=10.0))
        await asyncio.sleep(0.5)
        assert sorted(address for address, _ in world.collections) == ["10.0.0.1", "10.0.0.2"]
        assert len(world.asked) == 2
        assert set(world.readings()) == {"predicted", "other", "count"}
        await end(world)

    @virtual
    async def test_collectors_that_hang_delay_neither_acknowledgements_nor_the_routers_numbers(self):
        world = World()
        world.pods = [router_pod(f"r{number}", address=f"10.0.0.{number}") for number in range(1, 60)]
        world.hang_collectors = True
        world.want(fast=True, analysis=measure(PREDICTED, COUNT, interval=1.0))
        await asyncio.sleep(10)
        assert len({at for _, at in world.asked}) >= 90
        assert world.readings()["count"].state is State.VALUE
        assert world.readings()["predicted"].state is State.ERROR
        await end(world)

    @virtual
    async def test_what_one_collector_does_not_say_the_others_do(self):
        world = World()
        world.pods = [router_pod("r1"), router_pod("r2", address="10.0.0.2")]
        world.want(analysis=measure(PREDICTED, interval=1.0))
        await asyncio.sleep(0.5)
        world.pods[1] = router_pod("r2", address=None)
        world.collected = "12345"
        await asyncio.sleep(1)
        assert world.readings()["predicted"].state is State.VALUE
        world.hang_collectors = True
        await asyncio.sleep(3)
        assert world.readings()["predicted"].state is State.ERROR
        assert world.told["collectors", "error"] > 0
        await end(world)

    @virtual
    async def test_what_a_report_shows_outlives_its_attempt_until_the_second_one_after_it(self):
        world = World()
        for attempt in ("b/1", "c/1", "d/1"):
            world.collected = f"of {attempt}"
            world.want(analysis=measure(PREDICTED, epoch=attempt, attempt=attempt))
            await asyncio.sleep(2)
            # It has ended, and nothing is measured; one more poll that shows nothing would change nothing.
            world.want()
            await asyncio.sleep(2)
        known = world.poller.polled(KEY).details
        assert known == {name: {"predicted": {"examples": [f"of {name}"]}} for name in ("c/1", "d/1")}
        await end(world)

    @virtual
    async def test_a_collector_that_has_begun_anew_takes_no_examples_away(self):
        world = World()
        world.want(analysis=measure(PREDICTED))
        await asyncio.sleep(2)
        world.collected = ""
        await asyncio.sleep(5)
        assert world.poller.polled(KEY).details == {"b/1": {"predicted": {"examples": ["1"]}}}
        await end(world)


class TestWhatOnlyWatches:
    @virtual
    async def test_it_wakes_nobody_but_to_be_shown(self):
        world = World()
        world.want(analysis=measure(replace(QUERY, mode=Mode.OBSERVE), replace(COUNT, mode=Mode.WARN)))
        for number in range(100):
            world.number = float(number % 2)
            await asyncio.sleep(1)
        shown = [at for _, at in world.woken]
        assert len(shown) == 8
        assert {round(at) for at in shown} <= {0, 30, 31, 60, 61, 62, 90, 91, 92, 93}
        assert {reading.mode for reading in world.readings().values()} == {Mode.OBSERVE, Mode.WARN}
        await end(world)

    @virtual
    async def test_its_query_keeps_no_gate_waiting(self):
        world = World()
        world.hangs = "slow"
        slow = replace(QUERY, name="slow", source_config="slow", mode=Mode.OBSERVE)
        world.want(analysis=measure(QUERY, slow))
        await asyncio.sleep(10.5)
        asked = Counter(query for query, _ in world.queries)
        assert asked["up"] == 11
        assert asked["slow"] == 2
        await end(world)


def counted(*, candidate, stable):
    """Return a router's page: requests and failed ones of each version, a second."""
    requests = "envoy_cluster_upstream_rq_completed"
    failed = 'envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",'
    lines = [
        line
        for name, (total, bad) in (("b", candidate), ("a", stable))
        for line in (
            f'{requests}{{envoy_cluster_name="{name}"}} {total * round(seconds())}',
            f'{failed}envoy_cluster_name="{name}"}} {bad * round(seconds())}',
        )
    ]
    return "\n".join(lines) + "\n"


def scraped():
    """Return what Prometheus has counted: 10 requests a second of the candidate's pod, and 90 of stable's."""
    result = [
        {"metric": {"pod": pod, MARKER: kind}, "value": [now().timestamp(), str(rate * round(seconds()))]}
        for pod, requests in (("pb", 10), ("pa", 90))
        for kind, rate in (("bad", 0), ("total", requests))
    ]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


class TestEvidence:
    """Candidate and stable get 20 and 80 requests a second; of the candidate's two fail, of stable's one."""

    def follow(self, checkpoint=""):
        world = World()
        world.page = lambda: counted(candidate=(20, 2), stable=(80, 1))
        world.want(analysis=self.compared(checkpoint))
        return world

    def compared(self, checkpoint, attempt="b/1"):
        asked = measure(COMPARED, attempt=attempt)
        return replace(asked, comparison=replace(asked.comparison, weight=None, checkpoint=checkpoint))

    def said(self, world):
        return world.readings()["errors"].evidence

    @virtual
    async def test_a_new_leader_goes_on_from_a_checkpoint(self):
        before = self.follow()
        await asyncio.sleep(90)
        stored, kept = before.poller.polled(KEY).evidence, self.said(before)
        await end(before)
        after = self.follow(stored)
        assert after.poller.polled(KEY).evidence == stored
        await asyncio.sleep(0.5)
        first = self.said(after)
        # Its first sample only says where to count from, so all of it is what was stored.
        assert first.requests == kept.requests
        assert first.against == pytest.approx(kept.against, abs=0.01)
        assert first.against > 3
        await asyncio.sleep(10)
        assert self.said(after).requests == first.requests + 10 * 20
        assert self.said(after).against > first.against
        await end(after)

    @pytest.mark.parametrize(("share", "state"), [(10, State.VALUE), (30, State.MISMATCH)])
    @virtual
    async def test_numbers_from_prometheus_wait_for_routers_that_split_as_asked(self, share, state):
        world = World()
        world.page = lambda: f"1-x b={share * round(seconds())} a={(100 - share) * round(seconds())}"
        world.answer = scraped
        world.want(fast=False, analysis=measure(SCRAPED, interval=10.0))
        await asyncio.sleep(120)
        found = world.readings()["errors"]
        assert found.state is state
        assert found.evidence.requests > 0
        # Nobody is asked for the split alone.
        assert len(world.asked) == pytest.approx(60, abs=1)
        await end(world)

    @virtual
    async def test_a_checkpoint_of_another_attempt_is_no_evidence_and_is_not_kept(self):
        before = self.follow()
        await asyncio.sleep(90)
        stored = before.poller.polled(KEY).evidence
        await end(before)
        world = World()
        world.page = lambda: counted(candidate=(20, 2), stable=(80, 1))
        world.want(analysis=self.compared(stored, attempt="b/2"))
        assert world.poller.polled(KEY).evidence == ""
        await asyncio.sleep(0.5)
        assert self.said(world) is None
        await end(world)

    @virtual
    async def test_a_checkpoint_is_made_anew_at_most_once_a_minute_however_often_it_is_asked_for(self):
        world = self.follow()
        made = {}
        for _ in range(1000):
            await asyncio.sleep(0.3)
            made.setdefault(world.poller.polled(KEY).evidence, now())
        made.pop("")
        times = [*made.values()]
        assert len(times) == 5
        assert all(later - sooner >= timedelta(minutes=1) for sooner, later in pairwise(times))
        await end(world)
