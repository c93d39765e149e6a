from dataclasses import replace

import pytest

from tests.demo.recording import Recording, Route
from tests.demo.summary import missing, reaction, summarize, total
from tests.unit.demo.recorded import START, outcome, whole_story


def test_a_story_that_happened_lacks_nothing():
    assert missing(whole_story()) == []


def test_the_figures_are_the_clients_own():
    found = summarize(whole_story())

    assert (found.sent, found.failed_by_rollouts) == (11_000, 0)
    assert found.failed_by_model == 5 * 4
    assert (found.plain_sent, found.plain_failed_by_model, found.plain_failed_otherwise) == (4_400, 28 * 20, 0)
    assert found.answers == {"v1": 2000 + 8 * 80 + 8 * 50, "v2": 6860, "v3": 5 * 20, "v4": 1000}
    assert sum(found.answers.values()) == found.sent
    assert found.right == {"v1": 1.0, "v2": 1.0, "v3": 1.0, "v4": 1.0}


def test_wrong_digits_count_and_errors_do_not():
    recording = whole_story()
    recording.ours = [replace(recording.ours[0], right={"r1": 90}, wrong={"r1": 10}, errors={"r1": 900})]

    assert summarize(recording).right == {"v1": 0.9}


def test_a_version_that_only_failed_has_no_share_of_right_answers():
    recording = whole_story()
    recording.ours = [replace(recording.ours[0], right={"r3": 0}, wrong={"r3": 0})]

    assert summarize(recording).right == {"v3": None}


def test_the_clients_own_sum_is_preferred_to_its_live_lines():
    recording = whole_story()
    recording.total_ours = replace(total(recording.ours), requests=11_007)

    assert summarize(recording).sent == 11_007


def test_the_reaction_is_the_time_from_the_first_bad_answer_to_the_confirmed_route_without_it():
    # The trial's first bin ends at 51 s and holds the first error, half a second before; the route is confirmed at 54.5 s.
    assert reaction(whole_story()) == pytest.approx(4.0)


def test_a_route_that_was_confirmed_before_the_first_error_is_no_reaction():
    recording = whole_story()
    recording.routes = [route for route in recording.routes if route.at < START + 54]

    assert reaction(recording) is None
    assert any("no route without v3" in lack for lack in missing(recording))


def test_without_errors_there_is_no_reaction():
    assert reaction(Recording(started=START)) is None


def _lost(recording):
    recording.total_ours = replace(total(recording.ours), ours=3)


def _gate_never_failed(recording):
    recording.outcomes[4] = outcome("v3", "canary", "Completed")


def _no_copies(recording):
    recording.outcomes[3] = outcome("v2", "canary", "Completed", mirrored=0)


def _wrong_one_got_no_copies(recording):
    recording.routes = [route for route in recording.routes if "ra" not in route.copies]


def _wrong_one_answered(recording):
    recording.ours.append(replace(recording.ours[0], answers={"ra": 7}))


def _wrong_one_was_promoted(recording):
    recording.outcomes[1] = outcome("v2-rc1", "canary", "Completed", mirrored=900)


def _slice_was_not_named(recording):
    recording.outcomes[2] = replace(recording.outcomes[2], cause="same: 88 %")


def _never_switched(recording):
    recording.routes = [route for route in recording.routes if "r4" not in route.shares]


def _promoted_at_once(recording):
    recording.outcomes = recording.outcomes[:5]


def _good_model_failed(recording):
    recording.ours[0] = replace(recording.ours[0], errors={"r1": 1})


def _plain_was_as_good(recording):
    recording.plain = recording.plain[:5]


def _stayed_switched(recording):
    recording.routes.append(Route(at=START + 109, shares={"r4": 100}, copies={}))


def _ended_elsewhere(recording):
    recording.stable = "v1"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_lost, "3 requests failed because of the rollouts"),
        (_gate_never_failed, "v3: canary Aborted GateFailed was expected"),
        (_no_copies, "v2 got no copies"),
        (_wrong_one_got_no_copies, "v2-rc1 was to get copies, and got none"),
        (_wrong_one_answered, "7 answers of v2-rc1 reached a client"),
        (_wrong_one_was_promoted, "v2-rc1: canary Aborted GateFailed was expected"),
        (_slice_was_not_named, "v2-rc2 was not stopped for light=dark: same: 88 %"),
        (_never_switched, "v4 reached a weight of 0, not 100"),
        (_promoted_at_once, "v4 was never rolled out"),
        (_good_model_failed, "v1 answered with errors, and only v3 should"),
        (_plain_was_as_good, "the plain Deployment lost 0 requests and the rollout 20"),
        (_stayed_switched, "the last route is {'r4': 100}"),
        (_ended_elsewhere, "v1 is stable in the end and not v2"),
    ],
)
def test_a_story_that_went_another_way_is_told_apart(spoil, said):
    recording = whole_story()
    spoil(recording)

    assert any(said in lack for lack in missing(recording)), missing(recording)


def test_nothing_at_all_is_no_story():
    found = missing(Recording(started=START))

    assert "no request was sent" in found
    assert "v2 was never rolled out" in found
