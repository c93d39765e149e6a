"""When the report of a finished attempt is written, and how many are kept.

The attempt that ended stays in the status until its report is seen in the cluster. So neither a crash between the two writes
nor an attempt that starts in the same pass can lose it, and what is written does not depend on when it is.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from modelrollout.domain.plan import Apply, Delete, Write
from modelrollout.engine.context import Context
from modelrollout.engine.dossier import dossier
from modelrollout.engine.dossier_page import markdown
from modelrollout.engine.setup import owner_of
from modelrollout.names import COMPONENT_REPORT, LABEL_COMPONENT, report
from modelrollout.resources.report import report_map

KEPT = 10
"""Reports; as many as the history has lines."""


def forget_filed(context: Context) -> Context:
    """Drop the attempt that ended from the status once its report is there."""
    name = awaited(context)
    if name is None or context.seen.child("ConfigMap", name) is None:
        return context
    return context.with_status(ended=None)


def awaited(context: Context) -> str | None:
    """Return the name of the report that is still to be written."""
    ended = context.status.ended
    return report(context.seen.name, ended.revision, ended.attempt) if ended is not None else None


def reports(context: Context) -> Iterator[Write]:
    """Write the report that is missing, and delete the oldest beyond those that are kept."""
    ended, name = context.status.ended, awaited(context)
    if ended is not None and name is not None and context.seen.child("ConfigMap", name) is None:
        body = report_map(
            context.seen.name, context.seen.namespace, owner_of(context), dossier(context, ended), markdown
        )
        # It says how things were, so nothing that exists is ever written over.
        yield Apply(body, "")
    newest = sorted(
        _reports(context), key=lambda metadata: (metadata.get("creationTimestamp", ""), metadata["name"]), reverse=True
    )
    for metadata in newest[KEPT:]:
        if not metadata.get("deletionTimestamp"):
            yield Delete("ConfigMap", metadata["name"], metadata["uid"], metadata["resourceVersion"])


def _reports(context: Context) -> Iterator[Mapping[str, Any]]:
    """Yield the metadata of each report that is there."""
    for (kind, _), body in context.seen.children.items():
        if kind == "ConfigMap" and (body["metadata"].get("labels") or {}).get(LABEL_COMPONENT) == COMPONENT_REPORT:
            yield body["metadata"]
