"""What can be asked over HTTP: routers, their collectors and models, and a Prometheus that answers as it is told to."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from modelrollout.domain.golden import Answer as Answered
from modelrollout.domain.golden import Sent
from modelrollout.errors import SourceError
from modelrollout.simulation.envoy import Envoy
from modelrollout.simulation.kubelet import Kubelet
from modelrollout.simulation.person import NAMESPACE
from modelrollout.simulation.probes import Models
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
        models: answer pinned requests.

    Attributes:
        silent: router pods that do not answer.
        collects: whether the collector in a router's pod lives.
        query: what Prometheus answers.
    """

    def __init__(self, store: Store, kubelet: Kubelet, now: Callable[[], datetime], models: Models) -> None:
        self._store = store
        self._kubelet = kubelet
        self._now = now
        self.models = models
        self.silent: set[str] = set()
        self.collects: Callable[[str], bool] = lambda _pod: True
        self.query: Callable[[str], Answer] = lambda _query: []

    async def router_status(self, address: str, port: int, path: str) -> str:  # noqa: ARG002  # one page is served
        """GET a router pod's status page."""
        return render(self._envoy(address, "a router's status page"))

    async def predictions(self, address: str, port: int) -> str:  # noqa: ARG002  # one port is served
        """GET what the collector in a router's pod has counted."""
        what = "the collector in a router's pod"
        envoy = self._envoy(address, what)
        if not self.collects(envoy.pod) or envoy.pairs.capture is None:
            raise SourceError(f"Asking {what}: it answered 503. Check its log.")
        envoy.account()
        return json.dumps({**envoy.pairs.page(), **envoy.watched.page(), **envoy.labelled.page(self._now())})

    def _envoy(self, address: str, what: str) -> Envoy:
        for uid, envoy in self._kubelet.envoys.items():
            pod = self._store.get("Pod", NAMESPACE, envoy.pod)
            if (
                pod is not None
                and pod["metadata"]["uid"] == uid
                and pod["status"].get("podIP") == address
                and envoy.pod not in self.silent
            ):
                return envoy
        raise SourceError(f"Asking {what}: no answer within 1 s. Check that it runs and can be reached.")

    async def probe(self, address: str, port: int, sent: Sent, limit: timedelta) -> Answered:  # noqa: ARG002  # one port is served
        """Send one pinned request to a model pod."""
        return self.models.answer(address, sent, limit)

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
