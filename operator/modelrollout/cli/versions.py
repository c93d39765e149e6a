"""How people say what a version does: ``errors=5%,slow=+30%``."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import click

from modelrollout.simulation.behaviour import Behaviour

_PERCENT = re.compile(r"\+?([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*%")
_FACTOR = re.compile(r"x([0-9]+(?:\.[0-9]+)?)")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s)")


def stable_of(text: str) -> Behaviour:
    """Return what the stable version does.

    Raises:
        click.BadParameter: the text cannot be read.
    """
    return _read(text, Behaviour(), "--stable", {"errors": _errors, "latency": _latency})


def candidate_of(text: str, stable: Behaviour) -> Behaviour:
    """Return what the candidate does; whatever is not said is as it is with stable.

    Raises:
        click.BadParameter: the text cannot be read.
    """
    return _read(text, stable, "--candidate", {"errors": _errors, "latency": _latency, "slow": _slow})


def words_of(behaviour: Behaviour) -> str:
    """Return what a version does, in words."""
    return f"fails {behaviour.errors * 100:.4g} % of its requests, half of its answers take {behaviour.latency * 1000:.4g} ms"


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
    "slow": "how much longer than stable it takes, such as +30% or x1.3",
}


def _errors(behaviour: Behaviour, value: str) -> Behaviour | None:
    found = _PERCENT.fullmatch(value)
    try:
        share = float(found[1]) / 100 if found else float(value)
    except ValueError:
        return None
    return replace(behaviour, errors=share) if 0 <= share <= 1 else None


def _latency(behaviour: Behaviour, value: str) -> Behaviour | None:
    found = _DURATION.fullmatch(value)
    seconds = float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 0.0
    return replace(behaviour, latency=seconds) if 0 < seconds <= 3600 else None


def _slow(behaviour: Behaviour, value: str) -> Behaviour | None:
    percent, factor = _PERCENT.fullmatch(value), _FACTOR.fullmatch(value)
    times = 1 + float(percent[1]) / 100 if percent else float(factor[1]) if factor else 0.0
    return replace(behaviour, latency=behaviour.latency * times) if times > 0 else None
