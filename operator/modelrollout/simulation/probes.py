"""What the models of simulated pods answer to pinned requests. Sending takes no virtual time; how long it took is told."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from json import dumps, loads
from typing import Any

from modelrollout.domain.golden import Answer, Sent
from modelrollout.errors import SourceError
from modelrollout.simulation.behaviour import Behaviours
from modelrollout.simulation.kubelet import image_of
from modelrollout.simulation.store import Store
from modelrollout.simulation.workloads import is_ready

Predict = Callable[[Any], Any]
"""From the JSON of a request to that of the answer."""

COLD = 10.0
"""How many times as long the first request to a cold pod takes; each one after it takes less."""


def provide(store: Store, spec: Mapping[str, Any], namespace: str) -> None:
    """Put a ConfigMap with one example that every model answers rightly where a spec asks for one."""
    name = ((spec.get("analysis") or {}).get("golden") or {}).get("configMap")
    if name:
        metadata = {"name": name, "namespace": namespace}
        data = {"any": dumps({"request": {"path": "/"}, "expect": {"status": 200}})}
        store.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


class Models:
    """The models behind the pods, by image; one that nobody has set gives back what it was given.

    Args:
        store: knows which pod has an address.
        behaviours: of the images.

    Attributes:
        predict: what a model answers, by image.
        cold: how many requests warm a pod, by image.
        asked: pinned requests that pods have got, by image.
    """

    def __init__(self, store: Store, behaviours: Behaviours) -> None:
        self._store = store
        self._behaviours = behaviours
        self._served: Counter[str] = Counter()
        self.predict: dict[str, Predict] = {}
        self.cold: dict[str, int] = {}
        self.asked: Counter[str] = Counter()

    def answer(self, address: str, sent: Sent, limit: timedelta) -> Answer:
        """Answer one request.

        Raises:
            SourceError: there is no answer in time.
        """
        pod = next((pod for pod in self._store.every("Pod") if pod["status"].get("podIP") == address), None)
        if pod is None or not is_ready(pod):
            raise SourceError("no answer: ClientConnectorError")
        image = image_of(pod)
        behaviour, uid = self._behaviours.of(image), pod["metadata"]["uid"]
        self.asked[image] += 1
        self._served[uid] += 1
        cold = self.cold.get(image, 0)
        share = max(0, cold + 1 - self._served[uid]) / cold if cold else 0.0
        seconds = behaviour.latency * (1 + (COLD - 1) * share)
        if behaviour.hangs or seconds > limit / timedelta(seconds=1):
            raise SourceError(f"no answer within {limit / timedelta(seconds=1):g}s")
        if behaviour.errors > 0.5:
            return Answer(500, b"it fails", seconds)
        given = loads(sent.body) if sent.body else {}
        predicted = self.predict.get(image, lambda same: same)(given)
        return Answer(200, dumps(predicted).encode(), seconds)
