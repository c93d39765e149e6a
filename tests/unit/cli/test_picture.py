import json
from datetime import timedelta
from pathlib import Path

import click
import pytest

from modelrollout.cli.picture import picture
from modelrollout.cli.table import span, table
from modelrollout.cli.view import View, held, view
from modelrollout.errors import RolloutError
from tests.unit.cli.states import (
    DEPLOYMENTS,
    NEW,
    NOW,
    OLD,
    ROLLOUT,
    SNAPSHOTS,
    aborted,
    before,
    condition,
    deployment,
    finished,
    progressing,
    route,
    thing,
)

ROOT = Path(__file__).parents[3]
REPORT, PAGE = ROOT / "tests" / "data" / "reports" / "drifted.json", ROOT / "docs" / "drift.md"


def shown(raw, deployments=DEPLOYMENTS, snapshots=SNAPSHOTS):
    return click.unstyle(picture(view(raw, deployments, snapshots), NOW))


def test_a_step_in_its_hold_is_told_from_top_to_bottom():
    gates = [
        {"name": "errors", "verdict": "Pass", "state": "Value", "value": 0.001, "limit": "≤ 0.02", "requests": 312},
        {
            "name": "gpu",
            "verdict": "Undecided",
            "state": "NoMetric",
            "limit": "≤ 95",
            "failures": 1,
            "message": "The query has no result.",
        },
    ]
    request = {
        "id": "a",
        "action": "promote",
        "accepted": True,
        "message": "Promoted shadow.",
        "at": before(seconds=51),
        "by": "ann",
    }
    rollout = {**ROLLOUT, "gates": gates, "gatesAt": before(seconds=8)}
    expected = f"""
digits in team: Progressing
step 1/3 holds until 12:01:12 UTC

Rollout       canary of {NEW.name}: Progressing, started 11:57:00 UTC, 3m ago
Stage         2 of 6: step 1/3
              ✓ shadow  ▶ step 1/3 25%  · pause 2/3  · step 3/3 50%  · full  · bake
Weight        25 % asked, verified on every router
Hold          48s of 2m, 1m12s left
Routers       2/2 Ready
Last request  promote by ann, 51s ago: accepted. Promoted shadow.

REVISION     ROLE        MODEL      READY   WEIGHT
{NEW.name}   candidate   digits 2   0/1     25 %
{OLD.name}   stable      digits 1   4/4     75 %

GATE     VERDICT     VALUE      LIMIT    REQUESTS   FAILED       WHY
errors   Pass        0.001      ≤ 0.02   312
gpu      Undecided   NoMetric   ≤ 95                1 in a row   The query has no result.
Values of 8s ago; verdicts are always current."""
    assert shown(thing(progressing(rollout=rollout, request=request))) == expected.strip("\n")


@pytest.mark.parametrize(
    ("raw", "there", "not_there"),
    [
        pytest.param(
            thing(None),
            ["digits in team: Unknown", "The operator has not looked at it yet"],
            ["Rollout", "GATE", "="],
            id="nobody has looked at it",
        ),
        pytest.param(
            thing(progressing(observedGeneration=2)),
            ["The operator has not seen the newest spec yet"],
            [],
            id="an edit that is not seen yet",
        ),
        pytest.param(
            thing(
                progressing(
                    stable=None,
                    phase="Installing",
                    rollout={
                        **ROLLOUT,
                        "previous": None,
                        "strategy": "install",
                        "stages": 1,
                        "stage": 0,
                        "stageLabel": "install",
                    },
                )
            ),
            [f"first install of {NEW.name}", "1 of 1: install"],
            ["canary"],
            id="first install",
        ),
        pytest.param(
            thing(progressing(**{**route(50, verified=False), "weight": 25})),
            ["Weight        50 % asked, not verified yet, last verified 25 %"],
            ["verified on every router"],
            id="a weight that not every router runs",
        ),
        pytest.param(
            thing(progressing(rollout={**ROLLOUT, "stage": 0, "stageLabel": "shadow", "mirrored": 0}, **route(0, 100))),
            ["Copies        100 % of requests, 0 so far (it receives nothing)", "▶ shadow"],
            ["✓"],
            id="a shadow that receives nothing",
        ),
        pytest.param(
            thing(
                progressing(rollout={**ROLLOUT, "stage": 0, "stageLabel": "shadow", "mirrored": 12345}, **route(0, 100))
            ),
            ["Copies        100 % of requests, 12345 so far"],
            ["it receives nothing"],
            id="a shadow at work",
        ),
        pytest.param(
            thing(progressing(phase="WaitingForApproval", message="pause 2/3 waits for a person: `promote`")),
            ["digits in team: WaitingForApproval\npause 2/3 waits for a person: `promote`"],
            [],
            id="waiting for a person",
        ),
        pytest.param(
            thing(
                progressing(phase="Paused", paused=True, rollout={**ROLLOUT, "pausedAt": before(seconds=40)}),
                paused=True,
            ),
            [
                "Paused        by spec.paused and a person's request",
                "Hold          8s of 2m, 1m52s left, its clock stands still",
            ],
            [],
            id="paused twice",
        ),
        pytest.param(
            thing(
                progressing(
                    phase="Aborting",
                    rollout={
                        **ROLLOUT,
                        "state": "Aborting",
                        "cause": {"reason": "Requested", "message": "A person aborted it.", "at": before(seconds=1)},
                    },
                    **route(0, verified=False),
                )
            ),
            [
                "Aborting, started",
                "Cause         Requested, 11:59:59 UTC: A person aborted it.",
                "0 % asked, not verified yet",
            ],
            ["Hold", "Stage"],
            id="on its way home",
        ),
        pytest.param(
            thing(aborted()),
            [
                "Aborted, started",
                "Cause         GateFailed, 11:59:40 UTC: errors: 0.2 is above 0.02",
                "Stalled=True (RolloutAborted)\n",
                "AnalysisPassed=False (Fail): errors: 0.2 is above 0.02",
                f"{OLD.name}   stable    digits 1   4/4     100 %",
            ],
            ["Weight  ", "Hold", "Stage  "],
            id="aborted",
        ),
        pytest.param(
            thing(finished()),
            [f"digits in team: Ready\n{NEW.name} is stable.", f"canary of {NEW.name}: Completed"],
            ["Stage", "Weight  ", "GATE", "=", "Cause"],
            id="done",
        ),
        pytest.param(
            thing(finished(conditions=[condition("SpecOverridden", "True", "RolledBack", "A rollback runs x.")])),
            ["SpecOverridden=True (RolledBack): A rollback runs x."],
            [],
            id="rolled back against the spec",
        ),
        pytest.param(
            thing(
                progressing(
                    conditions=[
                        condition("Stalled", "True", "InvalidSpec", "spec.replicas: is wrong. Write 1."),
                        condition("Available", "False", "NotServed", "No router is Ready."),
                        condition("TrafficVerified", "Unknown", "CannotTell", "A weight of connections."),
                    ],
                    accepted={key: value for key, value in thing(None)["spec"].items() if key != "template"},
                ),
                replicas="many",
            ),
            [
                "Stalled=True (InvalidSpec): spec.replicas: is wrong. Write 1.",
                "Available=False (NotServed): No router is Ready.",
                "TrafficVerified=Unknown (CannotTell): A weight of connections.",
                "▶ step 1/3 25%",
            ],
            [],
            id="a refused edit in mid-rollout",
        ),
        pytest.param(
            thing(progressing(rollout={**ROLLOUT, "recommendation": "Promote: the hold is over"})),
            ["Advice        Promote: the hold is over"],
            [],
            id="a recommendation",
        ),
    ],
)
def test_what_is_shown(raw, there, not_there):
    text = shown(raw)
    assert [words for words in there if words not in text] == []
    assert [words for words in not_there if words in text] == []


def test_pods_that_we_may_not_see_are_left_out():
    text = shown(thing(progressing()), deployments=())
    assert "READY" not in text
    assert "Routers" not in text


def test_a_revision_that_left_the_route_is_shown_until_its_pods_are_gone():
    leaving = [*DEPLOYMENTS, deployment(f"digits-{OLD.name}", 4, 4)]
    assert f"{OLD.name}   leaving" in shown(thing(finished()), leaving)
    assert OLD.name not in shown(thing(finished()), [deployment(f"digits-{NEW.name}", 4, 4)])


def test_models_are_known_from_the_history_when_snapshots_are_gone():
    assert "stable      digits 1" in shown(thing(progressing()), snapshots=())


def test_a_status_of_a_newer_operator_says_what_to_do():
    with pytest.raises(RolloutError, match=r"Install the command of the operator's version"):
        view(thing(progressing(newField=1)), (), ())


def test_a_view_survives_json():
    found = view(thing(progressing()), DEPLOYMENTS, SNAPSHOTS)
    assert View.model_validate(found.dump()) == found
    assert found.dump()["weightAsked"] == 25
    assert found.dump()["rollout"]["holdUntil"] == "2026-01-02T12:01:12Z"


@pytest.mark.parametrize(
    ("raw", "end"),
    [
        (thing(finished()), "Ready"),
        (thing(aborted()), "Stalled"),
        (thing(progressing()), None),
        (thing(None), None),
        (thing(finished(observedGeneration=2)), None),
    ],
)
def test_when_a_rollout_is_over(raw, end):
    assert view(raw, (), ()).settled() == end


def test_a_hold_never_exceeds_its_length():
    rollout = view(thing(progressing()), (), ()).rollout
    assert held(rollout, NOW + timedelta(hours=1)) == (timedelta(minutes=2), timedelta(minutes=2))
    assert held(rollout, NOW - timedelta(hours=1)) == (timedelta(), timedelta(minutes=2))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.4, "0s"),
        (59, "59s"),
        (60, "1m"),
        (125, "2m5s"),
        (3600, "1h"),
        (3605, "1h"),
        (90061, "1d1h"),
        (-5, "0s"),
    ],
)
def test_a_span_has_two_units(seconds, text):
    assert span(timedelta(seconds=seconds)) == text


def test_columns_are_aligned_by_what_is_seen_and_empty_ones_left_out():
    red = click.style("no", fg="red")
    lines = table(("A", "B", "C"), [(red, "", "x"), ("maybe", "", "y")])
    assert [click.unstyle(line) for line in lines] == ["A       C", "no      x", "maybe   y"]
    assert table(("A",), []) == []


def test_a_watch_is_told_with_what_drifts():
    gate = {"name": "errors", "verdict": "Fail", "state": "Value", "value": 0.3, "limit": "≤ 0.05", "requests": 600}
    drift = {"metric": "errors", "message": "0.3 is above 0.05", "since": before(minutes=4)}
    monitor = {
        "revision": OLD.name,
        "since": before(hours=2),
        "gates": [gate],
        "gatesAt": before(minutes=4),
        "drifting": [drift],
        "conceptDrift": "unknown",
    }
    text = shown(thing(finished(monitor=monitor)))
    assert f"Watched       {OLD.name} since 10:00:00 UTC, 2h ago; conceptDrift: unknown" in text
    assert "Drifting      errors since 11:56:00 UTC, 4m ago: 0.3 is above 0.05" in text
    assert "WATCHED   VERDICT" in text


def test_what_only_watches_is_marked_and_stands_below_what_decides():
    gates = [{"name": "errors", "verdict": "Pass", "state": "Value", "value": 0.001, "limit": "≤ 0.02"}]
    watched = [{"name": "slow", "verdict": "Fail", "mode": "warn", "state": "Value", "value": 0.7, "limit": "≤ 0.1"}]
    rollout = {**ROLLOUT, "gates": gates, "watched": watched, "watchedAt": before(seconds=12)}
    text = shown(
        thing(progressing(rollout=rollout, conditions=[condition("Warned", "True", "MetricWarns", "slow: 0.7")]))
    )
    assert (
        """
GATE     VERDICT       VALUE   LIMIT
errors   Pass          0.001   ≤ 0.02
slow     Fail (warn)   0.7     ≤ 0.1
(observe) and (warn) decide nothing; they are shown as of 12s ago."""
        in text
    )
    assert "Warned=True (MetricWarns): slow: 0.7" in text


DRIFT = {"name": "asked", "verdict": "Undecided", "state": "Value", "limit": "stable ± 10 pp"}
SHARES = {"about": "brightness at most 50", "requests": 200}


@pytest.mark.parametrize(
    ("evidence", "line"),
    [
        (
            {"candidate": 1.0, "stable": 0.99, "reference": 0.64, "moved": "world", "pace": "sudden"},
            "asked: brightness at most 50 in 100 %, +36 pp from the reference (stable ± 10 pp; world, sudden)",
        ),
        (
            {"candidate": 0.2, "stable": 0.58, "reference": 0.6, "moved": "candidate"},
            "asked: brightness at most 50 in 20 %, −38 pp from stable (stable ± 10 pp; candidate)",
        ),
        (
            {"candidate": 0.62, "stable": 0.6, "reference": 0.6},
            "asked: brightness at most 50 in 62 %, +2 pp from stable (stable ± 10 pp)",
        ),
        (
            {"candidate": 0.9, "reference": 0.6, "moved": "world"},
            "asked: brightness at most 50 in 90 %, +30 pp from the reference (stable ± 10 pp; world)",
        ),
    ],
)
def test_the_feature_that_drifts_most_stands_in_a_line(evidence, line):
    rollout = {**ROLLOUT, "gates": [{**DRIFT, "evidence": {**SHARES, **evidence}}]}
    assert f"\nDrift         {line}\n" in shown(thing(progressing(rollout=rollout)))


def test_a_part_of_the_traffic_that_has_moved_has_a_line_of_its_own():
    quiet, moved = {**SHARES, "slice": "light=day"}, {**SHARES, "slice": "light=dark", "moved": "inputs"}
    parts = [one | {"candidate": 0.9, "stable": 0.6} for one in (quiet, moved)]
    text = shown(thing(progressing(rollout={**ROLLOUT, "gates": [{**DRIFT, "evidence": SHARES, "slices": parts}]})))
    assert [line for line in text.splitlines() if line.startswith("Drift ")] == [
        "Drift         asked[light=dark]: brightness at most 50 in 90 %, +30 pp from stable (stable ± 10 pp; inputs)"
    ]


def test_the_page_about_drift_shows_such_lines():
    told = {gate["name"]: gate for gate in json.loads(REPORT.read_text(encoding="utf-8"))["gates"]}
    gates = [
        {
            **DRIFT,
            "name": name,
            "evidence": {key: one for key, one in told[name]["evidence"].items() if key != "chance"},
        }
        for name in ("answered", "asked")
    ]
    lines = shown(thing(progressing(rollout={**ROLLOUT, "gates": gates}))).splitlines()
    assert "\n".join(line for line in lines if line.startswith("Drift ")) in PAGE.read_text(encoding="utf-8")


def test_other_metrics_have_no_line_about_drift():
    gate = {**DRIFT, "name": "slow", "evidence": {"about": "p99", "candidate": 0.5, "stable": 0.4}}
    assert "\nDrift " not in shown(thing(progressing(rollout={**ROLLOUT, "gates": [gate]})))
