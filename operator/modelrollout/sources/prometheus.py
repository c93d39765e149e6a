"""One number per query from a Prometheus that the operator's configuration names.

The query is the user's own, so everything that can come back is told apart: a number, no series, many series, not a
number, a number from long ago, and the server's own complaint.
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from modelrollout.domain.problem import Problem
from modelrollout.domain.reading import Sample, State
from modelrollout.errors import SourceError
from modelrollout.schema import ApiModel
from modelrollout.sources._base import Fetch, Measured, Origin, Scope, Source

_VARIABLES = ("namespace", "name", "revision", "pods")
_VARIABLE = re.compile(r"\$(\$|[a-zA-Z0-9_]*)")
_CHECK = "Check MODELROLLOUT_PROMETHEUS_URL."
OLDEST = timedelta(minutes=5)
"""Prometheus itself looks back five minutes for the last value of a series."""


class PrometheusConfig(ApiModel):
    """One number from Prometheus per poll. Its address and credentials are settings of the operator."""

    query: Annotated[str, Field(min_length=1, max_length=4096)]
    """PromQL that gives one number. $namespace, $name, $revision and $pods (a regular expression that matches the
    candidate's pods, for `=~`) are filled in; write $$ for a dollar sign."""


class PrometheusSource(Source[PrometheusConfig]):
    """Runs one instant query per poll. The number is taken as it is: what it means is the query's business."""

    name = "prometheus"
    config = PrometheusConfig
    counts = False

    def problems(self, config: PrometheusConfig) -> tuple[Problem, ...]:
        """Return variables that nothing can be filled in for."""
        unknown = sorted({found[1] for found in _VARIABLE.finditer(config.query)} - {"$", *_VARIABLES})
        known = ", ".join(f"${name}" for name in _VARIABLES)
        remedy = f"Use {known}, or write $$ for a dollar sign."
        return tuple(Problem("prometheus.query", f"${name} is no variable", remedy) for name in unknown)

    def fetch(self, config: PrometheusConfig, scope: Scope) -> Fetch:
        """Return the query with its variables filled in."""
        values = {
            "$": "$",
            "namespace": scope.namespace,
            "name": scope.name,
            "revision": scope.revision,
            # A dot in brackets needs no backslash, whatever quotes the query uses. An empty alternation would match
            # every series without the label; no pod can be called "-".
            "pods": "|".join(pod.replace(".", "[.]") for pod in scope.pods) or "-",
        }
        return Fetch(Origin.PROMETHEUS, _VARIABLE.sub(lambda found: values.get(found[1], found[0]), config.query))

    def parse(self, config: PrometheusConfig, scope: Scope, answers: Mapping[str, Any], at: datetime) -> Sample:  # noqa: ARG002  # the answer says all
        """Read the answer to an instant query: a scalar, or a vector with at most one element."""
        found = _point(answers.get(""))
        if found is None:
            return Sample(at, state=State.NO_METRIC, message="The query finds no series.")
        seconds, text = found
        if at - datetime.fromtimestamp(seconds, UTC) > OLDEST:
            return Sample(at, state=State.STALE, message="Prometheus answers with a number older than 5m.")
        value = float(text)
        if math.isnan(value):
            return Sample(at, state=State.NAN, message="The query gives NaN: it divides 0 by 0.")
        if math.isinf(value):
            return Sample(at, state=State.ERROR, message=f"The query gives {text}: it divides by 0.")
        return Sample(at, gauge=value)

    def measure(self, config: PrometheusConfig, increments: Mapping[str, float], seconds: float) -> Measured:  # noqa: ARG002  # a gauge has no window
        """Return nothing: a gauge is not summed."""
        return Measured(None, 0)


def _point(answer: object) -> tuple[float, str] | None:
    """Return time and value of the one number in an answer, None when there is no series.

    Raises:
        SourceError: anything else.
    """
    try:
        match answer:
            case {"status": "error", "error": str(words)}:
                raise SourceError(f"Asking Prometheus: it refuses the query: {words}")
            case {"status": "success", "data": {"resultType": "vector", "result": []}}:
                return None
            case {"status": "success", "data": {"resultType": "vector", "result": [{"value": [seconds, text]}]}}:
                return float(seconds), _number(text)
            case {"status": "success", "data": {"resultType": "scalar", "result": [seconds, text]}}:
                return float(seconds), _number(text)
            case {"status": "success", "data": {"resultType": "vector", "result": [_, _, *_] as series}}:
                raise SourceError(
                    f"Asking Prometheus: the query gives {len(series)} series where one number is needed: "
                    f"{_few(series)}. Aggregate it, for example with sum() or max()."
                )
            case {"status": "success", "data": {"resultType": str(kind)}}:
                raise SourceError(
                    f"Asking Prometheus: the query gives a {kind} of another form than one number. Aggregate it."
                )
            case _:
                raise SourceError(f"Asking Prometheus: the answer is not of its form. {_CHECK}")
    except (TypeError, ValueError) as exc:
        raise SourceError(f"Asking Prometheus: the answer holds no number where one belongs. {_CHECK}") from exc


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


PLUGIN = PrometheusSource()
