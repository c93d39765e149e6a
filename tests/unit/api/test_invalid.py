from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelrollout.api.validate import parse_object
from modelrollout.cli.documents import read_documents
from modelrollout.cli.validate import validate
from modelrollout.domain.conditions import ConditionType, find
from modelrollout.domain.observation import Limits, Observation
from modelrollout.engine.decide import decide

FILES = sorted((Path(__file__).parents[2] / "data" / "invalid").glob("*.yaml"))


def header(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    return {key: text for key, _, text in (line[2:].partition(": ") for line in lines if line.startswith("# "))}


def test_there_are_many_mistakes():
    assert len(FILES) >= 40


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_mistake_is_named_once_with_its_path_and_a_remedy(file):
    expected = header(file)
    (document,) = read_documents(str(file))
    spec, problems = parse_object(document)
    assert spec is None
    assert [problem.path for problem in problems] == [expected["path"]]
    assert expected["says"] in str(problems[0])
    assert problems[0].remedy.endswith((".", "?"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_validate_says_file_path_reason_and_remedy(file, capsys):
    expected = header(file)
    (document,) = read_documents(str(file))
    _, (problem,) = parse_object(document)
    assert validate([str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"{file}: {expected['path']}: {problem.reason}. {problem.remedy}\n"


@pytest.mark.parametrize("file", [file for file in FILES if header(file)["schema"] == "no"], ids=lambda file: file.stem)
def test_what_no_schema_can_say_the_operator_says_in_the_same_words(file):
    (document,) = read_documents(str(file))
    _, (problem,) = parse_object(document)
    seen = Observation(
        namespace="default",
        name=document["metadata"]["name"],
        uid="7f0c",
        generation=3,
        resource_version="12",
        spec=document["spec"],
    )
    plan = decide(seen, Limits(), datetime(2026, 1, 1, tzinfo=UTC))
    stalled = find(plan.status.conditions, ConditionType.STALLED)
    assert (stalled.status, stalled.reason, stalled.observed_generation) == ("True", "InvalidSpec", 3)
    assert stalled.message == str(problem) == plan.status.message
    assert find(plan.status.conditions, ConditionType.READY).status == "False"
    assert plan.writes == ()
