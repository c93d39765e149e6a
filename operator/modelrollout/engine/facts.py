"""Facts: what the data plane and the pods say, against what was asked of them. Every function returns why it is not so."""

from modelrollout.domain.capability import Capability
from modelrollout.domain.route import RouteAsk
from modelrollout.engine.context import Context
from modelrollout.engine.setup import router_setup


def unacknowledged(context: Context, ask: RouteAsk) -> str | None:
    """Return why an ask is not yet what clients get, None when it is.

    Every router pod whose containers may still run must say so, NotReady and terminating ones included: each can still answer
    a kept connection. A pod that cannot be asked has acknowledged nothing.

    What was acknowledged by all stays so until one that was asked says otherwise. An operator that has just started has
    asked nobody yet, and a router that has just started runs the current files.
    """
    if Capability.VERIFY not in context.router.capabilities:
        return None if context.seen.live_route == ask else "the Service does not select the asked pods yet"
    version = context.router.version(context.router_config, router_setup(context, ask), ask)
    running = [report for report in context.seen.routers if report.pod.running]
    settled = context.seen.status.route_verified and context.seen.status.route == ask
    late = [report for report in running if report.version != version and not (settled and report.at is None)]
    if late:
        first = late[0]
        runs = f"runs {first.version or 'nothing known'}, asked {version}"
        why = f"cannot be asked ({first.error.removesuffix('.')})" if first.error else runs
        return f"{len(late)} of {len(running)} routers have not acknowledged: {first.pod.name} {why}"
    if not any(report.pod.ready for report in running):
        return "no router is Ready yet"
    return None


def unsettled(context: Context, cluster: str, revision: str) -> str | None:
    """Return why the routers do not yet know exactly the Ready pods of a revision, None when they do.

    Compared by address: a router that still resolves a pod that is gone would send it requests, and equal numbers
    would not show it.
    """
    if Capability.VERIFY not in context.router.capabilities:
        return None
    ready = frozenset(pod.address for pod in context.seen.ready_pods(revision) if pod.address)
    for report in context.seen.routers:
        if report.pod.running and not report.pod.terminating and report.members.get(cluster, frozenset()) != ready:
            known = len(report.members.get(cluster, frozenset()) & ready)
            return f"router {report.pod.name} resolves {known} of {len(ready)} Ready pods of {revision}"
    return None


def in_flight(context: Context, cluster: str) -> int:
    """Return how many requests routers still have at a cluster, as far as they say."""
    return sum(report.active.get(cluster, 0) for report in context.seen.routers if report.pod.running)


def can_be_drained(context: Context) -> bool:
    """Return whether the routers tell requests in flight at all; otherwise only the deadline ends a drain."""
    return Capability.VERIFY in context.router.capabilities
