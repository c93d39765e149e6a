"""What ``agreement`` says to people: ``agreement 91.2 % (bound 97 %), 1,240 pairs``."""

import math

from modelrollout.domain.evidence import Evidence
from modelrollout.judges import _words
from modelrollout.judges._scale import AGREEMENT, KAPPA

PAIR = "pair"
"""What is counted."""


def limit(least: float | None, margin: float | None, evidence: Evidence | None) -> str:
    """Return what is asked of the value."""
    if margin is not None:
        return f"agreement ≥ stable with itself − {_words.points(margin)}"
    name = {None: "", True: "κ ", False: f"{AGREEMENT} "}[_is_kappa(evidence)]
    return f"{name}≥ {_bound(least, evidence)}"


def basis(least: float | None, margin: float | None, evidence: Evidence | None) -> str:
    """Return what the value is held against."""
    return f"margin {_words.points(margin)}" if margin is not None else f"bound {_bound(least, evidence)}"


def values(evidence: Evidence | None) -> str:
    """Return the value, and stable's with itself where that is known."""
    if evidence is None or evidence.candidate is None:
        return ""
    value = evidence.candidate
    if _is_kappa(evidence):
        return f"κ {value:.2f}"
    itself = f", stable with itself {_words.nearly(evidence.stable)}" if evidence.stable is not None else ""
    return f"{AGREEMENT} {_words.nearly(value)}{itself}"


def silent(evidence: Evidence) -> str:
    """Return why there is no value yet."""
    if not evidence.requests:
        return ""
    told = _words.count(evidence.requests, PAIR)
    if _is_kappa(evidence):
        return f"Both versions said one and the same label in {told}: that has no κ."
    return f"{told}, and stable answered none of these requests a second time yet."


def blame(least: float | None, margin: float | None, evidence: Evidence, alpha: float) -> str:
    """Return what speaks against the candidate.

    Args:
        least: that is accepted.
        margin: that is.
        evidence: what was gathered.
        alpha: with less than ln(1/α) it is not proven by itself.
    """
    told = f"{values(evidence)} ({basis(least, margin, evidence)}), {_words.count(evidence.requests, PAIR)}"
    inside = "margin" if margin is not None else "bound"
    chance = f"chance of this if it were within the {inside}: {_words.chance(evidence.against)}"
    suspected = "" if evidence.against >= math.log(1 / alpha) else "suspected: "
    return f"{suspected}{told} ({chance})"


def _is_kappa(evidence: Evidence | None) -> bool | None:
    """Return whether it is kappa; None while only the metric's source knows, as both signals are asked in the same way."""
    return evidence.about == KAPPA if evidence is not None else None


def _bound(least: float | None, evidence: Evidence | None) -> str:
    assert least is not None
    return _words.percent(least) if _is_kappa(evidence) is False else f"{least:g}"
