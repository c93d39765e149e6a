"""What can be asked over HTTP: the status pages of routers, and a Prometheus that answers as it is told to."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from modelrollout.errors import SourceError
from modelrollout.simulation.kubelet import Kubelet
from modelrollout.simulation.statistics import render
from modelrollout.simulation.store import Store

Series = tuple[Mapping[str, str], float]
"""Labels and value."""
Answer = float | list[float] | list[Series] | SourceError
"""One number, many series with or without labels (or none), or no answer at all."""


class SimulatedHttp:
    """Implements :class:`modelrollout.adapters.protocols.Http`.

    Args:
        store: knows which pod has an address.
        kubelet: knows its proxy.
        now: the current time.
    """

    def __init__(self, store: Store, kubelet: Kubelet, now: Callable[[], datetime]) -> None:
        self._store = store
        self._kubelet = kubelet
        self._now = now
        self.silent: set[str] = set()
        self.query: Callable[[str], Answer] = lambda _query: []

    async def router_status(self, address: str, port: int, path: str) -> str:  # noqa: ARG002  # one page is served
        """GET a router pod's status page."""
        for pod in self._store.every("Pod"):
            if pod["status"].get("podIP") == address and pod["metadata"]["name"] not in self.silent:
                envoy = self._kubelet.envoys.get(pod["metadata"]["uid"])
                if envoy is not None:
                    return render(envoy)
        raise SourceError("Asking a router's status page: no answer within 1 s. Check that it runs and can be reached.")

    async def prometheus(self, query: str) -> Any:  # noqa: ANN401  # decoded JSON
        """Run one instant query."""
        match self.query(query):
            case SourceError() as error:
                raise error
            case list() as found:
                series = [
                    item if isinstance(item, tuple) else _numbered(index, item) for index, item in enumerate(found)
                ]
            case number:
                series = [_numbered(0, number)]
        at = self._now().timestamp()
        result = [{"metric": dict(labels), "value": [at, f"{value:.17g}"]} for labels, value in series]
        return {"status": "success", "data": {"resultType": "vector", "result": result}}


def _numbered(index: int, value: float) -> Series:
    return {"series": str(index)}, value
