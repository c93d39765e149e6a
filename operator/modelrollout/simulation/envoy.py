"""The proxy of one router pod: which files it accepted, whom it sends requests to, and what it counts.

It behaves as measured: one process takes clusters first and another routes first, a route that names an unknown cluster
is rejected and never tried again, and a cluster that is gone answers 503.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from modelrollout.domain.capture import CAPTURE_FILE, Capture
from modelrollout.names import mirror_cluster
from modelrollout.routers._envoy_bootstrap import CLUSTERS_FILE, ROUTES_FILE
from modelrollout.simulation.answers import answer, recall
from modelrollout.simulation.arrivals import Arrived, Chance
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.counts import Counts
from modelrollout.simulation.kinds import Meeting
from modelrollout.simulation.labelled import Labelled
from modelrollout.simulation.pairs import Pairs
from modelrollout.simulation.traffic import Traffic
from modelrollout.simulation.watched import Watched

LONGEST = 2.0
"""Seconds that the longest request is in flight after its cluster has left the route."""
WARM = 0.05
"""Seconds until a new cluster has resolved its name."""

Resolve = Callable[[str], Mapping[str, Behaviour]]
"""Addresses of a revision, as this process knows them, and how each behaves."""


@dataclass(frozen=True)
class Clusters:
    """An accepted file of clusters."""

    version: str = ""
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Routes:
    """An accepted file of routes; shares are percents by cluster."""

    version: str = ""
    arms: Mapping[str, int] = field(default_factory=dict)
    mirrors: Mapping[str, int] = field(default_factory=dict)
    preview: str | None = None

    @property
    def clusters(self) -> frozenset[str]:
        """All clusters that it names."""
        return frozenset({*self.arms, *self.mirrors, *([self.preview] if self.preview else [])})


class Envoy:
    """One process.

    Args:
        pod: name of its pod.
        now: the current time.
        traffic: what clients send.
        resolve: its resolver.
        answers: whether anybody listens at an address.
        routes_first: it takes the file of routes before that of clusters.
        tell: told what it runs, whenever that changed.
    """

    def __init__(  # noqa: PLR0913  # one process and all that surrounds it
        self,
        pod: str,
        *,
        now: Callable[[], datetime],
        traffic: Traffic,
        resolve: Resolve,
        answers: Callable[[str], bool],
        routes_first: bool,
        tell: Callable[["Envoy"], None],
    ) -> None:
        self.pod = pod
        self._now = now
        self._traffic = traffic
        self._resolve = resolve
        self._answers = answers
        self._routes_first = routes_first
        self._tell = tell
        self._files: Mapping[str, str] = {}
        self._at = now()
        self._warm: dict[str, datetime] = {}
        self._left: dict[str, datetime] = {}
        self.clusters = Clusters()
        self.routes = Routes()
        self.serves = False
        self.counts: dict[str, Counts] = defaultdict(Counts)
        random = traffic.chance.random if traffic.chance is not None else None
        self.pairs = Pairs(random, pod)
        self.watched = Watched(random)
        self.labelled = Labelled(random)

    def load(self, files: Mapping[str, str]) -> None:
        """Take new files; equal ones change nothing."""
        if files == self._files:
            return
        self.account()
        self._files = files
        capture = _read_capture(files.get(CAPTURE_FILE))
        self.pairs.obey(capture)
        self.watched.obey(capture)
        self.labelled.obey(capture)
        before = (self.clusters, self.routes)
        # A process that boots fetches its clusters first; later each file is noticed by itself.
        steps = [self._take_clusters, self._take_routes]
        for take in reversed(steps) if self._routes_first and self.routes.version else steps:
            take()
        if (self.clusters, self.routes) != before:
            self._tell(self)

    def _take_clusters(self) -> None:
        found = _read_clusters(self._files[CLUSTERS_FILE])
        warm_at = self._now() + timedelta(seconds=WARM)
        for name in found.names - self.clusters.names:
            self._warm[name] = warm_at
        self.clusters = found

    def _take_routes(self) -> None:
        found = _read_routes(self._files[ROUTES_FILE])
        if not found.clusters <= self.clusters.names or any(self.warming(name) for name in found.clusters):
            return
        for name in self.routes.clusters - found.clusters:
            self._left[name] = self._now()
        self.routes = found

    def warming(self, cluster: str) -> bool:
        """Return whether a cluster has not resolved its name yet; a process that boots waits for that."""
        return bool(self.routes.version) and self._now() < self._warm.get(cluster, self._now())

    def members(self, cluster: str) -> Mapping[str, Behaviour]:
        """Return the addresses that a cluster has now."""
        return self._resolve(cluster.removesuffix(mirror_cluster("")))

    def active(self, cluster: str) -> int:
        """Return the requests in flight."""
        if cluster in self.routes.arms or cluster in self.routes.mirrors:
            return 1 if self.serves and self._traffic.rate else 0
        left = self._left.get(cluster)
        return 1 if left is not None and self._now() < left + timedelta(seconds=LONGEST) else 0

    def account(self) -> None:
        """Count everything that has happened until now."""
        now, since = self._now(), self._at
        self._at = now
        requests = self._traffic.of(self) * ((now - since) / timedelta(seconds=1))
        if not requests:
            return
        chance = self._traffic.chance
        if chance is not None:
            for cluster, arrived in chance.arrivals.reach(self.routes, requests, since, now).items():
                self._draw(chance, cluster, arrived)
                self._compare(cluster, arrived.total)
                self._watch(cluster, arrived.total)
            return
        for cluster, weight in self.routes.arms.items():
            self._count(cluster, requests * weight / 100, answering=True)
            self._watch(cluster, requests * weight / 100)
        for cluster, percent in self.routes.mirrors.items():
            self._count(cluster, requests * percent / 100, answering=False)
            self._compare(cluster, requests * percent / 100)
            self._watch(cluster, requests * percent / 100)

    def _watch(self, cluster: str, requests: float) -> None:
        """Show requests to a collector that looks at them all: of copied ones another share than of those that are not."""
        capture, chance = self.pairs.capture, self._traffic.chance
        if capture is None or (capture.observed is None and capture.labelled is None):
            return
        behaviour = next(iter(self.members(cluster).values()), None)
        if behaviour is None:
            return
        copied = max(self.routes.mirrors.values(), default=0) / 100 if cluster in self.routes.arms else 1.0
        with_copy = self.watched.some(requests * copied, capture.percent)
        percent = capture.observed.percent if capture.observed is not None else capture.percent
        without = self.watched.some(requests * (1 - copied), percent)
        shared = chance.shared if chance is not None else 0.0
        seen = with_copy + without
        for one in (self.watched, self.labelled):
            one.answered(cluster, behaviour, self._traffic.mix, shared, seen, self._now())

    def _compare(self, cluster: str, requests: float) -> None:
        """Show copied requests to the collector, with what both versions say to them."""
        capture, chance = self.pairs.capture, self._traffic.chance
        if (
            capture is None
            or not capture.stable
            or not capture.candidate
            or cluster != mirror_cluster(capture.candidate)
        ):
            return
        stable, candidate = (next(iter(self.members(name).values()), None) for name in (capture.stable, cluster))
        if stable is None or candidate is None or not requests:
            return
        # Envoy draws one number for each request: of those that are copied to the candidate so many are copied to stable.
        again = min(1.0, self.routes.mirrors.get(mirror_cluster(capture.stable), 0) / self.routes.mirrors[cluster])
        shared = chance.shared if chance is not None else 0.0
        self.pairs.copied(Meeting(self._traffic.mix, stable, candidate, shared, again), requests)

    def _draw(self, chance: Chance, cluster: str, arrived: Arrived) -> None:
        """Count requests one by one."""
        if not arrived.total:
            return
        counts, members, answering = self.counts[cluster], self.members(cluster), cluster in self.routes.arms
        if cluster not in self.clusters.names or not members:
            counts.completed += arrived.total
            counts.failed += arrived.total
            chance.tell(cluster, arrived.total, arrived.total)
            self._lose_all(cluster, arrived.total, answering=answering)
            return
        if answering:
            for address in members:
                self._reach(address, cluster, arrived.total / len(members))
        bad = arrived.bad
        if bad is None:
            bad = answer(chance, counts, members, arrived.total)
        else:
            recall(chance, counts, members, arrived.total, bad)
        chance.tell(cluster, arrived.total, bad)

    def _lose_all(self, cluster: str, requests: float, *, answering: bool) -> None:
        if answering:
            why = "has no member" if cluster in self.clusters.names else "is not known"
            self._traffic.lose(requests, f"{self.pod}: cluster {cluster} {why}")

    def _reach(self, address: str, cluster: str, requests: float) -> None:
        """Lose requests that are sent to an address at which nobody listens."""
        if not self._answers(address):
            self._traffic.lose(requests, f"{self.pod}: nobody listens at a member of {cluster}")

    def _count(self, cluster: str, requests: float, *, answering: bool) -> None:
        """Count a flow: every share of it is exact, and need not be a whole number."""
        counts, members = self.counts[cluster], self.members(cluster)
        counts.completed += requests
        if cluster not in self.clusters.names or not members:
            counts.failed += requests
            self._lose_all(cluster, requests, answering=answering)
            return
        for address, behaviour in members.items():
            share = requests / len(members)
            if answering:
                self._reach(address, cluster, share)
            failed = share if behaviour.hangs else share * behaviour.errors
            counts.failed += failed
            counts.members[address].total += share
            counts.members[address].failed += failed
            counts.slow += share if behaviour.hangs else 0
            if not behaviour.hangs:
                counts.latencies[behaviour.latency] += share


@lru_cache(maxsize=64)
def _read_capture(text: str | None) -> Capture | None:
    return Capture.model_validate_json(text) if text is not None else None


@lru_cache(maxsize=512)
def _read_clusters(text: str) -> Clusters:
    file = json.loads(text)
    return Clusters(file["version_info"], frozenset(item["name"] for item in file["resources"]))


@lru_cache(maxsize=512)
def _read_routes(text: str) -> Routes:
    file = json.loads(text)
    arms: dict[str, int] = {}
    mirrors: dict[str, int] = {}
    preview = None
    for item in _matches(file):
        action = item.get("route", {})
        if "cluster" in action:
            preview = action["cluster"]
        for arm in action.get("weighted_clusters", {}).get("clusters", ()):
            arms[arm["name"]] = arm["weight"]
        for policy in action.get("request_mirror_policies", ()):
            mirrors[policy["cluster"]] = policy["runtime_fraction"]["default_value"]["numerator"]
    return Routes(file["version_info"], arms, mirrors, preview)


def _matches(file: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [match for routes in file["resources"] for host in routes["virtual_hosts"] for match in host["routes"]]
