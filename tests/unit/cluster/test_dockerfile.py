"""What an image is made from, read from the Dockerfile."""

import pytest

from tests.cluster import dockerfile, project
from tests.cluster.dockerfile import recipe
from tests.cluster.paths import REPOSITORY

EXAMPLE = """\
# A comment.
ARG BASE=python:3.13-slim
ARG OTHER=python:3.11-slim

FROM ${OTHER} AS unrelated
COPY elsewhere /

FROM ${BASE} AS build
COPY lock.txt install.sh /requirements/
RUN install \\
    # Why this is so.
    && compile

FROM build AS tested
COPY tests tests

FROM ${BASE} AS final
COPY --from=tested /venv /venv
COPY LICENSE /
"""


def test_the_inputs_are_those_of_every_stage_that_is_needed():
    assert recipe(EXAMPLE, "final").sources == ("LICENSE", "install.sh", "lock.txt", "tests")
    assert recipe(EXAMPLE, "build").sources == ("install.sh", "lock.txt")


def test_only_the_base_images_of_these_stages_count():
    assert recipe(EXAMPLE, "final").bases == {"BASE": "python:3.13-slim"}
    assert recipe(EXAMPLE, "unrelated").bases == {"OTHER": "python:3.11-slim"}


def test_an_edit_elsewhere_in_the_file_changes_nothing():
    edited = EXAMPLE.replace("COPY elsewhere /", "COPY elsewhere /x").replace("# A comment.", "# Another.")

    assert recipe(edited, "final") == recipe(EXAMPLE, "final")


@pytest.mark.parametrize("edit", [("&& compile", "&& compile -O"), ("FROM build", "FROM unrelated")])
def test_an_edit_of_a_needed_stage_is_seen(edit):
    assert recipe(EXAMPLE.replace(*edit), "final") != recipe(EXAMPLE, "final")


def test_an_unknown_target_is_an_error():
    with pytest.raises(KeyError):
        recipe(EXAMPLE, "nothing")


@pytest.mark.parametrize("name", project.NAMES)
def test_every_image_of_the_project_stands_on_a_base_image_that_can_be_made(name):
    found = dockerfile.recipe((REPOSITORY / "Dockerfile").read_text(), name)

    assert found.sources
    assert {project._python(base) for base in found.bases.values()} <= {"3.11", "3.13"}


def test_the_ignore_file_lets_every_input_through():
    allowed = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    for name in set(project.NAMES) - {"prometheus"}:
        for source in recipe((REPOSITORY / "Dockerfile").read_text(), name).sources:
            assert any(source == each or source.startswith(f"{each}/") for each in allowed), source
