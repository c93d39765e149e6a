"""The commands in our documentation that need no cluster, each with the output that stands below it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
CUT = "…"
"""A last line that stands for all that follows."""
_BLOCK = re.compile(r"^```\n(\$ .*?\n)```$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^\$ ", re.MULTILINE)
_OURS = re.compile(r"(^|\| )(modelrollout (simulate|explain|validate)|python -) ")
_HEREDOC = re.compile(r"<<'(\w+)'")


@dataclass(frozen=True)
class Example:
    """A command and its output.

    Attributes:
        page: the file.
        command: as bash takes it.
        output: without empty lines around it.
    """

    page: Path
    command: str
    output: str

    def rewrite(self, printed: str) -> None:
        """Write onto the page what the command has printed, as far as it was shown before."""
        shown = printed.strip().splitlines()
        if self.output.endswith(CUT):
            shown = [*shown[: self.output.count("\n")], CUT]
        text = self.page.read_text()
        before, after = (f"$ {self.command}\n{output}\n" for output in (self.output, "\n".join(shown)))
        assert text.count(before) == 1, f"{self.page} has this command more than once: {self.command}"
        self.page.write_text(text.replace(before, after))

    def printed_by(self, printed: str) -> bool:
        """Return whether a command has printed this."""
        said, shown = self.output.splitlines(), printed.strip().splitlines()
        if said and said[-1] == CUT:
            return shown[: len(said) - 1] == said[:-1]
        return shown == said


def examples() -> Iterator[Example]:
    """Yield all examples, in the order of the pages."""
    for page in PAGES:
        for block in _BLOCK.finditer(page.read_text()):
            for text in _COMMAND.split(block[1])[1:]:
                command, output = _split(text)
                if _OURS.search(command):
                    yield Example(page, command, output)


def _split(text: str) -> tuple[str, str]:
    """Return command and output: the command ends with its line, or where its lines that go on and its document end."""
    lines = text.splitlines()
    length = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\"))
    if document := _HEREDOC.search(lines[0]):
        length = lines.index(document[1]) + 1
    return "\n".join(lines[:length]), "\n".join(lines[length:]).strip()
