"""Metrics that only watch: whatever they measure, the rollout goes the way it goes without them."""

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelrollout.api.validate import parse_spec
from modelrollout.domain.evidence import Evidence
from modelrollout.domain.plan import Plan
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.verdict import Mode, Verdict
from modelrollout.engine.books import fingerprint
from modelrollout.engine.wants import wants
from tests.unit.engine.world import ERRORS, NAME, World, analysis, canary, spec_of, template

PROOF = math.log(20)
COMPARED = {"name": "errors", "router": {"signal": "errorRate"}, "compare": {"minRequests": 50}}
KINDS: list[dict[str, Any]] = [
    {"router": {"signal": "errorRate"}, "threshold": {"max": 0.02}},
    {"router": {"signal": "errorRate"}, "compare": {"minRequests": 50}},
    {"router": {"signal": "latencySeconds"}, "threshold": {"max": 0.1, "failures": 1, "minRequests": 10}},
    {"prometheus": {"query": "x"}, "threshold": {"max": 95}},
]
STRATEGIES: list[dict[str, Any]] = [
    canary(25, 50),
    canary(25, "pause", 50, bake="1m"),
    canary(30, shadow={"hold": "1m"}, bake="1m"),
    {"canary": {"ramp": {"budget": 30, "max": 50}, "bake": "1m"}},
    {"blueGreen": {"hold": "30s", "shadow": {"percent": 50, "hold": "10s"}, "bake": "1m"}},
]
logs = st.floats(-2, 2 * PROOF)


@st.composite
def weighed(draw: st.DrawFn) -> Evidence:
    low = draw(st.floats(-0.1, 0.1))
    requests = draw(st.integers(0, 5000))
    return Evidence(
        candidate=draw(st.floats(0, 1)),
        stable=0.01,
        against=draw(logs),
        within=draw(logs),
        worse=draw(logs),
        low=low,
        high=low + draw(st.floats(0, 0.1)),
        enough=requests >= 50,
        requests=requests,
        stable_requests=4500,
        per_second=1.0,
        stable_per_second=9.0,
        needed=draw(st.none() | st.integers(0, 10_000_000)),
        alarm=draw(st.booleans()),
    )


states = st.sampled_from([State.NO_TRAFFIC, State.ERROR, State.NAN, State.MISMATCH, State.STALE])
plain = st.none() | st.sampled_from([0.0, 0.015, 0.5, 99.0]) | states
compared = st.none() | weighed() | states


def measures(metric: dict[str, Any]) -> st.SearchStrategy[Any]:
    return compared if "compare" in metric else plain


@st.composite
def stories(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]], list[Any]]:
    strategy = draw(st.sampled_from(STRATEGIES))
    ramp = "ramp" in str(strategy)
    gates = [COMPARED if ramp or draw(st.booleans()) else ERRORS] if ramp or draw(st.integers(0, 4)) else []
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
    beside = [{"name": f"beside{number}", **kind} for number, kind in enumerate(kinds)]
    fields = {
        "strategy": strategy,
        "automation": draw(st.sampled_from(["manual", "assist", "partial", "full"])),
        "deadline": draw(st.sampled_from([None, "1m", "5m"])),
        "minDuration": "20s",
        **{key: draw(st.sampled_from(["hold", "rollback", "ignore"])) for key in ("onNoData", "onError")},
        "onInconclusive": draw(st.sampled_from(["pause", "rollback", "promote"])),
    }
    moments = draw(
        st.lists(
            st.tuples(
                st.sampled_from([1, 15, 35, 61]),
                st.fixed_dictionaries({gate["name"]: measures(gate) for gate in gates}),
                st.fixed_dictionaries({one["name"]: measures(one) for one in beside}),
                st.sampled_from([None, None, None, "promote", "pause", "resume"]),
            ),
            min_size=3,
            max_size=7,
        )
    )
    return fields, gates, beside, moments


def begun(fields: dict[str, Any], metrics: list[dict[str, Any]]) -> World:
    world = World(spec_of(strategy=canary(25, 50)))
    world.install()
    asked = dict(fields)
    strategy, automation = asked.pop("strategy"), asked.pop("automation")
    judged = analysis(*metrics, **{key: value for key, value in asked.items() if value is not None})
    world.apply(strategy=strategy, automation=automation, template=template(2))
    if metrics:
        world.apply(analysis=judged)
    return world


def decided(world: World, plan: Plan, mode: Mode) -> object:
    """Return everything that was decided and said, but what is only watched."""
    status = plan.status.dump()
    status.pop("accepted", None)
    status.pop("observedGeneration")
    for rollout in (status["rollout"], status.get("ended") or {"settled": []}):
        for key in ("watched", "watchedAt", "analysis"):
            rollout.pop(key, None)
        if mode is Mode.WARN:
            rollout.pop("warnings", None)
            rollout.pop("recommendation", None)
        rollout["settled"] = [gate for gate in rollout["settled"] if "mode" not in gate]
    told = {"MetricWarns", "Recommendation"} if mode is Mode.WARN else set()
    conditions = [one for one in status.pop("conditions") if mode is Mode.OBSERVE or one["type"] != "Warned"]
    said = [{key: value for key, value in one.items() if key != "observedGeneration"} for one in conditions]
    events = [event for event in plan.events if event.reason not in told]
    return status, said, events, plan.due, plan.sizes, world.weights


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(mode=st.sampled_from([Mode.OBSERVE, Mode.WARN]), story=stories())
def test_what_only_watches_changes_no_pass_of_no_rollout(mode: Mode, story: Any) -> None:
    fields, gates, beside, moments = story
    without = begun(fields, gates)
    beside = [{**one, "mode": str(mode)} for one in beside]
    watched = begun(fields, [*gates, *beside])
    watched.generation, watched.version = without.generation, without.version
    for seconds, values, more, action in moments:
        without.values = {name: value for name, value in values.items() if value is not None}
        watched.values = {**without.values, **{name: value for name, value in more.items() if value is not None}}
        for world in (without, watched):
            world.now += timedelta(seconds=seconds)
            if action and world.status.rollout is not None:
                world.ask(action)
        for _ in range(3):
            plans = [world.step() for world in (without, watched)]
            assert decided(without, plans[0], mode) == decided(watched, plans[1], mode)


def watching(mode: str, *metrics: dict[str, Any], **fields: Any) -> World:
    """Return a rollout with a metric beside the gates, which fails from the first step on."""
    world = World(twice=True)
    world.install()
    slow = {"name": "slow", "router": {"signal": "latencySeconds"}, "threshold": {"max": 0.1}, "mode": mode}
    automation = fields.pop("automation", "full")
    world.apply(analysis=analysis(*metrics, slow, **fields), automation=automation, template=template(2))
    world.values.update(errors=0.0, slow=0.7)
    world.wait(30)
    return world


def test_what_is_observed_is_shown_with_its_verdict() -> None:
    world = watching("observe", ERRORS)
    (gate,) = world.rollout.watched
    assert (gate.name, gate.verdict, gate.mode, gate.value) == ("slow", Verdict.FAIL, Mode.OBSERVE, 0.7)
    assert [gate.name for gate in world.rollout.gates] == ["errors"]
    assert world.condition("AnalysisPassed") == ("True", "Pass")
    assert world.condition("Warned") is None
    world.run()
    assert world.status.stable == world.name(2)
    assert not {"GateFailed", "MetricWarns"} & set(world.reasons())


def test_a_warning_is_told_once_in_an_attempt() -> None:
    world = watching("warn", ERRORS)
    assert world.condition("Warned") == ("True", "MetricWarns")
    world.values["slow"] = 0.05
    world.wait(40)
    world.values["slow"] = 0.9
    world.run()
    assert world.status.stable == world.name(2)
    told = [event for event in world.events if event.reason == "MetricWarns"]
    assert [(event.message, event.warning) for event in told] == [
        ("slow: 0.7 is not ≤ 0.1 (1 of 1 windows).", True)
    ] or (len(told) == 1 and told[0].warning and told[0].message.startswith("slow: 0.7"))
    assert [(one.metric, one.step) for one in world.rollout.warnings] == [("slow", "step 1/2")]


def test_another_attempt_is_warned_of_anew() -> None:
    world = watching("warn", ERRORS)
    world.apply(template=template(3))
    world.wait(60)
    assert [event.reason for event in world.events].count("MetricWarns") == 2


def test_a_recommendation_names_what_warns_and_stays_what_it_is() -> None:
    world = watching("warn", ERRORS, automation="assist")
    world.wait(60)
    said = world.rollout.recommendation or ""
    assert said.startswith("Promote step 1/2: a warning: slow 0.7")
    assert "errors 0 ≤ 0.02" in said


@pytest.mark.parametrize("mode", ["observe", "warn"])
def test_without_a_metric_that_decides_a_rollout_goes_by_its_holds(mode: str) -> None:
    # analysis() adds a gate of its own to no metric at all only.
    world = watching(mode, deadline="10s", onInconclusive="rollback")
    assert not world.rollout.gates
    world.run()
    assert world.status.stable == world.name(2)


def test_without_a_metric_that_decides_nothing_passes_on_the_rung_partial() -> None:
    world = watching("observe", automation="partial")
    world.values["slow"] = 0.01
    world.wait(500)
    assert world.status.phase == "WaitingForApproval"
    assert world.rollout.recommendation == "Promote step 1/2: the hold is over, and no metric decides here."


def test_a_source_that_fails_aborts_nothing_for_what_only_watches() -> None:
    world = watching("warn", ERRORS, onError="rollback", onNoData="rollback")
    world.values["slow"] = State.ERROR
    world.wait(30)
    assert world.rollout.watched[0].state == "Error"
    assert world.rollout.watched[0].verdict is Verdict.UNDECIDED
    world.run()
    assert world.status.stable == world.name(2)


def test_evidence_beside_the_gates_dilutes_nothing() -> None:
    against = Evidence(candidate=0.05, stable=0.01, against=PROOF + 0.2, requests=500, enough=True)
    nothing = Evidence(candidate=0.01, stable=0.01, requests=500, enough=True)
    beside = [{**COMPARED, "name": f"other{number}", "mode": "warn"} for number in range(8)]
    world = World()
    world.install()
    world.apply(analysis=analysis(COMPARED, *beside), template=template(2))
    world.values.update({one["name"]: nothing for one in beside})
    world.values["errors"] = against
    world.wait(30)
    assert world.rollout.cause is not None
    assert world.rollout.cause.message.startswith("errors: worse than the margin")


def test_those_that_warn_share_an_error_rate_of_their_own() -> None:
    loud = Evidence(candidate=0.05, stable=0.01, against=PROOF + 0.5, requests=500, enough=True)
    nothing = Evidence(candidate=0.01, stable=0.01, requests=500, enough=True)
    one, two = ({**COMPARED, "name": name, "mode": "warn"} for name in ("one", "two"))
    for metrics, verdicts in (((one,), ["Fail"]), ((one, two), ["Undecided", "Undecided"])):
        world = World()
        world.install()
        world.apply(analysis=analysis(COMPARED, *metrics), template=template(2))
        world.values.update(errors=nothing, one=loud, two=nothing)
        world.wait(30)
        assert [str(gate.verdict) for gate in world.rollout.watched] == verdicts


def test_what_was_measured_while_it_only_watched_never_decides() -> None:
    world = watching("observe", ERRORS)
    seen = world.look()
    assert wants(seen).analysis is not None
    world.apply(
        analysis={
            **world.spec["analysis"],
            "metrics": [ERRORS, {**world.spec["analysis"]["metrics"][1], "mode": "gate"}],
        }
    )
    before = world.look()
    stale = replace(
        before,
        readings={
            name: reading._replace(mode=Mode.OBSERVE) if name == "slow" else reading
            for name, reading in before.readings.items()
        },
    )
    world.look = lambda: stale  # type: ignore[method-assign]
    world.step()
    gates = {gate.name: gate for gate in world.rollout.gates}
    assert gates["slow"].message == "No numbers yet."
    assert gates["slow"].value is None
    assert isinstance(stale.readings["slow"], Reading)


def test_evidence_begins_anew_when_a_metric_is_made_a_gate() -> None:
    def fingerprints(mode: str) -> str:
        world = watching("observe", ERRORS)
        world.apply(analysis=analysis(ERRORS, {**COMPARED, "name": "slow", "mode": mode}))
        wanted = wants(world.look()).analysis
        assert wanted is not None
        metric = next(one for one in wanted.metrics if one.name == "slow")
        return fingerprint(replace(wanted, comparison=replace(wanted.comparison, attempt="x")), metric)

    assert len({fingerprints(mode) for mode in ("gate", "warn", "observe")}) == 3


def test_a_report_tells_the_mode_and_the_warnings() -> None:
    world = watching("warn", ERRORS)
    world.run()
    name = f"{NAME}-report-{world.name(2)}-1"
    report = world.children[("ConfigMap", name)]
    facts, page = (report["data"][key] for key in sorted(report["data"], key=lambda key: not key.endswith("json")))
    assert '"mode": "warn"' in facts or '"mode":"warn"' in facts
    assert "| slow | Fail (warn) |" in page
    assert "## Warnings" in page
    assert "| errors | Pass |" in page


def test_a_ramp_climbs_by_nothing_that_only_watches() -> None:
    ramp = {"canary": {"ramp": {"budget": 30, "max": 50}}}
    _, problems = parse_spec(spec_of(strategy=ramp, analysis=analysis({**COMPARED, "mode": "observe"})), {"name": NAME})
    assert [problem.path for problem in problems] == ["spec.strategy.canary.ramp"]
    assert "no metric compares a rate and decides" in problems[0].reason


def test_a_mode_that_is_not_written_is_no_setting() -> None:
    spec, _ = parse_spec(spec_of(analysis=analysis()), {"name": NAME})
    assert spec is not None
    assert spec.analysis is not None
    assert "mode" not in spec.analysis.dump()["metrics"][0]
