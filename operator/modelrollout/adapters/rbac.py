"""What the operator may do, and why: each verb that the code uses, with its reason. Manifests and docs are written from it.

A server-side apply that makes an object needs ``create`` beside ``patch``. Owner references go without
``blockOwnerDeletion``, so no right on ``finalizers`` is needed.
"""

from dataclasses import dataclass

from modelrollout.adapters.kinds import kind
from modelrollout.names import KIND


@dataclass(frozen=True)
class Right:
    """What may be done with one kind.

    Attributes:
        kind: a kind of :mod:`modelrollout.adapters.kinds`.
        verbs: each with its reason.
        subresource: such as ``status``; empty for the object itself.
        names: only objects of these names; empty: all. The API server cannot restrict ``create`` and ``list`` by name.
    """

    kind: str
    verbs: dict[str, str]
    subresource: str = ""
    names: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """The API group, empty for the core group."""
        return kind(self.kind).api_version.rpartition("/")[0]

    @property
    def resource(self) -> str:
        """The resource as RBAC names it."""
        return kind(self.kind).plural + (f"/{self.subresource}" if self.subresource else "")


def _child(what: str, *, watched: bool = True, deleted: str = "") -> dict[str, str]:
    verbs = {"get": f"read {what} by name in each pass"}
    if watched:
        verbs |= {"list": "find children that no status names", "watch": f"repair {what} that somebody changed"}
    verbs |= {"create": f"make {what}, together with patch", "patch": f"write {what} by server-side apply"}
    return verbs | ({"delete": deleted} if deleted else {})


LEASE = "modelrollout"
"""Name of the Lease as long as ``MODELROLLOUT_LEASE_NAME`` does not say otherwise."""

SERVED = (
    Right(
        KIND,
        {
            "get": "read it in each pass",
            "list": "look at all of them every ten minutes",
            "watch": "wake when it changes",
        },
    ),
    Right(KIND, {"patch": "write the status, fenced by the resourceVersion that was read"}, subresource="status"),
    Right(
        "Deployment",
        _child("model and router Deployments", deleted="remove the pods of a revision that no route uses any more"),
    ),
    Right("ControllerRevision", _child("revision snapshots", deleted="keep no more than revisionHistoryLimit")),
    Right(
        "Service",
        _child("Services", deleted="remove the Service of a retired revision, of previews or of labels"),
    ),
    Right(
        "ConfigMap",
        _child(
            "the routers' ConfigMap, evidence and reports",
            deleted="forget evidence when its rollout is over, and the oldest reports",
        )
        | {
            "get": "read the routers' ConfigMap, evidence and reports by name in each pass, "
            "and the golden examples and the reference that a spec names"
        },
    ),
    Right("PodDisruptionBudget", _child("the routers' PodDisruptionBudget", watched=False)),
    Right(
        "Pod",
        {
            "list": "know Ready pods and their addresses",
            "watch": "know at once when a pod becomes Ready or leaves",
            "patch": "set one annotation of router pods, so that the kubelet refreshes their ConfigMap at once",
        },
    ),
    Right("Event", {"create": "tell what happened to a rollout", "patch": "count an Event up when it repeats"}),
)
"""In every namespace that is served."""

OWN = (
    Right("Lease", {"create": "elect the first leader"}),
    Right("Lease", {"get": "see who leads", "update": "take, renew and release the lead"}, names=(LEASE,)),
)
"""In the operator's own namespace."""
