"""Presets: for each kind of model the metrics that it is usually judged by, as a user could have written them.

A preset is a table. Which of its lines can be measured under a spec is asked of the same checks that a user's own metric must
pass, so a preset never asks for what admission would refuse. Each line has two limits: the usual one, and a stricter one for the
first rollout after an install, when nobody has seen yet what a new version does here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelrollout.api.consistency import metric_problems
from modelrollout.api.modeldeployment import ComposedMetric, ModelDeploymentSpec, Preset
from modelrollout.domain.problem import Problem

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """One metric of a preset.

    Attributes:
        name: of the metric; of two lines with one name the first that can be measured counts.
        source: where its numbers come from, as a user writes it.
        judge: what it is held against, likewise.
        first: the same in the first rollout after an install.
    """

    name: str
    source: Values
    judge: Values
    first: Values

    def metric(self, *, first: bool) -> dict[str, Any]:
        """Return the metric as a user could have written it."""
        return {"name": self.name, **self.source, **(self.first if first else self.judge)}


@dataclass(frozen=True)
class LeftOut:
    """A metric that a preset would have, and why it is left out."""

    name: str
    reason: str


def _margin(absolute: float, ratio: float | None = None, *, required: bool = True) -> Values:
    margin = {"absolute": absolute} if ratio is None else {"absolute": absolute, "ratio": ratio}
    return {"compare": {"margin": margin, **({} if required else {"required": False})}}


def _slower(q: float, ratio: float) -> Values:
    return {"compare": {"quantile": {"q": q, "ratio": ratio}}}


def _least(share: float) -> Values:
    return {"agreement": {"min": share}}


def _predictions(**settings: Any) -> Values:  # noqa: ANN401  # JSON
    return {"predictions": settings}


_ERRORS = {"router": {"signal": "errorRate"}}
_LATENCY = {"router": {"signal": "latencySeconds"}}
_FIRST_BYTE = {"router": {"signal": "timeToFirstByteSeconds"}}


def _at_most(share: float) -> Values:
    return {"threshold": {"max": share, "evidence": "sequential"}}


_ANY = (
    Line("errors", _ERRORS, _margin(0.005, 1.25), _margin(0.0025, 1.1)),
    # Where both versions never answer at the same time.
    Line("errors", _ERRORS, _at_most(0.02), _at_most(0.01)),
)
_SLOW = Line("slow", _LATENCY, _slower(0.99, 1.2), _slower(0.99, 1.1))
_CLASSES = Line("classes", _predictions(signal="classes"), _margin(0.1), _margin(0.05))


def _empty(**kind: str) -> Line:
    return Line("empty", _predictions(signal="empty", **kind), _margin(0.005), _margin(0.0025))


def _length(usual: float, first: float, kind: str) -> Line:
    source = _predictions(signal="length", kind=kind)
    return Line("length", source, _margin(usual, required=False), _margin(first, required=False))


_SAME = Line("agreement", _predictions(signal="agreement"), _least(0.9), _least(0.95))

PRESETS: Mapping[Preset, tuple[Line, ...]] = {
    "tabular-classification": (
        *_ANY,
        _SLOW,
        _SAME,
        Line("kappa", _predictions(signal="kappa"), _least(0.6), _least(0.8)),
        _CLASSES,
        _empty(),
    ),
    "regression": (
        *_ANY,
        _SLOW,
        Line(
            "close",
            _predictions(signal="agreement", kind="number", tolerance={"relative": 0.05}),
            _least(0.9),
            _least(0.95),
        ),
        _empty(kind="number"),
    ),
    "ranking": (
        *_ANY,
        _SLOW,
        Line("overlap", _predictions(signal="agreement", kind="ranking", top=10), _least(0.7), _least(0.8)),
        _length(1, 0.5, "ranking"),
        _empty(kind="ranking"),
    ),
    "vision": (*_ANY, _SLOW, _SAME, _CLASSES, _empty()),
    "speech": (
        *_ANY,
        _SLOW,
        Line("same-text", _predictions(signal="agreement", kind="text"), _least(0.6), _least(0.75)),
        _length(5, 3, "text"),
        _empty(kind="text"),
    ),
    "llm": (
        *_ANY,
        Line("slow", _LATENCY, _slower(0.95, 1.3), _slower(0.95, 1.2)),
        Line("first-byte", _FIRST_BYTE, _slower(0.95, 1.3), _slower(0.95, 1.2)),
        Line(
            "same-text",
            _predictions(signal="agreement", kind="text"),
            {"agreement": {"margin": 0.05}},
            {"agreement": {"margin": 0.03}},
        ),
        Line("refusals", _predictions(signal="refusals"), _margin(0.01), _margin(0.005)),
        Line("invalid-json", _predictions(signal="invalidJson"), _margin(0.01), _margin(0.005)),
        Line("finish", _predictions(signal="finishReasons"), _margin(0.1), _margin(0.05)),
        _length(100, 50, "text"),
        _empty(kind="text"),
    ),
}
"""By task, in the order in which the metrics are shown."""

_UNITS = "no preset knows the unit of your numbers, so there is no limit that is right for it"
WITHOUT_LIMIT: Mapping[str, tuple[LeftOut, ...]] = {
    "regression": (
        LeftOut(
            "bias",
            f"{_UNITS}. Add one: {{name: bias, predictions: {{signal: bias}}, threshold: {{min: -2, max: 2}}}}.",
        ),
        LeftOut(
            "difference",
            f"{_UNITS}. Add one: {{name: difference, predictions: {{signal: difference}}, threshold: {{max: 10}}}}.",
        ),
    )
}
"""What such a model should be judged by as well, and only its owner can set a limit for."""


def expanded(analysis: Values, spec: ModelDeploymentSpec, *, first: bool = False) -> dict[str, Any]:
    """Return an analysis with the metrics of its preset written out, behind the user's own; without a preset, as it is.

    What is returned expands to itself: all names are taken then.

    Args:
        analysis: as the user wrote it.
        spec: the spec that it is part of; says what can be measured.
        first: with the limits of the first rollout after an install.
    """
    written = [*(analysis.get("metrics") or ())]
    added = [line.metric(first=first) for line in _lines(spec, _names(analysis))]
    return {**analysis, "metrics": [*written, *added]} if added else dict(analysis)


def left_out(spec: ModelDeploymentSpec, own: frozenset[str] = frozenset()) -> tuple[LeftOut, ...]:
    """Return what a preset would have measured and cannot, or has no limit for, each with the reason.

    Args:
        spec: with a preset.
        own: names of the metrics that the user wrote.
    """
    preset = _preset(spec)
    lines = {line.name: line for line in PRESETS[preset]} if preset else {}
    added = {line.name for line in _lines(spec, own)}
    missing = {name: line for name, line in lines.items() if name not in added | own}
    found = [LeftOut(name, _why_not(spec, line) or "") for name, line in missing.items()]
    return (*found, *(one for one in WITHOUT_LIMIT.get(preset or "", ()) if one.name not in own))


def first_limits(analysis: Values, spec: ModelDeploymentSpec) -> tuple[str, ...]:
    """Return what is stricter in the first rollout after an install, in words.

    Args:
        analysis: as the user wrote it.
        spec: the spec that it is part of.
    """
    return tuple(
        f"{line.name}: {setting} {value} instead of {usual[setting]}"
        for line in _lines(spec, _names(analysis))
        for usual in [dict(_leaves(line.judge))]
        for setting, value in _leaves(line.first)
        if value != usual[setting]
    )


def preset_problems(spec: ModelDeploymentSpec) -> Iterator[Problem]:
    """Yield that a preset has come to nothing, so that the spec measures nothing.

    Args:
        spec: with its preset written out.
    """
    if spec.analysis is not None and spec.analysis.preset is not None and not spec.analysis.metrics:
        said = " ".join(f"{one.name}: {one.reason}" for one in left_out(spec)[:1])
        reason = f"none of the metrics of {spec.analysis.preset} can be measured here; {said.removesuffix('.')}"
        yield Problem("spec.analysis.preset", reason, "Or write metrics of your own.")


def _preset(spec: ModelDeploymentSpec) -> Preset | None:
    return spec.analysis.preset if spec.analysis is not None else None


def _names(analysis: Values) -> frozenset[str]:
    return frozenset(metric["name"] for metric in analysis.get("metrics") or ())


def _lines(spec: ModelDeploymentSpec, own: frozenset[str]) -> tuple[Line, ...]:
    """Return the lines of the preset that can be measured, each name once, but for those that the user wrote."""
    preset, found = _preset(spec), dict[str, Line]()
    there = {
        metric.name: metric for metric in (spec.analysis.metrics if spec.analysis else ()) if metric.name not in own
    }
    for line in PRESETS[preset] if preset else ():
        if line.name in own | found.keys():
            continue
        # Of a spec whose preset was written out it is known which can be measured, and it is asked at every pass.
        known = there.get(line.name)
        measurable = (
            known is not None and known.judge()[0].name in line.judge if there else _why_not(spec, line) is None
        )
        if measurable:
            found[line.name] = line
    return tuple(found.values())


def _why_not(spec: ModelDeploymentSpec, line: Line) -> str | None:
    """Return why a line cannot be measured under a spec, None when it can."""
    metric = ComposedMetric.model_validate(line.metric(first=False))
    judge, _ = metric.judge()
    # Why it cannot be measured says more than why it cannot be judged.
    problems = sorted(metric_problems(spec, metric, ""), key=lambda one: one.path.startswith(f".{judge.name}"))
    return f"{problems[0].reason}. {problems[0].remedy}" if problems else None


def _leaves(value: Values, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        place = f"{path}.{key}" if path else key
        if isinstance(inner, Mapping):
            yield from _leaves(inner, place)
        else:
            yield place, inner
