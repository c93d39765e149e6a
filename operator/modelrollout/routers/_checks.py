"""What no router renders: asks that a data plane would accept and clients would suffer.

An empty list of clusters or routes is a valid file for Envoy, and every client then gets 503 or 404. So the renderer is the
last place where such an ask can be stopped.
"""

from modelrollout.domain.route import RouteAsk
from modelrollout.errors import RenderError
from modelrollout.names import mirror_cluster
from modelrollout.routers._base import Setup


def check_ask(setup: Setup, ask: RouteAsk) -> None:
    """Refuse an ask that would hurt clients.

    Raises:
        RenderError: no clusters or no arms, weights that do not sum to 100, a revision named twice or unknown, or a route
            that names a cluster which is not in the ask.
    """
    arms = [arm.revision for arm in ask.route.arms]
    mirrors = [mirror.revision for mirror in ask.route.mirrors]
    total = sum(arm.weight for arm in ask.route.arms)
    upstreams = {upstream for revision in setup.revisions for upstream in (revision, mirror_cluster(revision))}
    if not ask.clusters:
        raise RenderError(_words(setup, "it has no clusters, so every request would be answered with 503"))
    if not arms:
        raise RenderError(_words(setup, "it has no arms, so every request would be answered with 404"))
    if total != 100 or any(arm.weight == 0 for arm in ask.route.arms):
        raise RenderError(_words(setup, f"its weights sum to {total} and must be above 0 and sum to 100"))
    for names in (arms, mirrors, ask.clusters):
        if len(set(names)) != len(names):
            raise RenderError(_words(setup, f"{', '.join(names)} names one twice"))
    if missing := ask.route.clusters() - set(ask.clusters):
        raise RenderError(_words(setup, f"its route names {_list(missing)}, which is not among its clusters"))
    if unknown := set(ask.clusters) - upstreams:
        raise RenderError(_words(setup, f"nothing is known of the revision behind {_list(unknown)}"))


def _words(setup: Setup, reason: str) -> str:
    return (
        f"The route of {setup.namespace}/{setup.name} was not written: {reason}. "
        "The data plane keeps the route it has; this is a mistake in the operator, please report it."
    )


def _list(names: set[str] | frozenset[str]) -> str:
    return ", ".join(sorted(names))
