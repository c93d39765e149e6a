import json

import pytest
import yaml

from modelrollout.adapters.kubeconfig import connect_as_person
from modelrollout.cli.access import absent
from modelrollout.errors import KubeError
from tests.unit.cli.conftest import kubeconfig_of
from tests.unit.cli.states import NEW, OLD, OLDEST, finished, progressing, thing


async def test_status_shows_the_object_of_the_contexts_namespace(cluster):
    cluster.world.put(thing(progressing()))
    result = await cluster.run("status", "digits")
    assert result.exit_code == 0
    assert result.stdout.startswith("digits in team: Progressing\n")
    assert f"{NEW.name}   candidate   digits 2   0/1     25 %" in result.stdout
    assert "\x1b" not in result.stdout


async def test_status_as_json(cluster):
    cluster.world.put(thing(progressing()))
    found = json.loads((await cluster.run("status", "digits", "-o", "json")).stdout)
    assert (found["weightVerified"], found["revisions"][1]["pods"]) == (25, {"ready": 4, "wanted": 4})


async def test_what_we_may_not_list_is_left_out(cluster):
    cluster.world.refuse = {"/deployments": 403, "/controllerrevisions": 403}
    cluster.world.put(thing(progressing()))
    result = await cluster.run("status", "digits")
    assert result.exit_code == 0
    assert "READY" not in result.stdout


async def test_history_lists_rollouts_and_what_is_kept(cluster):
    cluster.world.put(thing(finished()))
    lines = (await cluster.run("history", "digits")).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == [NEW.name, OLD.name, OLDEST.name]
    assert lines[-3:] == [f"{NEW.name}   digits 2   stable now", f"{OLD.name}   digits 1", f"{OLDEST.name}   digits 0"]
    found = json.loads((await cluster.run("history", "digits", "-o", "json")).stdout)
    assert found["revisions"][0] == {"revision": NEW.name, "model": "digits 2"}
    assert found["rollouts"][0]["outcome"] == "Completed"


async def test_a_history_without_rollouts(cluster):
    cluster.world.put(thing(None))
    assert (await cluster.run("history", "digits")).stdout.startswith("digits has had no rollout yet.\n")


async def test_a_wrong_name_is_answered_with_the_right_ones(cluster):
    cluster.world.put(thing(finished()))
    result = await cluster.run("status", "digit")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: There is no ModelDeployment digit in the namespace team. There are: digits.\n"


async def test_a_wrong_namespace_is_answered_with_the_right_one(cluster):
    cluster.world.put(thing(finished()))
    result = await cluster.run("status", "digits", "-n", "default")
    assert (
        result.stderr
        == "Error: There is no ModelDeployment digits in the namespace default. It is in team: say -n team.\n"
    )
    assert (await cluster.run("status", "digits", "--context", "other")).stderr.endswith("say -n team.\n")


async def test_one_who_may_not_look_everywhere_still_learns_what_is_here(cluster):
    cluster.world.put(thing(finished()))
    cluster.world.refuse = {"v1alpha1/modeldeployments": 403}
    assert "There are: digits." in (await cluster.run("status", "digit")).stderr
    cluster.world.refuse = {"modeldeployments": 403}
    assert "There is no ModelDeployment digit in the namespace team.\n" in (await cluster.run("status", "digit")).stderr


async def test_a_cluster_without_modelrollout_says_how_to_install_it(cluster):
    cluster.world.refuse = {"modeldeployments": 404}
    assert "Install modelrollout" in (await cluster.run("status", "digits")).stderr


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (401, "does not accept who you say you are. Log in again"),
        (403, "Ask for a role that may get, watch and patch modeldeployments.modelrollout.dev there."),
        (500, "is in trouble; try again"),
    ],
)
async def test_a_server_that_refuses_says_what_to_do(cluster, code, words):
    cluster.world.put(thing(finished()))
    cluster.world.refuse = {"/digits": code}
    result = await cluster.run("status", "digits")
    assert result.exit_code == 1
    assert words in result.stderr


async def test_a_cluster_that_is_not_there(cluster, tmp_path):
    (tmp_path / "config").write_text(yaml.safe_dump(kubeconfig_of("http://127.0.0.1:1")))
    result = await cluster.run("status", "digits")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "Error: http://127.0.0.1:1 does not answer, trying to read ModelDeployment digits: "
    )
    assert "which one --context and --kubeconfig choose" in result.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no kubeconfig at"),
        ("", "Reading the kubeconfig"),
        ("[1, 2", "Reading the kubeconfig"),
        ("a: 1", "Reading the kubeconfig"),
        (yaml.safe_dump({**kubeconfig_of("http://127.0.0.1:1"), "current-context": "gone"}), "gone"),
    ],
)
async def test_a_kubeconfig_that_cannot_be_used_says_so(tmp_path, content, words):
    file = tmp_path / "broken"
    if content is not None:
        file.write_text(content)
    with pytest.raises(KubeError, match=words):
        await connect_as_person(str(file))


async def test_an_unknown_context_says_how_to_list_them(cluster):
    result = await cluster.run("status", "digits", "--context", "nope")
    assert result.exit_code == 1
    assert "with context nope" in result.stderr
    assert "kubectl config get-contexts" in result.stderr


async def test_without_a_kubeconfig_a_pod_uses_its_account(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    with pytest.raises(KubeError, match="with the pod's account"):
        await connect_as_person()
    with pytest.raises(KubeError, match="There is no kubeconfig"):
        await connect_as_person(context="one")


async def test_several_kubeconfigs_are_read_as_one(cluster, monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{cluster.kubeconfig}")
    person = await connect_as_person(None, "other")
    assert (person.namespace, person.user, person.connection.server) == ("default", "ann", cluster.url)
    await person.connection.close()


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ([("b", "x"), ("a", "x"), ("team", "y")], "It is in a, b: say -n a."),
        ([("team", "z"), ("team", "y"), ("b", "w")], "There are: y, z."),
        ([("b", "w"), ("a", "w")], "There is none at all; these namespaces have some: a, b."),
        ([], "There is none at all. Make one with `kubectl apply -f`."),
    ],
)
def test_the_words_for_a_name_that_does_not_exist(known, words):
    assert absent("x", "team", known).startswith("There is no ModelDeployment x in the namespace team. " + words)
