"""Slow readings, taken beside the loop: what the routers say, and what the metric sources measure.

A pass only ever reads what is here, with its age. So a router that does not answer, a collector beside it or a Prometheus that
hangs delays nothing, least of all an abort. What is polled follows from spec and status at each pass; an idle object is not
polled.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from modelrollout.adapters.observe import Polled
from modelrollout.adapters.protocols import Pages, Pods
from modelrollout.controller.queue import Key
from modelrollout.domain.observation import PodSeen, RouterPodSeen
from modelrollout.domain.reading import Reading, Sample, State
from modelrollout.domain.status import Status
from modelrollout.domain.tally import Features
from modelrollout.engine.analysis import Window, age, fold
from modelrollout.engine.books import Book, dump, load, restless, weigh
from modelrollout.engine.catastrophe import Guard, look, speaks
from modelrollout.engine.counters import by_arm
from modelrollout.engine.reference import Entry, Learning, learn
from modelrollout.engine.reference import dump as write_down
from modelrollout.engine.split import Split, follow, mismatch, withhold
from modelrollout.engine.wants import AnalysisWants, MetricWants, RouterWants, Wants
from modelrollout.errors import SourceError
from modelrollout.routers._base import Router
from modelrollout.sources._base import Fetch, Origin

logger = logging.getLogger(__name__)

FAST = timedelta(seconds=0.1)
"""While an acknowledgement or a drain is awaited: the kubelet refreshes a file in about 0.1 s."""
SLOW = timedelta(seconds=2)
GUARDED = 2.0
"""ln E of a catastrophe from which on every poll is looked at."""
CHECKPOINT = timedelta(minutes=1)
"""How often the evidence is stored at most."""
SHOWN = timedelta(seconds=30)
"""How often a pass is told of a window that only grows, unless told otherwise."""
AT_ONCE = 32
"""Requests to routers that run at the same time, and as many to their collectors."""
QUERIES_AT_ONCE = 8
"""Queries to Prometheus that run at the same time."""


Lane = tuple[Origin, bool]
"""Metrics that are polled together: their origin, and whether the rollout obeys them. Those that come from one page share it; a
query whose answer decides nothing keeps no other waiting."""
Details = dict[str, dict[str, Mapping[str, Any]]]
"""What a report shows besides numbers, by attempt and metric. Kept nowhere else: a new leader knows what it has seen itself."""


@dataclass
class _Watch:
    """What is polled for one ModelDeployment, and what was learnt."""

    wants: Wants = field(default_factory=Wants)
    mark: tuple[object, ...] = ()
    leaving: frozenset[str] | None = None
    fresh: bool = False
    routers: dict[str, RouterPodSeen] = field(default_factory=dict)
    split: Split = field(default_factory=Split)
    windows: dict[str, Window] = field(default_factory=dict)
    attempt: str = ""
    books: dict[str, Book] = field(default_factory=dict)
    watched: dict[str, Guard] = field(default_factory=dict)
    evidence: str = ""
    evidence_at: datetime | None = None
    readings: dict[str, Reading] = field(default_factory=dict)
    details: Details = field(default_factory=dict)
    learning: dict[str, Learning] = field(default_factory=dict)
    learnt: dict[str, Entry] = field(default_factory=dict)
    told: dict[str, datetime] = field(default_factory=dict)
    epoch: str = ""
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    ask: asyncio.Event = field(default_factory=asyncio.Event)
    measure: dict["Lane", asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))


Sampled = Callable[[AnalysisWants, MetricWants, Sample], Sample]
"""Told what is measured and what was found; returns what counts."""


Answers = Mapping[str, Any] | SourceError
"""What was asked for a metric, by router pod; or why there is nothing."""


def as_found(_wants: AnalysisWants, _metric: MetricWants, sample: Sample) -> Sample:
    """Return a sample as it was found."""
    return sample


class Poller:
    """Polls what passes want, and wakes a key when an answer matters.

    Args:
        http: reaches routers and Prometheus.
        pods: knows the routers' pods.
        clock: the current time, with its zone.
        wake: has a key looked at.
        tell: told origin and result of each answer, for metrics.
        background: poll in tasks of its own; False when a simulation calls :meth:`poll_routers` and
            :meth:`poll_metrics`.
        shown: how often a pass is told of numbers that decide nothing.
        sampled: told each sample, to record it or to put a recorded one in its place.
    """

    def __init__(  # noqa: PLR0913  # the ports of one object, each injected
        self,
        http: Pages,
        pods: Pods,
        clock: Callable[[], datetime],
        wake: Callable[[Key], None],
        tell: Callable[[str, str], None] = lambda _origin, _result: None,
        *,
        background: bool = True,
        shown: timedelta = SHOWN,
        sampled: Sampled = as_found,
    ) -> None:
        self._http = http
        self._pods = pods
        self._clock = clock
        self._wake = wake
        self._tell = tell
        self._background = background
        self._shown = shown
        self._sampled = sampled
        self._routers_at_once = asyncio.Semaphore(AT_ONCE)
        self._collectors_at_once = asyncio.Semaphore(AT_ONCE)
        self._queries_at_once = asyncio.Semaphore(QUERIES_AT_ONCE)
        self._watches: dict[Key, _Watch] = {}

    def polled(self, key: Key) -> Polled:
        """Return what is known now; readings too old to be used say so."""
        watch = self._watches.get(key)
        if watch is None:
            return Polled({}, {})
        analysis = watch.wants.analysis
        readings = watch.readings
        if analysis is not None:
            readings = {name: age(reading, self._clock(), analysis.interval) for name, reading in readings.items()}
        details = {attempt: dict(known) for attempt, known in watch.details.items()}
        learnt = write_down(watch.learnt) if watch.learnt else ""
        return Polled(dict(watch.routers), dict(readings), self._checkpoint(watch), details, learnt=learnt)

    def _checkpoint(self, watch: _Watch) -> str:
        """Return the evidence as text, made anew at most once a minute or as rarely as is asked: it is stored when it changes."""
        now, wants = self._clock(), watch.wants.analysis
        pause = (wants.quiet if wants is not None else None) or CHECKPOINT
        if wants is not None and (watch.evidence_at is None or now - watch.evidence_at >= pause):
            watch.evidence = dump(watch.books, wants) or watch.evidence
            watch.evidence_at = now if watch.evidence else None
        return watch.evidence

    def wants(self, key: Key) -> Wants:
        """Return what is polled for a key."""
        watch = self._watches.get(key)
        return watch.wants if watch else Wants()

    def want(self, key: Key, wants: Wants, status: Status) -> None:
        """Take over what a pass wants from now on.

        Args:
            key: the ModelDeployment.
            wants: what to poll.
            status: what the pass decided; another route or drain makes the next answer matter even if it is no news.
        """
        watch = self._watches.setdefault(key, _Watch())
        mark = (status.route, status.draining_since, status.route_verified)
        if mark != watch.mark:
            watch.mark, watch.fresh = mark, True
            watch.ask.set()
        elif _is_fast(wants) and not _is_fast(watch.wants):
            watch.ask.set()
        ask = status.route
        watch.leaving = frozenset(ask.clusters) - ask.route.clusters() if ask is not None else frozenset()
        watch.wants = wants
        self._take_up(watch)
        epoch = wants.analysis.epoch if wants.analysis else ""
        if epoch != watch.epoch:
            # Another stage is another question: nothing measured before may answer it.
            watch.epoch = epoch
            watch.windows.clear()
            watch.readings.clear()
            for sooner in watch.measure.values():
                sooner.set()
        if self._background:
            self._follow(key, watch)

    def _take_up(self, watch: _Watch) -> None:
        """Begin with another attempt's evidence: with what an earlier leader has stored of it, or with none."""
        analysis = watch.wants.analysis
        if analysis is None or watch.attempt == analysis.comparison.attempt:
            return
        # The report of the attempt before may still have to be written.
        watch.details = {attempt: known for attempt, known in watch.details.items() if attempt == watch.attempt}
        watch.attempt = analysis.comparison.attempt
        watch.books = load(analysis.comparison.checkpoint, analysis)
        watch.watched.clear()
        watch.learning.clear()
        watch.learnt.clear()
        watch.evidence, watch.evidence_at = analysis.comparison.checkpoint if watch.books else "", None

    def forget(self, key: Key) -> None:
        """Stop polling for a ModelDeployment that is gone."""
        watch = self._watches.pop(key, None)
        for task in watch.tasks.values() if watch else ():
            task.cancel()

    def stop(self) -> None:
        """Stop all polling, for good: a pass that still ends must not start it again."""
        self._background = False
        for key in tuple(self._watches):
            self.forget(key)

    async def poll_routers(self, key: Key) -> None:
        """Ask every router pod once what it runs."""
        watch = self._watches.get(key)
        wants = watch.wants.routers if watch else None
        if watch is None or wants is None:
            return
        # Answers to questions that were asked before the last pass are no news about what it did.
        fresh, watch.fresh = watch.fresh, False
        pods = self._router_pods(key)
        answers = await asyncio.gather(*(self._ask(pod, wants) for pod in pods))
        before = _signature(watch.routers, watch.leaving)
        watch.routers = {answer.pod.uid: answer for answer in answers}
        watch.split = follow(watch.split, watch.wants.analysis, answers)
        if fresh or _signature(watch.routers, watch.leaving) != before:
            self._wake(key)

    async def poll_metrics(self, key: Key, lane: Lane | None = None) -> None:
        """Take one sample of every metric of a lane, or of all."""
        watch = self._watches.get(key)
        wants = watch.wants.analysis if watch else None
        if watch is None or wants is None:
            return
        asked = [(metric, fetch) for metric, fetch in _fetches(wants) if lane in (None, _lane(metric, fetch))]
        pages = ((Origin.ROUTERS, self._status_page), (Origin.COLLECTORS, self._collected))
        for origin, ask in pages:
            # All metrics of a poll read the same pages.
            readers = [metric for metric, fetch in asked if fetch.origin is origin]
            if readers:
                answers = await _caught(self._pages(key, partial(ask, wants.router)))
                for metric in readers:
                    self._take(key, watch, wants, metric, self._read(wants, metric, answers, origin))
        queries = [(metric, fetch.query) for metric, fetch in asked if fetch.origin is Origin.PROMETHEUS]
        if queries:
            await asyncio.gather(*(self._query(key, watch, wants, metric, query) for metric, query in queries))

    async def _query(self, key: Key, watch: _Watch, wants: AnalysisWants, metric: MetricWants, query: str) -> None:
        async with self._queries_at_once:
            answer = await _caught(self._http.prometheus(query))
        answers = answer if isinstance(answer, SourceError) else {"": answer}
        self._take(key, watch, wants, metric, self._read(wants, metric, answers, Origin.PROMETHEUS))

    def _take(self, key: Key, watch: _Watch, wants: AnalysisWants, metric: MetricWants, found: Sample) -> None:
        sample = self._sampled(wants, metric, found)
        # The stage may have changed while the source was slow: the answer then belongs to a question nobody asks any more.
        if watch.epoch == wants.epoch and self._fold(watch, wants, metric, sample):
            self._wake(key)

    def _fold(self, watch: _Watch, wants: AnalysisWants, metric: MetricWants, sample: Sample) -> bool:
        if sample.at < wants.not_before and sample.state is not State.VALUE:
            # A source may well know nothing of a candidate that warms up.
            return False
        before = watch.readings.get(metric.name)
        if metric.judge.weighs(metric.judge_config):
            watch.books[metric.name], reading = weigh(watch.books.get(metric.name), wants, metric, sample)
            reading = withhold(reading, mismatch(watch.split, wants))
            news = restless(before, reading, wants)
        else:
            watch.windows[metric.name], reading = fold(watch.windows.get(metric.name), wants, metric, sample)
            news = before is None or reading.closed or reading.state is not before.state
        news = news or any(one.at == sample.at for one in reading.slices)
        if metric.decides:
            news = self._learn(watch, wants, metric, sample) or news
            guard = look(watch.watched.get(metric.name), wants, metric, sample)
            watch.watched[metric.name] = guard
            reading = reading._replace(guard=speaks(guard, wants))
        else:
            # Nothing depends on when a pass hears of it.
            reading, news = reading._replace(mode=metric.mode), False
        watch.readings[metric.name] = reading
        if reading.details:
            watch.details.setdefault(wants.comparison.attempt, {})[metric.name] = reading.details
        # A window that grows decides nothing, but people want to see how far it is.
        told = watch.told.get(metric.name)
        if news or reading.guard >= GUARDED or told is None or reading.at - told >= (wants.quiet or self._shown):
            watch.told[metric.name] = reading.at
            return True
        return False

    def _learn(self, watch: _Watch, wants: AnalysisWants, metric: MetricWants, sample: Sample) -> bool:
        """Count a sample for the reference, where one is to be learnt; return whether that is done now."""
        needed = wants.learning.get(metric.name)
        if needed is None or metric.name in watch.learnt:
            return False
        counted = learn(watch.learning.get(metric.name, Learning()), sample, wants.scope.arm)
        watch.learning[metric.name] = counted
        found = metric.measured(by_arm(counted.sums), wants.scope.arm)
        if found is None or not isinstance(found.tally, Features) or found.tally.requests < needed:
            return False
        watch.learnt[metric.name] = Entry(wants.scope.revision, sample.at, found.tally)
        return True

    def _read(self, wants: AnalysisWants, metric: MetricWants, answers: Answers, origin: Origin) -> Sample:
        try:
            if isinstance(answers, SourceError):
                raise answers
            sample = metric.source.parse(metric.source_config, wants.scope, answers, self._clock())
        except SourceError as exc:
            self._tell(origin, "error")
            return Sample(at=self._clock(), state=State.ERROR, message=str(exc))
        self._tell(origin, "ok")
        return sample

    async def _pages(self, key: Key, ask: Callable[[str], Awaitable[str]]) -> dict[str, str]:
        """Ask every router pod for a page; those that do not answer are absent."""
        pods = [pod for pod in self._router_pods(key) if pod.address]
        if not pods:
            raise SourceError("Asking the routers: none runs.")
        texts = await asyncio.gather(
            *(ask(pod.address or "") for pod in pods),
            return_exceptions=True,
        )
        pages = {}
        errors = []
        for pod, text in zip(pods, texts, strict=True):
            match text:
                case str():
                    pages[pod.name] = text
                case SourceError():
                    errors.append(text)
                case BaseException():
                    raise text
        if not pages:
            raise errors[0]
        return pages

    async def _status_page(self, router: Router[Any], address: str) -> str:
        async with self._routers_at_once:
            return await self._http.router_status(address, router.status_port, router.status_path)

    async def _collected(self, router: Router[Any], address: str) -> str:
        async with self._collectors_at_once:
            return await self._http.predictions(address, router.status_port)

    async def _ask(self, pod: PodSeen, wants: RouterWants) -> RouterPodSeen:
        at = self._clock()
        if pod.address is None:
            return RouterPodSeen(pod, at=at, error="has no address yet")
        try:
            report = wants.router.parse(await self._status_page(wants.router, pod.address))
        except SourceError as exc:
            self._tell("acknowledgement", "error")
            return RouterPodSeen(pod, at=at, error=str(exc))
        self._tell("acknowledgement", "ok")
        return RouterPodSeen(
            pod,
            report.version,
            report.members,
            report.active,
            report.mirrored,
            at,
            tries=report.tries,
            retries=report.retries,
        )

    def _router_pods(self, key: Key) -> list[PodSeen]:
        """Return the router pods that can still answer anybody, NotReady and terminating ones included."""
        return sorted((pod for pod in self._pods.of(*key) if pod.router and pod.running), key=lambda pod: pod.name)

    def _follow(self, key: Key, watch: _Watch) -> None:
        """Start and stop the background tasks so that they fit what is wanted.

        Each lane has a task of its own, because the routers' numbers must not wait for a slow Prometheus, nor for a collector.
        """
        analysis = watch.wants.analysis
        wanted = {_lane(metric, fetch) for metric, fetch in _fetches(analysis)} if analysis else set()
        loops = {
            f"metrics from {lane[0]}{'' if lane[1] else ' that decide nothing'}": partial(
                self._measure_on, key, watch, lane
            )
            for lane in wanted
        }
        if watch.wants.routers is not None:
            loops["routers"] = partial(self._ask_on, key, watch)
        for name in watch.tasks.keys() - loops:
            watch.tasks.pop(name).cancel()
        for name, loop in loops.items():
            if name not in watch.tasks:
                watch.tasks[name] = asyncio.create_task(loop(), name=f"poll {name} of {key[0]}/{key[1]}")

    async def _ask_on(self, key: Key, watch: _Watch) -> None:
        while watch.wants.routers is not None:
            watch.ask.clear()
            await _survive(key, self.poll_routers(key))
            # A pass that changed the route needs the next answer sooner than the slow pause ends.
            await _pause(watch.ask, FAST if _is_fast(watch.wants) else SLOW)

    async def _measure_on(self, key: Key, watch: _Watch, lane: Lane) -> None:
        while (analysis := watch.wants.analysis) is not None:
            watch.measure[lane].clear()
            await _survive(key, self.poll_metrics(key, lane))
            await _pause(watch.measure[lane], analysis.interval)


def _fetches(wants: AnalysisWants) -> list[tuple[MetricWants, Fetch]]:
    return [(metric, metric.source.fetch(metric.source_config, wants.scope)) for metric in wants.metrics]


def _lane(metric: MetricWants, fetch: Fetch) -> Lane:
    return fetch.origin, metric.decides or fetch.origin is not Origin.PROMETHEUS


def _is_fast(wants: Wants) -> bool:
    return wants.routers is not None and wants.routers.fast


async def _survive(key: Key, poll: Awaitable[None]) -> None:
    """Await one poll. A bug in it must be seen, and must not end the polling: nobody else would wake the key."""
    try:
        await poll
    except Exception:
        logger.exception("a poll failed", extra={"namespace": key[0], "modeldeployment": key[1]})


async def _pause(sooner: asyncio.Event, limit: timedelta) -> None:
    try:
        async with asyncio.timeout(limit / timedelta(seconds=1)):
            await sooner.wait()
    except TimeoutError:
        return


async def _caught(answer: Awaitable[Any]) -> Any:  # noqa: ANN401  # whatever is answered
    """Return an answer, or why there is none."""
    try:
        return await answer
    except SourceError as exc:
        return exc


def _signature(routers: Mapping[str, RouterPodSeen], leaving: frozenset[str] | None) -> object:
    """Return what must change in the routers' answers for a pass to decide anything else.

    Requests in flight matter only for clusters that left the route, and only whether there are any.
    """
    return {
        uid: (
            seen.version,
            seen.members,
            bool(seen.error),
            frozenset(name for name in leaving or () if seen.active.get(name)),
        )
        for uid, seen in routers.items()
    }
