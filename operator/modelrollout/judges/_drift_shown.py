"""One feature as a report shows it: the share of requests at one place, of both versions and of the reference."""

from typing import Any

from modelrollout.evidence.pace import Pace, pace
from modelrollout.judges import _drift_history
from modelrollout.judges._drift_feature import FeatureCase
from modelrollout.judges._drift_places import where

_LONGEST = 63
"""Characters of what a share is of: a category is somebody's text."""


def row(name: str, case: FeatureCase, place: int, said: str) -> dict[str, Any]:
    """Return JSON without what is not known; all numbers are fractions of 1.

    Once stable is gone, its share is what it was until then.

    Args:
        name: of the feature.
        case: what was gathered about it.
        place: number of the place.
        said: which evidence is told: ``apart``, of the candidate from stable; otherwise from the reference.
    """
    spot = case.spots[place]
    candidate, stable = (bad / total if total > 0 else None for bad, total in zip(spot.bad, case.totals, strict=True))
    one, other = {"apart": (candidate, stable), "stable": (stable, spot.normal)}.get(said, (candidate, spot.normal))
    numbers = {
        "candidate": candidate,
        "stable": stable,
        "reference": spot.normal,
        "distance": one - other if one is not None and other is not None else None,
    }
    return {
        "feature": name[:_LONGEST],
        "place": where(case.places[place])[:_LONGEST],
        **{key: round(value, 4) for key, value in numbers.items() if value is not None},
    }


def pace_of(case: FeatureCase, said: str, floor: float) -> Pace | None:
    """Return how a feature has moved; None while there is too little to tell."""
    distances = case.history.apart if said == "apart" else case.history.away
    return pace(_drift_history.known(distances), floor / 2)
