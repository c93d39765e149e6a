"""The process: everything is made here, started in order, and stopped in the opposite one.

Health is served first and the Lease is awaited before anything is watched, so a standby costs next to nothing. On
SIGTERM passes that run may end, the Lease is released, and only then the watches close: the next leader starts within
seconds.
"""

import asyncio
import contextlib
import logging
import os
import random
import signal
import time
import uuid
from collections.abc import Awaitable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from modelrollout.adapters.children import Children
from modelrollout.adapters.connect import Connection, connect
from modelrollout.adapters.events import EventPoster
from modelrollout.adapters.http import HttpClient, Prometheus
from modelrollout.adapters.kube import KubeClient
from modelrollout.adapters.observe import Observer
from modelrollout.adapters.pods import PodInformer, PodStore
from modelrollout.adapters.transport import Transport
from modelrollout.controller import handlers
from modelrollout.controller.freshness import EVERY, Freshness
from modelrollout.controller.leader import Elector, Terms
from modelrollout.controller.polling import Poller
from modelrollout.controller.probing import Prober
from modelrollout.controller.queue import KeyedQueue
from modelrollout.controller.reconciler import Reconciler
from modelrollout.controller.telemetry import HealthServer, Telemetry, configure_logging
from modelrollout.controller.workers import Workers
from modelrollout.errors import KubeError, RolloutError
from modelrollout.names import KIND
from modelrollout.settings import Settings

OLDEST = (1, 30)
"""The first Kubernetes whose pods can sleep before they stop without a shell in their image."""
DRAIN = 10.0
"""Seconds that passes may take to end after SIGTERM; the pod's grace period is thirty."""
BLIND = 30.0
"""Seconds for which a watcher may be missing: it starts some requests after Kopf says that it is ready."""

logger = logging.getLogger(__name__)


def now() -> datetime:
    """Return the current time. The one clock of the process."""
    return datetime.now(UTC)  # noqa: TID251  # the controller owns the clock that everything below gets as an argument


async def run(settings: Settings) -> int:
    """Run the operator until SIGTERM; return the exit code."""
    configure_logging(settings.log_level, now)
    telemetry = Telemetry()
    process = _Process(settings, telemetry)
    server = HealthServer(telemetry, process.problems, lambda: process.connected)
    try:
        await server.start(settings.http_port)
        return await process.run()
    except RolloutError as exc:
        logger.error("the operator cannot run", extra={"error": str(exc)})  # noqa: TRY400  # the message says what to do; a traceback does not
        return 1
    finally:
        await server.stop()


class _Process:
    """One replica's life: connect, wait for the Lease, lead, stop."""

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._identity = f"{os.environ.get('HOSTNAME', 'local')}-{uuid.uuid4().hex[:8]}"
        self._stop = asyncio.Event()
        self._informers: tuple[PodInformer, ...] = ()
        self._freshness: Freshness | None = None
        self._watching = asyncio.Event()
        self._blind_since: float | None = None
        self.connected = False

    def problems(self) -> tuple[str, ...]:
        """Return why this replica should be restarted."""
        found = tuple("the watch on Pods is stale" for informer in self._informers if informer.stale)
        if self._freshness is not None:
            found += self._freshness.problems
        return found + self._blindness()

    def _blindness(self) -> tuple[str, ...]:
        """Return watchers that have been missing for too long. The health server's probes are the clock."""
        missing: tuple[str, ...] = ()
        if self._watching.is_set() and not self._stop.is_set():
            tasks = [task.get_name() for task in asyncio.all_tasks()]
            missing = handlers.missing_watchers(self._settings.namespaces, tasks)
        if not missing:
            self._blind_since = None
            return ()
        if self._blind_since is None:
            self._blind_since = time.monotonic()
        return missing if time.monotonic() - self._blind_since >= BLIND else ()

    async def run(self) -> int:
        """Live; return the exit code."""
        self._catch_signals()
        connection = await connect()
        try:
            return await self._connected(connection)
        finally:
            await connection.close()

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)

    async def _connected(self, connection: Connection) -> int:
        elector: Elector
        transport = Transport(
            connection,
            observe=lambda method, code: self._telemetry.requests.labels(method, code).inc(),
            leads=lambda: elector.leads,
        )
        events = EventPoster(transport, now, self._identity)
        kube = KubeClient(transport, events)
        terms = Terms(
            namespace=self._settings.own_namespace(),
            name=self._settings.lease_name,
            identity=self._identity,
            duration=self._settings.lease_duration / timedelta(seconds=1),
            deadline=self._settings.lease_deadline / timedelta(seconds=1),
            retry=self._settings.lease_retry / timedelta(seconds=1),
        )
        elector = Elector(kube, terms, time.monotonic, now)
        if not await self._unless_stopped(self._await_server(kube)):
            return 0
        self.connected = True
        logger.info("waiting for the lease", extra={"lease": terms.name, "identity": terms.identity})
        if not await self._unless_stopped(elector.acquire()):
            return 0
        logger.info("leading", extra={"lease": terms.name, "identity": terms.identity})
        self._telemetry.leader.set(1)
        try:
            return await self._lead(connection, kube, events, elector)
        finally:
            self._telemetry.leader.set(0)
            await elector.release()

    async def _await_server(self, kube: KubeClient) -> None:
        """Wait until the API server answers, is new enough and serves our kind: a watch on an unknown kind is blind."""
        while True:
            try:
                version = await kube.server_version()
                if version < OLDEST:
                    raise RolloutError(
                        f"Kubernetes {version[0]}.{version[1]} is too old: pods need the native preStop sleep. "
                        f"Upgrade to {OLDEST[0]}.{OLDEST[1]} or newer."
                    )
                for namespace in self._settings.namespaces or ("",):
                    await kube.list_all(KIND, namespace, "", metadata_only=True)
            except KubeError as exc:
                logger.warning("waiting for the API server and the CRD", extra={"error": str(exc)})
                await asyncio.sleep(5)
            else:
                return

    async def _lead(self, connection: Connection, kube: KubeClient, events: EventPoster, elector: Elector) -> int:
        settings, telemetry = self._settings, self._telemetry
        queue = KeyedQueue(jitter=lambda: random.uniform(0.8, 1.2))  # noqa: S311  # spreads load, protects nothing
        children = Children()
        async with HttpClient(_prometheus(settings)) as http:
            workers = Workers(queue, now, telemetry)
            store = PodStore(workers.wake)
            poller = Poller(http, store, now, workers.wake, lambda *what: telemetry.polls.labels(*what).inc())
            prober = Prober(kube, http, now, workers.wake)
            reconciler = Reconciler(
                kube=kube,
                observer=Observer(kube, store, children),
                poller=poller,
                prober=prober,
                limits=settings.limits(),
                clock=now,
                telemetry=telemetry,
            )
            freshness = self._freshness = Freshness(
                kube=kube,
                namespaces=settings.namespaces,
                children=children,
                wake=workers.wake,
                clock=now,
                telemetry=telemetry,
            )
            self._informers = tuple(PodInformer(kube, store, namespace) for namespace in settings.namespaces or ("",))
            held = asyncio.create_task(elector.hold(), name="lease")
            background = [
                asyncio.create_task(job, name=name)
                for name, job in (
                    ("events", events.run()),
                    ("relist", _again(freshness)),
                    *((f"pods {index}", informer.run()) for index, informer in enumerate(self._informers)),
                )
            ]
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(_cancel, held, *background)
                # A pass before the caches are full would take what it does not know for what is not there.
                if not await self._unless_stopped(self._fill(freshness), held, *background):
                    return 0 if self._stop.is_set() else 1
                working = asyncio.create_task(workers.run(reconciler.reconcile, settings.workers), name="workers")
                stack.push_async_callback(_cancel, working)
                return await self._watch(
                    handlers.registry(connection, children, workers.wake, freshness.saw),
                    workers=workers,
                    asking=(poller, prober),
                    elector=elector,
                    held=held,
                    working=working,
                    background=background,
                )

    async def _fill(self, freshness: Freshness) -> None:
        await asyncio.gather(*(informer.synced.wait() for informer in self._informers))
        while True:
            try:
                return await freshness.prime()
            except KubeError as exc:
                logger.warning("listing children failed", extra={"error": str(exc)})
                await asyncio.sleep(2)

    async def _watch(  # noqa: PLR0913  # the last stage of starting holds everything that stopping needs
        self,
        registry: handlers.Registry,
        *,
        workers: Workers,
        asking: tuple[Poller, Prober],
        elector: Elector,
        held: asyncio.Task[None],
        working: asyncio.Task[None],
        background: Collection[asyncio.Task[None]],
    ) -> int:
        ended = asyncio.Event()
        watching = asyncio.create_task(
            handlers.watch(registry, self._settings.namespaces, self._identity, ended, self._watching), name="kopf"
        )
        ready = asyncio.create_task(self._watching.wait(), name="watching")
        await asyncio.wait({watching, ready}, return_when=asyncio.FIRST_COMPLETED)
        await _cancel(ready)
        # Kopf took the signals over and would close the watches first; passes must end and the Lease go first.
        self._catch_signals()
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        done, _ = await asyncio.wait(
            {stopped, watching, held, working, *background}, return_when=asyncio.FIRST_COMPLETED
        )
        await _cancel(stopped)
        self._stop.set()
        workers.stop()
        if held not in done:
            await asyncio.wait({working}, timeout=DRAIN)
        for one in asking:
            one.stop()
        await _cancel(held)
        await elector.release()
        ended.set()
        await asyncio.wait({watching})
        failed = done - {stopped}
        for task in failed:
            _tell_end(task)
        return 1 if failed else 0

    async def _unless_stopped(self, job: Awaitable[None], *others: asyncio.Task[None]) -> bool:
        """Await a job; return False when SIGTERM, or the end of another task, came first."""
        task = asyncio.ensure_future(job)
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        done, _ = await asyncio.wait({task, stopped, *others}, return_when=asyncio.FIRST_COMPLETED)
        await _cancel(stopped)
        for other in done.intersection(others):
            _tell_end(other)
        if task not in done:
            await _cancel(task)
            return False
        await task
        return True


async def _again(freshness: Freshness) -> None:
    """Relist for ever."""
    while True:
        await asyncio.sleep(EVERY * random.uniform(0.9, 1.1))  # noqa: S311  # spreads load, protects nothing
        try:
            await freshness.relist()
        except KubeError as exc:
            logger.warning("the relist failed", extra={"error": str(exc)})


def _tell_end(task: asyncio.Task[Any]) -> None:
    bug = None if task.cancelled() else task.exception()
    logger.error("the operator ends", extra={"because": f"{task.get_name()} ended"}, exc_info=bug)


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait for their end. How they end is told by whoever needs them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _prometheus(settings: Settings) -> Prometheus | None:
    if settings.prometheus_url is None:
        return None
    return Prometheus(
        str(settings.prometheus_url),
        settings.prometheus_token_file,
        settings.prometheus_ca_file,
        settings.prometheus_headers,
    )
