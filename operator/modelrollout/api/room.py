"""How much room evidence takes, so that a checkpoint never outgrows what it is stored in.

What a ledger holds follows from the metric's kind: so many numbers, however long a rollout lasts. Each is taken as long as it
gets in a long and noisy one.
"""

import json
from collections.abc import Iterator

from modelrollout.api.modeldeployment import Metric, ModelDeploymentSpec
from modelrollout.api.slices import parts_of
from modelrollout.domain.problem import Problem
from modelrollout.domain.tally import Features, Histogram, Mean, Paired, Shares
from modelrollout.judges._compare import CompareConfig
from modelrollout.judges.agreement import AgreementConfig
from modelrollout.sources.inputs import InputsConfig

ROOM = 64 * 1024
"""Bytes that a checkpoint may have."""
_METRIC = 300
"""Bytes of a metric besides its name and its ledgers: fingerprint and noise."""
_RATE, _MEAN, _SCALED, _PAIRS = 500, 800, 600, 400
_SHARES, _FEW_SHARES = 13_500, 9_000
"""Of 32 classes and the others, and of the 20 that a collector tells apart."""
_BOUNDS, _QUANTILE = 9_500, 2_500
"""Of a histogram: all bounds, 24 at most, and one quantile."""
_LIMIT, _AGREEMENT = 300, 820
_DRIFT, _DISTRIBUTION = 100, 850
"""Of drift by itself, and of each feature."""
_FOUND = 22
"""Features that are found where none are named: twenty, and two of every body."""
_NAMED = 3
"""Metrics that a message names."""


def room_problems(spec: ModelDeploymentSpec) -> Iterator[Problem]:
    """Yield that there is more evidence than a checkpoint has room for."""
    metrics = spec.analysis.metrics if spec.analysis is not None else ()
    sizes = {metric.name: size for metric in metrics if (size := room(spec, metric))}
    total = sum(sizes.values())
    if total <= ROOM:
        return
    most = sorted(sizes, key=lambda name: -sizes[name])[:_NAMED]
    names = ", ".join(f"{name} {_kilobytes(sizes[name])}" for name in most)
    others = f", and {len(sizes) - len(most)} more" if len(sizes) > len(most) else ""
    reason = f"would keep up to {_kilobytes(total)} of evidence, and there is room for 64 KB: {names}{others}"
    yield Problem("spec.analysis.metrics", reason, f"{', or '.join(_remedies(spec))}.")


def room(spec: ModelDeploymentSpec, metric: Metric) -> int:
    """Return how many bytes of a checkpoint a metric takes at most; 0 of one that weighs no evidence."""
    source, config = metric.source()
    if not metric.weighs:
        return 0
    parts = [part.name for part in parts_of(spec.analysis.slices)] if spec.analysis and source.sliced(config) else []
    ledger = _ledger(spec, metric)
    return _METRIC + len(metric.name) + sum(len(json.dumps(part)) + ledger for part in ("", *parts))


def _ledger(spec: ModelDeploymentSpec, metric: Metric) -> int:
    source, config = metric.source()
    _, judged = metric.judge()
    forms = source.forms(config)
    if Features in forms:
        return _DRIFT + _features(spec, metric) * _DISTRIBUTION
    if isinstance(judged, AgreementConfig):
        return _AGREEMENT
    if not isinstance(judged, CompareConfig):
        return _LIMIT
    if Histogram in forms:
        return _BOUNDS if judged.quantile is None else _QUANTILE
    if Mean in forms:
        return _MEAN if judged.lowest is None else _SCALED
    if Shares in forms:
        return _FEW_SHARES if source.sliced(config) else _SHARES
    return _PAIRS if Paired in forms else _RATE


def _features(spec: ModelDeploymentSpec, metric: Metric) -> int:
    _, config = metric.source()
    if not isinstance(config, InputsConfig) or config.feature is not None:
        return 1
    named = spec.analysis.inputs.features if spec.analysis is not None and spec.analysis.inputs is not None else ()
    return len(named) + 2 if named else _FOUND


def _remedies(spec: ModelDeploymentSpec) -> Iterator[str]:
    assert spec.analysis is not None
    metrics = [metric for metric in spec.analysis.metrics if room(spec, metric)]
    ledgers = {_ledger(spec, metric) for metric in metrics}
    yield "Leave out metrics that matter less"
    if _BOUNDS in ledgers:
        yield "compare one quantile of a histogram (compare.quantile)"
    if max(ledgers) >= _DRIFT + _FOUND * _DISTRIBUTION:
        yield "name the features that matter in inputs.features"
    sliced = any(source.sliced(config) for source, config in (metric.source() for metric in metrics))
    if spec.analysis.slices and sliced:
        yield "use fewer slices"


def _kilobytes(size: int) -> str:
    return f"{size / 1024:.0f} KB"
