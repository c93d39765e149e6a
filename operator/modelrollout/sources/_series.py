"""The answer to an instant query: one number, or many raw counters that are told apart by version, pod and labels.

Everything that can come back is told apart: numbers, no series, not a number, and the server's own complaint.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from modelrollout.errors import SourceError
from modelrollout.sources._base import Scope
from modelrollout.sources._selectors import MARKER

_CHECK = "Check MODELROLLOUT_PROMETHEUS_URL."
_APART = frozenset(
    (MARKER, "job", "instance", "prometheus", "prometheus_replica", "pod", "kubernetes_pod_name", "namespace")
)
"""Labels that say where a counter is and who scraped it, but not what it counts: another scrape configuration must not make
it a new one."""


@dataclass(frozen=True)
class Series:
    """One element of an answer.

    Attributes:
        labels: with ``__name__`` if it has one.
        at: seconds since the epoch, of the evaluation: its own value may be up to five minutes older.
        value: may be NaN or infinite.
    """

    labels: Mapping[str, str]
    at: float
    value: float

    @property
    def kind(self) -> str:
        """Which of several selectors found it; empty when there is one."""
        return self.labels.get(MARKER, "")

    @property
    def target(self) -> tuple[str, str]:
        """Which process was scraped, as far as Prometheus says."""
        return self.labels.get("job", ""), self.labels.get("instance", "")

    def digest(self, *but: str) -> str:
        """Return a short name of what it counts in its pod, the same at each poll, without some labels."""
        return _digest(tuple(item for item in self.labels.items() if item[0] not in _APART and item[0] not in but))


class Pods:
    """Which pod of which version a series belongs to.

    Args:
        scope: knows the pods and their addresses.
    """

    def __init__(self, scope: Scope) -> None:
        self._addresses = scope.addresses
        self.arms = dict.fromkeys(scope.stable_pods, scope.stable or "") | dict.fromkeys(scope.pods, scope.arm)

    def of(self, labels: Mapping[str, str]) -> str | None:
        """Return the pod's name, None when it is nobody's of the two versions."""
        for label in ("pod", "kubernetes_pod_name"):
            if (name := labels.get(label)) in self.arms:
                return name
        # The address is for configurations that put no label of Kubernetes on what they scrape.
        name = self._addresses.get(labels.get("instance", "").rpartition(":")[0].strip("[]"))
        return name if name in self.arms else None


def number(answer: object) -> tuple[float, str] | None:
    """Return time and value of the one number in an answer, None when there is no series.

    Raises:
        SourceError: anything else.
    """
    try:
        match answer:
            case {"status": "success", "data": {"resultType": "vector", "result": []}}:
                return None
            case {"status": "success", "data": {"resultType": "vector", "result": [{"value": [seconds, text]}]}}:
                return float(seconds), _number(text)
            case {"status": "success", "data": {"resultType": "scalar", "result": [seconds, text]}}:
                return float(seconds), _number(text)
            case {"status": "success", "data": {"resultType": "vector", "result": [_, _, *_] as found}}:
                raise SourceError(
                    f"Asking Prometheus: the query gives {len(found)} series where one number is needed: "
                    f"{_few(found)}. Aggregate it, for example with sum() or max()."
                )
            case {"status": "success", "data": {"resultType": str(kind)}}:
                raise SourceError(
                    f"Asking Prometheus: the query gives a {kind} of another form than one number. Aggregate it."
                )
            case _:
                raise _refused(answer)
    except (TypeError, ValueError) as exc:
        raise _no_number() from exc


def vector(answer: object) -> tuple[Series, ...]:
    """Return all series of an answer.

    Raises:
        SourceError: it is no instant vector.
    """
    try:
        match answer:
            case {"status": "success", "data": {"resultType": "vector", "result": list(found)}}:
                return tuple(_element(item) for item in found)
            case {"status": "success", "data": {"resultType": str(kind)}}:
                raise SourceError(
                    f"Asking Prometheus: the query gives a {kind} where counters are needed. Select series, without a range."
                )
            case _:
                raise _refused(answer)
    except (TypeError, ValueError) as exc:
        raise _no_number() from exc


def counters(found: Iterable[Series], pods: Pods) -> Iterator[tuple[str, Series]]:
    """Yield pod and series of everything that belongs to one of the two versions.

    Raises:
        SourceError: no count, or a pod whose counters come from several processes or several times: those of one process
            begin anew together, and who counts a request twice is too sure of himself.
    """
    targets: dict[str, tuple[str, str]] = {}
    for series in found:
        pod = pods.of(series.labels)
        if pod is None:
            continue
        if not math.isnan(series.value) and not 0 <= series.value < math.inf:
            raise SourceError(f"Asking Prometheus: {_name(series)} is {series.value:g}, which no counter can be.")
        if targets.setdefault(pod, series.target) != series.target:
            (job, instance), (other_job, other) = sorted((targets[pod], series.target))
            raise SourceError(
                f"Asking Prometheus: a pod is scraped as job {job!r}, instance {instance!r} and as job {other_job!r}, "
                f"instance {other!r}. Name one of them in the selector."
            )
        yield pod, series


@lru_cache(maxsize=1024)
def _digest(labels: tuple[tuple[str, str], ...]) -> str:
    """Return a short name of some labels. The same ones come at every poll."""
    return hashlib.blake2b(json.dumps(sorted(labels)).encode(), digest_size=6).hexdigest()


def _element(item: object) -> Series:
    match item:
        case {"metric": dict(labels), "value": [seconds, text]}:
            return Series(labels, float(seconds), float(_number(text)))
        case {"histogram": _}:
            raise SourceError(
                "Asking Prometheus: the selector finds native histograms. Have the server's classic buckets scraped too."
            )
        case _:
            raise SourceError(f"Asking Prometheus: the answer is not of its form. {_CHECK}")


def _name(series: Series) -> str:
    return series.labels.get("__name__", "a series") + (f" ({series.kind})" if series.kind else "")


def _refused(answer: object) -> SourceError:
    match answer:
        case {"status": "error", "error": str(words)}:
            return SourceError(f"Asking Prometheus: it refuses the query: {words}")
        case _:
            return SourceError(f"Asking Prometheus: the answer is not of its form. {_CHECK}")


def _no_number() -> SourceError:
    return SourceError(f"Asking Prometheus: the answer holds no number where one belongs. {_CHECK}")


def _number(text: object) -> str:
    """Return the text of a number as it came: NaN and infinity are told in their own words."""
    if not isinstance(text, str):
        raise TypeError(text)
    float(text)
    return text


def _few(series: Iterable[Any]) -> str:
    """Name up to five series by their labels, sorted, so that the text is the same at the next poll."""
    names = sorted(str(item.get("metric")) if isinstance(item, Mapping) else str(item) for item in series)
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
