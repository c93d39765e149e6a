import click
import pytest

from modelrollout.cli.evidence import roughly
from modelrollout.cli.picture import picture
from modelrollout.cli.view import View, view
from tests.unit.cli.states import DEPLOYMENTS, NOW, ROLLOUT, SNAPSHOTS, aborted, before, finished, progressing, thing

ERRORS = {
    "against": 0.45,
    "within": 2.44,
    "candidate": 0.006,
    "stable": 0.005,
    "low": -0.001,
    "high": 0.004,
    "requests": 1240,
    "stableRequests": 11_160,
    "perSecond": 0.18,
    "needed": 1912,
}


def gate(name="errors", verdict="Undecided", **more):
    return {"name": name, "verdict": verdict, "state": "Value", **more}


def lines(*gates, state=progressing, **spec):
    """The block of evidence in the picture."""
    status = state()
    raw = thing(
        {
            **status,
            "rollout": {**status["rollout"], "gates": list(gates), "against": 0.52, "gatesAt": before(seconds=8)},
        },
        **spec,
    )
    text = click.unstyle(picture(view(raw, DEPLOYMENTS, SNAPSHOTS), NOW))
    blocks = [block for block in text.split("\n\n") if "Bars are ln E" in block]
    return blocks[0].splitlines() if blocks else []


def test_a_metric_shows_both_bounds_and_what_is_still_to_come():
    expected = """
errors   0.6 % / 0.5 %   rollback ░░░░░|  0.4 of 3.0   pass ████░|  2.4 of 3.0   1,240 requests, ≈ 1,900 more (≈ 3 h)
Bars are ln E. Rollback at 3.0 of all metrics together (alpha 5 %), a pass at 3.0 of each (beta 5 %)."""
    assert lines(gate(evidence=ERRORS)) == expected.strip().splitlines()


def test_the_bounds_are_those_of_the_spec():
    metrics = thing(None)["spec"]["analysis"]["metrics"]
    shown = lines(gate(evidence=ERRORS), analysis={"alpha": 0.01, "beta": 0.1, "metrics": metrics})
    assert "rollback ░░░░░|  0.4 of 4.6   pass █████|  2.4 of 2.3" in shown[0]
    assert "(alpha 1 %), a pass at 2.3 of each (beta 10 %)" in shown[1]


def test_a_bar_is_full_only_when_its_bound_is_reached():
    first, *_ = lines(gate(evidence={**ERRORS, "against": 2.99, "within": 2.996}))
    assert "rollback ████░|  2.9 of 3.0   pass █████|  3.0 of 3.0" in first


def test_evidence_that_speaks_for_the_opposite_is_an_empty_bar():
    assert "rollback ░░░░░| -7.3 of 3.0" in lines(gate(evidence={**ERRORS, "against": -7.3}))[0]


def test_nothing_more_is_forecast_once_a_metric_passes_or_when_nobody_can_tell():
    for more in ({"within": 3.5}, {"needed": None}):
        assert lines(gate(evidence={**ERRORS, **more}))[0].endswith("1,240 requests")
    assert lines(gate(evidence={**ERRORS, "perSecond": None}))[0].endswith("1,240 requests, ≈ 1,900 more")


def test_values_are_shown_in_their_own_unit_and_alone_where_there_is_no_stable_one():
    first, *_ = lines(gate("gpu", evidence={"candidate": 93.25, "requests": 1}))
    assert first.split("   ")[:2] == ["gpu", "93.25"]
    assert first.endswith("1 request")


def test_slices_stand_below_their_metric_the_loudest_first_and_all_metrics_together_at_the_end():
    slices = [{"slice": f"tenant-{number}", "against": number / 4, "requests": 10} for number in range(7)]
    *shown, together, meaning = lines(gate(evidence=ERRORS, slices=slices), gate("gpu", limit="≤ 95"))
    assert [line.split()[0] for line in shown] == [
        "errors",
        *(f"errors[tenant-{number}]" for number in (6, 5, 4, 3, 2)),
        "errors[…]",
    ]
    assert shown[-1].endswith("2 more slices, with less against them")
    assert together.startswith("all together ")
    assert together.endswith("rollback ░░░░░|  0.5 of 3.0")
    assert meaning.startswith("Bars are")


def test_only_metrics_with_evidence_have_bars_and_only_while_they_matter():
    assert lines(gate()) == []
    assert lines(gate(evidence=ERRORS), state=finished) == []
    assert lines(gate(evidence=ERRORS), state=aborted) != []


def test_a_forecast_that_is_bad_is_told():
    raw = thing(progressing(rollout={**ROLLOUT, "forecast": "errors needs 3 days more. Widen its margin."}))
    text = click.unstyle(picture(view(raw, (), ()), NOW))
    assert "Forecast      errors needs 3 days more. Widen its margin." in text


def test_json_has_the_evidence_as_it_is():
    raw = thing(progressing(rollout={**ROLLOUT, "gates": [gate(evidence=ERRORS)], "against": 0.34}))
    found = view(raw, (), ())
    rollout = found.dump()["rollout"]
    unsaid = {"slice": "", "about": "", "worse": 0.0, "noise": 1.0, "alarm": False, "enough": False}
    assert rollout["gates"][0]["evidence"] == {**unsaid, **ERRORS}
    assert rollout["fractions"] == ["errors"]
    assert (rollout["alpha"], rollout["beta"]) == (0.05, 0.05)
    assert rollout["together"] == 0.34
    assert View.model_validate(found.dump()) == found


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5399, "90 min"),
        (10_800, "3 h"),
        (86_400 * 2, "2 d"),
        (1e9, "11,574 d"),
    ],
)
def test_a_forecast_says_no_more_than_is_known(seconds, text):
    assert roughly(seconds) == text
