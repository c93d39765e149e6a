"""Whoever copies a command out of the documentation sees what stands below it, and the picture that stands beside it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.examples import ROOT, Example, examples

EXAMPLES = tuple(examples())
IMAGES = Path("docs") / "images"


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{one.page.name}: {one.command[:90]}" for one in EXAMPLES])
def test_a_command_prints_what_the_page_says(example: Example, tmp_path: Path, request: pytest.FixtureRequest):
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    (tmp_path / IMAGES).mkdir(parents=True)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["bash", "-c", example.command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    drawn = {path.name: path.read_text() for path in (tmp_path / IMAGES).iterdir()}
    if request.config.getoption("--update-golden"):
        example.rewrite(ran.stdout)
        for name, picture in drawn.items():
            (ROOT / IMAGES / name).write_text(picture)
    else:
        hint = "If that is intended: --update-golden, and review the difference."
        assert example.printed_by(ran.stdout), f"{ran.stdout}\n{ran.stderr}\n{hint}"
        assert drawn == {name: (ROOT / IMAGES / name).read_text() for name in drawn}, f"The picture is another. {hint}"
