"""From a spec to what each router does with labels, and why that may not be possible."""

from collections.abc import Iterator

from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.domain.capability import Capability
from modelrollout.domain.capture import Kind, Labelled, Protocol
from modelrollout.domain.problem import Problem
from modelrollout.domain.stage import StageKind
from modelrollout.names import labels_service
from modelrollout.sources._labels import FAIR, OF_CLASSES, OF_NUMBERS, LabelsConfig

_PLACE = "spec.analysis.labels"


def labelled_of(spec: ModelDeploymentSpec) -> Labelled | None:
    """Return what becomes of labels; None where nobody can send any."""
    labels = spec.analysis.labels if spec.analysis is not None else None
    if spec.analysis is None or labels is None:
        return None
    parts = (part.name for one in spec.analysis.slices if one.name in labels.groups for part in one.parts())
    return Labelled(
        output=labels.output.extraction(),
        kept=labels.kept,
        groups=tuple(parts),
        positive=labels.positive,
        within=labels.within,
        rate=labels.rate,
    )


def label_problems(spec: ModelDeploymentSpec, name: str) -> Iterator[Problem]:
    """Yield what labels cannot be, and metrics that nothing would ever be counted for.

    Args:
        spec: each field of which is valid by itself.
        name: of the ModelDeployment.
    """
    analysis = spec.analysis
    if analysis is None:
        return
    for index, metric in enumerate(analysis.metrics):
        source, config = metric.source()
        if isinstance(config, LabelsConfig):
            yield from _metric(spec, config, f"spec.analysis.metrics[{index}].{source.name}")
    labels = analysis.labels
    if labels is None:
        return
    router, _ = spec.router()
    if Capability.CAPTURE not in router.capabilities:
        reason = f"traffic.{router.name} does not offer {Capability.CAPTURE}, so nobody knows what a label is about"
        yield Problem(_PLACE, reason, "Use traffic.envoy, or leave it out.")
    if spec.service.name == labels_service(name):
        reason = f"{spec.service.name} is the name of the Service that takes labels"
        yield Problem("spec.service.name", reason, "Choose another name, or leave it out.")
    if labels.output.path is None and (spec.model is None or spec.model.protocol in (None, Protocol.HTTP)):
        reason = "is missing: nobody knows where a prediction is in an answer of protocol http"
        remedy = "Write where, such as path: result.label, or set spec.model.protocol."
        yield Problem(f"{_PLACE}.output.path", reason, remedy)
    if labels.positive is not None and labels.output.kind is not Kind.LABEL:
        yield Problem(f"{_PLACE}.positive", "is a label, and predictions are numbers", "Write output.kind: label.")
    declared = {one.name for one in analysis.slices}
    for index, group in enumerate(labels.groups):
        if group not in declared:
            reason = f"{group} is no slice of this analysis"
            yield Problem(f"{_PLACE}.groups[{index}]", reason, "Declare it in spec.analysis.slices.")
    if labels.wait is not None and not any(stage.kind is StageKind.BAKE and stage.hold for stage in spec.stages()):
        reason = "lets a step go on without labels, and nothing watches for those that come later"
        yield Problem(f"{_PLACE}.wait", reason, "Add a bake to the strategy, or leave it out.")


def _metric(spec: ModelDeploymentSpec, config: LabelsConfig, place: str) -> Iterator[Problem]:
    labels = spec.analysis.labels if spec.analysis is not None else None
    if labels is None:
        remedy = "Add spec.analysis.labels: {tokenSecret: {name: …}}."
        yield Problem(place, "counts labels, and nobody can send any", remedy)
        return
    signal = config.signal
    if signal in FAIR and not labels.groups:
        remedy = "Set spec.analysis.labels.groups and positive."
        yield Problem(f"{place}.signal", "compares groups, and none are named", remedy)
    if signal in OF_NUMBERS and labels.output.kind is not Kind.NUMBER:
        yield Problem(f"{place}.signal", "is a distance between numbers", "Write labels.output.kind: number.")
    if signal in OF_CLASSES and labels.output.kind is not Kind.LABEL:
        yield Problem(f"{place}.signal", "is about one class, and predictions are numbers", "Measure error instead.")
