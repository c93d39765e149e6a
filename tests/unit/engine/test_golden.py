"""Golden examples in the walk through the stages."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from modelrollout.domain.golden import ExampleResult, GoldenWants, Probes
from modelrollout.domain.status import RolloutState
from modelrollout.domain.verdict import Verdict
from modelrollout.engine.wants import wants
from tests.unit.engine.world import World, analysis, canary, spec_of

RIGHT = (ExampleResult(name="eight", ok=True, expected="8", got="8"),)
WRONG = ExampleResult(name="seven-3", ok=False, expected="7", got="1")
GAUGE = {"name": "gpu", "prometheus": {"query": "up"}, "threshold": {"max": 95}}


@dataclass
class Golden(World):
    """A world whose pods answer golden examples as ``results`` says.

    Attributes:
        results: what was answered; by the stage that asks.
        total: how many examples there are.
        problem: why they cannot be read.
        silent: what was not answered.
        warm: every pod that is asked for is warm.
        asked: the questions that were asked.
    """

    results: Callable[[int], tuple[ExampleResult, ...]] = lambda _stage: RIGHT
    total: int = 1
    problem: str = ""
    silent: str = ""
    warm: bool = True
    probes: Probes | None = None
    asked: tuple[GoldenWants, ...] = ()

    def look(self):
        seen = super().look()
        wanted = wants(seen).golden
        if wanted is not None:
            self.asked = (*self.asked, wanted)
            known = self.probes.warm if self.probes else frozenset()
            results = self.results(self.rollout.stage) if wanted.examples and not self.problem else ()
            self.probes = Probes(
                question=wanted.question,
                at=self.now,
                problem=self.problem,
                total=0 if self.problem else self.total,
                results=results,
                silent=self.silent,
                warm=known | ({pod.uid for pod in wanted.pods} if self.warm and wanted.warm_up else set()),
                cold="35 requests so far",
            )
        return replace(seen, probes=self.probes)


def world(*, golden: dict[str, Any] | None = None, **fields: Any) -> Golden:
    """Return a world in which version 1 is stable and version 2 was just applied with golden examples."""
    # A router cannot be changed later.
    lasting = {"traffic": fields.get("traffic"), "replicas": fields.get("replicas", 4)}
    made = Golden(spec=spec_of(1, **lasting), values={"gpu": 50.0})
    made.install()
    found = analysis(GAUGE, golden={"configMap": "digits-golden", **(golden or {})})
    made.apply(spec_of(2, **{"analysis": found, **fields}))
    made.checks.append(nobody_meets_an_untested_model)
    return made


def nobody_meets_an_untested_model(seen, plan):
    """Whatever happens: no requests and no copies before the examples were right, unless a person said so."""
    rollout, ask = plan.status.rollout, plan.status.route
    if rollout is None or rollout.previous is None or ask is None or rollout.state is not RolloutState.PROGRESSING:
        return
    if ask.route.weight(rollout.revision) or ask.route.mirrored(rollout.revision):
        assert rollout.golden is not None
        assert rollout.golden.passed or any(request.action == "promote" for request in rollout.requests)


def gate(made):
    return next((gate for gate in made.rollout.gates if gate.name == "golden"), None)


STRATEGIES = {
    "canary": {"strategy": canary(25, 50)},
    "shadow first": {"strategy": canary(25, shadow={"percent": 50, "hold": "10s"})},
    "with a pause": {"strategy": canary("pause", 25, "pause", 50, bake="10s")},
    "blueGreen": {"strategy": {"blueGreen": {"hold": "10s", "bake": "10s"}}},
    "shadow": {"strategy": {"shadow": {"percent": 20, "hold": "10s"}}},
    "direct canary": {"strategy": canary(25, 50), "traffic": {"direct": {}}, "replicas": 3},
    "direct blueGreen": {"strategy": {"blueGreen": {"hold": "10s"}}, "traffic": {"direct": {}}, "replicas": 3},
}


@pytest.mark.parametrize("fields", STRATEGIES.values(), ids=STRATEGIES)
def test_every_stage_but_a_pause_asks_once_more(fields):
    made = world(**fields)
    for _ in range(6):
        made.wait(200)
        running = made.rollout.state is RolloutState.PROGRESSING
        if running and (made.status.phase == "WaitingForApproval" or "pause" in made.rollout.stage_label):
            made.ask("promote", stage=made.rollout.stage)
    assert made.rollout.state is RolloutState.COMPLETED, made.status.message
    questions = list(dict.fromkeys(asked.question for asked in made.asked if asked.examples))
    stages = [visit for visit in made.rollout.visits if "pause" not in visit.label]
    first = made.rollout.visits[0].label
    assert len(questions) == len(stages) + ("pause" in first)
    assert made.rollout.golden.stage == made.rollout.stage


@pytest.mark.parametrize("fields", STRATEGIES.values(), ids=STRATEGIES)
def test_one_wrong_answer_ends_it_before_any_traffic_and_is_named(fields):
    made = world(**fields)
    made.results = lambda _stage: (*RIGHT, WRONG)
    made.total = 3
    made.run()
    assert made.rollout.state is RolloutState.ABORTED
    assert made.rollout.cause.reason == "GateFailed"
    assert made.rollout.cause.message == "golden: example seven-3: expected 7, got 1."
    assert made.weight(1) == 100
    assert {weight for revision, weight in made.weights if revision == made.name(2)} <= {0}
    assert made.rollout.golden.before_traffic
    assert made.rollout.golden.failed == (WRONG,)
    assert "GateFailed" in made.reasons()


def test_as_many_as_may_fail_do_no_harm():
    made = world(golden={"failures": 1})
    made.results, made.total = lambda _stage: (*RIGHT, WRONG), 2
    made.run()
    assert made.rollout.state is RolloutState.COMPLETED


def test_a_wrong_answer_in_a_later_stage_sends_traffic_home():
    made = world()
    made.results = lambda stage: RIGHT if stage == 0 else (WRONG,)
    made.run()
    assert made.rollout.state is RolloutState.ABORTED
    assert made.rollout.cause.message.startswith("golden: example seven-3")
    assert (made.name(2), 50) in made.weights
    assert not made.rollout.golden.before_traffic


def test_what_is_not_answered_is_waited_for_and_is_no_failure_until_the_progress_deadline():
    made = world(progressDeadline="2m")
    made.results, made.total = lambda _stage: RIGHT, 12
    made.silent = "example seven-3: no answer within 10s"
    made.wait(100)
    assert made.rollout.state is RolloutState.PROGRESSING
    assert made.condition("Ready") == ("False", "WaitingForGolden")
    assert made.status.message.startswith(
        "step 1/2: golden examples: 1 of 12 answered; example seven-3: no answer within 10s, until"
    )
    assert gate(made).verdict is Verdict.UNDECIDED
    assert made.condition("AnalysisPassed") == ("Unknown", "Undecided")
    made.run(60)
    assert made.rollout.cause.reason == "ProgressDeadlineExceeded"
    assert "1 of 12 answered" in made.rollout.cause.message


def test_the_same_deadline_holds_in_a_later_stage():
    made = world(progressDeadline="2m")
    made.results = lambda stage: RIGHT if stage == 0 else ()
    made.wait(65)
    assert made.rollout.stage == 1
    assert made.weight(2) == 50
    assert "golden examples: 0 of 1 answered" in made.status.message
    made.run(130)
    assert made.rollout.cause.reason == "ProgressDeadlineExceeded"
    assert made.weight(1) == 100


def test_a_stage_whose_examples_are_answered_late_ends_when_its_hold_does():
    made = world()
    made.results = lambda stage: RIGHT if stage == 0 else ()
    made.wait(65)
    entered = made.rollout.verified_at
    made.wait(20)
    made.results = lambda _stage: RIGHT
    made.wait(1)
    assert made.rollout.verified_at == entered
    assert made.rollout.waiting_since is None
    assert "step 2/2 holds" in made.status.message


def test_a_mistake_in_the_examples_is_an_error_and_never_a_pass():
    made = world(golden={"failures": 5})
    made.problem = "ConfigMap digits-golden: example seven-3: expect.equal is no field"
    made.wait(30)
    assert (gate(made).verdict, gate(made).state) == (Verdict.UNDECIDED, "Error")
    assert "example seven-3: expect.equal is no field" in made.status.message
    made.problem = ""
    made.run()
    assert made.rollout.state is RolloutState.COMPLETED


@pytest.mark.parametrize("field", ["onError", "onNoData"])
def test_no_policy_passes_over_a_mistake(field):
    found = analysis(GAUGE, golden={"configMap": "digits-golden"}, **{field: "ignore"})
    made = world(analysis=found, progressDeadline="30s")
    made.problem = "ConfigMap digits-golden does not exist"
    made.run()
    assert made.rollout.cause.reason == "ProgressDeadlineExceeded"
    assert made.weight(1) == 100


def test_by_hand_a_failure_holds_and_alarms_until_a_person_decides():
    made = world(automation="manual", progressDeadline="30s")
    made.results = lambda _stage: (WRONG,)
    made.wait(600)
    assert made.rollout.state is RolloutState.PROGRESSING
    assert made.condition("Ready") == ("False", "GateFailed")
    assert made.status.message == (
        "step 1/2: golden: example seven-3: expected 7, got 1. A person decides: `kubectl modelrollout abort` or `promote`"
    )
    assert made.weight(1) == 100
    assert made.reasons().count("GateFailed") == 1
    made.ask("promote", stage=0)
    made.wait(5)
    assert made.weight(2) > 0


@pytest.mark.parametrize("wrong_in", [1, 2, 3])
def test_by_hand_a_failure_in_a_later_stage_holds_that_stage(wrong_in):
    made = world(automation="manual", strategy=canary(25, 50, bake="10s"))
    made.results = lambda stage: (WRONG,) if stage == wrong_in else RIGHT
    for _ in range(5):
        made.wait(100)
        if made.condition("Ready") != ("False", "WaitingForApproval"):
            break
        made.ask("promote", stage=made.rollout.stage)
    assert made.rollout.stage == wrong_in
    assert made.condition("Ready") == ("False", "GateFailed")
    assert "example seven-3: expected 7, got 1. A person decides" in made.status.message
    made.ask("promote", stage=wrong_in)
    made.wait(20)
    assert made.rollout.stage > wrong_in or made.rollout.state is RolloutState.COMPLETED


def test_by_hand_an_abort_is_at_once():
    made = world(automation="manual")
    made.results = lambda _stage: (WRONG,)
    made.wait(30)
    made.abort_now()
    made.wait(5)
    assert made.rollout.state is RolloutState.ABORTED


def test_a_person_cannot_promote_past_examples_that_were_not_answered():
    made = world()
    made.results = lambda _stage: ()
    made.wait(5)
    made.ask("promote-full")
    made.wait(30)
    assert made.weight(1) == 100
    assert "golden examples: 0 of 1 answered" in made.status.message
    made.results = lambda _stage: RIGHT
    made.run()
    assert made.rollout.state is RolloutState.COMPLETED


def test_a_first_install_is_told_of_a_wrong_answer_and_not_held_up():
    made = Golden(spec=spec_of(1, analysis=analysis(GAUGE, golden={"configMap": "g"})), values={"gpu": 50.0})
    made.results = lambda _stage: (WRONG,)
    made.wait(5)
    assert made.condition("Ready") == ("True", "Stable")
    assert made.rollout.golden.failed == (WRONG,)
    assert made.reasons().count("GateFailed") == 1


def test_what_was_answered_outlives_the_leader():
    made = world()
    made.wait(10)
    assert made.rollout.golden.passed
    asked = len(made.asked)
    made.probes = None
    made.results = lambda _stage: pytest.fail("asked again")
    made.wait(20)
    assert len(made.asked) == asked
    assert "step 1/2 holds" in made.status.message


def test_another_config_map_asks_anew():
    made = world()
    made.wait(10)
    asked = len(made.asked)
    made.apply(analysis=analysis(GAUGE, golden={"configMap": "other"}))
    made.wait(1)
    assert made.asked[asked].config_map == "other"
    assert made.rollout.golden.config_map == "other"


def test_examples_that_come_in_mid_rollout_take_no_weight_away():
    made = world(analysis=analysis(GAUGE))
    made.checks.clear()
    made.wait(10)
    assert made.weight(2) == 25
    made.results = lambda _stage: ()
    made.apply(analysis=analysis(GAUGE, golden={"configMap": "late"}))
    made.wait(100)
    assert made.weight(2) == 25
    assert "golden examples: 0 of 1 answered" in made.status.message
    made.results = lambda _stage: RIGHT
    made.run()
    assert made.rollout.state is RolloutState.COMPLETED


def test_no_pod_gets_clients_before_it_is_warm():
    made = world(golden={"warmUp": {"requests": 100}})
    made.warm = False
    made.wait(30)
    assert made.weight(1) == 100
    assert made.rollout.golden.passed
    assert made.status.message.startswith("step 1/2: warm-up: 0 of 1 pods are warm; 35 requests so far, until")
    assert {asked.warm_up for asked in made.asked} == {100}
    made.warm = True
    made.wait(5)
    assert made.weight(2) == 25


def test_pods_that_come_later_are_warm_before_the_weight_rises():
    made = world(golden={"warmUp": {"requests": 100}})
    made.wait(30)
    made.warm = False
    made.wait(60)
    assert made.rollout.stage == 1
    assert made.weight(2) == 25
    assert "warm-up: 1 of 2 pods are warm" in made.status.message
    made.warm = True
    made.wait(5)
    assert made.weight(2) == 50


def test_without_warm_up_nothing_is_warmed():
    made = world()
    made.run()
    assert {asked.warm_up for asked in made.asked} == {0}


def test_requests_go_to_the_port_of_the_candidates_revision():
    made = world()
    made.wait(5)
    first = made.asked[0]
    assert (first.namespace, first.config_map, first.port) == ("ml", "digits-golden", 8080)
    assert {pod.name.rpartition("-")[0] for asked in made.asked for pod in asked.pods} == {f"digits-{made.name(2)}"}


def test_an_aborted_rollout_asks_nothing():
    made = world()
    made.results = lambda _stage: ()
    made.wait(10)
    made.abort_now()
    made.wait(1)
    asked = len(made.asked)
    made.wait(60)
    assert len(made.asked) == asked


def test_a_second_look_at_the_same_world_changes_nothing():
    made = world(golden={"warmUp": {"requests": 100}})
    made.twice = True
    made.run()
    assert made.rollout.state is RolloutState.COMPLETED
