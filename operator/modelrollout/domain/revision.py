"""A revision: one immutable version of a model server, and the snapshot that keeps it.

The hash covers only what the user wrote (template, model, targetPort, drain, timeout). What an operator setting filled in is
recorded beside it, so that a new default, or a new operator, never makes a new revision and never restarts a verified pod.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from modelrollout.names import revision_name
from modelrollout.schema import format_duration, parse_duration


@dataclass(frozen=True)
class Revision:
    """One version of a model server, complete: builders read only this, never the spec.

    Attributes:
        name: ten hex characters, the hash of ``content``.
        content: what the user wrote and what is hashed.
        pod_template: the PodTemplateSpec with everything that we inject (preStop, grace period, annotations).
        port: the container port that answers requests.
        timeout: the longest request.
        drain: the preStop sleep that pods of this revision have.
    """

    name: str
    content: Mapping[str, Any]
    pod_template: Mapping[str, Any]
    port: int
    timeout: timedelta
    drain: timedelta

    def snapshot(self) -> dict[str, Any]:
        """Return the ``data`` of the ControllerRevision that keeps this revision."""
        return {
            "content": dict(self.content),
            "podTemplate": dict(self.pod_template),
            "port": self.port,
            "timeout": format_duration(self.timeout),
            "drain": format_duration(self.drain),
        }

    @classmethod
    def restore(cls, data: Mapping[str, Any]) -> Self:
        """Read a snapshot back; the name is computed again, so that a tampered snapshot is no revision of ours."""
        return cls(
            name=revision_name(data["content"]),
            content=data["content"],
            pod_template=data["podTemplate"],
            port=data["port"],
            timeout=parse_duration(data["timeout"]),
            drain=parse_duration(data["drain"]),
        )
