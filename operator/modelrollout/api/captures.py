"""From a spec to what the collector beside each router does, and why it may not be able to."""

from collections.abc import Iterator

from modelrollout.api.inputs import Inputs
from modelrollout.api.labelling import labelled_of
from modelrollout.api.modeldeployment import Metric, ModelDeploymentSpec
from modelrollout.api.predictions import Predictions
from modelrollout.api.slices import parts_of
from modelrollout.domain.capability import Capability
from modelrollout.domain.capture import PLAIN, Capture, Extraction, FeatureKind, Observed, Protocol
from modelrollout.domain.problem import Problem
from modelrollout.domain.tally import Paired
from modelrollout.sources._predictions import PredictionsConfig, Signal


def extractions_of(spec: ModelDeploymentSpec) -> tuple[Extraction, ...]:
    """Return what is to be found in answers, each once."""
    metrics = spec.analysis.metrics if spec.analysis is not None else ()
    configs = (metric.source()[1] for metric in metrics)
    return tuple(dict.fromkeys(config.extraction() for config in configs if isinstance(config, PredictionsConfig)))


def protocol_of(spec: ModelDeploymentSpec) -> Protocol:
    """Return what the model server speaks."""
    return (spec.model.protocol if spec.model is not None else None) or Protocol.HTTP


def observed_of(spec: ModelDeploymentSpec) -> Observed | None:
    """Return what is measured of all requests; None: nothing."""
    inputs = spec.analysis.inputs if spec.analysis is not None else None
    return inputs.observed(somewhere=protocol_of(spec) is not Protocol.HTTP) if inputs is not None else None


def capture_of(
    spec: ModelDeploymentSpec, compared: tuple[str | None, str | None], answering: tuple[str | None, str | None]
) -> Capture | None:
    """Return what is captured.

    Args:
        spec: an accepted one.
        compared: the revision that answers, and the one that gets copies; None while nothing is compared.
        answering: who answers clients, at most two; only they matter where all requests are observed and none is copied.
    """
    extractions, observed, labelled = extractions_of(spec), observed_of(spec), labelled_of(spec)
    if spec.analysis is None or not (extractions or observed or labelled):
        return None
    asked = spec.analysis.predictions or Predictions()
    stable, candidate = answering if (observed or labelled) and compared == (None, None) else compared
    return Capture(
        stable=stable,
        candidate=candidate,
        protocol=protocol_of(spec),
        percent=asked.percent,
        baseline=asked.baseline.percent if asked.baseline is not None else None,
        parts=parts_of(spec.analysis.slices),
        extractions=extractions,
        keep_bodies=asked.keep_examples,
        redact=asked.redact,
        observed=observed,
        labelled=labelled,
    )


def capture_problems(spec: ModelDeploymentSpec) -> Iterator[Problem]:
    """Yield settings that no metric makes use of, and parts that cannot be told apart."""
    analysis = spec.analysis
    if analysis is None:
        return
    if analysis.inputs is not None:
        yield from _input_problems(spec, analysis.inputs)
    elif not extractions_of(spec):
        remedy = "Add one, such as {name: same, predictions: {}, agreement: {min: 0.97}}, or leave it out."
        if analysis.predictions is not None:
            yield Problem("spec.analysis.predictions", "has no effect: no metric compares predictions", remedy)
        if analysis.slices and analysis.labels is None:
            reason = "has no effect: no metric compares predictions, and no other source knows what a request was"
            yield Problem("spec.analysis.slices", reason, remedy)
    names = [one.name for one in analysis.slices]
    for index, name in enumerate(names):
        if name in names[:index]:
            place = f"spec.analysis.slices[{index}]"
            yield Problem(place, f"is the second slice named {name}", "Give each slice a name of its own.")


def _input_problems(spec: ModelDeploymentSpec, inputs: Inputs) -> Iterator[Problem]:
    place = "spec.analysis.inputs"
    router, _ = spec.router()
    if Capability.CAPTURE not in router.capabilities:
        yield Problem(place, f"traffic.{router.name} shows no requests to a collector", "Use traffic.envoy.")
    nowhere = protocol_of(spec) is Protocol.HTTP
    names = [feature.name for feature in inputs.features]
    for index, feature in enumerate(inputs.features):
        if feature.name in names[:index]:
            reason = f"is the second feature named {feature.name}"
            yield Problem(f"{place}.features[{index}]", reason, "Give each feature a name of its own.")
        elif nowhere and feature.path is None and feature.kind is not FeatureKind.LENGTH:
            reason = "is missing: nobody knows where a feature is in a request of protocol http"
            remedy = f"Write where, such as path: {feature.name}, or set spec.model.protocol."
            yield Problem(f"{place}.features[{index}].path", reason, remedy)
    if nowhere and inputs.output is not None and inputs.output.path is None:
        reason = "is missing: nobody knows where a prediction is in an answer of protocol http"
        remedy = "Write where, such as path: result.label, or set spec.model.protocol."
        yield Problem(f"{place}.output.path", reason, remedy)
    for index, one in enumerate(spec.analysis.slices if spec.analysis is not None else ()):
        if one.header == PLAIN:
            reason = f"{PLAIN} is another one in every request, and the router has a use of its own for it"
            yield Problem(f"spec.analysis.slices[{index}].header", reason, "Use another header.")


def prediction_problems(spec: ModelDeploymentSpec, metric: Metric, place: str) -> Iterator[Problem]:
    """Yield why a metric of copied requests cannot be measured, or not be judged as asked.

    Args:
        spec: where it stands.
        metric: any metric.
        place: its path.
    """
    source, config = metric.source()
    judge, judge_config = metric.judge()
    place_of_source, place_of_judge = f"{place}.{source.name}", f"{place}.{judge.name}"
    if source.needs_copies(config) and not any(stage.mirror for stage in spec.stages()):
        yield Problem(place_of_source, "compares answers to copied requests, and no stage copies any", _copies(spec))
    if isinstance(config, PredictionsConfig):
        yield from _unknown_place(spec, config, place_of_source)
    if metric.compares and source.paired(config) and Paired not in source.forms(config):
        reason = "this metric is about the difference between both versions already"
        yield Problem(place_of_judge, reason, "Hold it against a limit: threshold, or agreement.")
    if judge.needs_baseline(judge_config):
        asked = spec.analysis.predictions if spec.analysis is not None else None
        if asked is None or asked.baseline is None:
            reason = "has to know how much stable differs from itself, and stable gets no copies"
            remedy = "Add spec.analysis.predictions.baseline: {}, or set min."
            yield Problem(f"{place_of_judge}.margin", reason, remedy)


def _copies(spec: ModelDeploymentSpec) -> str:
    strategy, _ = spec.strategy.chosen()
    # A strategy that is a shadow itself always has copies.
    return f"Add strategy.{strategy.name}.{strategy.mirrors}: {{hold: 10m}}."


def _unknown_place(spec: ModelDeploymentSpec, config: PredictionsConfig, place: str) -> Iterator[Problem]:
    protocol = protocol_of(spec)
    if config.signal is Signal.FINISH_REASONS and protocol is not Protocol.OPEN_AI:
        reason = f"only answers of protocol {Protocol.OPEN_AI} say why they end"
        yield Problem(f"{place}.signal", reason, f"Set spec.model.protocol: {Protocol.OPEN_AI}, or measure length.")
    elif config.path is None and protocol is Protocol.HTTP:
        reason = "is missing: nobody knows where a prediction is in an answer of protocol http"
        remedy = "Write where, such as path: result.label, or set spec.model.protocol."
        yield Problem(f"{place}.path", reason, remedy)
