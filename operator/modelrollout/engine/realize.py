"""From the decided status to writes: what should exist, minus what already is so.

Reads nothing but the status and the observation, so a pass after a crash derives the same writes again. The order is that of
growing: snapshots, pods, data plane, nudges; then deletions, and only of what no route and no router uses any more. Reports
come last: one that is refused keeps nothing else from being done.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from modelrollout.api.watched import reference_of, watched
from modelrollout.domain.capability import Capability
from modelrollout.domain.plan import Apply, Delete, Nudge, Write
from modelrollout.domain.revision import Revision
from modelrollout.domain.status import RolloutState
from modelrollout.engine.books import about
from modelrollout.engine.context import Context
from modelrollout.engine.filing import reports
from modelrollout.engine.reference import dump, known, parse
from modelrollout.engine.setup import owner_of, router_setup
from modelrollout.engine.sizing import current_size, sizes
from modelrollout.engine.wants import stored_evidence, watch_of
from modelrollout.names import candidate_service, evidence, labels_service, mirror_cluster, reference, workload
from modelrollout.resources.applied import needs_write, stamp
from modelrollout.resources.checkpoint import checkpoint
from modelrollout.resources.reference import reference_map
from modelrollout.resources.service import candidate, headless
from modelrollout.resources.snapshot import controller_revision
from modelrollout.resources.workload import deployment


def realize(context: Context) -> tuple[Write, ...]:
    """Return the writes that bring the world to the decided status, in order."""
    taken = context.seen.foreign | context.seen.leftovers
    writes = (
        *_revisions(context),
        *_data_plane(context),
        *_nudges(context),
        *_evidence(context),
        *_reference(context),
        *_retired(context),
        *_history(context),
        *reports(context),
    )
    return tuple(write for write in writes if write.key not in taken)


def live_revisions(context: Context) -> tuple[Revision, ...]:
    """Return the revisions that have pods by intent: stable, and the candidate until traffic is home."""
    rollout = context.status.rollout
    names = [context.status.stable]
    if rollout is not None and rollout.state in (RolloutState.PROGRESSING, RolloutState.ABORTING):
        names += [rollout.previous, rollout.revision]
    found = [context.revision(name) for name in dict.fromkeys(name for name in names if name)]
    return tuple(revision for revision in found if revision is not None)


def _revisions(context: Context) -> Iterator[Write]:
    name, namespace, owner = context.seen.name, context.seen.namespace, owner_of(context)
    numbers = [
        int(body.get("revision", 0))
        for (kind, _), body in context.seen.children.items()
        if kind == "ControllerRevision"
    ]
    number = max(numbers, default=0)
    wanted = sizes(context)
    for revision in live_revisions(context):
        existing = context.seen.child("ControllerRevision", workload(name, revision.name))
        if existing is None:
            number += 1
        kept = int(existing.get("revision", number)) if existing is not None else number
        yield from _apply(context, controller_revision(name, namespace, owner, revision, kept))
        yield from _apply(context, headless(name, namespace, owner, revision))
        # A revision without an intended size keeps the one it has.
        size = wanted.get(revision.name, current_size(context, revision.name))
        if size is not None:
            yield from _apply(context, deployment(name, namespace, owner, revision, size), fenced=True)
    rollout = context.progressing
    if rollout is not None and rollout.previous is not None:
        trial = context.revision(rollout.revision)
        if trial is not None:
            yield from _apply(context, candidate(name, namespace, owner, trial, context.spec.service.port))


def _data_plane(context: Context) -> Iterator[Write]:
    ask = context.status.route
    if ask is None:
        return
    carrier = context.router.carrier(context.seen.name, context.spec.service.name or context.seen.name)
    for body in context.router.objects(context.router_config, router_setup(context, ask), ask):
        yield from _apply(context, body, fenced=(body["kind"], body["metadata"]["name"]) == carrier)


def _apply(context: Context, body: Mapping[str, Any], *, fenced: bool = False) -> Iterator[Apply]:
    """Apply an object unless it is already so.

    A fenced write carries what was observed, so that it fails when somebody, such as a newer leader, wrote in between.
    """
    live = context.seen.child(body["kind"], body["metadata"]["name"])
    stamped = stamp(body)
    if not needs_write(stamped, live):
        return
    fence = (live["metadata"]["resourceVersion"] if live is not None else "") if fenced else None
    yield Apply(stamped, fence)


def _nudges(context: Context) -> Iterator[Nudge]:
    """Tell the kubelet of every router pod that the ConfigMap has changed; without it a refresh takes up to a minute."""
    ask = context.status.route
    if ask is None or Capability.VERIFY not in context.router.capabilities:
        return
    version = context.router.version(context.router_config, router_setup(context, ask), ask)
    for report in context.seen.routers:
        # A router that nobody has asked yet has just started, and starts with the current files.
        if report.at and report.pod.running and version not in (report.version, report.pod.nudge):
            yield Nudge(report.pod.name, version)


def _evidence(context: Context) -> Iterator[Write]:
    """Keep the evidence of a rollout that runs. After the data plane: an abort must not wait for it."""
    seen, rollout, monitor = context.seen, context.progressing, context.status.monitor
    if monitor is not None:
        yield from _evidence_of_watch(context, watch_of(monitor))
    elif rollout is None or rollout.previous is None:
        yield from _delete(context, "ConfigMap", evidence(seen.name))
    elif seen.evidence:
        # A leader that was frozen must not put old evidence in the place of new.
        yield from _apply(context, checkpoint(seen.name, seen.namespace, owner_of(context), seen.evidence), fenced=True)


def _evidence_of_watch(context: Context, attempt: str) -> Iterator[Write]:
    """Keep what change detectors have seen. What is stored, or known, may still be of the rollout before."""
    seen = context.seen
    if about(seen.evidence, attempt):
        yield from _apply(context, checkpoint(seen.name, seen.namespace, owner_of(context), seen.evidence), fenced=True)
    elif not about(stored_evidence(context), attempt):
        yield from _delete(context, "ConfigMap", evidence(seen.name))


def _reference(context: Context) -> Iterator[Write]:
    """Keep what was learnt of the stable revision, as long as it is to be learnt."""
    seen, asked, stable = context.seen, reference_of(context.spec), context.status.stable
    if asked is None or asked.learn is None:
        yield from _delete(context, "ConfigMap", reference(seen.name))
        return
    found = known(context, stable, [(one.name, one.source, one.source_config) for one in watched(context.spec)])
    fresh = {name: one for name, one in parse(seen.learnt).items() if name in found.missing and one.revision == stable}
    if fresh:
        text = dump({**found.entries, **fresh})
        yield from _apply(context, reference_map(seen.name, seen.namespace, owner_of(context), text), fenced=True)


def _retired(context: Context) -> Iterator[Delete]:
    """Delete the pods of revisions that nothing uses: not live, in no route, in no cluster, acknowledged so by every router."""
    ask = context.status.route
    rollout = context.progressing
    if rollout is None or rollout.previous is None:
        yield from _delete(context, "Service", candidate_service(context.seen.name))
    if context.spec.analysis is None or context.spec.analysis.labels is None:
        yield from _delete(context, "Service", labels_service(context.seen.name))
    if ask is None or not context.status.route_verified or context.seen.status.route != ask:
        return
    used = {revision.name for revision in live_revisions(context)} | ask.route.revisions()
    used |= {cluster.removesuffix(mirror_cluster("")) for cluster in ask.clusters}
    for revision in sorted(context.seen.snapshots.keys() - used):
        yield from _delete(context, "Deployment", workload(context.seen.name, revision))
        yield from _delete(context, "Service", workload(context.seen.name, revision))


def _history(context: Context) -> Iterator[Delete]:
    """Forget the oldest snapshots beyond ``revisionHistoryLimit``; one that has pods or could be gone back to now stays."""
    target = context.status.target.revision if context.status.target else None
    keep = {revision.name for revision in live_revisions(context)} | {context.named.name, target}
    if context.status.route is not None:
        keep |= context.status.route.route.revisions()
    old = [
        (int(body.get("revision", 0)), name)
        for (kind, name), body in context.seen.children.items()
        if kind == "ControllerRevision"
        and name not in {workload(context.seen.name, kept) for kept in keep if kept}
        and context.seen.child("Deployment", name) is None
    ]
    for _, name in sorted(old, reverse=True)[context.spec.revision_history_limit :]:
        yield from _delete(context, "ControllerRevision", name)


def _delete(context: Context, kind: str, name: str) -> Iterator[Delete]:
    live = context.seen.child(kind, name)
    if live is not None and not live["metadata"].get("deletionTimestamp"):
        yield Delete(kind, name, live["metadata"]["uid"], live["metadata"]["resourceVersion"])
