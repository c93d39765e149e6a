"""How people say what clients ask and how that changes: ``age=20..60``, and ``age=40..80 at 20m over 10m``."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import click

from modelrollout.cli.table import span
from modelrollout.cli.versions import percent, share_of
from modelrollout.schema import parse_duration
from modelrollout.simulation.kinds import Mix
from modelrollout.simulation.shifts import Course, InputShift, ShareShift, Shift, Spread

_NUMBER = r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_SPREAD = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})")
_COURSE = re.compile(r"(?:\s+at\s+(?P<at>\S+))?(?:\s+over\s+(?P<over>\S+))?")
_LABELS = re.compile(r"(\S+)(?:\s+after\s+(\S+))?")
_SHARES: Mapping[Literal["positives", "concept"], str] = {
    "positives": "the right label is positive",
    "concept": "another label is right than the versions know",
}
_ALONE = "@candidate"


def inputs_of(text: str) -> tuple[tuple[str, Spread], ...]:
    """Return how the values of features are spread.

    Raises:
        click.BadParameter: the text cannot be read, or a feature stands there twice.
    """
    found: dict[str, Spread] = {}
    for name, value in _pieces(text, "--inputs"):
        spread = _spread(value)
        if spread is None:
            raise _unreadable(
                f"{name}={value}", "between which two nineteen of twenty values are, such as 20..60", "--inputs"
            )
        if name in found:
            raise click.BadParameter(f"{name} stands there twice.", param_hint="--inputs")
        found[name] = spread
    return tuple(found.items())


def labels_of(text: str, mix: Mix) -> Mix:
    """Return what clients ask, with what becomes known later of the answers.

    Raises:
        click.BadParameter: the text cannot be read.
    """
    if not text:
        return mix
    found = _LABELS.fullmatch(text.strip())
    share = share_of(found[1]) if found else None
    if found is None or share is None:
        raise _unreadable(text, "a share, and when they come, such as 20% after 5m", "--labels")
    return replace(mix, labelled=share, after=_span(found[2], text, "--labels"))


def shifts_of(text: str, inputs: Iterable[tuple[str, Spread]]) -> tuple[Shift, ...]:
    """Return what becomes otherwise, the earliest first.

    Args:
        text: what people wrote.
        inputs: the features that clients send.

    Raises:
        click.BadParameter: the text cannot be read, or names a feature that nobody sends.
    """
    shifts = [_shift(name, value, {name for name, _ in inputs}) for name, value in _pieces(text, "--world")]
    return tuple(sorted(shifts, key=lambda shift: shift.course.at))


def late_of(text: str | None) -> Course:
    """Return when the candidate turns bad.

    Raises:
        click.BadParameter: the text cannot be read.
    """
    return _course(f" at {text}", str(text), "--late") if text else Course()


def course_words(course: Course) -> str:
    """Return when it happens, in words."""
    over = f" over {span(timedelta(seconds=course.over))}" if course.over else ""
    return f"{f'after {span(timedelta(seconds=course.at))}' if course.at else 'from the beginning'}{over}"


def world_words(inputs: Iterable[tuple[str, Spread]], mix: Mix, shifts: Iterable[Shift]) -> Iterator[str]:
    """Yield what clients ask and what becomes otherwise, in sentences."""
    for name, spread in inputs:
        yield f"Nineteen of twenty values of {name} are {_between(spread)}."
    if mix.labelled:
        after = f" {span(mix.after)} later" if mix.after else " at once"
        yield f"Of {percent(mix.labelled)} of the answers that are looked at it becomes known{after} what would have been right."
    for shift in shifts:
        when = course_words(shift.course)
        match shift:
            case InputShift():
                who = "in requests to the candidate" if shift.alone else "in all requests"
                yield f"{shift.feature}: {when} they are {_between(shift.spread)} {who}."
            case ShareShift():
                yield f"{shift.what}: {when} {_SHARES[shift.what]} in {percent(shift.share)} of the requests."


def _between(spread: Spread) -> str:
    return f"between {spread.low:g} and {spread.high:g}"


def _pieces(text: str, option: str) -> Iterator[tuple[str, str]]:
    for piece in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, value = (half.strip() for half in piece.partition("="))
        if not name or not value:
            raise _unreadable(piece, "a name and a value, such as age=20..60", option)
        yield name, value


def _shift(name: str, value: str, known: set[str]) -> Shift:
    text, *rest = re.split(r"(?=\s(?:at|over)\s)", value, maxsplit=1)
    course = _course("".join(rest), f"{name}={value}", "--world")
    what = next((each for each in _SHARES if each == name), None)
    if what is not None:
        share = share_of(text.strip())
        if share is None:
            raise _unreadable(f"{name}={value}", "a share, and when, such as 70% at 20m over 10m", "--world")
        return ShareShift(what, share, course)
    feature = name.removesuffix(_ALONE)
    if feature not in known:
        words = ", ".join((*sorted(known), *_SHARES))
        raise click.BadParameter(
            f"{feature!r} is none of {words}. Features are named with --inputs.", param_hint="--world"
        )
    spread = _spread(text)
    if spread is None:
        raise _unreadable(f"{name}={value}", "two numbers, and when, such as 40..80 at 20m over 10m", "--world")
    return InputShift(feature, spread, course, alone=name.endswith(_ALONE))


def _spread(text: str) -> Spread | None:
    found = _SPREAD.fullmatch(text.strip())
    spread = Spread(float(found[1]), float(found[2])) if found else None
    # A number with a large exponent is read as infinity.
    return spread if spread is not None and -math.inf < spread.low < spread.high < math.inf else None


def _course(text: str, piece: str, option: str) -> Course:
    found = _COURSE.fullmatch(text.rstrip())
    if found is None:
        raise _unreadable(piece, "when, and how long it takes, such as at 20m over 10m", option)
    at, over = (_span(found[name], piece, option).total_seconds() for name in ("at", "over"))
    return Course(at, over)


def _span(words: str | None, piece: str, option: str) -> timedelta:
    if words is None:
        return timedelta()
    try:
        return parse_duration(words)
    except ValueError as exc:
        raise click.BadParameter(f"{piece}: {words!r} {exc}.", param_hint=option) from exc


def _unreadable(piece: str, example: str, option: str) -> click.BadParameter:
    return click.BadParameter(f"{piece} cannot be read. Write {example}.", param_hint=option)
