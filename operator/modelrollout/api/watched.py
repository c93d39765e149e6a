"""From a spec to what goes on being watched after a promotion, and why a metric cannot be."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelrollout.api.modeldeployment import Metric, ModelDeploymentSpec
from modelrollout.api.monitor import Reference
from modelrollout.domain.problem import Problem
from modelrollout.domain.tally import Features
from modelrollout.domain.verdict import Mode
from modelrollout.judges._base import Judge
from modelrollout.sources._base import Source

PLACE = "spec.analysis.monitor"
LEARN = 2000
"""Requests that a reference is learnt from when nobody says."""


@dataclass(frozen=True)
class Watched:
    """One metric, and who watches it.

    Attributes:
        name: of the metric.
        source: where its numbers come from.
        source_config: of the source.
        judge: a judge of windows, or a change detector.
        judge_config: of the judge.
        mode: what it may do.
    """

    name: str
    source: Source[Any]
    source_config: Any
    judge: Judge[Any]
    judge_config: Any
    mode: Mode = Mode.GATE


def watched(spec: ModelDeploymentSpec) -> tuple[Watched, ...]:
    """Return what is watched while no rollout is on its way; nothing without ``analysis.monitor``."""
    analysis = spec.analysis
    if analysis is None or analysis.monitor is None:
        return ()
    named = analysis.monitor.metrics
    found = (_watched(metric) for metric in analysis.metrics if not named or metric.name in named)
    return tuple(one for one in found if one is not None)


def reference_of(spec: ModelDeploymentSpec) -> Reference | None:
    """Return where the reference comes from, None where nothing is held against one."""
    monitor = spec.analysis.monitor if spec.analysis is not None else None
    if monitor is None or not any(Features in one.source.forms(one.source_config) for one in watched(spec)):
        return None
    return monitor.reference or Reference(learn=LEARN)


def monitor_problems(spec: ModelDeploymentSpec) -> Iterator[Problem]:
    """Yield metrics that are named to be watched and cannot be, and a watch that would look at nothing."""
    analysis = spec.analysis
    if analysis is None or analysis.monitor is None:
        return
    metrics = {metric.name: metric for metric in analysis.metrics}
    for index, name in enumerate(analysis.monitor.metrics):
        place = f"{PLACE}.metrics[{index}]"
        if name not in metrics:
            yield Problem(place, f"{name} is no metric of this analysis", f"The metrics are {', '.join(metrics)}.")
        elif name in analysis.monitor.metrics[:index]:
            yield Problem(place, f"names {name} a second time", "Leave it out.")
        elif why := _unwatchable(metrics[name]):
            yield Problem(place, f"{name} {why}", "Leave it out, or hold it against a limit: threshold.")
    if analysis.monitor.reference is not None and reference_of(spec) is None:
        reason = "has no effect: no metric that is watched compares distributions"
        yield Problem(f"{PLACE}.reference", reason, "Leave it out.")
    if not analysis.monitor.metrics and not watched(spec):
        reason = "has nothing to watch: each metric needs copies of requests, or stable beside it"
        yield Problem(PLACE, reason, "Add a metric with threshold, such as the error rate, or leave it out.")


def _watched(metric: Metric) -> Watched | None:
    judge, judge_config = metric.judge()
    found = judge.watcher(judge_config)
    if found is None or _unwatchable(metric):
        return None
    return Watched(metric.name, *metric.source(), *found, metric.mode or Mode.GATE)


def _unwatchable(metric: Metric) -> str:
    """Return why a metric says nothing about one version alone, empty when it does."""
    (source, source_config), (judge, judge_config) = metric.source(), metric.judge()
    if source.needs_copies(source_config):
        return "can be measured of copied requests only, and after a rollout nobody gets copies"
    if judge.watcher(judge_config) is None:
        return f"is judged by {judge.name}, which needs stable beside it, and after a rollout one version answers everything"
    return ""
