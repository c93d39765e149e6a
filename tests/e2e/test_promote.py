"""The main job: a new version is installed, tried at growing weights and promoted, and no client notices."""

import math
from statistics import NormalDist

from tests.e2e.scenario import (
    FALSE_ALARM,
    canary,
    condition,
    errors_analysis,
    in_band,
    lost_nothing,
    model_deployment,
    model_template,
    moment,
)


def test_a_healthy_candidate_is_promoted_in_steps(scenario):
    first = scenario.apply(model_deployment(model_template("v1"), canary(50)))
    scenario.stable()
    with scenario.traffic(240) as traffic:
        strategy = canary(20, 50, hold="6s", bake="3s")
        second = scenario.apply(model_deployment(model_template("v2"), strategy, analysis=errors_analysis()))
        assert second != first
        spans = []
        for label, weight in (("step 1/2", 20), ("step 2/2", 50)):
            status = scenario.stage(label)
            assert status["weight"] == weight
            begin = moment(status["rollout"]["verifiedAt"])
            after = scenario.expect(f"{label} is over", lambda status, label=label: _past(status, label))
            spans.append((weight, begin, moment(after["rollout"]["stageAt"])))
        status = scenario.stable()
        report = traffic.stop()
    lost_nothing(report)
    assert status["stable"] == second
    assert report["model"] == 0
    records = traffic.records()
    counted = expected = variance = 0.0
    for weight, begin, end in spans:
        asked = [record for record in records if begin + 0.5 < record["start"] < end - 0.5]
        candidate = sum(record["revision"] == second for record in asked)
        assert in_band(candidate, len(asked), weight), (weight, candidate, len(asked))
        counted += candidate
        expected += len(asked) * weight / 100
        variance += len(asked) * weight / 100 * (1 - weight / 100)
    reach = NormalDist().inv_cdf(1 - FALSE_ALARM / 2) * math.sqrt(variance)
    assert abs(counted - expected) < reach
    # With so many requests a split that is off by a fifth fails, so this check means something.
    assert expected / 5 > reach
    assert condition(status, "Available")["status"] == "True"
    scenario.gone(first)
    scenario.note(report, f"{counted:.0f} of {expected:.0f} expected at the candidate, band ±{reach:.0f}")


def _past(status, label):
    return status["rollout"]["stageLabel"] != label
