"""``modelrollout validate``: what is wrong with ModelDeployments in files, without a cluster."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from modelrollout.api.validate import parse_object
from modelrollout.cli.documents import read_documents
from modelrollout.cli.options import say
from modelrollout.domain.problem import Problem
from modelrollout.errors import RolloutError


@dataclass(frozen=True)
class Checked:
    """One ModelDeployment in a file, or a file that holds none.

    Attributes:
        file: its path.
        name: of the ModelDeployment; empty when the file holds none.
        error: why there is nothing to check.
        problems: what is wrong with it.
    """

    file: str
    name: str = ""
    error: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether it can be applied."""
        return not self.error and not self.problems


def validate(files: Sequence[str], *, as_json: bool = False) -> int:
    """Check every ModelDeployment in some files; return 0 when all are valid, 1 otherwise.

    Args:
        files: paths, or ``-`` for standard input.
        as_json: print one JSON list instead of lines.
    """
    found = [checked for file in files for checked in check(file)]
    if as_json:
        say(json.dumps([{**asdict(one), "valid": one.valid} for one in found], indent=2, ensure_ascii=False))
    else:
        for one in found:
            _tell(one)
    return 0 if all(one.valid for one in found) else 1


def check(file: str) -> Iterator[Checked]:
    """Yield what is to say about each ModelDeployment in a file."""
    try:
        documents = list(read_documents(file))
    except RolloutError as exc:
        yield Checked(file, error=str(exc))
        return
    if not documents:
        yield Checked(file, error=f"{file}: no ModelDeployment in it")
    for document in documents:
        metadata = document.get("metadata")
        name = metadata.get("name", "?") if isinstance(metadata, dict) else "?"
        yield Checked(file, str(name), problems=parse_object(document)[1])


def _tell(checked: Checked) -> None:
    if checked.valid:
        say(f"{checked.file}: {checked.name} is valid")
    if checked.error:
        say(checked.error, err=True)
    for problem in checked.problems:
        say(f"{checked.file}: {problem}", err=True)
