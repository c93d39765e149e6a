"""The only writer: the intent first, then the writes in order, then the events.

The status is fenced by the resourceVersion that was observed. A replica that was frozen and wakes up fails at this
first write, before it has moved anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelrollout.adapters.protocols import Kube
from modelrollout.domain.observation import Observation
from modelrollout.domain.plan import Apply, Delete, Nudge, Plan, Write
from modelrollout.errors import RefusedError
from modelrollout.names import API_VERSION, KIND


@dataclass(frozen=True)
class Refusal:
    """A write that the API server refused, in its words.

    Attributes:
        write: what was to be applied.
        words: the server's reason.
    """

    write: Apply
    words: str


async def persist(kube: Kube, plan: Plan, seen: Observation, tell: Callable[[str], None]) -> None:
    """Write the intent, if it is another than the stored one.

    Args:
        kube: the API server.
        plan: what to do.
        seen: what the plan was made for.
        tell: told the kind of each write, for metrics.

    Raises:
        ConflictError: something changed since it was seen; observe again.
        KubeError: the write failed.
    """
    status = plan.status.dump()
    if status != seen.status.dump():
        await kube.patch_status(seen.namespace, seen.name, status, seen.resource_version)
        tell("status")


async def carry_out(kube: Kube, plan: Plan, seen: Observation, tell: Callable[[str], None]) -> Refusal | None:
    """Write what follows from the intent. A refused apply ends it and is returned: what it means is not decided here.

    The events tell what the status already says, so they are emitted even when a write fails.

    Raises:
        ConflictError: something changed since it was seen; observe again.
        KubeError: a write failed; all writes are safe to repeat.
    """
    try:
        for write in plan.writes:
            try:
                await _write(kube, write, seen)
            except RefusedError as exc:
                if not isinstance(write, Apply):
                    raise
                return Refusal(write, str(exc))
            tell(write.key[0])
    finally:
        reference = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": seen.namespace,
            "name": seen.name,
            "uid": seen.uid,
        }
        for event in plan.events:
            await kube.emit(reference, event)
            tell("Event")
    return None


async def _write(kube: Kube, write: Write, seen: Observation) -> None:
    match write:
        case Apply(body, fence):
            await kube.apply(_pinned(write, seen) if fence else body, fence)
        case Delete(kind, name, uid, resource_version):
            await kube.delete(kind, seen.namespace, name, uid, resource_version)
        case Nudge(pod, value):
            await kube.nudge(seen.namespace, pod, value)


def _pinned(write: Apply, seen: Observation) -> dict[str, Any]:
    """Return the body with the uid of the object that was seen.

    A resourceVersion alone does not hold against an object that is gone: the API server would create it anew, so that a
    leader that was frozen could bring back what its successor has deleted.
    """
    live = seen.child(*write.key)
    uid = {"uid": live["metadata"]["uid"]} if live is not None else {}
    return {**write.body, "metadata": {**write.body["metadata"], **uid}}
