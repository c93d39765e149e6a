"""Why a metric of inputs or outputs cannot be measured: nobody observes requests, or nobody knows where a prediction is."""

from collections.abc import Iterator

from modelrollout.api.captures import protocol_of
from modelrollout.api.modeldeployment import Metric, ModelDeploymentSpec
from modelrollout.domain.capture import Protocol
from modelrollout.domain.problem import Problem
from modelrollout.sources.inputs import InputsConfig
from modelrollout.sources.outputs import OutputsConfig


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
