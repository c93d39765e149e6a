"""What a router needs to render, gathered from the context."""

from collections.abc import Mapping
from typing import Any

from modelrollout.api.captures import capture_of
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.domain.route import Route, RouteAsk
from modelrollout.engine.context import Context
from modelrollout.names import mirror_cluster
from modelrollout.resources.owner import owner_references
from modelrollout.routers._base import SecretKey, Setup

Arms = tuple[str | None, str | None]
"""The revision that answers, and another one."""


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
        capture=capture_of(spec, _compared(ask.route), _answering(ask.route)),
        labels=_token(spec),
    )


def _token(spec: ModelDeploymentSpec) -> SecretKey | None:
    labels = spec.analysis.labels if spec.analysis is not None else None
    return SecretKey(labels.token_secret.name, labels.token_secret.key) if labels is not None else None


def _compared(route: Route) -> Arms:
    """Return who is compared with whom: who answers with the first one that only gets copies; nobody where nobody does.

    It follows from the route alone. What an ask renders to must not change while the ask stays.
    """
    shadows = [mirror.revision for mirror in route.mirrors if not route.weight(mirror.revision)]
    if not shadows or not route.arms:
        return None, None
    return max(route.arms, key=lambda arm: (arm.weight, arm.revision)).revision, shadows[0]


def _answering(route: Route) -> Arms:
    """Return who answers clients: one revision, or the one that is replaced and the one that replaces it."""
    first, second, *_ = (*(arm.revision for arm in route.arms), None, None)
    return first, second
