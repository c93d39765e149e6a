"""Evidence fits into a checkpoint: the estimate of each kind holds, and a spec that would not fit is refused."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.room import room
from modelrollout.api.validate import parse_spec
from modelrollout.domain.tally import (
    Block,
    Crossed,
    Features,
    Histogram,
    Mean,
    Measure,
    Paired,
    Rate,
    Scores,
    Shares,
    Tally,
)
from modelrollout.engine.books import Book, dump, fingerprint, question, weigher
from modelrollout.engine.noise import Noise
from modelrollout.engine.wants import Against, AnalysisWants, Comparison, MetricWants
from modelrollout.routers.envoy import PLUGIN as ENVOY
from modelrollout.sources._base import Scope
from modelrollout.sources.router import BOUNDS

MARGIN = {"compare": {"margin": {"absolute": 0.1}}}
QUANTILE = {"compare": {"quantile": {"q": 0.99, "ratio": 1.2}}}
LATENCY = {"router": {"signal": "latencySeconds"}}
REGIONS = 2


def parsed(*metrics: dict[str, Any], parts: int = 0, **analysis: Any) -> tuple[ModelDeploymentSpec | None, list[str]]:
    if parts:
        values = [f"r{number}" for number in range(parts)]
        analysis["slices"] = [{"name": "region", "header": "x-region", "values": values}]
    raw = {
        "model": {"protocol": "kserveV1"},
        "template": {"spec": {"containers": [{"name": "model", "image": "x"}]}},
        "service": {"targetPort": 8080},
        "strategy": {"canary": {"shadow": {"percent": 50, "hold": "10m"}, "steps": [{"weight": 10, "hold": "10m"}]}},
        "analysis": {**analysis, "metrics": list(metrics)},
    }
    spec, problems = parse_spec(raw, {"name": "digits"})
    return spec, [str(problem) for problem in problems]


def problems(*metrics: dict[str, Any], **analysis: Any) -> list[str]:
    return parsed(*metrics, **analysis)[1]


@dataclass
class Noisy:
    """Requests of which everything differs from block to block, so that all evidence has many digits."""

    draw: Random

    def rate(self, total: int) -> Tally:
        return Rate(float(self.draw.randrange(total // 20)), float(total))

    def histogram(self, total: int) -> Tally:
        shares = sorted(self.draw.random() ** 0.3 for _ in BOUNDS)
        counts = [(bound / 1000, float(int(total * share))) for bound, share in zip(BOUNDS, shares, strict=True)]
        return Histogram((*counts, (math.inf, float(total))))

    def mean(self, total: int) -> Tally:
        return Mean(total * self.draw.random(), float(total))

    def shares(self, total: int, classes: int = 40) -> Tally:
        parts = [self.draw.random() for _ in range(classes)]
        return Shares(
            {f"class {number} of the model's forty": total * part // sum(parts) for number, part in enumerate(parts)}
        )

    def few_shares(self, total: int) -> Tally:
        return self.shares(total, 21)

    def paired(self, total: int) -> Tally:
        return Paired(*(float(self.draw.randrange(total)) for _ in range(4)))

    def scores(self, total: int) -> Tally:
        def some(steps: range) -> dict[float, float]:
            return {step / 10: float(self.draw.randrange(total)) for step in steps}

        return Scores(some(range(11)), some(range(-10, 11)))

    def crossed(self, total: int) -> Tally:
        return Crossed({(d, c): float(self.draw.randrange(total)) for d in range(3) for c in range(3)})

    def features(self, total: int) -> Tally:
        def bins() -> Histogram:
            cuts = sorted(self.draw.randrange(total) for _ in range(29))
            return Histogram(
                (*((float(bound), float(cut)) for bound, cut in enumerate(cuts)), (math.inf, float(total)))
            )

        return Features({f"feature-number-{number}": bins() for number in range(22)}, float(total))


KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "rate": ({"router": {"signal": "errorRate"}, "compare": {}}, "rate"),
    "rate in slices": ({"inputs": {"signal": "missing"}, "compare": {}}, "rate"),
    "histogram": ({**LATENCY, "compare": {}}, "histogram"),
    "quantile": ({**LATENCY, **QUANTILE}, "histogram"),
    "mean": ({"inputs": {"signal": "length"}, **MARGIN}, "mean"),
    "mean of a known range": (
        {"inputs": {"signal": "length"}, "compare": {"margin": {"absolute": 0.1}, "lowest": 0, "highest": 1}},
        "mean",
    ),
    "limit": (
        {"router": {"signal": "errorRate"}, "threshold": {"max": 0.01, "evidence": "sequential"}},
        "rate",
    ),
    "drift": ({"inputs": {}, "drift": {}}, "features"),
    "shares": (
        {
            "prometheus": {
                "shares": {"query": 'p{namespace="$namespace",pod=~"$pods"}', "label": "class"},
            },
            **MARGIN,
        },
        "shares",
    ),
    "shares in slices": ({"predictions": {"signal": "classes"}, **MARGIN}, "few_shares"),
    "agreement": ({"predictions": {"signal": "agreement"}, "agreement": {"min": 0.9}}, "scores"),
    "agreement beyond noise": ({"predictions": {"signal": "agreement"}, "agreement": {"margin": 0.05}}, "scores"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_of_a_long_and_noisy_rollout_fits_into_the_estimate(kind: str) -> None:
    metric, form = KINDS[kind]
    spec, found = parsed({"name": "a-metric", **metric}, parts=REGIONS, inputs={}, predictions={"baseline": {}})
    assert spec is not None
    assert spec.analysis is not None, found
    (one,) = spec.analysis.metrics
    wanted = MetricWants(one.name, *one.source(), *one.judge())
    comparison = Comparison("c/1/2026-01-01T00:00:00+00:00", "10", Against.STABLE, 10, 1e-4, 1e-4, "")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    scope = Scope("n", "m", "c", "c", "s", ())
    asked = AnalysisWants("e", timedelta(seconds=10), now, scope, comparison, ENVOY, (wanted,))
    parts = [""] if metric.keys() & {"router", "prometheus"} else ["", *(f"region=r{part}" for part in range(REGIONS))]
    noisy = Noisy(Random(kind))
    tally = getattr(noisy, form)
    ledgers = {part: _ledger(asked, wanted, tally, noisy.draw) for part in parts}
    noise = Noise.load(
        [12345.678901, 123456] * 2 + [123.456789] * 3 + [1234567] * 4 + [0.123456, 1.234567, 99999, 12.345678]
    )
    book = Book(fingerprint(asked, wanted), ledgers=ledgers, noise=noise)
    size = len(dump({one.name: book}, asked).encode())
    estimate = room(spec, one)
    assert estimate / 4 < size <= estimate


def _ledger(asked: AnalysisWants, metric: MetricWants, tally: Any, draw: Random) -> Any:
    judge, config = weigher(metric), metric.judge_config
    alone = metric.source.paired(metric.source_config) or metric.judge.name == "threshold"
    ledger = judge.begin(config, question(asked, metric, Measure(tally(1000)), None if alone else tally(10**6)))
    for _ in range(40):
        total = draw.randrange(1000, 10**6)
        block = Block(tally(total), None if alone else tally(9 * total), 10.0)
        ledger = judge.weigh(config, ledger, block, 1 + draw.random(), math.inf)
        ledger = judge.temper(config, ledger, 0.997)
    return judge.weigh(config, ledger, Block(tally(1000), None, 10.0), 1.5, math.inf)


def test_as_many_rates_as_there_can_be_fit() -> None:
    rates = [{"name": f"errors-{number}", "router": {"signal": "errorRate"}, "compare": {}} for number in range(64)]
    assert problems(*rates) == []


def test_more_histograms_than_a_checkpoint_has_room_for_are_refused_and_the_largest_are_named() -> None:
    slow = [{"name": f"slow-{number}", **LATENCY, "compare": {}} for number in range(7)]
    rate = {"name": "errors", "router": {"signal": "errorRate"}, "compare": {}}
    assert problems(rate, *slow[:6]) == []
    (problem,) = problems(rate, *slow)
    assert "spec.analysis.metrics" in problem
    assert "would keep up to 68 KB of evidence, and there is room for 64 KB" in problem
    assert "slow-0 10 KB, slow-1 10 KB, slow-2 10 KB, and 5 more" in problem
    assert problem.endswith(
        "Leave out metrics that matter less, or compare one quantile of a histogram (compare.quantile)."
    )
    one = [{**metric, **QUANTILE} for metric in slow]
    assert problems(rate, *one) == []


@pytest.mark.parametrize("preset", ["tabular-classification", "regression", "ranking", "vision", "speech", "llm"])
def test_every_preset_has_room_for_three_slices(preset: str) -> None:
    assert problems(preset=preset, parts=3) == []


def test_a_limit_that_weighs_nothing_takes_no_room() -> None:
    spec, found = parsed({"name": "slow", **LATENCY, "threshold": {"max": 1}})
    assert found == []
    assert spec is not None
    assert spec.analysis is not None
    assert room(spec, spec.analysis.metrics[0]) == 0


def test_more_distributions_than_a_checkpoint_has_room_for_are_refused() -> None:
    moved = {"name": "moved", "inputs": {}, "drift": {}}
    two = {"name": "moved", "inputs": {"feature": "age"}, "drift": {}}
    assert problems(moved, inputs={}, parts=2) == []
    (problem,) = problems(moved, inputs={}, parts=3)
    assert "there is room for 64 KB: moved 74 KB" in problem
    assert "name the features that matter in inputs.features" in problem
    assert "use fewer slices" in problem
    assert problems(two, inputs={}, parts=20) == []
    named = {"features": [{"name": name, "path": name} for name in ("age", "height")]}
    assert problems(moved, inputs=named, parts=17) == []
