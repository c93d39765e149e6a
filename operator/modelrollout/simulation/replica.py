"""One replica of the operator: the real queue, reader, poller and loop, on virtual time.

What takes real time in production (watches, workers, polls) is an entry of the agenda here; every decision is the real one.
"""

from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from modelrollout.adapters.children import WATCHED, Children
from modelrollout.adapters.observe import Observer
from modelrollout.adapters.pods import PodStore
from modelrollout.adapters.protocols import Http, Kube
from modelrollout.controller.polling import FAST, SLOW, Poller, Sampled, as_found
from modelrollout.controller.probing import AGAIN, Prober
from modelrollout.controller.queue import Key, KeyedQueue
from modelrollout.controller.reconciler import Reconciler
from modelrollout.controller.telemetry import Telemetry
from modelrollout.domain.golden import GoldenWants
from modelrollout.domain.observation import Limits
from modelrollout.errors import KubeError
from modelrollout.names import KIND, LABEL_COMPONENT, LABEL_NAME
from modelrollout.simulation.agenda import Agenda
from modelrollout.simulation.echo import Echo
from modelrollout.simulation.faults import CrashedError
from modelrollout.simulation.store import Change, Object, Store

LAG = 0.02
"""Seconds until a watch tells a change."""
TURN = 0.01
"""Seconds between a wake and the pass: what comes in between is one wake."""
COUNTS = timedelta(minutes=5)
"""How often quiet routers are asked how they split the requests."""


class Replica:
    """The leading operator process.

    Args:
        agenda: virtual time.
        store: what its watches see.
        kube: what it writes to.
        http: what it polls.
        limits: its settings.
        died: told when it died at a write.
        still: whether routers would answer now as they did at a time; then they need not be asked.
        skew: how far its clock is from the true one.
        sampled: told each sample that it takes, see :class:`modelrollout.controller.polling.Poller`.
    """

    def __init__(  # noqa: PLR0913  # one process and all that surrounds it
        self,
        *,
        agenda: Agenda,
        store: Store,
        kube: Kube,
        http: Http,
        limits: Limits,
        died: Callable[[], None],
        still: Callable[[datetime], bool] = lambda _asked: False,
        skew: timedelta = timedelta(),
        sampled: Sampled = as_found,
    ) -> None:
        self._agenda = agenda
        self._store = store
        self._died = died
        self._still = still
        self.skew = skew
        self.alive = True
        self.passes = 0
        self._polls: dict[tuple[Key, str], datetime] = {}
        self._asked: dict[Key, str] = {}
        self._probed: dict[Key, GoldenWants] = {}
        self._answered: dict[Key, datetime] = {}
        self._turn: datetime | None = None
        self._echo = Echo(kube)
        self._queue = KeyedQueue()
        self._children = Children()
        self._pods = PodStore(self.wake)
        self._poller = Poller(
            http, self._pods, self.now, self.wake, background=False, shown=limits.gate_interval, sampled=sampled
        )
        self._prober = Prober(self._echo, http, self.now, self.wake, background=False)
        self._reconciler = Reconciler(
            kube=self._echo,
            observer=Observer(self._echo, self._pods, self._children),
            poller=self._poller,
            prober=self._prober,
            limits=limits,
            clock=self.now,
            telemetry=Telemetry(),
        )

    def now(self) -> datetime:
        """Return what its clock shows."""
        return self._agenda.now + self.skew

    def start(self) -> None:
        """List everything, and follow the watches from there."""
        for found in self._store.all():
            self._tell(Change.ADDED, found, None)
        self._store.watchers.append(self._saw)

    def stop(self) -> None:
        """End it: whatever it was about to do does not happen."""
        self.alive = False
        if self._saw in self._store.watchers:
            self._store.watchers.remove(self._saw)

    def wake(self, key: Key) -> None:
        """Have a ModelDeployment looked at."""
        self._queue.wake(key)
        self._come_back(self._agenda.now + timedelta(seconds=TURN))

    def _come_back(self, at: datetime) -> None:
        if self._turn is None or at < self._turn:
            self._turn = at
            self._agenda.at(at, self._work)

    def _saw(self, change: Change, stored: Object, before: Object | None) -> None:
        self._agenda.after(LAG, partial(self._tell, change, stored, before))

    def _tell(self, change: Change, stored: Object, before: Object | None) -> None:
        if not self.alive:
            return
        kind, metadata = stored["kind"], stored["metadata"]
        labels = metadata.get("labels") or {}
        if kind == KIND:
            if not self._echo.repeats(stored, before):
                self.wake((metadata["namespace"], metadata["name"]))
        elif kind == "Pod" and LABEL_COMPONENT in labels:
            if change is Change.DELETED:
                self._pods.remove(metadata["uid"])
            else:
                self._pods.put(stored)
        elif kind in WATCHED and LABEL_NAME in labels:
            key = (self._children.remove if change is Change.DELETED else self._children.put)(kind, stored)
            if key is not None and not self._echo.repeats(stored, before):
                self.wake(key)

    async def _work(self) -> None:
        if self._turn is None or self._agenda.now < self._turn:
            return
        self._turn = None
        while self.alive and (key := self._queue.take(self.now())) is not None:
            await self._pass(key)
        due = self._queue.next_due
        if self.alive and due is not None:
            self._come_back(max(due - self.skew, self._agenda.now))

    async def _pass(self, key: Key) -> None:
        self.passes += 1
        try:
            due = await self._reconciler.reconcile(key)
        except CrashedError:
            self.stop()
            self._died()
            return
        except KubeError as exc:
            self._queue.failed(key, self.now(), timedelta(seconds=exc.retry_after or 0))
        else:
            self._queue.done(key, due)
        if self.alive:
            self._follow(key)

    def _follow(self, key: Key) -> None:
        """Poll what the pass wants, as the poller's own tasks would."""
        wants = self._poller.wants(key)
        if wants.routers is not None:
            self._plan(key, "routers", FAST if wants.routers.fast else SLOW)
        if wants.analysis is not None:
            # Another stage is another question, which is asked at once.
            fresh = self._asked.get(key) != wants.analysis.epoch
            self._asked[key] = wants.analysis.epoch
            self._plan(key, "metrics", timedelta() if fresh else wants.analysis.interval)

        probed = self._prober.wants(key)
        if probed is not None:
            fresh = self._probed.get(key) != probed
            self._probed[key] = probed
            self._plan(key, "probes", timedelta() if fresh else AGAIN)

    def _plan(self, key: Key, what: str, pause: timedelta) -> None:
        at = self._agenda.now + pause
        planned = self._polls.get((key, what))
        if planned is None or at < planned:
            self._polls[key, what] = at
            self._agenda.at(at, partial(self._due, key, what, at))

    def _due(self, key: Key, what: str, at: datetime) -> Coroutine[Any, Any, None] | None:
        """Return the poll that is due now; None where there is none, or it would bring no news."""
        if not self.alive or self._polls.get((key, what)) != at:
            return None
        del self._polls[key, what]
        if what == "routers" and self._rests(key):
            self._plan(key, what, SLOW)
            return None
        return self._poll(key, what)

    def _rests(self, key: Key) -> bool:
        answered, wants = self._answered.get(key), self._poller.wants(key).routers
        return answered is not None and wants is not None and not wants.fast and self._still(answered)

    async def _poll(self, key: Key, what: str) -> None:
        if what == "routers":
            self._answered[key] = self._agenda.now
            await self._poller.poll_routers(key)
        elif what == "probes":
            await self._prober.probe(key)
        else:
            if self._is_uncounted(key):
                self._answered[key] = self._agenda.now
                await self._poller.poll_routers(key)
            await self._poller.poll_metrics(key)
        self._follow(key)

    def _is_uncounted(self, key: Key) -> bool:
        """Return whether routers that would answer as before have not told for long how they split the requests.

        They are asked at the moment of a metric, at which everything is counted anyway.
        """
        analysis, answered = self._poller.wants(key).analysis, self._answered.get(key)
        if analysis is None or analysis.comparison.weight is None or answered is None:
            return False
        return self._still(answered) and self._agenda.now - answered >= COUNTS
