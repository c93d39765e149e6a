"""A plan: what one pass wants to change, in order, and why. Values only; act is the only writer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from modelrollout.domain.status import Status


@dataclass(frozen=True)
class Apply:
    """Server-side apply of one object, only with fields that we own.

    Attributes:
        body: apiVersion, kind, metadata with name and namespace, and the owned fields.
        fence: resourceVersion that the live object must still have; empty string: it must not exist yet; None: no fence.
            Scale and route writes are fenced, so that a frozen leader that wakes up can move nothing backwards.
    """

    body: Mapping[str, Any]
    fence: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name."""
        return self.body["kind"], self.body["metadata"]["name"]


@dataclass(frozen=True)
class Delete:
    """Deletion of one object of ours, by uid and resourceVersion as seen.

    Attributes:
        kind: such as Deployment.
        name: the object's name.
        uid: precondition.
        resource_version: precondition.
    """

    kind: str
    name: str
    uid: str
    resource_version: str

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name."""
        return self.kind, self.name


@dataclass(frozen=True)
class Nudge:
    """Patch of one annotation of a router pod: the kubelet then refreshes its ConfigMap within a second.

    Attributes:
        pod: the pod's name.
        value: the version that the pod should run.
    """

    pod: str
    value: str

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name."""
        return "Pod", self.pod


Write = Apply | Delete | Nudge


@dataclass(frozen=True)
class Event:
    """A Kubernetes Event about the ModelDeployment.

    Attributes:
        reason: one CamelCase word.
        message: for people.
        warning: True for type Warning.
    """

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Plan:
    """What to do now.

    Attributes:
        status: the new status; written first, fenced by the observed resourceVersion, and only when it differs.
        writes: in order; a failed one ends the pass.
        events: emitted after the writes.
        due: when to look again although nothing happens; None: only when something happens.
        notes: why, in words; they feed log and explain.
        sizes: replicas intended per revision, for the safety check.
    """

    status: Status
    writes: tuple[Write, ...] = ()
    events: tuple[Event, ...] = ()
    due: datetime | None = None
    notes: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
