"""Runs in the repository: one file for each table, so that another machine goes on where this one was.

What is in a file are the parts that are on disk, each with what identifies its code.
"""

import gzip
import json
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

RUNS = Path(__file__).parent / "runs"
_ENDING = ".json.gz"


def keep(tables: Iterable[str], directory: Path, codes: Container[str], archive: Path = RUNS) -> None:
    """Write all parts that are on disk; the same parts give the same bytes.

    Args:
        tables: their keys.
        directory: where runs are made.
        codes: what identifies the code as it is; parts of other code are left out.
        archive: where they are kept.
    """
    archive.mkdir(parents=True, exist_ok=True)
    for key in tables:
        files = sorted((directory / key).rglob("*.json"))
        made = {str(file.relative_to(directory)): json.loads(file.read_text()) for file in files}
        current = {name: part for name, part in made.items() if part["parameters"]["code"] in codes}
        if current:
            text = json.dumps(current, sort_keys=True, separators=(",", ":"))
            (archive / f"{key}{_ENDING}").write_bytes(gzip.compress(text.encode(), mtime=0))


def bring(directory: Path, codes: Container[str], archive: Path = RUNS) -> None:
    """Put the parts that are kept on disk; of other code none. Where one of this code is there already, it is the same."""
    for file in sorted(archive.glob(f"*{_ENDING}")):
        for name, part in parts(file.name.removesuffix(_ENDING), codes, archive).items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(part))


def parts(table: str, codes: Container[str], archive: Path = RUNS) -> Mapping[str, Any]:
    """Return the parts of a table that are kept, by their file; those of other code are none."""
    file = archive / f"{table}{_ENDING}"
    kept = json.loads(gzip.decompress(file.read_bytes())) if file.exists() else {}
    return {name: part for name, part in kept.items() if part["parameters"]["code"] in codes}
