"""Runs on disk: each part of a measurement is one file, so what was measured once is not measured again.

A part belongs to the code that made it: another version of a rule or of the traffic makes another part. Only comments and
docstrings may change.
"""

import ast
import asyncio
import hashlib
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, astuple, dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import modelrollout
from tests.verdicts import tables, whole
from tests.verdicts.closure import used
from tests.verdicts.row import Outcome, Row, Table
from tests.verdicts.tables import TABLES

PART = 20
"""Runs in a file."""
_OURS = Path(modelrollout.__file__).parent
_HERE = Path(__file__).parent
_MODULES = {
    module.TABLE.key: Path(str(module.__file__))
    for module in vars(tables).values()
    if isinstance(module, ModuleType) and hasattr(module, "TABLE")
}
"""Of the tables, by their keys."""


@dataclass(frozen=True)
class Part(ABC):
    """Some runs of one table."""

    table: str
    first: int
    runs: int

    @abstractmethod
    def path(self, directory: Path) -> Path:
        """Return its file."""

    @abstractmethod
    def make(self) -> list[Any]:
        """Make the runs; as JSON."""

    @abstractmethod
    def code(self) -> str:
        """Return what identifies the code that it belongs to."""

    def parameters(self) -> dict[str, object]:
        """Return what the runs depend on."""
        return {**asdict(self), "code": self.code()}

    def write(self, directory: Path) -> float:
        """Make the runs and keep them; return how many seconds of processor they took."""
        begun = time.process_time()
        path = self.path(directory)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps({"parameters": self.parameters(), "runs": self.make()}))
        unfinished.replace(path)
        return time.process_time() - begun

    def read(self, directory: Path) -> list[Any] | None:
        """Return the runs; None when they were never made, or by other code."""
        path = self.path(directory)
        if not path.exists():
            return None
        raw = json.loads(path.read_text())
        return list(raw["runs"]) if raw["parameters"] == self.parameters() else None


@dataclass(frozen=True)
class Alone(Part):
    """Runs of one row: all rules, ours without the reconciler."""

    row: str
    seed: int

    def path(self, directory: Path) -> Path:
        """Return its file."""
        return directory / self.table / slug(self.row) / f"{self.first:05d}-{self.runs}.json"

    def make(self) -> list[Any]:
        """Make the runs."""
        row = next(row for row in _table(self.table).rows if row.name == self.row)
        numbers = range(self.first, self.first + self.runs)
        return [{name: list(astuple(outcome)) for name, outcome in row.run(number).items()} for number in numbers]

    def code(self) -> str:
        """Return what identifies rules and traffic."""
        return fingerprint(used(_MODULES[self.table]))


@dataclass(frozen=True)
class Through(Part):
    """Runs of the rows of one table in turn, each alone and through the whole reconciler."""

    def path(self, directory: Path) -> Path:
        """Return its file."""
        return directory / self.table / "whole" / f"{self.first:05d}-{self.runs}.json"

    def make(self) -> list[Any]:
        """Make the runs."""
        return [
            asdict(asyncio.run(whole.compare(_table(self.table), self.first + number))) for number in range(self.runs)
        ]

    def code(self) -> str:
        """Return what identifies the operator and the traffic."""
        return fingerprint((_OURS, *used(_HERE / "whole" / "__init__.py"), *used(_MODULES[self.table])))


@dataclass(frozen=True)
class Measured:
    """All runs.

    Attributes:
        alone: by table and row.
        through: by table.
    """

    alone: Mapping[tuple[str, str], Sequence[Mapping[str, Outcome]]]
    through: Mapping[str, Sequence[whole.Both]]


def codes() -> frozenset[str]:
    """Return what identifies the code of all runs as it is now."""
    parts = [(Alone(key, 0, 0, "", 0), Through(key, 0, 0)) for key in _MODULES]
    return frozenset(part.code() for both in parts for part in both)


def measure(  # what the command line says
    asked: Sequence[Table],
    *,
    runs: int | None,
    through: int,
    directory: Path,
    jobs: int,
    told: Callable[[str], None],
    seconds: float = math.inf,
) -> None:
    """Make the runs that are not there yet, those with the lowest numbers first.

    Args:
        asked: which tables.
        runs: of each row; None: each table has its own number.
        through: of each table that are also made through the whole reconciler.
        directory: where runs are kept.
        jobs: processes.
        told: gets words about the progress.
        seconds: after which no further part is begun.
    """
    begun = time.monotonic()
    alone = [part for table in asked for row in table.rows for part in _alone(table, row, runs or table.runs)]
    passed = [part for table in asked if whole.replayed(table) for part in _through(table, through)]
    # Before any process begins: all of them belong to the code that is loaded now.
    parts: list[Part] = [*alone, *passed]
    missing = sorted(
        (part for part in parts if part.code() and part.read(directory) is None), key=lambda part: part.first
    )
    told(f"{len(parts) - len(missing)} of {len(parts)} parts are there; {jobs} processes measure the others")
    with ProcessPoolExecutor(jobs) as pool:
        waiting = {pool.submit(part.write, directory): part for part in missing}
        for number, done in enumerate(as_completed(waiting), 1):
            path = waiting[done].path(directory).relative_to(directory)
            told(f"{number}/{len(missing)} {path}: {done.result():.0f} s")
            if time.monotonic() - begun > seconds:
                told("the time is over")
                pool.shutdown(cancel_futures=True)
                break


def found(asked: Sequence[Table], directory: Path) -> Measured:
    """Return all runs that are there, of these tables and of the code as it is."""
    alone: dict[tuple[str, str], list[Mapping[str, Outcome]]] = {}
    both: dict[str, list[whole.Both]] = {}
    for table in asked:
        for row in table.rows:
            made = _runs(directory, Alone(table.key, 0, 0, row.name, row.seed))
            if made:
                alone[table.key, row.name] = [
                    {name: Outcome(*values) for name, values in run.items()} for run in made.values()
                ]
        made = _runs(directory, Through(table.key, 0, 0))
        if made:
            both[table.key] = [whole.Both(**run) for run in made.values()]
    return Measured(alone, both)


def _runs(directory: Path, like: Part) -> dict[int, Any]:
    """Return the runs of a row or a table by their numbers, which parts of several lengths may share."""
    made: dict[int, Any] = {}
    for path in sorted(like.path(directory).parent.glob("*.json")):
        part = replace(like, first=int(path.stem.split("-")[0]), runs=int(path.stem.split("-")[1]))
        made |= dict(enumerate(part.read(directory) or (), part.first))
    return dict(sorted(made.items()))


def _alone(table: Table, row: Row, runs: int) -> Iterator[Alone]:
    for first in range(0, runs, PART):
        yield Alone(table.key, first, min(PART, runs - first), row.name, row.seed)


def _through(table: Table, runs: int) -> Iterator[Through]:
    for first in range(0, runs, PART):
        yield Through(table.key, first, min(PART, runs - first))


def _table(key: str) -> Table:
    return next(table for table in TABLES if table.key == key)


def slug(name: str) -> str:
    """Return a name for a file."""
    return "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in name.replace("×", "x"))


@cache
def fingerprint(places: tuple[Path, ...]) -> str:
    """Return what identifies the code below these places."""
    digest = hashlib.sha256()
    for place in places:
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(file.name.encode() + ast.dump(_bare(ast.parse(file.read_text()))).encode())
    return digest.hexdigest()[:16]


def _bare(tree: ast.Module) -> ast.Module:
    """Return the tree without docstrings."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
    return tree


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
