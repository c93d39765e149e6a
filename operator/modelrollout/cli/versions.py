"""How people say what a version does, ``errors=5%,slow=+30%,differs=1%``, and what its clients ask."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import click

from modelrollout.domain.capture import Part
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.kinds import NEGATIVE, POSITIVE, Mix

_PERCENT = re.compile(r"\+?([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*%")
_FACTOR = re.compile(r"x([0-9]+(?:\.[0-9]+)?)")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s)")
_SLOWEST = 3600.0
"""Seconds that half of the answers may take."""


def stable_of(text: str) -> Behaviour:
    """Return what the stable version does.

    Raises:
        click.BadParameter: the text cannot be read.
    """
    return _read(text, Behaviour(), "--stable", _ALONE)


def candidate_of(text: str, stable: Behaviour, parts: Mapping[str, str] | None = None) -> Behaviour:
    """Return what the candidate does; whatever is not said is as it is with stable.

    Args:
        text: what people wrote.
        stable: what the stable version does.
        parts: the parts of the traffic, by what people may call them; see :func:`callings`.

    Raises:
        click.BadParameter: the text cannot be read.
    """
    known = parts or {}
    pieces: list[str] = []
    places: list[str] = []
    for piece in filter(None, (piece.strip() for piece in text.split(","))):
        (places if piece.startswith("differs@") else pieces).append(piece)
    behaviour = _read(",".join(pieces), stable, "--candidate", {**_ALONE, "slow": _slow, "differs": _differs})
    differs = [_in_part(piece.removeprefix("differs@"), known, "--candidate") for piece in places]
    return replace(behaviour, differs_in=tuple(differs)) if differs else behaviour


def mix_of(slices: str, positives: str, parts: Mapping[str, str]) -> Mix:
    """Return what clients ask.

    Args:
        slices: which share is in which part of the traffic, such as ``dark=10%``.
        positives: share of the requests of which the right label is positive.
        parts: see :func:`callings`.

    Raises:
        click.BadParameter: a text cannot be read, or the shares are more than all.
    """
    pieces = filter(None, (piece.strip() for piece in slices.split(",")))
    shares = tuple(_in_part(piece, parts, "--slices") for piece in pieces)
    if sum(share for _, share in shares) > 1 + 1e-9:
        raise click.BadParameter("the shares are more than 100 % together.", param_hint="--slices")
    share = share_of(positives)
    if share is None:
        raise click.BadParameter(f"{positives} cannot be read. Write {_EXAMPLES['errors']}.", param_hint="--positives")
    return Mix(shares, share)


def callings(parts: Iterable[Part]) -> dict[str, str]:
    """Return the names of parts of the traffic by what people may call them: the name, or a value that only one of them has."""
    parts = list(parts)
    values = Counter(part.value for part in parts)
    short = {part.value: part.name for part in parts if part.value is not None and values[part.value] == 1}
    return {**short, **{part.name: part.name for part in parts}}


def words_of(behaviour: Behaviour) -> str:
    """Return what a version does, in words."""
    said = [
        f"fails {percent(behaviour.errors)} of its requests",
        f"half of its answers take {behaviour.latency * 1000:.4g} ms",
    ]
    if behaviour.differs:
        said.append(f"it predicts another label for {percent(behaviour.differs)} of the requests")
    said += [f"another label for {percent(share)} of {part}" for part, share in behaviour.differs_in]
    if behaviour.noise:
        said.append(f"{percent(behaviour.noise)} of its predictions are chance")
    if behaviour.empty:
        said.append(f"{percent(behaviour.empty)} of its answers are empty")
    if behaviour.always:
        said.append(f"it always predicts {behaviour.always}")
    return ", ".join(said)


def percent(share: float) -> str:
    """Return a share for people."""
    return f"{share * 100:.4g} %"


def _in_part(piece: str, parts: Mapping[str, str], option: str) -> tuple[str, float]:
    """Return a part of the traffic and its share. A part's name may hold what stands before the share."""
    name, _, value = (half.strip() for half in piece.rpartition("="))
    if name not in parts:
        known = ", ".join(dict.fromkeys(parts.values())) or "none"
        raise click.BadParameter(
            f"{name!r} is no part of the traffic. In spec.analysis.slices: {known}.", param_hint=option
        )
    share = share_of(value)
    if share is None:
        raise click.BadParameter(f"{piece} cannot be read. Write {_EXAMPLES['errors']}.", param_hint=option)
    return parts[name], share


_Change = Callable[[Behaviour, str], Behaviour | None]


def _read(text: str, behaviour: Behaviour, option: str, known: Mapping[str, _Change]) -> Behaviour:
    said = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in known:
            raise click.BadParameter(f"{name!r} is none of {', '.join(known)}.", param_hint=option)
        changed = known[name](behaviour, value)
        if changed is None:
            raise click.BadParameter(f"{name}={value} cannot be read. Write {_EXAMPLES[name]}.", param_hint=option)
        if name in said:
            raise click.BadParameter(f"{name} stands there twice.", param_hint=option)
        said.add(name)
        behaviour = changed
    if {"latency", "slow"} <= said:
        raise click.BadParameter("say either latency or slow.", param_hint=option)
    return behaviour


_EXAMPLES = {
    "errors": "a share such as 5% or 0.05",
    "latency": "a time such as 80ms or 1.5s",
    "noise": "a share such as 5% or 0.05",
    "empty": "a share such as 5% or 0.05",
    "differs": "a share such as 5% or 0.05",
    "always": "positive or negative",
    "slow": "how much longer than stable it takes, such as +30% or x1.3",
}


def share_of(value: str) -> float | None:
    """Return a share that people wrote, such as 5% or 0.05; None when it is none."""
    found = _PERCENT.fullmatch(value)
    try:
        share = float(found[1]) / 100 if found else float(value)
    except ValueError:
        return None
    return share if 0 <= share <= 1 else None


def _shared(field: str) -> _Change:
    """Return what reads a share into a field."""

    def change(behaviour: Behaviour, value: str) -> Behaviour | None:
        share = share_of(value)
        return replace(behaviour, **{field: share}) if share is not None else None  # type: ignore[arg-type]  # fields of shares

    return change


def _always(behaviour: Behaviour, value: str) -> Behaviour | None:
    return replace(behaviour, always=value) if value in (POSITIVE, NEGATIVE) else None


def _latency(behaviour: Behaviour, value: str) -> Behaviour | None:
    found = _DURATION.fullmatch(value)
    seconds = float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 0.0
    return replace(behaviour, latency=seconds) if 0 < seconds <= _SLOWEST else None


def _slow(behaviour: Behaviour, value: str) -> Behaviour | None:
    percent, factor = _PERCENT.fullmatch(value), _FACTOR.fullmatch(value)
    times = 1 + float(percent[1]) / 100 if percent else float(factor[1]) if factor else 0.0
    latency = behaviour.latency * times
    return replace(behaviour, latency=latency) if 0 < latency <= _SLOWEST else None


_differs = _shared("differs")
_ALONE: Mapping[str, _Change] = {
    "errors": _shared("errors"),
    "latency": _latency,
    "noise": _shared("noise"),
    "empty": _shared("empty"),
    "always": _always,
}
"""What any version can do by itself."""
