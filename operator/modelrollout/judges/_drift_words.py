"""What ``drift`` says to people: what has moved, in which feature, by how much and how."""

import math

from modelrollout.domain.evidence import Evidence
from modelrollout.judges import _words


def limit(floor: float) -> str:
    """Return what is asked of the value."""
    return f"stable ± {_words.points(floor)}"


def values(evidence: Evidence | None) -> str:
    """Return the shares of both versions: ``38 % against 12 %``."""
    if evidence is None or evidence.candidate is None:
        return ""
    if evidence.stable is None:
        return _words.percent(evidence.candidate)
    return f"{_words.percent(evidence.candidate)} against {_words.percent(evidence.stable)}"


def basis(floor: float, evidence: Evidence | None) -> str:
    """Return what the shares are of, the floor, and what is known of the world."""
    if evidence is None:
        return ""
    named = f"{evidence.about}; " if evidence.about else ""
    world = (
        f"reference {_words.percent(evidence.reference)}"
        if evidence.reference is not None
        else "nothing is known about the world: no reference"
    )
    return f"{named}floor ± {_words.points(floor)}; {world}"


def moved(evidence: Evidence) -> str:
    """Return what has moved, of what blames nobody."""
    part = f"slice {evidence.slice}: " if evidence.slice else ""
    told = f"{_words.count(evidence.requests, 'request')}{f', {evidence.pace}' if evidence.pace else ''}"
    about = evidence.about
    if evidence.moved == "inputs":
        return (
            f"{part}the versions are asked different things, so the routing is at fault: {about} in "
            f"{values(evidence)} at stable ({told})"
        )
    who = "the candidate answers alone" if evidence.stable is None else "both versions"
    reference = f", reference {_words.percent(evidence.reference)}" if evidence.reference is not None else ""
    found = _words.percent(evidence.candidate) if evidence.candidate is not None else "?"
    if (
        evidence.stable is not None
        and evidence.candidate is not None
        and abs(evidence.stable - evidence.candidate) > 0.05
    ):
        found = f"{found} at the candidate and {_words.percent(evidence.stable)} at stable"
    return f"{part}the world moved, {who}: {about} in {found} of requests{reference} ({told})"


def blame(floor: float, evidence: Evidence, alpha: float) -> str:
    """Return what speaks against the candidate.

    Args:
        floor: what is of no interest.
        evidence: what was gathered.
        alpha: with less than ln(1/α) it is not proven by itself.
    """
    suspected = "" if evidence.against >= math.log(1 / alpha) else "suspected: "
    pace = f", {evidence.pace}" if evidence.pace else ""
    chance = f"chance of this if they differed by no more: {_words.chance(evidence.against)}{pace}"
    return (
        f"{suspected}its outputs differ from stable's by more than {_words.points(floor)}: {evidence.about} in "
        f"{values(evidence)} ({chance})"
    )
