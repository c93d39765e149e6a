import json

import pytest

from modelrollout.cli import answer
from tests.unit.cli.states import NEW, OLD, OLDEST, ROLLOUT, aborted, finished, progressing, thing

REQUEST = "modelrollout.dev/request"


def asked(cluster):
    return json.loads(cluster.world.only["metadata"]["annotations"][REQUEST])


async def test_promote_is_written_answered_and_printed(cluster):
    cluster.world.put(thing(progressing()))
    result = await cluster.run("promote", "digits")
    assert (result.exit_code, result.output) == (0, "digits: promote: Promoted step 1/3.\n")
    request = asked(cluster)
    del request["id"], request["at"]
    assert request == {"action": "promote", "revision": NEW.name, "attempt": 1, "step": 1, "by": "ann@example.org"}
    assert cluster.world.only["status"]["rollout"]["approved"] == 1


@pytest.mark.parametrize(
    ("words", "raw", "printed"),
    [
        (
            ["promote", "--full"],
            progressing(),
            "promote-full: The remaining steps are skipped; the bake still follows.",
        ),
        (["retry"], aborted(), "retry: A new attempt started."),
        (["pause"], progressing(), "pause: Paused."),
        (["resume"], progressing(paused=True), "resume: Resumed."),
        (["rollback"], finished(), f"rollback: Rolling back to {OLD.name}."),
        (["rollback", "--to", "0"], finished(), f"rollback: Rolling back to {OLDEST.name}."),
        (["abort"], progressing(), f"abort: Aborting: traffic goes home to {OLD.name}."),
    ],
)
async def test_each_action_is_carried_out(cluster, words, raw, printed):
    cluster.world.put(thing(raw))
    result = await cluster.run(*words, "digits")
    assert (result.exit_code, result.output) == (0, f"digits: {printed}\n")


async def test_a_refusal_is_an_error_with_the_operators_words(cluster):
    cluster.world.put(thing(progressing()))

    def refuse(raw):
        request = asked(cluster)
        said = {"id": request["id"], "action": "promote", "accepted": False, "message": "Frozen.", "at": request["at"]}
        return {**raw["status"], "request": said}

    cluster.world.operator = refuse
    result = await cluster.run("promote", "digits")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "digits: promote refused. Frozen.\n")
    result = await cluster.run("promote", "digits", "-o", "json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert (said["accepted"], said["message"], said["id"]) == (False, "Frozen.", asked(cluster)["id"])


async def test_silence_is_an_error_that_says_where_to_look(cluster, monkeypatch):
    monkeypatch.setattr(answer, "PATIENCE", 0.2)
    cluster.world.operator = None
    cluster.world.put(thing(progressing()))
    for words in (["promote"], ["abort"]):
        result = await cluster.run(*words, "digits")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "no answer within 0.2 s. Does the operator run?" in result.stderr
        assert "kubectl modelrollout status digits" in result.stderr


async def test_without_waiting_nobody_needs_to_answer(cluster):
    cluster.world.operator = None
    cluster.world.put(thing(progressing()))
    for words in (["promote"], ["abort"]):
        result = await cluster.run(*words, "digits", "--no-wait")
        assert result.exit_code == 0
        assert "Written, and not answered yet" in result.stdout


async def test_a_change_in_between_that_does_not_matter_is_no_obstacle(cluster):
    cluster.world.put(thing(progressing()))
    cluster.world.before_patch = [lambda world: world.set_status(progressing(message="other words"))]
    assert (await cluster.run("promote", "digits")).exit_code == 0
    assert len(cluster.world.patches) == 1


async def test_a_step_that_nobody_has_seen_is_not_promoted(cluster):
    cluster.world.put(thing(progressing()))
    later = progressing(rollout={**ROLLOUT, "stage": 3, "stageLabel": "step 3/3"})
    cluster.world.before_patch = [lambda world: world.set_status(later)]
    result = await cluster.run("promote", "digits")
    assert result.exit_code == 1
    assert "moved on in the same moment" in result.stderr
    assert cluster.world.patches == []


async def test_an_abort_is_not_held_up_by_changes(cluster):
    cluster.world.put(thing(progressing()))
    cluster.world.before_patch = [lambda world: world.set_status(progressing(message="other words"))]
    assert (await cluster.run("abort", "digits")).exit_code == 0
    assert cluster.world.patches == [{"uid": "u1", "annotations": {"modelrollout.dev/abort": f"{NEW.name}/1"}}]


async def test_a_namesake_that_took_its_place_is_not_aborted(cluster):
    cluster.world.put(thing(progressing()))
    namesake = thing(progressing())
    namesake["metadata"]["uid"] = "u2"
    cluster.world.before_patch = [lambda world: world.put(namesake)]
    result = await cluster.run("abort", "digits")
    assert result.exit_code == 1
    assert cluster.world.patches == []


async def test_the_same_command_twice(cluster):
    cluster.world.put(thing(progressing()))
    assert (await cluster.run("abort", "digits")).exit_code == 0
    again = await cluster.run("abort", "digits")
    assert (again.exit_code, again.output) == (0, "digits: abort: It is aborted already.\n")
    assert len(cluster.world.patches) == 1


async def test_a_rollback_to_the_stable_revision_asks_for_nothing(cluster):
    cluster.world.put(thing(finished()))
    result = await cluster.run("rollback", "digits", "--to", NEW.name[:5])
    assert (result.exit_code, result.output) == (0, f"digits: rollback: {NEW.name} is stable already.\n")
    assert cluster.world.patches == []


async def test_what_makes_no_sense_is_never_written(cluster):
    cluster.world.put(thing(finished()))
    for words in (["promote"], ["abort"], ["retry"], ["rollback", "--to", "nope"]):
        result = await cluster.run(*words, "digits")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: ")
    assert cluster.world.patches == []


async def test_spec_and_status_are_never_written_and_no_annotation_is_lost(cluster):
    raw = thing(progressing())
    raw["metadata"]["annotations"] = {"a": "b", "modelrollout.dev/abort": "old/1"}
    cluster.world.put(raw)
    cluster.world.operator = None
    await cluster.run("promote", "digits", "--no-wait")
    after = cluster.world.only
    assert (after["spec"], after["status"]) == (raw["spec"], raw["status"])
    assert after["metadata"]["annotations"].items() > {"a": "b", "modelrollout.dev/abort": "old/1"}.items()


async def test_where_the_server_does_not_say_who_we_are_the_kubeconfig_does(cluster):
    cluster.world.user = None
    cluster.world.put(thing(progressing()))
    await cluster.run("pause", "digits")
    assert asked(cluster)["by"] == "ann"
    assert cluster.world.agents == {"kubectl-modelrollout"}
