"""The page of concepts names tests that exist: a promise whose proof is gone is found here."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
ROWS = [re.split(r"(?<!\\) \| ", row.strip("| ")) for row in PAGE.splitlines() if re.match(r"\| \d+ \|", row)]
PROOFS = sorted(set(re.findall(r"`(tests/[^`:]+\.py)::(\w+)`", PAGE)))


def test_every_concept_has_one_row() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, 49))


@pytest.mark.parametrize(("file", "name"), PROOFS, ids=[f"{Path(file).stem}-{name}" for file, name in PROOFS])
def test_a_proof_is_a_test_that_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_what_is_met_has_a_proof_and_what_is_not_has_none() -> None:
    for row in ROWS:
        number, met, proof = row[0], row[2], row[4] if len(row) > 4 else ""
        if met in ("yes", "partly"):
            assert "::" in proof, number
        else:
            assert "::" not in proof, number
