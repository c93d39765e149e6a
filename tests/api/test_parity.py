"""What `validate` refuses the API server refuses too, at the same path, wherever a schema can say it."""

from pathlib import Path

import pytest

from modelrollout.api.crd import crd
from modelrollout.api.validate import parse_object
from modelrollout.cli.documents import read_documents

ROOT = Path(__file__).parents[2]
INVALID = sorted((ROOT / "tests" / "data" / "invalid").glob("*.yaml"))
VALID = sorted([*(ROOT / "tests" / "data" / "valid").glob("*.yaml"), *(ROOT / "manifests" / "examples").glob("*.yaml")])
OBJECTS = "/apis/modelrollout.dev/v1alpha1/namespaces/default/modeldeployments"


def header(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    return {key: text for key, _, text in (line[2:].partition(": ") for line in lines if line.startswith("# "))}


def dry_run(server, document):
    """What kubectl does first with an object that is not there. A server-side apply stops at types that do not fit, with a path
    of its own and without a word about anything else."""
    return server.request("POST", f"{OBJECTS}?dryRun=All&fieldValidation=Strict", document)


def said_by_cel(node):
    """Every message of a CEL rule in the CRD."""
    if isinstance(node, dict):
        yield from (rule["message"] for rule in node.get("x-kubernetes-validations", ()))
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from said_by_cel(each)


@pytest.mark.parametrize("file", INVALID, ids=lambda file: file.stem)
def test_a_mistake_is_refused_at_the_same_path(server, file):
    expected = header(file)
    (document,) = read_documents(str(file))
    status, answer = dry_run(server, document)
    if expected["schema"] == "no":
        assert status in (200, 201), f"the API server can say it after all: {answer['message']}"
        return
    assert status in (400, 422), answer
    message = answer["message"]
    # Where the API server blames a part of what we blame, the file says which.
    path = expected.get("server", expected["path"])
    places = [f"{path}{end}" for end in (":", '"', ",", " ")]
    assert any(place in message for place in places), message


WORDS = frozenset(said_by_cel(crd()))


@pytest.mark.parametrize("file", INVALID, ids=lambda file: file.stem)
def test_a_rule_has_the_same_words_on_both_sides(server, file):
    (document,) = read_documents(str(file))
    _, problems = parse_object(document)
    words = f"{problems[0].reason}. {problems[0].remedy}"
    if words in WORDS:
        _, answer = dry_run(server, document)
        assert words in answer["message"]


def test_numbers_of_the_value_are_in_the_words_of_both_sides(server):
    (file,) = (file for file in INVALID if "four-metrics-in-twenty-parts" in file.name)
    (document,) = read_documents(str(file))
    _, (problem,) = parse_object(document)
    assert "4 × (1 + 20) = 84" in problem.reason
    _, answer = dry_run(server, document)
    assert f"{problem.reason}. {problem.remedy}" in answer["message"]


@pytest.mark.parametrize("file", VALID, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_what_is_valid_is_accepted_by_both(server, file):
    for document in read_documents(str(file)):
        _, problems = parse_object(document)
        assert problems == ()
        status, answer = dry_run(server, document)
        assert status in (200, 201), answer["message"]
