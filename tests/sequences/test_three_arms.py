"""Routes of three arms, from any one to any other, with copies to a revision that does not answer and to stable itself."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.api.modeldeployment import hashed_content
from modelrollout.api.validate import parse_spec
from modelrollout.domain.observation import Limits, Observation, PodSeen, RouterPodSeen
from modelrollout.domain.plan import Plan
from modelrollout.domain.revision import Revision
from modelrollout.domain.route import Arm, Mirror, Route, RouteAsk
from modelrollout.domain.status import Status
from modelrollout.engine.context import contextualize
from modelrollout.engine.safety import violations
from modelrollout.engine.setup import router_setup
from modelrollout.engine.shift import shift
from modelrollout.resources.revision import build_revision
from modelrollout.routers.envoy import PLUGIN
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.envoy import Envoy
from modelrollout.simulation.statistics import render
from modelrollout.simulation.traffic import Traffic
from tests.sequences.scenario import spec

REPLICAS = 4


def revision(version: str) -> Revision:
    parsed, problems = parse_spec(spec(version), {"name": "digits"})
    assert parsed is not None, problems
    return build_revision(hashed_content(parsed), Limits())


REVISIONS = [revision(version) for version in ("1", "2", "3")]
NAMES = [item.name for item in REVISIONS]
PODS = tuple(
    PodSeen(
        name=f"{name}-{number}", uid=f"{name}-{number}", address=f"10.{index}.0.{number}", revision=name, ready=True
    )
    for index, name in enumerate(NAMES)
    for number in range(REPLICAS)
)
ROUTERS = tuple(PodSeen(name=name, uid=name, ready=True) for name in ("router-1", "router-2"))


@st.composite
def routes(draw: st.DrawFn) -> Route:
    """Return a route of one to three arms; a revision that does not answer may get copies, and stable of its own answers."""
    cut, other = sorted((draw(st.integers(0, 100)), draw(st.integers(0, 100))))
    weights = (cut, other - cut, 100 - other)
    arms = tuple(Arm(revision=name, weight=weight) for name, weight in zip(NAMES, weights, strict=True) if weight)
    silent = [name for name, weight in zip(NAMES, weights, strict=True) if not weight]
    percent = draw(st.integers(0, 100))
    mirrors = [Mirror(revision=silent[0], percent=percent)] if silent and percent else []
    if mirrors and weights[0] and draw(st.booleans()):
        mirrors.append(Mirror(revision=NAMES[0], percent=draw(st.integers(1, percent))))
    return Route(arms=arms, mirrors=tuple(mirrors))


class World:
    """Two proxies, one ModelDeployment, and what was asked for last."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.traffic = Traffic()
        self.status = Status(stable=NAMES[0])
        self.envoys = [self._boot(pod.name, routes_first=bool(number)) for number, pod in enumerate(ROUTERS)]
        for envoy in self.envoys:
            self.traffic.open(envoy)

    def _boot(self, name: str, *, routes_first: bool) -> Envoy:
        return Envoy(
            name,
            now=lambda: self.now,
            traffic=self.traffic,
            resolve=resolve,
            answers=lambda _address: True,
            routes_first=routes_first,
            tell=lambda _envoy: None,
        )

    def observe(self) -> Observation:
        reports = []
        for pod, envoy in zip(ROUTERS, self.envoys, strict=True):
            said = PLUGIN.parse(render(envoy))
            reports.append(RouterPodSeen(pod, said.version, said.members, said.active, said.mirrored, self.now))
        return Observation(
            namespace="default",
            name="digits",
            uid="uid-1",
            generation=1,
            resource_version="1",
            spec=spec("1", replicas=REPLICAS),
            status=self.status,
            snapshots={item.name: item for item in REVISIONS},
            pods=PODS,
            routers=tuple(reports),
            live_route=self.status.route,
        )

    def step(self, wanted: Route) -> bool:
        """Take one step; return whether the wanted route is reached and nothing is left of the last."""
        seen = self.observe()
        context = contextualize(seen, Limits(), self.now)
        assert context is not None
        taken = shift(context, wanted, obstacle=None, urgent=False)
        status = seen.status.model_copy(update={"route": taken.ask, "draining_since": taken.draining_since})
        assert violations(Plan(status=status), seen, REPLICAS) == ()
        changed, self.status = taken.ask != self.status.route, status
        return taken.reached and not changed and taken.draining_since is None

    def files(self) -> Mapping[str, str]:
        context = contextualize(self.observe(), Limits(), self.now)
        ask = self.status.route
        assert context is not None
        assert ask is not None
        *_, carrier = PLUGIN.objects(context.router_config, router_setup(context, ask), ask)
        data: Mapping[str, str] = carrier["data"]
        return data

    def fact(self) -> list[Mapping[str, int]]:
        return [envoy.routes.arms for envoy in self.envoys]


def resolve(name: str) -> Mapping[str, Behaviour]:
    return {pod.address: Behaviour() for pod in PODS if pod.revision == name and pod.address}


@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(wishes=st.lists(routes(), min_size=2, max_size=4), late=st.lists(st.booleans(), max_size=60))
def test_any_route_of_three_arms_becomes_any_other_without_a_loss(wishes: list[Route], late: list[bool]) -> None:
    world = World()
    late = list(late)
    for wanted in wishes:
        for _ in range(80):
            if world.step(wanted):
                break
            # One router may read its files later than the other, and again and again.
            for number, envoy in enumerate(world.envoys):
                if not (number and late and late.pop()):
                    envoy.load(world.files())
            world.now += timedelta(seconds=1)
            world.traffic.rate = 100.0
        else:
            raise AssertionError(f"{wanted} was never reached")
        assert world.fact() == [{arm.revision: arm.weight for arm in wanted.arms}] * 2
        assert world.status.route is not None
        assert set(world.status.route.clusters) >= wanted.clusters()
    world.traffic.settle()
    assert dict(world.traffic.lost) == {}


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(before=routes(), after=routes(), unready=st.sampled_from(NAMES))
def test_no_plan_raises_the_weight_of_an_arm_without_ready_pods(before: Route, after: Route, unready: str) -> None:
    world = World()
    everything = tuple(sorted(before.clusters() | after.clusters()))
    asked = RouteAsk(serial=1, route=before, clusters=everything)
    world.status = world.status.model_copy(update={"route": asked})
    pods = tuple(replace(pod, ready=pod.revision != unready) for pod in PODS)
    seen = replace(world.observe(), pods=pods)
    status = seen.status.model_copy(update={"route": RouteAsk(serial=2, route=after, clusters=everything)})

    found = {error.invariant for error in violations(Plan(status=status), seen, REPLICAS)}

    assert ("ReadyBeforeWeight" in found) == (after.weight(unready) > before.weight(unready))
