"""What requests ask and what is answered to them, counted by who answered and by part of the traffic.

No copy is needed for it. A request's body and its answer come in any order, and each is counted when it comes; what is asked
waits until it is known who answered.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from modelrollout.collector.body import Body
from modelrollout.collector.measures import Increments, Measures
from modelrollout.collector.outputs import Outputs
from modelrollout.collector.prediction import Extractor, Prediction
from modelrollout.domain.capture import Capture

Row = tuple[str, str, str, float]
"""Who answered, part of the traffic, series, and its value."""


class Observations:
    """Counters by who answered, which only grow.

    Args:
        capture: what is measured.
        arms: whose answers are counted, copies by the name of the mirror's cluster.
    """

    def __init__(self, capture: Capture, arms: Iterable[str]) -> None:
        self._asked = _asked(capture)
        self._measures: Measures | None = None
        self._outputs: Outputs | None = None
        if capture.observed is not None:
            self._measures = Measures(capture, capture.observed)
            output = capture.observed.output
            if output is not None:
                self._outputs = Outputs(output.kind, hidden=Extractor(capture, output).hidden)
        self._counts: dict[str, dict[str, Counter[str]]] = {}
        self.open(capture, arms)

    @property
    def measures(self) -> bool:
        """Whether anything is counted at all."""
        return self._measures is not None

    def fits(self, capture: Capture) -> bool:
        """Return whether another capture measures the same, so that the counters may go on."""
        return _asked(capture) == self._asked

    def open(self, capture: Capture, arms: Iterable[str]) -> None:
        """Have counters for what a capture names; those that were there go on."""
        names = ("", *(part.name for part in capture.parts))
        before = self._counts
        self._counts = {
            arm: {name: before.get(arm, {}).get(name, Counter()) for name in names}
            for arm in (arms if self.measures else ())
        }

    def request(self, body: Body, size: int) -> Increments:
        """Return what a request amounts to, whoever answers it."""
        return self._measures.of(body, size) if self._measures is not None else {}

    def answer(self, prediction: Prediction | None) -> Increments:
        """Return what an answer amounts to; None: nobody knows what it predicts."""
        found = dict(self._outputs.of(prediction)) if self._outputs is not None and prediction is not None else {}
        return {"requests": 1, **found}

    def add(self, arm: str, parts: Iterable[str], increments: Increments) -> None:
        """Count something for an arm, in some parts of the traffic."""
        counts = self._counts.get(arm)
        if counts is None:
            return
        for part in parts:
            known: Counter[str] = counts[part]
            for series, amount in increments.items():
                known[series] += amount  # type: ignore[assignment]  # sums need not be whole numbers

    def scales(self) -> Mapping[str, tuple[str, ...]]:
        """Return the bins of features that have some of their own."""
        return self._measures.scales() if self._measures is not None else {}

    def rows(self) -> Iterator[Row]:
        """Yield all counters, of each arm and part at least how many requests there were."""
        for arm, parts in self._counts.items():
            for part, counts in parts.items():
                yield arm, part, "requests", counts["requests"]
                yield from ((arm, part, series, value) for series, value in counts.items() if series != "requests")


def _asked(capture: Capture) -> Mapping[str, object]:
    """Return what decides what is counted; how many requests are looked at does not."""
    observed = capture.observed.model_copy(update={"percent": 100}) if capture.observed is not None else None
    return {"protocol": capture.protocol, "redact": capture.redact, "observed": observed}
