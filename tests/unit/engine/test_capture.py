"""What a spec that compares predictions makes of the route and of the router, on the whole way of a rollout."""

import json

import pytest

from modelrollout.domain.capture import CAPTURE_FILE, Capture
from modelrollout.domain.route import Mirror
from modelrollout.names import mirror_cluster
from tests.unit.engine.world import NAME, World, analysis, canary, template

SAME = {"name": "same", "predictions": {}, "agreement": {"min": 0.9}}


def world(strategy=None, **more):
    made = World()
    made.apply(
        strategy=strategy or canary(50, shadow={"hold": "1m", "percent": 30}),
        model={"protocol": "openInference"},
        analysis=analysis(SAME, **more),
    )
    made.run()
    return made


def capture(made):
    return Capture.model_validate_json(made.children["ConfigMap", f"{NAME}-router"]["data"][CAPTURE_FILE])


def shadowing(made):
    made.apply(template=template(2))
    made.wait(30)
    assert made.route.mirrors


def test_nothing_is_compared_before_there_are_copies():
    made = world()
    assert (capture(made).stable, capture(made).candidate) == (None, None)


def test_the_revision_that_answers_is_compared_with_the_one_that_gets_copies():
    made = world(predictions={"percent": 7, "keepExamples": True, "redact": ["user"]})
    shadowing(made)
    found = capture(made)
    assert (found.stable, found.candidate) == (made.name(1), made.name(2))
    assert (found.percent, found.keep_bodies, found.redact, found.protocol) == (7, True, ("user",), "openInference")
    assert made.route.mirrors == (Mirror(revision=made.name(2), percent=30),)


@pytest.mark.parametrize(("percent", "copies", "expected"), [(10, 100, 10), (10, 30, 3), (1, 30, 1), (100, 30, 30)])
def test_a_baseline_is_a_share_of_the_copies(percent, copies, expected):
    made = world(canary(50, shadow={"hold": "1m", "percent": copies}), predictions={"baseline": {"percent": percent}})
    shadowing(made)
    assert made.route.mirrors == (
        Mirror(revision=made.name(2), percent=copies),
        Mirror(revision=made.name(1), percent=expected),
    )
    assert made.weight(1) == 100
    assert (capture(made).stable, capture(made).candidate) == (made.name(1), made.name(2))


def test_a_baseline_without_a_metric_that_needs_it_makes_no_copies():
    made = world()
    made.apply(analysis=None)
    shadowing(made)
    assert [mirror.revision for mirror in made.route.mirrors] == [made.name(2)]
    assert CAPTURE_FILE not in made.children["ConfigMap", f"{NAME}-router"]["data"]


def test_an_abort_ends_the_copies_to_both():
    made = world(predictions={"baseline": {}})
    shadowing(made)
    made.abort_now()
    made.run()
    assert made.route.mirrors == ()
    assert made.status.route is not None
    assert not any(cluster.endswith(mirror_cluster("")) for cluster in made.status.route.clusters)
    assert capture(made).candidate is None


def test_a_lost_status_in_the_middle_of_it_is_found_again():
    made = world(predictions={"baseline": {}})
    shadowing(made)
    made.status = type(made.status)()
    made.wait(30)
    assert {mirror.revision for mirror in made.route.mirrors} == {made.name(1), made.name(2)}
    assert made.status.stable == made.name(1)


def test_a_change_of_the_candidate_in_the_middle_of_it_compares_the_next_one():
    made = world(predictions={"baseline": {}})
    shadowing(made)
    made.apply(template=template(3))
    made.wait(60)
    assert {mirror.revision for mirror in made.route.mirrors} == {made.name(1), made.name(3)}
    assert capture(made).candidate == made.name(3)


def test_what_an_ask_renders_to_does_not_change_while_the_ask_stays():
    made = world(predictions={"baseline": {}})
    rendered: dict[str, set[str]] = {}

    def check(_seen, plan):
        body = made.children["ConfigMap", f"{NAME}-router"]
        asked = json.dumps(plan.status.route.dump(), sort_keys=True)
        if json.loads(body["data"]["ask.json"]) == plan.status.route.dump():
            rendered.setdefault(asked, set()).add(body["data"][CAPTURE_FILE])

    made.checks.append(check)
    shadowing(made)
    made.abort_now()
    made.run()
    assert len(rendered) >= 3
    assert all(len(texts) == 1 for texts in rendered.values())
