"""What a target of a Dockerfile is made from, read from the Dockerfile itself.

Whoever wants to know whether an image is still current needs its inputs. A list of them beside the Dockerfile would be
forgotten one day, and the image that is then reused is an old one.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """One target: the instructions that build it and everything they take from outside."""

    text: str
    """The instructions of all stages that it needs, comments left out."""
    sources: tuple[str, ...]
    """Files and directories that are copied from the build context."""
    bases: dict[str, str]
    """The base image arguments that are used, with their defaults."""


def recipe(dockerfile: str, target: str) -> Recipe:
    """Return the recipe of one target; raises KeyError when the Dockerfile has no such target."""
    arguments, stages = _parse(dockerfile)
    text: list[str] = []
    sources: set[str] = set()
    bases: dict[str, str] = {}
    waiting, seen = [target], set[str]()
    while waiting:
        stage = waiting.pop()
        if stage in seen:
            continue
        seen.add(stage)
        text += stages[stage]
        for first, second, *rest in (line.split() for line in stages[stage]):
            if first == "FROM" and second.startswith("${"):
                bases[second.strip("${}")] = arguments[second.strip("${}")]
            elif first == "FROM":
                waiting.append(second)
            elif first == "COPY" and second.startswith("--from="):
                waiting.append(second.removeprefix("--from="))
            elif first == "COPY":
                sources.update([second, *rest[:-1]])
    return Recipe("\n".join(text), tuple(sorted(sources)), bases)


def _parse(dockerfile: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the arguments before the first stage with their defaults, and the instructions of each stage."""
    arguments: dict[str, str] = {}
    stages: dict[str, list[str]] = {}
    stage: list[str] | None = None
    for line in _instructions(dockerfile):
        words = line.split()
        if words[0] == "FROM":
            stage = stages[words[3]] = [line]
        elif stage is not None:
            stage.append(line)
        else:
            name, _, arguments[name] = words[1].partition("=")
    return arguments, stages


def _instructions(dockerfile: str) -> Iterator[str]:
    """Yield one line per instruction: continued lines joined, comments and empty lines left out."""
    whole = ""
    for line in dockerfile.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        whole += line.rstrip().removesuffix("\\").strip() + " "
        if not line.rstrip().endswith("\\"):
            yield whole.strip()
            whole = ""
