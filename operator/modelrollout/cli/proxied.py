"""Routers as a person reaches them: through the API server, which knows who may look at a pod.

A pod's address leads nowhere from a person's machine. The pages are the same that the operator reads.
"""

from collections.abc import Sequence
from typing import Any

from modelrollout.adapters.http import PREDICTIONS_PATH, HttpClient
from modelrollout.cli.access import Access
from modelrollout.domain.observation import PodSeen
from modelrollout.errors import SourceError


class Proxied:
    """Implements :class:`modelrollout.adapters.protocols.Pages` and :class:`modelrollout.adapters.protocols.Pods`.

    Args:
        cluster: as a person.
        http: reaches Prometheus.

    Attributes:
        seen: the pods of the ModelDeployment, as they were listed last.
    """

    def __init__(self, cluster: Access, http: HttpClient) -> None:
        self._cluster = cluster
        self._http = http
        self.seen: Sequence[PodSeen] = ()

    def of(self, namespace: str, name: str) -> Sequence[PodSeen]:  # noqa: ARG002  # those of one ModelDeployment are known
        """Return the pods that were listed last."""
        return self.seen

    async def router_status(self, address: str, port: int, path: str) -> str:
        """GET a router pod's status page; see the protocol."""
        return await self._cluster.page(self._named(address), port, path)

    async def predictions(self, address: str, port: int) -> str:
        """GET what the collector in a router's pod has counted; see the protocol."""
        return await self._cluster.page(self._named(address), port, PREDICTIONS_PATH)

    async def prometheus(self, query: str) -> Any:  # noqa: ANN401  # decoded JSON of any shape; parsed by the source
        """Run one instant query; see the protocol."""
        return await self._http.prometheus(query)

    def _named(self, address: str) -> str:
        for pod in self.seen:
            if pod.address == address:
                return pod.name
        raise SourceError("Asking a router: its pod is gone.")
