"""Where something is in a JSON document: names, indices and ``[*]``, and no more than that.

A path is written by the user and followed in documents that anybody may have written, so following one never fails and
never costs more than the values it may return.
"""

import re
from enum import Enum
from functools import lru_cache
from typing import Final

PATH_PATTERN = r"^([^.\[\]]+)?(\[([0-9]{1,6}|\*)\])*(\.[^.\[\]]+(\[([0-9]{1,6}|\*)\])*)*$"
"""What a path looks like: ``outputs[0].data``, ``predictions[*].label``; a leading ``$`` is the document itself."""
MAX_VALUES = 4096
"""So many values one path finds; further ones are not looked at."""

_STEP = re.compile(r"\[([0-9]{1,6}|\*)\]|([^.\[\]]+)")


class Absent(Enum):
    """The path leads nowhere; null is a value."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


class Each(Enum):
    """The step ``[*]``: every element of a list."""

    EACH = "*"


Step = str | int | Each


@lru_cache(maxsize=256)
def parse_path(path: str) -> tuple[Step, ...] | None:
    """Return the steps of a path, None when it is none."""
    if not path or not re.fullmatch(PATH_PATTERN, path):
        return None
    steps: list[Step] = []
    for index, name in _STEP.findall(path[1:] if re.match(r"\$([.\[]|$)", path) else path):
        steps.append(name or (Each.EACH if index == "*" else int(index)))
    return tuple(steps)


def read_path(document: object, path: str) -> object:
    """Follow a path.

    Returns:
        The value; with ``[*]`` the list of the values, None where an element does not have one; ABSENT when the path leads
        nowhere or is none.
    """
    steps = parse_path(path)
    return ABSENT if steps is None else _read(document, steps)


def replace_path(document: object, path: str, value: object) -> object:
    """Write a value wherever a path leads, into the document itself.

    Returns:
        The document; the value alone when the path is the whole document.
    """
    steps = parse_path(path)
    if not steps:
        return document if steps is None else value
    places = _read_all([document], steps[:-1])
    for place in places:
        match place, steps[-1]:
            case dict(), str(name) if name in place:
                place[name] = value
            case list(), int(index) if index < len(place):
                place[index] = value
            case list(), Each.EACH:
                place[:] = [value] * len(place)
            case _:
                pass
    return document


def covers(path: str, other: str) -> bool:
    """Return whether a path leads to another's value, or to something that may hold it or be held by it."""
    first, second = parse_path(path), parse_path(other)
    if first is None or second is None:
        return False
    return all(_meet(one, two) for one, two in zip(first, second, strict=False))


def _meet(one: Step, two: Step) -> bool:
    return one == two or (Each.EACH in (one, two) and not isinstance(one, str) and not isinstance(two, str))


def _read(document: object, steps: tuple[Step, ...]) -> object:
    value = document
    for number, step in enumerate(steps):
        if step is Each.EACH:
            if not isinstance(value, list):
                return ABSENT
            found: list[object] = []
            for item in value[:MAX_VALUES]:
                below = _read(item, steps[number + 1 :])
                if Each.EACH in steps[number + 1 :] and isinstance(below, list):
                    found += below
                else:
                    found.append(None if below is ABSENT else below)
                if len(found) >= MAX_VALUES:
                    break
            return found[:MAX_VALUES]
        value = _step(value, step)
        if value is ABSENT:
            return ABSENT
    return value


def _read_all(places: list[object], steps: tuple[Step, ...]) -> list[object]:
    for step in steps:
        if step is Each.EACH:
            places = [item for place in places if isinstance(place, list) for item in place]
        else:
            places = [below for place in places if (below := _step(place, step)) is not ABSENT]
    return places


def _step(value: object, step: str | int) -> object:
    if isinstance(step, str):
        return value.get(step, ABSENT) if isinstance(value, dict) else ABSENT
    return value[step] if isinstance(value, list) and step < len(value) else ABSENT
