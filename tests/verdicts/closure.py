"""Which code a table rests on: the modules that it imports, and those that these import, read and not executed."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import modelrollout

ROOTS = {"modelrollout": Path(modelrollout.__file__).parent, "tests": Path(__file__).parents[1]}
WEIGHS = (
    *("modelrollout.evidence.", "modelrollout.judges.", "modelrollout.strategies._ramp", "modelrollout.domain.tally"),
    *("modelrollout.sources._pairs", "modelrollout.sources.predictions", "modelrollout.sources._predictions"),
    *(f"modelrollout.engine.{name}" for name in ("analysis", "books", "catastrophe", "counters", "noise", "ramp")),
    *("modelrollout.engine.slices", "modelrollout.engine.verdicts", "tests.verdicts."),
)
"""How the names of modules begin that can change a decision. What the others import is the whole operator."""


@cache
def used(begin: Path) -> tuple[Path, ...]:
    """Return the file and all that it rests on, sorted.

    Args:
        begin: a module of one of the roots.
    """
    found, waiting = {begin}, [begin]
    while waiting:
        for file in _imported(waiting.pop()):
            if file not in found:
                found.add(file)
                waiting.append(file)
    return tuple(sorted(found))


@cache
def _imported(file: Path) -> tuple[Path, ...]:
    return tuple(_read(file))


def _read(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
            root, *parts = name.split(".")
            place = ROOTS[root].joinpath(*parts).with_suffix(".py") if root in ROOTS and parts else None
            if place is not None and name.startswith(WEIGHS) and place.is_file():
                yield place
