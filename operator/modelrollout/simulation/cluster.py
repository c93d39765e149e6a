"""The cluster: everything put together, and the ways to let time pass."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

from modelrollout.controller.polling import Sampled, as_found
from modelrollout.domain.observation import Limits
from modelrollout.domain.reading import Sample
from modelrollout.engine.wants import AnalysisWants, MetricWants
from modelrollout.errors import RolloutError
from modelrollout.names import COMPONENT_ROUTER, KIND, LABEL_COMPONENT
from modelrollout.simulation.agenda import Agenda
from modelrollout.simulation.apiserver import ApiServer
from modelrollout.simulation.arrivals import Chance
from modelrollout.simulation.behaviour import Behaviour, Behaviours
from modelrollout.simulation.envoy import Envoy
from modelrollout.simulation.faults import Faults, FaultyKube
from modelrollout.simulation.garbage import GarbageCollector, terminate
from modelrollout.simulation.http import SimulatedHttp
from modelrollout.simulation.kubelet import Kubelet, image_of
from modelrollout.simulation.log import Log
from modelrollout.simulation.network import Network
from modelrollout.simulation.person import NAMESPACE, Person
from modelrollout.simulation.probes import Models
from modelrollout.simulation.replica import Replica
from modelrollout.simulation.stillness import Stillness
from modelrollout.simulation.store import Change, Object, Store
from modelrollout.simulation.traffic import Traffic
from modelrollout.simulation.witness import Witness
from modelrollout.simulation.workloads import DeploymentController, is_ready

RESTART = 2.0
"""Seconds from the death of an operator until the next one leads."""
CLIENTS = 2.0
"""Seconds from the first time that the status says Available until clients come."""
FROZEN = 20.0
"""Seconds that a frozen operator stands still, unless told otherwise."""


class NeverError(RolloutError):
    """What was waited for did not happen."""


class Cluster:
    """A cluster with one operator and one person.

    Args:
        name: of the ModelDeployment that everything is about.
        rate: requests per second that clients send.
        limits: settings of the operator.
        chance: decides about each request; None: requests are a flow, of which every share is exact.

    Attributes:
        writes: what the operators have tried to write, in order.
        on_route: told each router that runs something else than before.
        on_write: told the number of each write, just before it.
        sampled: told each sample that an operator takes; returns the one that counts.
        skew: how far the clock of the next operator is from the true one.
        frozen_for: seconds that an operator that freezes stands still.
    """

    def __init__(
        self, name: str = "digits", *, rate: float = 100.0, limits: Limits | None = None, chance: Chance | None = None
    ) -> None:
        self.limits = limits or Limits()
        self.sampled: Sampled = as_found
        self.skew = timedelta()
        self.frozen_for = FROZEN
        self.agenda = Agenda()
        self.store = Store(lambda: self.agenda.now)
        self.log = Log(self.agenda, self.store)
        self.rate = rate
        self.traffic = Traffic()
        self.traffic.chance = chance
        self.behaviours = Behaviours()
        self.network = Network(self.agenda, self.store)
        self.kubelet = Kubelet(self.agenda, self.store, self.behaviours, self._boot)
        DeploymentController(self.agenda, self.store)
        GarbageCollector(self.agenda, self.store)
        self.store.watchers += [self._direct_clients, self._invite_clients, self._count_losses]
        self.server = ApiServer(self.store, self.log.event)
        self.http = SimulatedHttp(
            self.store, self.kubelet, lambda: self.agenda.now, Models(self.store, self.behaviours)
        )
        self._stillness = Stillness(self.agenda, self.store, self.http)
        self.writes: list[str] = []
        self.on_route: Callable[[Envoy], None] = lambda _envoy: None
        self.on_write: Callable[[int], None] = lambda _number: None
        self.faults = Faults(self._wrote, self._stand_still)
        self.person = Person(self.agenda, self.store, self.log, name)
        self.witness = Witness(self.store, self.kubelet, self.traffic, NAMESPACE, name)
        self.replica = self.lead()

    def lead(self) -> Replica:
        """Start an operator that leads; return it."""
        replica = Replica(
            agenda=self.agenda,
            store=self.store,
            kube=FaultyKube(self.server, self.faults),
            http=self.http,
            limits=self.limits,
            died=self._died,
            still=self._stillness.since,
            skew=self.skew,
            sampled=self._take,
        )
        replica.start()
        self.replica = replica
        return replica

    def upgrade(self, limits: Limits) -> None:
        """Replace the operator by one with other settings."""
        self.log.say("cluster", "the operator is replaced")
        self.limits = limits
        self.replica.stop()
        self.agenda.after(RESTART, self._lead_again)

    def crash(self) -> None:
        """Kill the operator; another one starts."""
        self.replica.stop()
        self._died()

    def behave(self, image: str, behaviour: Behaviour) -> None:
        """Have a model's image behave so from now on."""
        self.traffic.settle()
        self.log.say("cluster", f"{image}: {behaviour}")
        self.behaviours.set(image, behaviour)

    def delete_pod(self, name: str) -> None:
        """Delete a pod, as a person or a node drain does."""
        found = self.store.get("Pod", NAMESPACE, name)
        if found is not None:
            terminate(self.store, found, self.agenda)

    def delete_pods(self, image: str, number: int) -> None:
        """Delete some pods of a model's image."""
        pods = [pod for pod in self.store.every("Pod") if image_of(pod) == image]
        for pod in pods[:number]:
            terminate(self.store, pod, self.agenda)

    def traffic_ends(self) -> None:
        """Clients go away."""
        self.load(0.0)

    def load(self, rate: float) -> None:
        """Have clients send so many requests per second from now on, if they have come."""
        self.traffic.settle()
        self.rate = rate
        if self.traffic.rate:
            self.traffic.rate = rate
            if not rate:
                # Then nothing is in flight any more.
                self._stillness.stir()

    async def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.agenda.now + timedelta(seconds=seconds)
        while self.agenda.next is not None and self.agenda.next <= end:
            await self.agenda.step()
        self.agenda.now = max(end, self.agenda.now)

    async def until(self, claim: Callable[[], bool], within: float = 600.0) -> None:
        """Let time pass until something is so.

        Raises:
            NeverError: it was not so in time.
        """
        end = self.agenda.now + timedelta(seconds=within)
        while not claim():
            if self.agenda.next is None or self.agenda.next > end:
                tail = "\n".join(self.log.lines[-25:])
                raise NeverError(f"Waiting {within:g} s of virtual time: it did not happen. The log ends with:\n{tail}")
            await self.agenda.step()

    def facts(self) -> Mapping[str, Envoy]:
        """Return the proxies that run, by the names of their pods."""
        return {envoy.pod: envoy for envoy in self.kubelet.envoys.values()}

    def _boot(self, pod: Object) -> Envoy:
        number = len(self.kubelet.envoys)
        # Resolvers are not equally late: a test with one router, or two equal ones, can be green by luck.
        lag = timedelta(seconds=1.0 + number / 4)
        return Envoy(
            pod["metadata"]["name"],
            now=lambda: self.agenda.now,
            traffic=self.traffic,
            resolve=partial(self._resolve, lag),
            answers=self.network.answers,
            routes_first=bool(number % 2),
            tell=self._runs,
        )

    def _resolve(self, lag: timedelta, revision: str) -> Mapping[str, Behaviour]:
        found = self.network.resolve(revision, lag)
        return {address: self.behaviours.of(image) for address, image in found.items()}

    def _runs(self, envoy: Envoy) -> None:
        self._stillness.stir()
        self.log.router(envoy)
        self.witness.router(envoy)
        self.on_route(envoy)

    def _invite_clients(self, change: Change, stored: Object, _before: Object | None) -> None:
        """Clients come when the status says for the first time that they are served, and then they stay."""
        if stored["kind"] == KIND and change is Change.MODIFIED and not self.traffic.rate:
            conditions = stored.get("status", {}).get("conditions", ())
            if any(item["type"] == "Available" and item["status"] == "True" for item in conditions):
                self.agenda.after(CLIENTS, self._clients_come)

    def _clients_come(self) -> None:
        self.traffic.settle()
        self.traffic.rate = self.rate

    def _count_losses(self, _change: Change, stored: Object, _before: Object | None) -> None:
        """Look at what clients lose when pods come and go, and again when the last resolver has noticed."""
        if stored["kind"] == "Pod":
            for lag in (0.0, 1.01, 1.3):
                self.agenda.after(lag, self.traffic.settle)

    def _direct_clients(self, change: Change, stored: Object, _before: Object | None) -> None:
        """Send clients to the routers that are Ready."""
        labels = stored["metadata"].get("labels") or {}
        if stored["kind"] != "Pod" or labels.get(LABEL_COMPONENT) != COMPONENT_ROUTER:
            return
        envoy = self.kubelet.envoys.get(stored["metadata"]["uid"])
        if envoy is None:
            return
        self.traffic.settle()
        leaving = change is Change.DELETED or "deletionTimestamp" in stored["metadata"]
        (self.traffic.open if is_ready(stored) and not leaving else self.traffic.close)(envoy)

    def _take(self, wants: AnalysisWants, metric: MetricWants, sample: Sample) -> Sample:
        """What becomes of samples may change while an operator runs."""
        return self.sampled(wants, metric, sample)

    def _wrote(self, number: int, what: str) -> None:
        self.writes.append(what)
        self.on_write(number)

    def _died(self) -> None:
        self.log.say("cluster", "the operator dies")
        self.agenda.after(RESTART, self._lead_again)

    def _lead_again(self) -> None:
        if not self.replica.alive:
            self.log.say("cluster", "an operator leads")
            self.lead()

    async def _stand_still(self) -> None:
        """One operator is frozen: its successor acts for a while."""
        frozen = self.replica
        self.log.say("cluster", "the operator freezes")
        frozen.stop()
        self.agenda.after(RESTART, self._lead_again)
        await self.run(self.frozen_for)
        self.log.say("cluster", "the frozen operator wakes up")
