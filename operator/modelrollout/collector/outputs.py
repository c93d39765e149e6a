"""From one prediction to increments of counters: how predictions are distributed, whoever answered."""

import math
from collections import Counter
from urllib.parse import quote

from modelrollout.collector.bins import Bins
from modelrollout.collector.compare import MAX_CLASSES, OTHER
from modelrollout.collector.measures import Increments
from modelrollout.collector.prediction import ERROR, NO_PATH, UNSEEN, Prediction
from modelrollout.collector.text import hashed
from modelrollout.domain.capture import Kind

_BINS = Bins()
_AT = tuple(f"out/at={name}" for name in _BINS.names)


class Outputs:
    """Counts the predictions of one extraction: labels and the first entries of rankings by name, numbers and lengths in bins.

    Args:
        kind: of the predictions.
        hidden: labels must not be told.
    """

    def __init__(self, kind: Kind, *, hidden: bool = False) -> None:
        self._kind = kind
        self._hidden = hidden
        self._classes: dict[str, str] = {}

    def of(self, prediction: Prediction) -> Increments:
        """Return what an answer adds to the counters."""
        found: Counter[str] = Counter()
        if prediction.problem in UNSEEN:
            return found
        found["out/count"] += 1
        if prediction.problem == ERROR:
            found["out/error"] += 1
        if prediction.empty or prediction.problem == NO_PATH:
            found["out/empty"] += 1
        if not prediction.problem:
            self._count(prediction, found)
        return found

    def _count(self, prediction: Prediction, found: Counter[str]) -> None:
        match self._kind:
            case Kind.NUMBER:
                for number in prediction.rows:
                    if isinstance(number, float) and not math.isnan(number):
                        found[_AT[_BINS.index(number)]] += 1
            case Kind.TEXT:
                found[_AT[_BINS.index(prediction.length)]] += 1
            case Kind.LABEL | Kind.RANKING:
                for row in prediction.rows:
                    first = row[0] if isinstance(row, tuple) and row else row
                    if isinstance(first, str):
                        found[self._class(first)] += 1

    def _class(self, text: str) -> str:
        found = self._classes.get(text)
        if found is None:
            if len(self._classes) >= MAX_CLASSES:
                return f"out/is={OTHER}"
            short = hashed(text)[:8] if self._hidden else text[:32]
            found = self._classes[text] = f"out/is={quote(short, safe='', errors='replace')}"
        return found
