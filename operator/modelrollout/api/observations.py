"""Why a metric of inputs or outputs cannot be measured: nobody observes requests, or nobody knows where a prediction is."""

from collections.abc import Iterator

from modelrollout.api.captures import protocol_of
from modelrollout.api.modeldeployment import Metric, ModelDeploymentSpec
from modelrollout.api.slices import parts_of
from modelrollout.domain.capture import Protocol
from modelrollout.domain.problem import Problem
from modelrollout.domain.tally import Features
from modelrollout.sources.inputs import InputsConfig
from modelrollout.sources.outputs import OutputsConfig

MOST_DISTRIBUTIONS = 96
"""Distributions that are judged: evidence about each takes up to 650 bytes of a checkpoint, which is to stay below 64 KiB."""
_FOUND = 22
"""Features that are found where none are named: twenty, and two of every body."""


def distribution_problems(spec: ModelDeploymentSpec) -> Iterator[Problem]:
    """Yield that more distributions are judged than a checkpoint has room for."""
    analysis = spec.analysis
    if analysis is None:
        return
    features = sum(_features(spec, metric) for metric in analysis.metrics)
    parts = len(parts_of(analysis.slices))
    total = features * (1 + parts)
    if total > MOST_DISTRIBUTIONS:
        reason = f"asks for {total} distributions ({features} features, of all requests and of {parts} parts of them)"
        remedy = f"At most {MOST_DISTRIBUTIONS}: name the features that matter in inputs.features, or use fewer slices."
        yield Problem("spec.analysis.metrics", reason, remedy)


def _features(spec: ModelDeploymentSpec, metric: Metric) -> int:
    source, config = metric.source()
    if Features not in source.forms(config):
        return 0
    if not isinstance(config, InputsConfig) or config.feature is not None:
        return 1
    named = spec.analysis.inputs.features if spec.analysis is not None and spec.analysis.inputs is not None else ()
    return len(named) + 2 if named else _FOUND


def observation_problems(spec: ModelDeploymentSpec, metric: Metric, place: str) -> Iterator[Problem]:
    """Yield why a metric that is observed cannot be measured.

    Args:
        spec: where it stands.
        metric: any metric.
        place: its path.
    """
    source, config = metric.source()
    if not isinstance(config, InputsConfig | OutputsConfig):
        return
    inputs = spec.analysis.inputs if spec.analysis is not None else None
    if inputs is None:
        reason = "measures what is observed of requests, and nothing is"
        yield Problem(f"{place}.{source.name}", reason, "Add spec.analysis.inputs: {}.")
    elif isinstance(config, OutputsConfig) and inputs.output is None and protocol_of(spec) is Protocol.HTTP:
        reason = "nobody knows where a prediction is in an answer of protocol http"
        remedy = "Write where, such as spec.analysis.inputs.output: {path: result.label}, or set spec.model.protocol."
        yield Problem(f"{place}.{source.name}", reason, remedy)
