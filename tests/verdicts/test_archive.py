"""Runs that are kept are there on another machine, unless they belong to other code."""

import json
from dataclasses import astuple
from pathlib import Path

import pytest

from tests.verdicts import archive, cells
from tests.verdicts.row import Table
from tests.verdicts.tables import TABLES

NAME = "8.1/a-row/00000-20.json"
CODES = {"now"}


def _made(directory: Path, name: str = NAME, code: str = "now") -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"parameters": {"code": code}, "runs": [0.5, 2]}))
    return path


def test_what_is_kept_is_brought_back_in_the_place_of_what_is_outdated(tmp_path: Path):
    here, kept, there = tmp_path / "here", tmp_path / "kept", tmp_path / "there"
    made = _made(here)
    outdated = _made(there, code="before")
    archive.keep(["8.1", "8.2"], here, CODES, kept)
    archive.bring(there, CODES, kept)
    assert outdated.read_text() == made.read_text()
    assert [file.name for file in kept.iterdir()] == ["8.1.json.gz"]


def test_runs_of_other_code_are_neither_kept_nor_brought(tmp_path: Path):
    here, kept, there = tmp_path / "here", tmp_path / "kept", tmp_path / "there"
    _made(here)
    _made(here, "8.1/a-row/00020-20.json", code="before")
    archive.keep(["8.1"], here, {"now"}, kept)
    archive.bring(there, {"now", "before"}, kept)
    assert [file.name for file in there.rglob("*.json")] == ["00000-20.json"]
    archive.bring(tmp_path / "later", {"later"}, kept)
    assert not (tmp_path / "later").exists()


def test_the_same_runs_are_the_same_bytes(tmp_path: Path):
    for machine in ("one", "other"):
        _made(tmp_path / machine)
        archive.keep(["8.1"], tmp_path / machine, CODES, tmp_path / f"{machine}-kept")
    one, other = ((tmp_path / f"{machine}-kept" / "8.1.json.gz").read_bytes() for machine in ("one", "other"))
    assert one == other


@pytest.fixture(scope="module")
def codes() -> frozenset[str]:
    return cells.codes()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.key)
def test_what_is_kept_is_what_this_code_makes(table: Table, codes: frozenset[str]):
    kept = [part["parameters"] | part for part in archive.parts(table.key, codes).values()]
    pairs = [
        (row, part) for row in table.rows[:2] for part in kept if part.get("row") == row.name and part["first"] == 0
    ]
    if not pairs:
        pytest.skip("no runs of this code are kept of the rows that are compared")
    for row, part in pairs:
        made = {name: list(astuple(outcome)) for name, outcome in row.run(0).items()}
        assert part["runs"][0] == made, row.name
