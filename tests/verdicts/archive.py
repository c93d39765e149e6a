"""Runs in the repository: one file for each table, so that another machine goes on where this one was.

What is in a file are the parts that are on disk, each with what identifies its code.
"""

import gzip
import json
from collections.abc import Container, Iterable
from pathlib import Path

RUNS = Path(__file__).parent / "runs"


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
        parts = {str(file.relative_to(directory)): json.loads(file.read_text()) for file in files}
        current = {name: part for name, part in parts.items() if part["parameters"]["code"] in codes}
        if current:
            text = json.dumps(current, sort_keys=True, separators=(",", ":"))
            (archive / f"{key}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def bring(directory: Path, codes: Container[str], archive: Path = RUNS) -> None:
    """Put the parts that are kept on disk; of other code none. Where one of this code is there already, it is the same."""
    for file in sorted(archive.glob("*.json.gz")):
        for name, part in json.loads(gzip.decompress(file.read_bytes())).items():
            if part["parameters"]["code"] in codes:
                path = directory / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(part))
