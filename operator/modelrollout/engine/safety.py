"""Invariants that bind what a Plan changes. A bad world is not a violation; making it worse is.

Checked on every Plan, in production and in tests. They are written from the observation and the plan alone, without the rules
that made the plan, so that a mistake in the rules cannot hide here too.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from modelrollout.domain.observation import Observation
from modelrollout.domain.plan import Delete, Plan
from modelrollout.domain.route import RouteAsk
from modelrollout.domain.status import RolloutState
from modelrollout.errors import SafetyError
from modelrollout.names import workload


def violations(plan: Plan, seen: Observation, replicas: int) -> tuple[SafetyError, ...]:
    """Return every invariant that a plan would break.

    Args:
        plan: what is to be done.
        seen: the world it was made for.
        replicas: pods that the user wants for a full-size revision.
    """
    before, after = seen.status.route or seen.live_route, plan.status.route
    world = _World(plan, seen, replicas)
    found: list[SafetyError] = []
    if after is not None:
        found += _route(before, after, world)
    found += _capacity(world)
    return tuple(found)


@dataclass(frozen=True)
class _World:
    plan: Plan
    seen: Observation
    replicas: int

    def share(self, weight: int) -> int:
        """Return how many pods a share of the answers needs; the user may have said that there are not so many."""
        most = self.seen.spec.get("maxExtraReplicas")
        share = math.ceil(self.replicas * weight / 100)
        return max(1, min(share, most) if type(most) is int and weight < 100 else share)

    def pinned(self) -> str | None:
        """Return the candidate that may answer nobody, None when there is none. A first install has nobody beside it."""
        rollout = self.plan.status.rollout
        if rollout is None or rollout.previous is None or rollout.state is not RolloutState.PROGRESSING:
            return None
        return rollout.revision if self.seen.spec.get("automation") == "shadow" else None

    def home(self) -> str | None:
        """Return the revision that traffic goes home to, None when no rollout is running."""
        rollout = self.plan.status.rollout
        running = rollout is not None and rollout.state in (RolloutState.PROGRESSING, RolloutState.ABORTING)
        return rollout.previous if rollout is not None and running else None


def _route(before: RouteAsk | None, after: RouteAsk, world: _World) -> Iterator[SafetyError]:
    if sum(arm.weight for arm in after.route.arms) != 100:
        yield SafetyError("WeightsSumTo100", "the weights of the planned route do not sum to 100")
    if not after.route.clusters() <= set(after.clusters):
        yield SafetyError("RouteNamesItsClusters", "the planned route names a cluster that is not asked for")
    answering = {arm.revision for arm in after.route.arms}
    # What traffic goes home to may get copies of what it answers itself: so it is known how much it differs from itself.
    candidate = world.pinned()
    if candidate is not None and after.route.weight(candidate) > (before.route.weight(candidate) if before else 0):
        yield SafetyError("ShadowHasNoWeight", "automation is shadow and the candidate would answer more requests")
    if {mirror.revision for mirror in after.route.mirrors} & answering - {world.home() or world.plan.status.stable}:
        yield SafetyError("ShadowNeverAnswers", "a revision that gets copies would also answer")
    if before is None or before == after:
        return
    if after.serial <= before.serial:
        yield SafetyError("SerialGrows", "the planned route has an older serial than the asked one")
    fresh, gone = set(after.clusters) - set(before.clusters), set(before.clusters) - set(after.clusters)
    if before.route != after.route and fresh & after.route.clusters():
        yield SafetyError("ClusterBeforeRoute", "a cluster and the route that names it would change in one update")
    if gone & before.route.clusters():
        yield SafetyError("RouteBeforeCluster", "a cluster and the route that named it would go in one update")
    for arm in after.route.arms:
        if arm.weight > before.route.weight(arm.revision):
            yield from _raise(arm.revision, arm.weight, before, world)


def _raise(revision: str, weight: int, before: RouteAsk, world: _World) -> Iterator[SafetyError]:
    ready = len(world.seen.ready_pods(revision))
    rollout = world.plan.status.rollout
    aborted = rollout is not None and rollout.state in (RolloutState.ABORTING, RolloutState.ABORTED)
    if ready and aborted and rollout is not None and rollout.previous == revision:
        # Traffic goes home: one pod that is known to be good is better than many that are not.
        return
    others = [arm.revision for arm in before.route.arms if arm.revision != revision]
    leaving = max((len(world.seen.ready_pods(other)) for other in others), default=0)
    if ready < (1 if weight == 100 else world.share(weight)):
        yield SafetyError("ReadyBeforeWeight", "a revision without the Ready pods for it would get more traffic")
    elif weight == 100 and ready < min(world.replicas, leaving):
        yield SafetyError("WholeBeforeAll", "a revision with fewer Ready pods than the one it replaces would get all")


def _capacity(world: _World) -> Iterator[SafetyError]:
    plan, seen = world.plan, world.seen
    asked = [ask for ask in (seen.status.route, seen.live_route, plan.status.route) if ask is not None]
    used = {name for ask in asked for name in ask.route.revisions()}
    for revision, size in plan.sizes.items():
        deployment = seen.child("Deployment", workload(seen.name, revision))
        now = int(deployment["spec"].get("replicas", 1)) if deployment else 0
        weight = max((ask.route.weight(revision) for ask in asked), default=0)
        least = (
            world.replicas if revision == world.home() else min(world.share(weight) if weight else 0, world.replicas)
        )
        if size < min(now, least):
            yield SafetyError("CapacityStays", "pods of a revision that people rely on would be taken away")
    kept = {workload(seen.name, name) for name in used}
    for write in plan.writes:
        if isinstance(write, Delete) and write.kind in ("Deployment", "Service") and write.name in kept:
            yield SafetyError("CapacityStays", "an object of a revision that a route still uses would be deleted")
