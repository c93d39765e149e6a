"""The ports through which the controller touches the world. Production and the simulated cluster each implement them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from modelrollout.domain.golden import Answer, Sent
from modelrollout.domain.observation import PodSeen
from modelrollout.domain.plan import Event

Object = dict[str, Any]


class Kube(Protocol):
    """The API server: plain dicts in, plain dicts out; ours are the only errors (see ``errors.py``)."""

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return one object, None when it does not exist."""
        ...

    async def apply(self, body: Mapping[str, Any], fence: str | None = None) -> Object:
        """Server-side apply, forced, with our field manager.

        Args:
            body: only fields that we own.
            fence: see :class:`modelrollout.domain.plan.Apply`.

        Raises:
            ConflictError: the fence does not hold.
        """
        ...

    async def dry_run(self, body: Mapping[str, Any]) -> None:
        """Ask whether an apply would be accepted.

        Raises:
            RefusedError: it would not, in the server's words.
        """
        ...

    async def delete(self, kind: str, namespace: str, name: str, uid: str, resource_version: str) -> None:
        """Delete one object in the background; gone already is fine.

        Raises:
            ConflictError: a precondition does not hold.
        """
        ...

    async def patch_status(self, namespace: str, name: str, status: Mapping[str, Any], resource_version: str) -> Object:
        """Replace the status of a ModelDeployment, fenced by the resourceVersion.

        Raises:
            ConflictError: it changed since it was read.
        """
        ...

    async def nudge(self, namespace: str, pod: str, value: str) -> None:
        """Set our annotation on a router pod; a pod that is gone is fine."""
        ...

    async def emit(self, regarding: Mapping[str, Any], event: Event) -> None:
        """Post or count up one Event; never raises."""
        ...


class Pods(Protocol):
    """The pods of ours as one informer knows them: no LIST in a reconcile."""

    def of(self, namespace: str, name: str) -> Sequence[PodSeen]:
        """Return the pods, model and router, that carry our name label."""
        ...


class Pages(Protocol):
    """What metrics are read from, bounded in time and size."""

    async def router_status(self, address: str, port: int, path: str) -> str:
        """GET a router pod's status page.

        Raises:
            SourceError: no answer in time, too large, or not 200.
        """
        ...

    async def predictions(self, address: str, port: int) -> str:
        """GET what the collector in a router's pod has counted, through the port of the status page.

        Raises:
            SourceError: no answer in time, too large, or not 200; nothing else depends on it.
        """
        ...

    async def prometheus(self, query: str) -> Any:  # noqa: ANN401  # decoded JSON of any shape; parsed by the source
        """Run one instant query against the configured Prometheus.

        Raises:
            SourceError: none is configured, no answer in time, too large, or not 200.
        """
        ...


class Http(Pages, Protocol):
    """The few outgoing HTTP calls, bounded in time and size."""

    async def probe(self, address: str, port: int, sent: Sent, limit: timedelta) -> Answer:
        """Send one pinned request to a model pod; whatever it answers is an answer, a redirect included.

        Raises:
            SourceError: no answer in time, or too large; the message goes on after "example x: ".
        """
        ...
