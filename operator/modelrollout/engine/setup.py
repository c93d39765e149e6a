"""What a router needs to render, gathered from the context."""

from collections.abc import Mapping
from typing import Any

from modelrollout.domain.route import RouteAsk
from modelrollout.engine.context import Context
from modelrollout.names import mirror_cluster
from modelrollout.resources.owner import owner_references
from modelrollout.routers._base import Setup


def owner_of(context: Context) -> tuple[Mapping[str, Any], ...]:
    """Return the ownerReferences of every child: none when children must outlive the ModelDeployment."""
    return owner_references(context.seen.name, context.seen.uid, orphan=context.spec.deletion_policy == "orphan")


def router_setup(context: Context, ask: RouteAsk) -> Setup:
    """Return the router's input for an ask; revisions whose snapshot is gone are left out, and the renderer refuses them."""
    names = ask.route.revisions() | {cluster.removesuffix(mirror_cluster("")) for cluster in ask.clusters}
    known = {name: revision for name in sorted(names) if (revision := context.revision(name)) is not None}
    spec = context.spec
    return Setup(
        name=context.seen.name,
        namespace=context.seen.namespace,
        owner=owner_of(context),
        service_name=spec.service.name or context.seen.name,
        service_port=spec.service.port,
        revisions=known,
        replicas=spec.replicas,
        limits=context.limits,
    )
