"""Pinned requests to the candidate's pods, sent beside the loop: golden examples, and requests that warm a pod.

A pass only ever reads what is here. So a model that answers slowly, or not at all, delays nothing, least of all an abort. The
requests go straight to the pods: no router sees them, and so no judge counts them.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from modelrollout.adapters.protocols import Http, Kube
from modelrollout.controller.queue import Key
from modelrollout.domain.golden import Answer, Example, ExampleResult, GoldenWants, Probes, Target
from modelrollout.engine.examples import Read, read_examples
from modelrollout.engine.matching import match
from modelrollout.engine.steady import steady
from modelrollout.errors import KubeError, SourceError

logger = logging.getLogger(__name__)

AGAIN = timedelta(seconds=2)
"""Pause before what was not answered is asked again."""
SHOWN = timedelta(seconds=10)
"""How often a pass is told of progress that decides nothing."""
AT_ONCE = 32
"""Requests that run at the same time, for all ModelDeployments together."""
LARGE = 4 * 1024
"""Characters of examples from which on they are read in a thread: YAML takes its time, and the loop must not wait."""


@dataclass
class _Watch:
    """What is asked for one ModelDeployment, and what was learnt."""

    wants: GoldenWants | None = None
    question: str = ""
    examples: tuple[Example, ...] = ()
    problem: str = ""
    read: tuple[object, Read] = (None, ((), ""))
    results: dict[str, ExampleResult] = field(default_factory=dict)
    silent: str = ""
    turn: int = 0
    warm: set[str] = field(default_factory=set)
    used: dict[str, int] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)
    at: datetime | None = None
    told: tuple[object, ...] = ()
    told_at: datetime | None = None
    sooner: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Prober:
    """Sends what passes want sent, and wakes a key when an answer matters.

    Args:
        kube: has the ConfigMap with the examples; it is read when asking begins, and never written.
        http: reaches the pods.
        clock: the current time, with its zone.
        wake: has a key looked at.
        background: probe in tasks of its own; False when a simulation calls :meth:`probe`.
    """

    def __init__(
        self,
        kube: Kube,
        http: Http,
        clock: Callable[[], datetime],
        wake: Callable[[Key], None],
        *,
        background: bool = True,
    ) -> None:
        self._kube = kube
        self._http = http
        self._clock = clock
        self._wake = wake
        self._background = background
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._watches: dict[Key, _Watch] = {}

    def probed(self, key: Key) -> Probes | None:
        """Return what is known now, None when nothing was asked."""
        watch = self._watches.get(key)
        if watch is None or watch.at is None:
            return None
        return Probes(
            question=watch.question,
            at=watch.at,
            problem=watch.problem,
            total=len(watch.examples),
            results=tuple(watch.results[each.name] for each in watch.examples if each.name in watch.results),
            silent=watch.silent,
            warm=frozenset(watch.warm),
            cold=_progress(watch),
        )

    def wants(self, key: Key) -> GoldenWants | None:
        """Return what is asked for a key."""
        watch = self._watches.get(key)
        return watch.wants if watch else None

    def want(self, key: Key, wants: GoldenWants | None) -> None:
        """Take over what a pass wants from now on."""
        if wants is None and key not in self._watches:
            return
        watch = self._watches.setdefault(key, _Watch())
        changed, watch.wants = watch.wants != wants, wants
        if wants is not None and wants.question != watch.question:
            # Another stage is another question. Pods that are warm stay so.
            watch.question = wants.question
            watch.examples, watch.problem, watch.results, watch.silent = (), "", {}, ""
            watch.told, watch.told_at = (), None
            watch.warm &= {pod.uid for pod in wants.pods}
            _stop(watch)
        if changed:
            watch.sooner.set()
        if not self._background:
            return
        if wants is None:
            _stop(watch)
        elif watch.task is None:
            watch.task = asyncio.create_task(self._go_on(key, watch), name=f"probe {key[0]}/{key[1]}")

    def forget(self, key: Key) -> None:
        """Stop asking for a ModelDeployment that is gone."""
        watch = self._watches.pop(key, None)
        if watch is not None:
            _stop(watch)

    def stop(self) -> None:
        """Stop all probing, for good: a pass that still ends must not start it again."""
        self._background = False
        for key in tuple(self._watches):
            self.forget(key)

    async def probe(self, key: Key) -> None:
        """Send once what has no answer yet."""
        watch = self._watches.get(key)
        wants = watch.wants if watch else None
        if watch is None or wants is None:
            return
        question = watch.question
        if not watch.examples:
            examples, problem = await self._read(watch, wants)
            if watch.question != question:
                return
            watch.examples, watch.problem, watch.at = examples, problem, self._clock()
        if wants.examples:
            await self._ask(key, watch, question)
        answered = not wants.examples or len(watch.results) == len(watch.examples)
        if answered and wants.warm_up and watch.examples and watch.question == question:
            # All at once: they must not wait for one another.
            await asyncio.gather(*(self._warm(key, watch, pod) for pod in wants.pods if pod.uid not in watch.warm))
        if watch.question == question:
            self._tell(key, watch, at_once=True)

    async def _read(self, watch: _Watch, wants: GoldenWants) -> Read:
        what = f"ConfigMap {wants.config_map}"
        try:
            found = await self._kube.get("ConfigMap", wants.namespace, wants.config_map)
        except KubeError:
            # Words that change from one try to the next must not reach a condition.
            return (), f"{what} cannot be read"
        if found is None:
            return (), f"{what} does not exist"
        metadata = found["metadata"]
        version = (metadata["uid"], metadata["resourceVersion"])
        if watch.read[0] != version:
            data = found.get("data") or {}
            large = sum(map(len, data.values())) > LARGE
            examples, wrong = await asyncio.to_thread(read_examples, data) if large else read_examples(data)
            watch.read = (version, (examples, f"{what}: {wrong}" if wrong else ""))
        return watch.read[1]

    async def _ask(self, key: Key, watch: _Watch, question: str) -> None:
        """Send each example that has no answer, to one pod after the other, until too many have failed."""
        for example in watch.examples:
            wants = watch.wants
            if wants is None or watch.question != question:
                return
            if sum(not result.ok for result in watch.results.values()) > wants.failures:
                return
            if example.name in watch.results:
                continue
            pod = wants.pods[watch.turn % len(wants.pods)]
            watch.turn += 1
            answer = await self._send(wants, pod, example)
            if watch.question != question:
                return
            watch.at = self._clock()
            if isinstance(answer, Answer):
                watch.results[example.name] = match(example, answer)
                if watch.silent.startswith(f"example {example.name}: "):
                    watch.silent = ""
            else:
                watch.silent = f"example {example.name}: {answer}"
            self._tell(key, watch)

    async def _warm(self, key: Key, watch: _Watch, pod: Target) -> None:
        """Send requests to one pod until it is warm, or until one is not answered: then later again."""
        while (wants := watch.wants) is not None and any(one.uid == pod.uid for one in wants.pods) and watch.examples:
            used = watch.used.get(pod.uid, 0)
            if used >= wants.warm_up or steady(watch.times.get(pod.uid, ())):
                watch.warm.add(pod.uid)
                watch.used.pop(pod.uid, None)
                watch.times.pop(pod.uid, None)
                self._tell(key, watch, at_once=True)
                return
            example = watch.examples[used % len(watch.examples)]
            answer = await self._send(wants, pod, example)
            watch.used[pod.uid] = used + 1
            watch.at = self._clock()
            if not isinstance(answer, Answer):
                watch.silent = f"example {example.name}: {answer}"
                return
            watch.silent = ""
            watch.times.setdefault(pod.uid, []).append(answer.seconds)
            self._tell(key, watch)

    async def _send(self, wants: GoldenWants, pod: Target, example: Example) -> Answer | str:
        """Return the answer, or why there is none."""
        try:
            async with self._at_once:
                return await self._http.probe(pod.address, wants.port, example.sent, wants.timeout)
        except SourceError as exc:
            return str(exc)

    def _tell(self, key: Key, watch: _Watch, *, at_once: bool = False) -> None:
        """Wake the key when it should know: at the end of a round and after each failure, otherwise now and then."""
        failed = [name for name, result in watch.results.items() if not result.ok]
        decisive = (watch.question, watch.problem, tuple(failed))
        news = (*decisive, len(watch.results), watch.silent, len(watch.warm))
        now = self._clock()
        if news == watch.told:
            return
        due = watch.told_at is None or now - watch.told_at >= SHOWN
        if at_once or due or decisive != watch.told[: len(decisive)]:
            watch.told, watch.told_at = news, now
            self._wake(key)

    async def _go_on(self, key: Key, watch: _Watch) -> None:
        while watch.wants is not None:
            watch.sooner.clear()
            try:
                await self.probe(key)
            except Exception:
                # A bug must be seen, and must not end the probing: nobody else would wake the key.
                logger.exception("a probe failed", extra={"namespace": key[0], "modeldeployment": key[1]})
            await _pause(watch.sooner)


def _stop(watch: _Watch) -> None:
    if watch.task is not None:
        watch.task.cancel()
        watch.task = None


def _progress(watch: _Watch) -> str:
    """Return how many requests pods have had that are not warm yet."""
    used = max(watch.used.values(), default=0)
    return f"{used} requests so far" if used else ""


async def _pause(sooner: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(AGAIN / timedelta(seconds=1)):
            await sooner.wait()
    except TimeoutError:
        return
