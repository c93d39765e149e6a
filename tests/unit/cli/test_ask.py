import pytest

from modelrollout.adapters.reading import read_request
from modelrollout.cli.ask import (
    AskError,
    Intent,
    abort_outcome,
    abort_value,
    find_revision,
    intent,
    read_snapshots,
    rollback,
)
from modelrollout.cli.view import status_of
from tests.unit.cli.states import (
    NEW,
    NOW,
    OLD,
    OLDEST,
    ROLLOUT,
    SNAPSHOTS,
    aborted,
    finished,
    past,
    progressing,
    revision,
    thing,
)

KEPT = read_snapshots("digits", SNAPSHOTS)


def cause(reason):
    return {"reason": reason, "message": "why", "at": "2026-01-02T11:00:00Z"}


def status(raw):
    return status_of(thing(raw))


@pytest.mark.parametrize(
    "meant", [Intent("promote", "r1", 2, 0), Intent("rollback", "r0", 0), Intent("pause", "r1", 1)]
)
def test_the_operator_reads_what_is_written(meant):
    seen = read_request({"modelrollout.dev/request": meant.text("x1", NOW, "ann")})
    assert seen is not None
    assert (seen.problem, seen.id, seen.at, seen.by) == ("", "x1", NOW, "ann")
    assert Intent(seen.action, seen.revision, seen.attempt, seen.stage) == meant


def test_a_person_without_a_name_makes_no_claim():
    assert read_request({"modelrollout.dev/request": Intent("pause", "r", 1).text("x", NOW, "")}).by is None


@pytest.mark.parametrize(
    ("action", "raw", "meant"),
    [
        ("promote", progressing(), Intent("promote", NEW.name, 1, 1)),
        ("promote-full", progressing(), Intent("promote-full", NEW.name, 1)),
        ("retry", aborted(), Intent("retry", NEW.name, 1)),
        ("pause", progressing(), Intent("pause", NEW.name, 1)),
        ("resume", {"stable": OLD.name}, Intent("resume", OLD.name, 0)),
    ],
)
def test_a_request_names_the_state_of_affairs_that_it_speaks_of(action, raw, meant):
    assert intent(action, "digits", status(raw)) == meant


@pytest.mark.parametrize(
    ("action", "raw", "words"),
    [
        ("promote", finished(), "Completed, so there is nothing to promote.*modelrollout history digits"),
        ("promote-full", aborted(), "Aborted, so there is nothing to promote.*modelrollout retry digits"),
        (
            "promote",
            aborted(rollout={**ROLLOUT, "state": "Aborted", "cause": cause("SpecReverted")}),
            "nothing to promote. The spec names another revision since",
        ),
        ("promote", progressing(rollout={**ROLLOUT, "state": "Aborting"}), "Traffic goes home; wait"),
        ("retry", progressing(), "Progressing, so there is nothing to retry.*modelrollout abort digits"),
        ("promote", {}, "digits has no rollout"),
        ("pause", {}, "The operator has not looked at digits yet"),
    ],
)
def test_what_would_be_pointless_says_what_to_do_instead(action, raw, words):
    with pytest.raises(AskError, match=words):
        intent(action, "digits", status(raw))


def test_an_abort_names_the_attempt():
    assert abort_value("digits", status(progressing())) == f"{NEW.name}/1"
    assert abort_value("digits", status(aborted())) is None


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (finished(), "nothing to abort.*history digits"),
        (progressing(rollout={**ROLLOUT, "previous": None}), "for the first time"),
        ({}, "no rollout"),
    ],
)
def test_what_cannot_be_aborted(raw, words):
    with pytest.raises(AskError, match=words):
        abort_value("digits", status(raw))


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (progressing(), None),
        (progressing(rollout={**ROLLOUT, "state": "Aborting"}), (True, f"Aborting: traffic goes home to {OLD.name}.")),
        (aborted(), (True, f"Aborted: all traffic is at {OLD.name}.")),
        (finished(), (False, f"Too late: {NEW.name} is stable. A rollback goes back.")),
        (progressing(rollout={**ROLLOUT, "attempt": 2}), (False, f"{NEW.name}/1 is not the current attempt any more.")),
        ({}, (False, f"{NEW.name}/1 is not the current attempt any more.")),
    ],
)
def test_what_became_of_an_abort(raw, outcome):
    assert abort_outcome(f"{NEW.name}/1", status(raw)) == outcome


def test_a_rollback_goes_to_the_newest_revision_before_the_stable_one():
    assert rollback("digits", status(finished()), KEPT, None) == Intent("rollback", OLD.name, 1)


def test_a_rollback_passes_over_what_was_aborted_and_what_is_not_kept():
    history = [past(NEW), past(OLD, "Aborted"), past(revision("gone")), past(OLDEST)]
    assert rollback("digits", status(finished(history=history)), KEPT, None) == Intent("rollback", OLDEST.name, 1)


def test_a_rollback_without_an_earlier_revision_is_refused():
    with pytest.raises(AskError, match="no earlier revision that is still kept"):
        rollback("digits", status(finished(history=[past(NEW)])), KEPT, None)


def test_in_mid_rollout_only_a_named_revision_can_be_meant():
    with pytest.raises(AskError, match="modelrollout abort digits"):
        rollback("digits", status(progressing()), KEPT, None)
    assert rollback("digits", status(progressing()), KEPT, "0") == Intent("rollback", OLDEST.name, 1)


def test_the_stable_revision_needs_no_rollback():
    assert rollback("digits", status(finished()), KEPT, "2") is None
    assert rollback("digits", status(progressing()), KEPT, "1") == Intent("rollback", OLD.name, 1)


@pytest.mark.parametrize("words", [OLD.name, OLD.name[:4], "1"])
def test_a_revision_is_found_by_name_by_its_beginning_and_by_the_models_version(words):
    assert find_revision("digits", KEPT, words) == OLD.name


def test_a_name_goes_before_a_version_and_a_version_before_a_beginning():
    other = revision(OLD.name)
    assert find_revision("digits", {OLD.name: OLD, other.name: other}, OLD.name) == OLD.name
    short = revision(OLD.name[:3])
    assert find_revision("digits", {OLD.name: OLD, short.name: short}, OLD.name[:3]) == short.name


def test_what_fits_twice_or_never_is_refused_with_what_there_is():
    with pytest.raises(AskError, match=rf"can be {min(KEPT)} or .*Write more of it"):
        find_revision("digits", KEPT, "")
    with pytest.raises(AskError, match=f"no revision nope. Kept are: .*{OLD.name}"):
        find_revision("digits", KEPT, "nope")
    with pytest.raises(AskError, match="Kept are: none"):
        find_revision("digits", {}, "1")


def test_kept_revisions_are_newest_first_and_tampered_ones_are_left_out():
    broken = {**SNAPSHOTS[0], "metadata": {"name": "digits-abc"}}
    assert list(read_snapshots("digits", [*SNAPSHOTS, broken])) == [NEW.name, OLD.name, OLDEST.name]
