"""What is slow is kept under the hash of its inputs: the hash must change with them, and with nothing else."""

import pytest

from tests.cluster import project
from tests.cluster.build import digest


def test_where_one_input_ends_and_the_next_begins_counts():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("ab") != digest("ab", "")


def test_text_and_its_bytes_are_the_same_input():
    assert digest("é") == digest("é".encode())


@pytest.fixture
def context(tmp_path):
    (tmp_path / "package" / "__pycache__").mkdir(parents=True)
    (tmp_path / "package" / "module.py").write_text("x = 1\n")
    (tmp_path / "script.sh").write_text("#!/bin/sh\n")
    return tmp_path


def key(context):
    return digest(*project._contents(context, ["package", "script.sh"]))


def test_contents_names_and_modes_of_an_images_inputs_count(context):
    keys = [key(context)]
    (context / "package" / "module.py").write_text("x = 2\n")
    keys.append(key(context))
    (context / "package" / "module.py").rename(context / "package" / "other.py")
    keys.append(key(context))
    (context / "script.sh").chmod(0o755)
    keys.append(key(context))
    (context / "package" / "new.py").touch()
    keys.append(key(context))

    assert len(set(keys)) == 5


def test_compiled_files_and_neighbours_do_not(context):
    before = key(context)
    (context / "package" / "__pycache__" / "module.pyc").write_bytes(b"x")
    (context / "unrelated.py").touch()

    assert key(context) == before


def test_a_base_image_without_a_stand_in_is_named():
    with pytest.raises(project.ClusterError, match=r"no stand-in for the base image 'python:3\.9-slim'"):
        project._python("python:3.9-slim")


def test_an_image_that_the_project_does_not_have_is_refused_with_those_it_has():
    with pytest.raises(project.ClusterError, match=r"no image 'operater' in this project; there are: operator, router"):
        project._build("operater")
