"""What the report of a finished attempt says, when it is written, and how many are kept."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.observation import Limits
from modelrollout.domain.plan import Apply, Delete
from modelrollout.domain.status import RolloutState
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.context import Context, contextualize
from modelrollout.engine.decide import decide
from modelrollout.engine.dossier import chance, dossier
from modelrollout.engine.dossier_page import markdown, one_in
from modelrollout.engine.edits import edits
from modelrollout.engine.filing import KEPT
from modelrollout.names import report
from modelrollout.resources.report import JSON, MARKDOWN
from tests.unit.engine.world import ERRORS, NAME, START, World, analysis, canary, spec_of, template

GPU = {"name": "gpu", "prometheus": {"query": 'max(gpu{pod=~"$pods"} | x)'}, "threshold": {"max": 95}}


def model(version: int) -> dict[str, str]:
    return {"name": "digits", "version": str(version), "uri": f"s3://models/{version}"}


@pytest.fixture
def world() -> World:
    made = World(spec_of(model=model(1), analysis=analysis(ERRORS, GPU), strategy=canary(25, "pause", bake="1m")))
    made.twice = True
    made.install()
    made.values = {"errors": 0.001, "gpu": 50.0}
    return made


def begin(world: World, version: int = 2) -> None:
    world.apply(template=template(version), model=model(version))
    world.wait(30)


def maps(world: World) -> dict[str, dict[str, Any]]:
    """Return the reports that are there, by name."""
    return {name: body for (kind, name), body in world.children.items() if kind == "ConfigMap" and "-report-" in name}


def told(world: World, attempt: int = 1) -> dict[str, Any]:
    """Return the facts of the report of the last rollout."""
    return json.loads(maps(world)[report(NAME, world.rollout.revision, attempt)]["data"][JSON])


# What it says


def test_it_tells_versions_stages_edits_and_who_let_it_go_on(world: World) -> None:
    begin(world)
    world.apply(analysis=analysis({**ERRORS, "threshold": {"max": 0.05, "minRequests": 10}}, deadline="1h"))
    world.wait(60)
    world.ask("promote", by="ann@example.org")
    world.run()
    expected = f"""
# digits: {world.rollout.revision}, attempt 1: Completed

A rollout by canary in the namespace ml, from 2026-01-01 12:00:05 UTC to 2026-01-01 12:02:35 UTC (2m30s). \
Its last stage was bake.

## Versions

|  | candidate | stable |
| --- | --- | --- |
| revision | {world.rollout.revision} | {world.rollout.previous} |
| model name | `digits` | `digits` |
| model version | `2` | `1` |
| model uri | `s3://models/2` | `s3://models/1` |
| images | `digits:2` | `digits:1` |

## Stages

| stage | weight | entered | stood for |
| --- | --- | --- | --- |
| step 1/2 | 25 % | 2026-01-01 12:00:05 UTC | 1m |
| pause 2/2 | 25 % | 2026-01-01 12:01:05 UTC | 30s |
| full | 100 % | 2026-01-01 12:01:35 UTC | 0s |
| bake | 100 % | 2026-01-01 12:01:35 UTC | 1m |

## What was measured

| metric | verdict | candidate | requests | rule |
| --- | --- | --- | --- | --- |
| errors | Pass | 0.1 % | 1,000 | ≤ 0.05 |

## How it was measured

| metric | source | judge |
| --- | --- | --- |
| errors | `router.signal=errorRate` | `threshold.max=0.05, threshold.minRequests=10, threshold.failures=1` |
"""
    page = maps(world)[report(NAME, world.rollout.revision, 1)]["data"][MARKDOWN]
    assert page.startswith(expected.lstrip("\n"))
    assert "deadline=1h" in page
    assert "| errors | `threshold.max` | `0.02` | `0.05` |" in page
    assert "| errors | `threshold.minRequests` | absent | `10` |" in page
    assert (
        '| gpu |  | `{"prometheus":{"query":"max(gpu{pod=~\\"$pods\\"} \\| x)"},"threshold":{"max":95}}` | absent |'
        in page
    )
    assert "| ann@example.org | promote | Promoted pause 2/2. |" in page


def test_what_a_promoted_attempt_was_let_go_on_by_is_in_it_though_nothing_is_judged_at_its_end(world: World) -> None:
    world.apply(strategy=canary(25), template=template(2), model=model(2))
    world.wait(120)
    assert (world.rollout.stage_label, world.rollout.gates) == ("full", ())
    assert [(gate["name"], gate["verdict"], gate["value"]) for gate in told(world)["gates"]] == [
        ("errors", "Pass", 0.001),
        ("gpu", "Pass", 50.0),
    ]


def test_it_says_which_version_of_the_operator_wrote_it(world: World) -> None:
    world.limits = replace(world.limits, version="7.8.9")
    begin(world)
    world.abort_now()
    world.settle()
    assert told(world)["operatorVersion"] == "7.8.9"
    page = maps(world)[report(NAME, world.rollout.revision, 1)]["data"][MARKDOWN]
    assert page.endswith("\n\nWritten by version 7.8.9 of the operator.\n")


def test_a_metric_that_sent_it_home_is_in_it_with_its_cause(world: World) -> None:
    begin(world)
    world.values["errors"] = 0.2
    world.run()
    found = told(world)
    assert (found["outcome"], found["cause"]["reason"]) == ("Aborted", "GateFailed")
    gates = {gate["name"]: gate for gate in found["gates"]}
    assert (gates["errors"]["verdict"], gates["errors"]["value"], gates["errors"]["limit"]) == ("Fail", 0.2, "≤ 0.02")
    assert gates["gpu"]["source"] == {"prometheus": {"query": GPU["prometheus"]["query"]}}  # type: ignore[index]
    assert found["seconds"] == round(
        (world.status.history[0].ended_at - world.rollout.started_at) / timedelta(seconds=1)
    )


def test_what_it_was_judged_by_is_not_what_a_newer_spec_says(world: World) -> None:
    begin(world)
    first = world.rollout.revision
    world.apply(template=template(3), model=model(3), analysis=analysis({**ERRORS, "threshold": {"max": 0.5}}))
    world.wait(30)
    found = json.loads(maps(world)[report(NAME, first, 1)]["data"][JSON])
    assert found["outcome"] == "Superseded"
    assert found["edits"] == []
    assert [gate["judge"]["threshold"]["max"] for gate in found["gates"]] == [0.02, 95.0]


def test_a_rollback_and_a_retry_are_told_with_the_attempt_that_they_began(world: World) -> None:
    begin(world)
    world.abort_now()
    world.settle()
    world.ask("retry", by="ann")
    world.settle()
    assert [(one.action, one.by) for one in world.rollout.requests] == [("retry", "ann")]
    world.ask("promote-full", by="eve")
    world.run()
    assert [request["action"] for request in told(world, 2)["requests"]] == ["retry", "promote-full"]
    world.ask("rollback", revision=world.rollout.previous, by="bob")
    world.settle()
    assert [(one.action, one.by) for one in world.rollout.requests] == [("rollback", "bob")]


def test_a_refused_request_is_no_approval(world: World) -> None:
    begin(world)
    world.ask("promote", revision="ffffffffff")
    world.settle()
    assert world.rollout.requests == ()


EVIDENCE = Evidence(
    against=0.5,
    within=3.4,
    worse=-0.2,
    candidate=0.006,
    stable=0.005,
    low=-0.001,
    high=0.004,
    requests=12400,
    stable_requests=111_600,
    noise=1.25,
)


def compared(world: World, *gates: Gate) -> tuple[Context, dict[str, Any]]:
    """Return what a report says about these gates of the attempt that runs."""
    context = contextualize(world.look(), Limits(), world.now)
    assert context is not None
    context = context.with_rollout(gates=gates, against=5.4, state=RolloutState.COMPLETED)
    assert context.status.rollout is not None
    return context, dossier(context, context.status.rollout)


def test_evidence_comes_with_both_rates_the_interval_and_the_chance_of_it(world: World) -> None:
    begin(world)
    tenants = [Evidence(slice=f"tenant|{against}", against=against, requests=9) for against in (0.1, 6.9)]
    gate = Gate(
        name="errors", verdict=Verdict.PASS, state="Value", evidence=EVIDENCE, slices=tuple(tenants), limit="+0.5 pp"
    )
    _, found = compared(world, gate)
    (seen,) = (one for one in found["gates"] if one["name"] == "errors")
    assert seen["evidence"] == {**EVIDENCE.dump(), "chance": {"against": 0.607, "within": 0.0334, "worse": 1.0}}
    assert [one["slice"] for one in seen["slices"]] == ["tenant|6.9", "tenant|0.1"]
    page = markdown(found)
    assert "| errors | Pass | 0.6 % | 0.5 % | -0.1 % … 0.4 % | 12,400 / 111,600 | +0.5 pp |" in page
    assert "| errors | 0.5 (1 in 1.6) | 3.4 (1 in 29) | -0.2 | 1.25 |" in page
    assert r"| errors\[tenant\|6.9\] | 6.9 (1 in 990) | 0.0 | 0.0 | 1 |" in page
    assert "| all together | 5.4 (1 in 220)" in page
    assert "A rollback asks for 3.0 of all metrics together (alpha 5 %), a pass for 3.0 of each (beta 5 %)." in page


def test_words_of_others_cannot_break_the_page(world: World) -> None:
    begin(world)
    gate = Gate(name="errors", verdict=Verdict.FAIL, state="Value", message="a | b\n# <script> `x` [y](z)")
    _, found = compared(world, gate)
    (line,) = [line for line in markdown(found).splitlines() if line.startswith("| errors | Fail")]
    assert r"a \| b # \<script\> \`x\` \[y\](z)" in line


def test_settings_of_another_version_are_told_as_they_were_written(world: World) -> None:
    begin(world)
    strange = {**analysis(ERRORS), "someNewField": 1}
    context, _ = compared(world, Gate(name="errors", verdict=Verdict.PASS, state="Value"))
    context = context.with_rollout(analysis=strange)
    assert context.status.rollout is not None
    found = dossier(context, context.status.rollout)
    assert found["analysis"] == {"interval": "10s", "someNewField": 1}
    assert found["gates"][0]["judge"] == {"threshold": {"max": 0.02}}


def test_a_revision_whose_snapshot_is_gone_is_told_by_its_name(world: World) -> None:
    begin(world)
    context, _ = compared(world)
    rollout = context.status.rollout
    assert rollout is not None
    gone = replace(context, seen=replace(context.seen, snapshots={}))
    assert dossier(gone, rollout)["stable"] == {"revision": rollout.previous}


def test_a_chance_is_never_more_than_certain_nor_less_than_known() -> None:
    assert chance(-3) == 1
    assert chance(2.9957) == 0.05
    assert [one_in(log_e) for log_e in (0.1, 3.0, 7.0, 30.0)] == ["1.1", "20", "1,000", "more than 10¹²"]


# Edits


def test_every_setting_that_differs_is_an_edit() -> None:
    before = analysis(ERRORS, GPU)
    after = analysis({**ERRORS, "threshold": {"max": 0.1}}, {**GPU, "name": "memory"}, deadline="1h")
    assert [(one.metric, one.setting, one.before, one.after) for one in edits(before, after, 7, START)] == [
        ("errors", "threshold.max", "0.02", "0.1"),
        ("gpu", "", json.dumps({key: GPU[key] for key in ("prometheus", "threshold")}, separators=(",", ":")), ""),
        ("", "deadline", "", '"1h"'),
        ("memory", "", "", json.dumps({key: GPU[key] for key in ("prometheus", "threshold")}, separators=(",", ":"))),
    ]
    assert edits(before, before, 7, START) == ()


def test_an_analysis_that_comes_or_goes_is_told_whole() -> None:
    whole = analysis(ERRORS)
    assert {one.after for one in edits(whole, None, 7, START)} == {""}
    assert {one.before for one in edits(None, whole, 7, START)} == {""}
    assert len(edits(None, whole, 7, START)) == 2


def test_an_attempt_that_an_older_operator_began_was_not_edited_by_the_upgrade(world: World) -> None:
    begin(world)
    old = world.rollout.model_copy(update={"analysis": None, "visits": ()})
    world.status = world.status.model_copy(update={"rollout": old})
    world.settle()
    assert world.rollout.analysis == world.spec["analysis"]
    assert world.rollout.edits == ()


def test_long_settings_are_cut_and_only_the_last_ten_edits_kept(world: World) -> None:
    begin(world)
    for number in range(12):
        limits = {"max": (number + 2) / 100}
        query = {"query": "x" * 4000 + str(number)}
        world.apply(analysis=analysis({**ERRORS, "threshold": limits}, {**GPU, "prometheus": query}))
        world.settle()
    assert len(world.rollout.edits) == 10
    assert world.rollout.edits[-1].after in ("0.13", '"' + "x" * 254 + "…")
    assert {one.metric for one in world.rollout.edits} == {"errors", "gpu"}


# When it is written


def test_it_is_written_in_the_pass_in_which_the_attempt_ends_and_once(world: World) -> None:
    begin(world)
    writes: list[tuple[str, RolloutState]] = []

    def note(_: Any, plan: Any) -> None:
        writes.extend(
            (write.key[1], plan.status.rollout.state)
            for write in plan.writes
            if isinstance(write, Apply) and "-report-" in write.key[1]
        )

    world.checks.append(note)
    world.abort_now()
    world.wait(100)
    assert writes == [(report(NAME, world.rollout.revision, 1), RolloutState.ABORTED)]
    assert world.status.ended is None


@pytest.mark.parametrize("end", ["aborted", "superseded", "retried"])
def test_a_crash_before_it_is_written_loses_nothing(world: World, end: str) -> None:
    """Also when the next attempt has begun by then."""
    begin(world)
    first = world.rollout.revision
    if end == "superseded":
        world.apply(template=template(3), model=model(3))
    else:
        world.abort_now()
    while world.status.ended is None:
        seen = world.look()
        plan = decide(seen, world.limits, world.now)
        # The status is written, and then the operator dies.
        world.status = plan.status
        if world.status.ended is None:
            world.step()
    if end == "retried":
        world.ask("retry")
    kept = world.status.ended
    assert kept is not None
    assert kept.revision == first
    world.step()
    assert report(NAME, first, 1) in maps(world)
    world.settle()
    assert world.status.ended is None


def test_a_report_that_exists_is_never_written_over(world: World) -> None:
    begin(world)
    world.abort_now()
    world.settle()
    name = report(NAME, world.rollout.revision, 1)
    body = {**maps(world)[name], "data": {JSON: "{}", MARKDOWN: ""}}
    world.children["ConfigMap", name] = body
    world.wait(100)
    assert maps(world)[name]["data"] == body["data"]
    begun = [write for write in world.step().writes if isinstance(write, Apply) and write.key[1] == name]
    assert begun == []


def test_it_must_not_exist_yet_and_cannot_be_changed(world: World) -> None:
    begin(world)
    world.abort_now()
    plans = [world.step() for _ in range(10)]
    (write,) = [
        write for plan in plans for write in plan.writes if isinstance(write, Apply) and "-report-" in write.key[1]
    ]
    assert write.fence == ""
    assert write.body["immutable"] is True


def test_a_report_that_is_refused_stands_in_nobodys_way(world: World) -> None:
    begin(world)
    name = report(NAME, world.rollout.revision, 1)
    world.rejected = {("ConfigMap", name): "exceeded quota"}
    world.ask("promote-full")
    while world.rollout.state is not RolloutState.COMPLETED:
        world.now += timedelta(seconds=30)
        world.step()
    world.children.pop(("ConfigMap", name), None)
    world.step()
    assert world.condition("Stalled") is None
    assert world.status.ended is not None


def test_the_oldest_are_deleted_beyond_those_that_are_kept(world: World) -> None:
    labels = {"modelrollout.dev/name": NAME, "modelrollout.dev/component": "report"}
    for number in range(KEPT + 2):
        metadata = {
            "name": f"old-report-{number}",
            "uid": f"old{number}",
            "resourceVersion": "1",
            "labels": labels,
            "creationTimestamp": f"2025-01-{number + 1:02}T00:00:00Z",
        }
        world.children["ConfigMap", f"old-report-{number}"] = {"kind": "ConfigMap", "metadata": metadata}
    newest = maps(world)[report(NAME, world.rollout.revision, 1)]
    newest["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    plan = world.step()
    deleted = [write.name for write in plan.writes if isinstance(write, Delete)]
    assert deleted == ["old-report-2", "old-report-1", "old-report-0"]
    assert len(maps(world)) == KEPT
