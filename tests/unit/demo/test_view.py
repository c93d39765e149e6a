import pytest

from tests.demo.show import Show
from tests.demo.view import View, changes, traffic

NAMES = {"r1": "v1", "r2": "v2", "r3": "v3"}


def thing(version="v2", *, generation=2, observed=2, shares=None, copies=None, **rollout):
    arms = [{"revision": revision, "weight": weight} for revision, weight in (shares or {"r1": 100}).items()]
    mirrors = [{"revision": revision, "percent": percent} for revision, percent in (copies or {}).items()]
    return {
        "metadata": {"generation": generation},
        "spec": {"model": {"name": "digits", "version": version}},
        "status": {
            "observedGeneration": observed,
            "stable": "r1",
            "routeVerified": True,
            "conditions": [{"type": "Ready", "status": "False"}],
            "route": {"serial": 1, "route": {"arms": arms, "mirrors": mirrors}, "clusters": []},
            "rollout": {"revision": "r2", "strategy": "canary", "state": "Progressing", **rollout},
        },
    }


def test_an_object_without_a_status_reads_as_an_empty_one():
    view = View.of({"metadata": {"generation": 1}, "spec": {"model": {"version": "v1"}}})

    assert view == View(version="v1")
    assert not view.running


def test_a_status_of_an_earlier_spec_is_not_current():
    assert View.of(thing()).current
    assert not View.of(thing(generation=3)).current


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, thing(), []),
        (None, thing(state="Completed"), ["v2 is stable now"]),
        (thing(state="Completed", revision="r1"), thing(state="Completed"), ["v2 is stable now"]),
        (thing(state="Completed"), thing(state="Completed"), []),
        (
            thing(),
            thing(state="Aborting", cause={"reason": "Requested", "message": "A person aborted the rollout."}),
            [],
        ),
        (
            thing(),
            thing(state="Aborting", cause={"reason": "GateFailed", "message": "errors: 0.2 is above 0.05"}),
            ["v2 is rolled back: errors: 0.2 is above 0.05"],
        ),
        (thing(state="Aborting"), thing(state="Aborted"), ["v2 is out; v1 answers everything, as before"]),
    ],
)
def test_what_happened_is_told_once(before, after, said):
    before = View.of(before) if before else View()

    assert list(changes(before, View.of(after), NAMES)) == said


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (thing(copies={"r2": 100}), ["v2 gets copies of 100 % of the requests; its answers reach nobody"]),
        (thing(shares={"r1": 80, "r2": 20}), ["v2 answers 20 % of the requests"]),
        (thing(), []),
        (thing(shares={"r1": 80, "r2": 20}, state="Aborting"), []),
    ],
)
def test_a_confirmed_route_is_told(after, said):
    assert list(traffic(View.of(after), NAMES)) == said


def test_a_route_that_no_router_has_confirmed_is_neither_told_nor_kept():
    show = Show()
    after = thing(shares={"r1": 80, "r2": 20})
    after["status"]["routeVerified"] = False
    show.changed(View.of(after), now=0.0)

    assert show.recording.routes == []
    assert show.recording.decisions == []


def test_a_show_learns_names_routes_and_outcomes():
    show = Show()
    for number, each in enumerate(
        [
            thing(mirrored=0),
            thing(copies={"r2": 100}, mirrored=40),
            thing(shares={"r1": 80, "r2": 20}),
            thing(state="Aborting", cause={"reason": "GateFailed", "message": "too many errors"}),
            thing(state="Aborted", cause={"reason": "GateFailed", "message": "too many errors"}),
        ]
    ):
        show.changed(View.of(each), now=float(number))

    recording = show.recording
    assert recording.names == {"r2": "v2"}
    assert [(route.at, route.shares, route.copies) for route in recording.routes] == [
        (0.0, {"r1": 100}, {}),
        (1.0, {"r1": 100}, {"r2": 100}),
        (2.0, {"r1": 80, "r2": 20}, {}),
        (3.0, {"r1": 100}, {}),
    ]
    (outcome,) = recording.outcomes
    assert (outcome.version, outcome.state, outcome.reason, outcome.mirrored) == ("v2", "Aborted", "GateFailed", 40)


def test_a_candidate_is_not_given_the_name_of_a_spec_that_the_operator_has_not_seen():
    show = Show()
    show.changed(View.of(thing("v3", generation=3)), now=0.0)

    assert show.recording.names == {}
