"""Whole rollouts under chance traffic: the operator decides, and what is told of it is what happened."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.errors import RolloutError
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.clerk import Decision
from modelrollout.simulation.recording import Entry
from modelrollout.simulation.trial import Setting, another_version, run_trial
from modelrollout.simulation.weather import Weather
from tests.unit.simulation.worlds import BAD, GOOD, document, judged

SETTING = Setting(document(), rate=20.0, stable=GOOD, candidate=GOOD)


async def test_a_version_that_is_as_good_is_promoted():
    outcome = await run_trial(SETTING, 7)

    assert outcome.verdict.decision is Decision.PROMOTED
    assert [told.reason for told in outcome.events] == [
        "RolloutStarted",
        "StageEntered",
        "StageEntered",
        "RolloutCompleted",
    ]
    assert outcome.lost == 0
    assert max(moment.weight for moment in outcome.moments) == 100
    total, bad = outcome.tape.sums("candidate")
    assert total > 500
    assert bad < 20


async def test_a_version_that_fails_is_rolled_back_before_many_have_met_it():
    outcome = await run_trial(replace(SETTING, candidate=BAD), 7)

    verdict = outcome.verdict
    assert (verdict.decision, verdict.reason, verdict.stage) == (Decision.ROLLED_BACK, "GateFailed", "step 1/2")
    assert "above 0.02" in verdict.message
    assert outcome.events[-1].reason == "RolloutAborted"
    assert outcome.first_request is not None
    assert outcome.first_request < verdict.at < 300
    total, bad = outcome.tape.sums("candidate")
    assert 0.1 < bad / total < 0.3
    assert outcome.lost == 0


@pytest.mark.parametrize("then", ["pause", "rollback"])
async def test_a_deadline_without_a_verdict_is_inconclusive_whatever_is_done_then(then):
    limit = {"max": 0.02, "minRequests": 100_000}
    analysis = {**judged(threshold=limit), "deadline": "2m", "onInconclusive": then}
    outcome = await run_trial(replace(SETTING, document=document(analysis=analysis)), 7)

    assert (outcome.verdict.decision, outcome.verdict.reason) == (Decision.INCONCLUSIVE, "Inconclusive")
    assert outcome.verdict.message.startswith("Inconclusive after 2m")


async def test_a_version_that_is_above_a_limit_is_not_promoted_where_only_the_bake_can_tell():
    limited = {
        "strategy": {"blueGreen": {"hold": "10s", "bake": "5m"}},
        "analysis": {**judged(threshold={"max": 0.02, "evidence": "sequential"}), "deadline": "5m"},
    }
    setting = Setting(document(**limited), rate=0.5, stable=GOOD, candidate=Behaviour(errors=0.04))
    outcome = await run_trial(setting, 7)

    assert (outcome.verdict.decision, outcome.verdict.stage) == (Decision.INCONCLUSIVE, "bake")
    assert outcome.verdict.message.startswith("Inconclusive after 5m: bake: errors: not decided")


async def test_time_can_be_up_first():
    outcome = await run_trial(replace(SETTING, until=timedelta(seconds=90)), 7)

    assert (outcome.verdict.decision, outcome.verdict.at) == (Decision.UNDECIDED, 90.0)
    assert outcome.verdict.stage == "step 2/2"


async def test_the_same_seed_tells_the_same_story_and_another_one_another():
    setting = replace(SETTING, until=timedelta(minutes=1))
    one, again, other = [await run_trial(setting, seed) for seed in (1, 1, 2)]

    assert one == again
    assert one.tape != other.tape


async def test_a_fault_can_come_late():
    outcome = await run_trial(replace(SETTING, candidate=Behaviour(errors=1.0), late=70.0), 7)

    assert outcome.verdict.decision is Decision.ROLLED_BACK
    assert outcome.first_request is not None
    assert outcome.verdict.at > outcome.first_request + 70
    rates = outcome.tape.rates("candidate", 10.0)
    assert max(rate for at, rate in rates.items() if at < 60) < 0.1


async def test_a_person_approves_what_waits_for_one():
    outcome = await run_trial(replace(SETTING, document=document(automation="manual")), 7)

    assert outcome.verdict.decision is Decision.PROMOTED
    assert sum(told.reason == "RequestAccepted" for told in outcome.events) == 2


@pytest.mark.parametrize("weather", list(Weather))
async def test_no_weather_keeps_a_good_version_out(weather):
    analysis = judged(threshold={"max": 0.5, "minRequests": 20})
    outcome = await run_trial(replace(SETTING, document=document(analysis=analysis), weather=weather), 3)

    assert outcome.verdict.decision is Decision.PROMOTED


async def test_an_incident_hits_both_versions_alike():
    steps = [{"weight": 50, "hold": "2h"}]
    setting = replace(
        SETTING, weather=Weather.INCIDENTS, document=document(strategy={"canary": {"steps": steps}}, analysis=None)
    )
    outcome = await run_trial(setting, 5)

    worst = {arm: max(outcome.tape.rates(arm, 60.0).values()) for arm in ("stable", "candidate")}
    assert min(worst.values()) > 0.02
    assert abs(worst["stable"] - worst["candidate"]) < 0.1


def recorded(bad_from: float, until: float = 400) -> tuple[Entry, ...]:
    found = []
    for at in range(10, int(until), 10):
        found.append(Entry(at, "stable", 150, 1))
        found.append(Entry(at, "candidate", 50, 25 if at > bad_from else 0))
    return tuple(found)


async def test_what_was_recorded_is_decided_again():
    healthy = await run_trial(replace(SETTING, recording=recorded(bad_from=1000)), 7)
    broken = await run_trial(replace(SETTING, recording=recorded(bad_from=30)), 7)

    assert healthy.verdict.decision is Decision.PROMOTED
    assert broken.verdict.decision is Decision.ROLLED_BACK
    assert broken.first_request is not None
    assert broken.verdict.at - broken.first_request == pytest.approx(70, abs=15)
    total, bad = broken.tape.sums("candidate")
    assert (total % 50, bad % 25) == (0, 0)


async def test_a_recording_that_ends_decides_nothing():
    outcome = await run_trial(replace(SETTING, recording=recorded(bad_from=1000, until=60)), 7)

    assert outcome.verdict.decision is Decision.UNDECIDED
    assert outcome.tape.sums("candidate") == (250, 0)


async def test_a_first_version_that_never_starts_is_told():
    with pytest.raises(RolloutError, match="its first version is not installed"):
        await run_trial(replace(SETTING, stable=Behaviour(never_ready=True)), 7)


@pytest.mark.parametrize(
    ("candidate", "decision"), [(GOOD, Decision.PROMOTED), (BAD, Decision.ROLLED_BACK)], ids=["good", "bad"]
)
async def test_a_comparison_decides_and_says_what_it_rests_on(candidate, decision):
    compared = document(analysis=judged(compare={"margin": {"absolute": 0.02}}))
    outcome = await run_trial(replace(SETTING, document=compared, candidate=candidate), 7)

    assert outcome.verdict.decision is decision
    against, within = outcome.moments[-1].evidence["errors"] if decision is Decision.ROLLED_BACK else (0, 99)
    assert within > against if decision is Decision.PROMOTED else against > 2
    assert outcome.forecasts[0].metric == "errors"
    assert outcome.forecasts[0].expected > 0
    assert (outcome.forecasts[0].passed is not None) == (decision is Decision.PROMOTED)


def test_another_version_differs_in_its_image_alone():
    spec = document()["spec"]
    other = another_version(spec)
    assert other["template"]["spec"]["containers"][0]["image"] == "digits:2-candidate"
    other["template"]["spec"]["containers"][0]["image"] = "digits:2"
    assert other == spec
