"""What holds for every source with every judge: what is accepted can be judged, and what cannot be judged is refused."""

from typing import Any

import pytest

from modelrollout.api.modeldeployment import JUDGES, SOURCES
from modelrollout.api.validate import parse_spec
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.tally import Block
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.judges._base import Question, Weigher
from modelrollout.sources._predictions import Signal
from tests.conformance.examples import examples
from tests.conformance.test_sources import NOW, SCOPE, good, grown

EVERY_SIGNAL = [{"signal": str(signal), "path": "x"} for signal in Signal]
CONFIGS = [
    pytest.param(name, config, id=f"{name}-{number}")
    for name, plugin in SOURCES.items()
    for number, config in enumerate([*examples(plugin.config), *(EVERY_SIGNAL if name == "predictions" else [])])
]
JUDGED = [(name, config) for name, plugin in JUDGES.items() for config in examples(plugin.config)]
JUDGED.append(("compare", {"margin": {"absolute": 0.1}}))


def spec(source: str, source_config: Any, judge: str, judge_config: Any) -> dict[str, Any]:
    """Return a spec in which every stage and setting is there that a metric may need."""
    return {
        "model": {"protocol": "openAI"},
        "template": {"spec": {"containers": [{"name": "model", "image": "x"}]}},
        "service": {"targetPort": 8080},
        "strategy": {
            "canary": {"shadow": {"percent": 50, "hold": "1m"}, "steps": [{"weight": 50, "hold": "1m"}]},
        },
        "analysis": {
            **({"predictions": {"baseline": {}}} if source == "predictions" else {}),
            **({"inputs": {}} if source in ("inputs", "outputs") else {}),
            "metrics": [{"name": "m", source: source_config, judge: judge_config}],
        },
    }


def weigh(source: Any, source_config: Any, judge: Weigher[Any, Any], judge_config: Any) -> Gate:
    """Return the gate after one block."""
    sample = source.parse(source_config, SCOPE, good(source, source_config), NOW)
    candidate = source.measure_arm(source_config, grown(sample, SCOPE.arm))
    stable = source.measure_arm(source_config, grown(sample, SCOPE.stable or ""))
    assert (stable is None) is source.paired(source_config)
    form = type(candidate.tally)
    assert form in judge.forms(judge_config) & source.forms(source_config)
    question = Question(0.05, 0.05, 360, form, source.quantile(source_config), fraction=source.fraction(source_config))
    block = Block(candidate.tally, stable.tally if stable else None, 10.0)
    ledger = judge.weigh(judge_config, judge.begin(judge_config, question), block, 1.0, 100.0)
    found = judge.evidence(judge_config, ledger)
    reading = Reading("m", "e", NOW, State.VALUE, found.candidate, found.requests, evidence=found)
    return judge.judge(judge_config, reading, None)


def hold(source: Any, source_config: Any, judge: Any, judge_config: Any) -> Gate:
    """Return the gate after one window."""
    sample = source.parse(source_config, SCOPE, good(source, source_config), NOW)
    value, requests = sample.gauge, None
    if source.counts(source_config):
        measured = source.measure(source_config, grown(sample, SCOPE.arm), 10.0)
        value, requests = measured.value, measured.requests
    assert value is not None
    gate: Gate = judge.judge(judge_config, Reading("m", "e", NOW, State.VALUE, value, requests), None)
    return gate


@pytest.mark.parametrize(("source", "config"), CONFIGS)
def test_what_is_accepted_can_be_judged(source: str, config: Any) -> None:
    for judge, judge_config in JUDGED:
        accepted, problems = parse_spec(spec(source, config, judge, judge_config), {"name": "digits"})
        if accepted is None:
            assert all(problem.path.startswith("spec.analysis.metrics[0]") for problem in problems), problems
            continue
        assert accepted.analysis is not None
        (metric,) = accepted.analysis.metrics
        gate = (weigh if metric.weighs else hold)(*metric.source(), *metric.judge())  # type: ignore[operator]  # plugins know their own
        assert gate.name == "m"
        assert gate.verdict is not Verdict.FAIL or not metric.weighs


def accepted_by(source: str, config: Any) -> set[str]:
    return {
        judge
        for judge, judge_config in JUDGED
        if parse_spec(spec(source, config, judge, judge_config), {"name": "x"})[0]
    }


@pytest.mark.parametrize("config", EVERY_SIGNAL, ids=lambda config: config["signal"])
def test_every_signal_of_predictions_has_judges(config: Any) -> None:
    assert (
        accepted_by("predictions", config)
        == {
            "agreement": {"agreement", "threshold"},
            "kappa": {"agreement", "threshold"},
            "errors": {"compare", "threshold"},
            "empty": {"compare", "threshold"},
            "invalidJson": {"compare", "threshold"},
            "refusals": {"compare", "threshold"},
            "difference": {"threshold"},
            "bias": {"threshold"},
            "length": {"compare", "threshold"},
            "finishReasons": {"compare"},
            "classes": {"compare"},
        }[config["signal"]]
    )
