"""What a router is: it renders a route into Kubernetes objects, reads it back, and parses what the data plane says it runs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from modelrollout.domain.capability import Capability
from modelrollout.domain.capture import Capture
from modelrollout.domain.observation import Limits
from modelrollout.domain.problem import Problem
from modelrollout.domain.revision import Revision
from modelrollout.domain.route import RouteAsk
from modelrollout.domain.stage import Stage
from modelrollout.schema import ApiModel

C = TypeVar("C", bound=ApiModel)


@dataclass(frozen=True)
class SecretKey:
    """A value in a Secret of the ModelDeployment's namespace.

    Attributes:
        name: of the Secret.
        key: in it.
    """

    name: str
    key: str


@dataclass(frozen=True)
class Setup:
    """What a router needs to know to render.

    Attributes:
        name: of the ModelDeployment.
        namespace: of the ModelDeployment.
        owner: ownerReferences for every object; empty with ``deletionPolicy: orphan``.
        service_name: of the Service that clients use.
        service_port: its port.
        revisions: every revision that the ask names.
        replicas: model replicas of a full-size revision.
        limits: operator settings.
        capture: what is captured of requests; None where the spec asks for nothing about them.
        labels: where the token is that who sends labels must show; None where none are taken.
    """

    name: str
    namespace: str
    owner: tuple[Mapping[str, Any], ...]
    service_name: str
    service_port: int
    revisions: Mapping[str, Revision]
    replicas: int
    limits: Limits
    capture: Capture | None = None
    labels: SecretKey | None = None


@dataclass(frozen=True)
class Report:
    """What one router pod says, parsed.

    Attributes:
        version: the version that all its files carry, None when unknown or not the same.
        members: addresses by cluster.
        active: requests in flight by cluster.
        mirrored: requests sent to each mirror cluster since the pod started.
        tries: for how many requests each cluster was chosen since then, each try counted, whether or not it reached a pod. A
            request counts from the moment when it is sent, however long its answer takes and whether or not somebody is
            still there to get it.
        retries: tries that followed another one of the same request, by cluster.
    """

    version: str | None
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    active: Mapping[str, int] = field(default_factory=dict)
    mirrored: Mapping[str, int] = field(default_factory=dict)
    tries: Mapping[str, int] = field(default_factory=dict)
    retries: Mapping[str, int] = field(default_factory=dict)


class Router(ABC, Generic[C]):
    """One data plane.

    Attributes:
        name: field name below ``spec.traffic``.
        config: the field's model.
        capabilities: what it can do.
        keeps_size: a candidate with more pods than a stage needs does no harm; False where the size *is* the weight.
        status_port: port on its pods that answers ``status_path``; 0 when it has no pods of its own.
        status_path: HTTP path that tells version, members, requests in flight and counters.
    """

    name: str
    config: type[C]
    capabilities: frozenset[Capability]
    keeps_size: bool = True
    status_port: int = 0
    status_path: str = ""

    @abstractmethod
    def problems(self, config: C, replicas: int, stages: tuple[Stage, ...]) -> tuple[Problem, ...]:
        """Return what this router cannot honour, with paths below ``spec``."""

    def previews(self, config: C) -> bool:  # noqa: ARG002  # most routers have no preview header
        """Return whether people can reach the candidate by a request header."""
        return False

    @abstractmethod
    def candidate_size(self, config: C, replicas: int, stage: Stage) -> int:
        """Return the least number of candidate pods that a stage needs with this router."""

    @abstractmethod
    def objects(self, config: C, setup: Setup, ask: RouteAsk) -> tuple[dict[str, Any], ...]:
        """Return every object of the data plane for an ask, the carrier of the route last.

        Raises:
            RenderError: the ask is one that the data plane would accept and clients would suffer: no clusters, no arms,
                weights that do not sum to 100, a route that names a cluster which is not in the ask.
        """

    @abstractmethod
    def carrier(self, name: str, service_name: str) -> tuple[str, str]:
        """Return kind and name of the object that holds the route; its writes are fenced."""

    @abstractmethod
    def version(self, config: C, setup: Setup, ask: RouteAsk) -> str:
        """Return ``<serial>-<hash of what is rendered>``: the text that proves which ask a router runs."""

    @abstractmethod
    def read(self, carrier: Mapping[str, Any]) -> RouteAsk | None:
        """Return the ask that a live carrier holds, None when it holds none of ours."""

    @abstractmethod
    def parse(self, text: str) -> Report:
        """Read the answer of ``status_path``."""
