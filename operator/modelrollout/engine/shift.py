"""From the route that is asked to the route that is wanted, one acknowledged change at a time.

Envoy's clusters and routes are two files, and processes differ in which one they take first. A route that names a cluster
added in the same update loses requests on one router or leaves the other stale. So: cluster added, acknowledged, route;
and route gone, acknowledged, drained, cluster removed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelrollout.domain.route import Route, RouteAsk
from modelrollout.engine.context import Context
from modelrollout.engine.facts import can_be_drained, in_flight, unacknowledged, unsettled
from modelrollout.names import mirror_cluster


@dataclass(frozen=True)
class Shift:
    """The next ask, and what keeps it from being the wanted route.

    Attributes:
        ask: what to ask for now; the same object as before when nothing changes.
        waiting: what the wanted route waits for; empty when it is asked for and acknowledged.
        reached: the wanted route is asked for and acknowledged.
        acknowledged: ``ask``, whatever it is, is what every router runs.
        due: when to look at a running drain again.
        draining_since: since when revisions that left the route finish their requests; None when none does.
        drained_by: when that ends at the latest.
    """

    ask: RouteAsk
    waiting: str
    reached: bool
    acknowledged: bool = False
    due: datetime | None = None
    draining_since: datetime | None = None
    drained_by: datetime | None = None


def shift(context: Context, wanted: Route, *, obstacle: str | None, urgent: bool) -> Shift:
    """Return the next step towards a route.

    Args:
        context: the pass.
        wanted: the route to reach.
        obstacle: why the wanted route may not be asked for yet (pods that are not Ready); clusters are prepared all the same.
        urgent: traffic goes home: routers that know pods of it need acknowledge nothing first.
    """
    asked = context.status.route
    if asked is None:
        return _ask(context, _first(context, wanted), obstacle)
    late = unacknowledged(context, asked)
    if asked.route == wanted:
        return _settle(context, asked, late)
    missing = wanted.clusters() - set(asked.clusters)
    if missing:
        return _ask(context, _next(asked, asked.route, set(asked.clusters) | missing), obstacle)
    blocked = obstacle or late or _unknown_members(context, asked.route, wanted)
    if urgent and not obstacle and not _unheard_of(context, wanted):
        blocked = None
    if blocked:
        # What an earlier rollout left may hold the very capacity that this one waits for.
        extra = set(asked.clusters) - asked.route.clusters() - wanted.clusters() - _kept(context)
        return Shift(asked, blocked, reached=False) if late else _forget(context, asked, extra, blocked)
    return _ask(context, _next(asked, wanted, set(asked.clusters)), None)


def _ask(context: Context, ask: RouteAsk, obstacle: str | None) -> Shift:
    """Return a change of the ask, waiting for what the next pass will find it waits for."""
    return Shift(ask, obstacle or unacknowledged(context, ask) or "", reached=False)


def _first(context: Context, wanted: Route) -> RouteAsk:
    live = context.seen.live_route
    return RouteAsk(serial=(live.serial if live else 0) + 1, route=wanted, clusters=tuple(sorted(wanted.clusters())))


def _next(asked: RouteAsk, route: Route, clusters: set[str]) -> RouteAsk:
    return RouteAsk(serial=asked.serial + 1, route=route, clusters=tuple(sorted(clusters)))


def _settle(context: Context, asked: RouteAsk, late: str | None) -> Shift:
    """The wanted route is asked for: wait for it, then let what left it drain, then forget its clusters."""
    rollout, acknowledged = context.progressing, late is None
    if not late and rollout is not None and rollout.previous is None:
        # The first route is asked for before there are pods; clients are served once the routers know them.
        late = _unknown_members(context, Route(), asked.route)
    if late:
        return Shift(asked, late, reached=False, acknowledged=acknowledged)
    return _forget(context, asked, set(asked.clusters) - asked.route.clusters() - _kept(context), "")


def _forget(context: Context, asked: RouteAsk, extra: set[str], waiting: str) -> Shift:
    """Let what left the acknowledged route drain, then forget its clusters; ``waiting`` is what else is waited for."""
    if not extra:
        return Shift(asked, waiting, reached=not waiting, acknowledged=True)
    leaving = {cluster.removesuffix(mirror_cluster("")) for cluster in extra}
    since = context.status.draining_since or context.now
    longest = max(
        (revision.timeout for name in leaving if (revision := context.revision(name))), default=context.limits.timeout
    )
    drained = can_be_drained(context) and not any(in_flight(context, cluster) for cluster in extra)
    # The first pass after the acknowledgement may hold counters that are older than it: one more look is needed.
    fresh = context.status.draining_since is not None and all(
        report.at is not None and report.at > since for report in context.seen.routers if report.pod.running
    )
    if (drained and fresh) or context.now >= since + longest:
        return _ask(context, _next(asked, asked.route, set(asked.clusters) - extra), waiting or None)
    # What is in flight changes without an event that would wake the loop, so it is looked at again every second.
    look = context.now + timedelta(seconds=1) if can_be_drained(context) else since + longest
    return Shift(
        asked,
        waiting,
        reached=not waiting,
        acknowledged=True,
        due=min(look, since + longest),
        draining_since=since,
        drained_by=since + longest,
    )


def _kept(context: Context) -> frozenset[str]:
    """Clusters that stay although the route does not name them: the way home, and the candidate's while it is on trial."""
    rollout = context.status.rollout
    names = {context.status.stable, context.status.candidate}
    if rollout is not None and context.progressing:
        names |= {rollout.previous, rollout.revision}
    return frozenset(name for name in names if name)


def _unheard_of(context: Context, wanted: Route) -> bool:
    """Whether some router that answers us knows nobody in a cluster of the wanted route; a silent one is not waited for."""
    return any(
        not all(report.members.get(cluster) for cluster in wanted.clusters())
        for report in context.seen.routers
        if report.pod.running and not report.error
    )


def _unknown_members(context: Context, before: Route, wanted: Route) -> str | None:
    """Revisions that get more than they had must be fully known to every router."""
    for arm in wanted.arms:
        if arm.weight > before.weight(arm.revision):
            why = unsettled(context, arm.revision, arm.revision)
            if why:
                return why
    for mirror in wanted.mirrors:
        if mirror.percent > before.mirrored(mirror.revision):
            why = unsettled(context, mirror_cluster(mirror.revision), mirror.revision)
            if why:
                return why
    return None
