"""Two predictions become increments of counters: whether they agree, how far they are apart, and what each of them lacks."""

import math
from array import array
from collections import Counter
from dataclasses import dataclass
from urllib.parse import quote

from modelrollout.collector.prediction import ERROR, UNSEEN, Prediction
from modelrollout.collector.text import hashed
from modelrollout.domain.capture import DIFFERENCES, Extraction, Kind

FLAGS = ("error", "empty", "invalidJson", "refusal")
BOUNDS = (*DIFFERENCES, math.inf)
"""Upper bounds of the histogram of differences."""
MAX_CLASSES = 20
OTHER = "other"
_GRID = 20
_MOST = 1e15
"""A counter must stay a number, whatever two models predict."""

Increment = tuple[str, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one request adds to the counters of an extraction, in each part of the traffic that it belongs to.

    Attributes:
        increments: by series.
        couple: labels of the first row, stable's first, where there are labels.
        differs: the predictions were compared and are not the same.
    """

    increments: tuple[Increment, ...]
    couple: tuple[str, str] | None = None
    differs: bool = False


class Comparison:
    """Compares the predictions of one extraction.

    Args:
        extraction: when two agree.
        hidden: labels must not be told.

    Attributes:
        hidden: likewise.
    """

    def __init__(self, extraction: Extraction, *, hidden: bool = False) -> None:
        self._extraction = extraction
        self.hidden = hidden
        self._classes: dict[str, str] = {}

    def compare(self, stable: Prediction, candidate: Prediction, chance: float) -> Outcome:
        """Return what a pair amounts to.

        Args:
            stable: what the client got.
            candidate: what the candidate answered to the same request.
            chance: the request's own number in [0, 1), which rounds the score.
        """
        increments: list[Increment] = [("pairs", 1), *_bad(stable, candidate)]
        for arm, prediction in (("stable", stable), ("candidate", candidate)):
            increments += _of_arm(arm, prediction)
        if reason := _incomparable(stable, candidate):
            return Outcome((*increments, (f"skipped/{reason}", 1)))
        share = self._agreement(stable, candidate)
        increments.append((f"score/{_grid(_rounded(share, chance))}", 1))
        couple = None
        if not candidate.problem:
            increments += self._apart(stable, candidate)
        if self._extraction.kind is Kind.LABEL:
            couple = (_first(stable), _first(candidate))
        return Outcome(tuple(increments), couple, share < 1)

    def beyond(self, stable: Prediction, candidate: Prediction, again: Prediction, chance: float) -> Outcome:
        """Return by how much the candidate differs more from stable than stable's second answer does."""
        if _incomparable(stable, candidate) or again.problem in UNSEEN:
            return Outcome(())
        itself = _rounded(self._agreement(stable, again), chance)
        excess = itself - _rounded(self._agreement(stable, candidate), chance)
        return Outcome(((f"beyond/{_grid(excess)}", 1),))

    def _agreement(self, stable: Prediction, other: Prediction) -> float:
        """Return the share of the rows that agree; a second answer that predicts nothing agrees in none."""
        if other.problem:
            return 0.0
        rows = max(len(stable.rows), len(other.rows))
        if not rows:
            return 1.0
        match self._extraction.kind:
            case Kind.LABEL | Kind.TEXT:
                agreeing: float = sum(one == two for one, two in zip(stable.rows, other.rows, strict=False))
            case Kind.NUMBER:
                limits = self._extraction.absolute, self._extraction.relative
                agreeing = sum(_near(one, two, *limits) for one, two in zip(*_numbers(stable, other), strict=False))
            case Kind.RANKING:
                agreeing = sum(_overlap(one, two) for one, two in zip(stable.rows, other.rows, strict=False))
        return agreeing / rows

    def _apart(self, stable: Prediction, candidate: Prediction) -> list[Increment]:
        match self._extraction.kind:
            case Kind.LABEL:
                rows = Counter(zip(stable.rows, candidate.rows, strict=False))
                return [(f"class/{self._class(one)}/{self._class(two)}", count) for (one, two), count in rows.items()]
            case Kind.NUMBER:
                return _distances(*_numbers(stable, candidate))
            case Kind.TEXT | Kind.RANKING:
                return []

    def _class(self, row: object) -> str:
        text = "null" if row is None else str(row)
        found = self._classes.get(text)
        if found is None:
            if len(self._classes) >= MAX_CLASSES:
                return OTHER
            short = hashed(text)[:8] if self.hidden else text[:32]
            found = self._classes[text] = quote(short, safe="", errors="replace")
        return found


def _bad(stable: Prediction, candidate: Prediction) -> list[Increment]:
    """Return the cells of what is bad; that neither is, is what is left of the pairs."""
    flags = (
        (stable.problem == ERROR, candidate.problem == ERROR),
        (stable.empty, candidate.empty),
        (stable.invalid, candidate.invalid),
        (stable.refused, candidate.refused),
    )
    return [
        (f"bad/{flag}/{'both' if one and two else 'stable' if one else 'candidate'}", 1)
        for flag, (one, two) in zip(FLAGS, flags, strict=True)
        if one or two
    ]


def _of_arm(arm: str, prediction: Prediction) -> list[Increment]:
    found: list[Increment] = []
    if not prediction.problem:
        found += ((f"length/{arm}/sum", prediction.length), (f"length/{arm}/count", 1))
    if prediction.finish:
        found.append((f"finish/{arm}/{prediction.finish}", 1))
    return found


def _incomparable(stable: Prediction, candidate: Prediction) -> str:
    """Return why two answers cannot be compared; what the candidate alone lacks is a difference."""
    return candidate.problem if candidate.problem in UNSEEN else stable.problem


def _first(prediction: Prediction) -> str:
    """Return the label of the first row; none at all is unlike every label."""
    if prediction.problem:
        return "\0"
    return str(prediction.rows[0] or "") if prediction.rows else ""


def _numbers(stable: Prediction, other: Prediction) -> "tuple[array[float], array[float]]":
    assert isinstance(stable.rows, array)
    assert isinstance(other.rows, array)
    return stable.rows, other.rows


def _near(one: float, two: float, absolute: float, relative: float) -> bool:
    if one == two or (one != one and two != two):  # noqa: PLR0124  # NaN is null
        return True
    return abs(two - one) <= max(absolute, relative * abs(one)) and not math.isinf(one)


def _overlap(one: object, two: object) -> float:
    """Return how many of the first entries two rankings have in common."""
    assert isinstance(one, tuple)
    assert isinstance(two, tuple)
    first, second = set(one), set(two)
    most = max(len(first), len(second))
    return len(first & second) / most if most else 1.0


def _distances(stable: "array[float]", candidate: "array[float]") -> list[Increment]:
    distances = [
        0.0 if one == two else two - one
        for one, two in zip(stable, candidate, strict=False)
        if one == one and two == two  # noqa: PLR0124  # NaN is null
    ]
    if not distances:
        return []
    largest = max(map(abs, distances))
    bound = next(bound for bound in BOUNDS if largest <= bound)
    bias = sum(max(-_MOST, min(_MOST, distance)) for distance in distances) / len(distances)
    found: list[Increment] = [(f"difference/{bound:g}", 1), ("bias/count", 1)]
    if bias:
        found.append(("bias/up", bias) if bias > 0 else ("bias/down", -bias))
    return found


def _rounded(share: float, chance: float) -> int:
    """Return a share in twentieths, rounded up as often as keeps the mean what it is."""
    whole, part = divmod(share * _GRID, 1)
    if part > 1 - 1e-9:
        whole, part = whole + 1, 0.0
    return int(whole) + (part > 1e-9 and chance < part)


def _grid(twentieths: int) -> str:
    return f"{twentieths / _GRID:g}"
