"""What no single field can say: whether the parts of a spec go together.

A field that the chosen router or strategy cannot honour is refused by name, never ignored.
"""

from collections.abc import Iterator
from dataclasses import replace

from modelrollout.api.captures import capture_problems, prediction_problems
from modelrollout.api.labelling import label_problems
from modelrollout.api.modeldeployment import SOURCES, WHOLE, Metric, ModelDeploymentSpec
from modelrollout.api.observations import observation_problems
from modelrollout.api.room import room_problems
from modelrollout.api.watched import monitor_problems, watched
from modelrollout.domain.problem import Problem
from modelrollout.domain.tally import Features, Rate, Shares
from modelrollout.names import candidate_service, router


def consistency_problems(spec: ModelDeploymentSpec, name: str) -> Iterator[Problem]:
    """Yield every contradiction.

    Args:
        spec: each field of which is valid by itself.
        name: of the ModelDeployment.
    """
    yield from _service(spec, name)
    yield from _traffic(spec)
    yield from _sizes(spec)
    yield from _ramp(spec)
    yield from capture_problems(spec)
    yield from room_problems(spec)
    yield from monitor_problems(spec)
    yield from label_problems(spec, name)
    for index, metric in enumerate(spec.analysis.metrics if spec.analysis else ()):
        place = f"spec.analysis.metrics[{index}]"
        yield from metric_problems(spec, metric, place)
        if metric.name in {other.name for other in (spec.analysis.metrics[:index] if spec.analysis else ())}:
            yield Problem(place, f"is the second metric named {metric.name}", "Give each metric a name of its own.")


def _service(spec: ModelDeploymentSpec, name: str) -> Iterator[Problem]:
    taken = {candidate_service(name), router(name)}
    if spec.service.name in taken:
        reason = f"{spec.service.name} is the name of an object that the operator makes"
        yield Problem("spec.service.name", reason, "Choose another name, or leave it out.")


def _traffic(spec: ModelDeploymentSpec) -> Iterator[Problem]:
    plugin, config = spec.router()
    if _has_ramp(spec) and SOURCES["router"].needs - plugin.capabilities:
        reason = f"has to know how many requests arrive, and traffic.{plugin.name} does not count them"
        yield Problem(_ramp_place(spec), reason, "Use steps, or traffic.envoy.")
        return
    for problem in plugin.problems(config, spec.replicas, spec.stages()):
        yield replace(problem, path=f"spec.{problem.path.removeprefix('spec.')}")


def _sizes(spec: ModelDeploymentSpec) -> Iterator[Problem]:
    if spec.max_extra_replicas is None:
        return
    if not any(stage.weight < 100 and not stage.full_size for stage in spec.stages()):
        strategy, _ = spec.strategy.chosen()
        reason = f"has no effect: with {strategy.name} the candidate always has all its pods"
        yield Problem("spec.maxExtraReplicas", reason, "Leave it out.")


def _ramp(spec: ModelDeploymentSpec) -> Iterator[Problem]:
    if _has_ramp(spec) and not any(_bounds(metric) for metric in (spec.analysis.metrics if spec.analysis else ())):
        reason = "has to know how much worse the candidate may be, and no metric compares a rate and decides"
        remedy = "Add one, such as {name: errors, router: {signal: errorRate}, compare: {}}, without a mode."
        yield Problem(_ramp_place(spec), reason, remedy)


def _has_ramp(spec: ModelDeploymentSpec) -> bool:
    return any(stage.budget is not None for stage in spec.stages())


def _ramp_place(spec: ModelDeploymentSpec) -> str:
    return f"spec.strategy.{spec.strategy.chosen()[0].name}.ramp"


def _bounds(metric: Metric) -> bool:
    """Return whether a metric bounds how much more often than stable the candidate answers badly."""
    source, config = metric.source()
    return metric.decides and metric.compares and Rate in source.forms(config)


def _is_ever_asked(spec: ModelDeploymentSpec, metric: Metric) -> bool:
    """Return whether a metric can come to a verdict in a rollout, or goes on being watched after it."""
    in_rollout = any(metric.decided_in(stage) for stage in spec.stages())
    return in_rollout or metric.name in {one.name for one in watched(spec)}


def metric_problems(spec: ModelDeploymentSpec, metric: Metric, place: str) -> Iterator[Problem]:
    """Yield why a metric cannot be measured under a spec, or not be judged as asked.

    Args:
        spec: where it stands, or would stand.
        metric: any metric.
        place: its path.
    """
    plugin, _ = spec.router()
    source, source_config = metric.source()
    judge, judge_config = metric.judge()
    if missing := sorted(source.needs - plugin.capabilities):
        reason = f"traffic.{plugin.name} does not offer {', '.join(missing)}"
        yield Problem(f"{place}.{source.name}", reason, "Use another source, such as prometheus, or traffic.envoy.")
    found = judge.problems(
        judge_config,
        counts=source.counted(source_config),
        fraction=source.fraction(source_config),
        forms=source.forms(source_config),
    )
    if metric.compares and not any(0 < stage.weight < WHOLE or stage.mirror for stage in spec.stages()):
        strategy, _ = spec.strategy.chosen()
        reason = (
            f"compares both versions over the same minutes, and with this {strategy.name} only one ever gets requests"
        )
        remedy = "Begin with a shadow, use canary, or hold it against a limit: threshold with evidence: sequential."
        yield Problem(f"{place}.{judge.name}", reason, remedy)
    elif not source.needs_copies(source_config) and not _is_ever_asked(spec, metric):
        reason = "no stage before the last has requests of clients that it could be measured by"
        remedy = "Use canary." if metric.compares else "Add a bake, or use canary."
        yield Problem(f"{place}.{source.name}", reason, remedy)
    if source.forms(source_config) == {Shares} and not metric.compares:
        reason = "this metric is the shares of classes, which are no single number"
        yield Problem(f"{place}.{judge.name}", reason, "Use compare.")
    if source.forms(source_config) == {Features} and not metric.compares:
        reason = "this metric is the distributions of features, which are no single number"
        yield Problem(f"{place}.{judge.name}", reason, "Use drift.")
    if not missing:
        yield from prediction_problems(spec, metric, place)
        yield from observation_problems(spec, metric, place)
    for problem in (*source.problems(source_config), *found):
        yield replace(problem, path=f"{place}.{problem.path}")
