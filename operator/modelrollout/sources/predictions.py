"""What both versions answer to the same requests, as the collectors beside the routers count it.

Every signal is made of counters, so that a request with another id, or a body, never leaves the router's pod.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from modelrollout.domain.capability import Capability
from modelrollout.domain.reading import Key, Sample, State
from modelrollout.domain.tally import Crossed, Histogram, Mean, Measure, Paired, Scores, Shares, Tally
from modelrollout.sources import _pairs
from modelrollout.sources._base import Fetch, Measured, Origin, Scope, Source
from modelrollout.sources._collected import Counted, Page, details, incomparable, read
from modelrollout.sources._histogram import DEFAULT_QUANTILE
from modelrollout.sources._predictions import PredictionsConfig, Signal

_FLAGS = {Signal.ERRORS: "error", Signal.EMPTY: "empty", Signal.INVALID_JSON: "invalidJson", Signal.REFUSALS: "refusal"}
_PER_ARM = frozenset({Signal.LENGTH, Signal.FINISH_REASONS, Signal.CLASSES})
"""Signals of which each version has its own; the others are about pairs."""
_TALLIES: Mapping[Signal, tuple[type, Callable[[Mapping[str, float]], Tally]]] = {
    **dict.fromkeys(_FLAGS, (Paired, _pairs.paired)),
    Signal.AGREEMENT: (Scores, _pairs.scores),
    Signal.KAPPA: (Crossed, _pairs.crossed),
    Signal.DIFFERENCE: (Histogram, _pairs.differences),
    Signal.LENGTH: (Mean, _pairs.lengths),
    Signal.FINISH_REASONS: (Shares, _pairs.classes),
    Signal.CLASSES: (Shares, _pairs.classes),
}
_PREFIXES: Mapping[Signal, tuple[str, ...]] = {
    **{signal: (f"bad/{flag}/",) for signal, flag in _FLAGS.items()},
    Signal.AGREEMENT: ("score/", "beyond/"),
    Signal.KAPPA: ("kappa/",),
    Signal.DIFFERENCE: ("difference/le=",),
    Signal.BIAS: ("bias/",),
}
"""How the series of pairs begin."""
_PAIRS = "pairs"
_SIDES = ("stable", "candidate")


class PredictionsSource(Source[PredictionsConfig]):
    """Reads the counters of the collector beside each router.

    Series of pairs belong to the candidate's arm and are named as the collector names them, see ``_collected.py``.
    Of the other signals each version has its own:

    ================= =======================================================================
    pairs             requests whose answers by both versions were looked at, in every signal
    sum               of lengths
    count             answers that had a length, and so a prediction
    class/A/B         predictions of class A, or answers that ended so; B is what the other version said
    ================= =======================================================================
    """

    name = "predictions"
    config = PredictionsConfig
    needs = frozenset({Capability.CAPTURE})

    def fraction(self, config: PredictionsConfig) -> bool:
        """Agreement and bad answers are shares."""
        return config.signal is Signal.AGREEMENT or config.signal in _FLAGS

    def forms(self, config: PredictionsConfig) -> frozenset[type]:
        """A mean that may be negative is no tally: bias is held against limits alone."""
        form = _TALLIES.get(config.signal)
        return frozenset({form[0]} if form else ())

    def quantile(self, config: PredictionsConfig) -> float | None:
        """Differences are shown by their largest hundredth."""
        return DEFAULT_QUANTILE if config.signal is Signal.DIFFERENCE else None

    def needs_copies(self, config: PredictionsConfig) -> bool:  # noqa: ARG002  # all signals
        """Only a copied request is answered by both versions."""
        return True

    def paired(self, config: PredictionsConfig) -> bool:
        """Most signals are about pairs."""
        return config.signal not in _PER_ARM

    def sliced(self, config: PredictionsConfig) -> bool:  # noqa: ARG002  # whatever is asked of them
        """The collector reads every request."""
        return True

    def fetch(self, config: PredictionsConfig, scope: Scope) -> Fetch:  # noqa: ARG002  # the page holds everything
        """Return what to get."""
        return Fetch(Origin.COLLECTORS)

    def parse(self, config: PredictionsConfig, scope: Scope, answers: Mapping[str, Any], at: datetime) -> Sample:
        """Read the page of each collector that compares these revisions and knows this extraction."""
        key = config.extraction().key
        pages = {pod: read(pod, answer) for pod, answer in answers.items()}
        asked = (scope.stable, scope.revision)
        ours = {pod: one for pod, one in pages.items() if scope.stable and (one.stable, one.candidate) == asked}
        known = {pod: one for pod, one in ours.items() if key in one.counters}
        if not known:
            return Sample(at, state=State.NO_METRIC, message=_nothing(pages, ours))
        counters: dict[Key, float] = defaultdict(float)
        for pod, one in known.items():
            for counted in one.counters[key]:
                for arm, series in _series(config.signal, scope, counted):
                    counters[Key(arm, pod, series, counted.part)] += counted.value
        shown = details(known.values(), key)
        some = any(value > 0 for found, value in counters.items() if found.series != _PAIRS)
        if not some and (words := incomparable(shown.get("totals", {}))):
            # A path that is wrong must be told from silence.
            return Sample(at, state=State.NO_METRIC, message=words, details=shown)
        return Sample(at, dict(counters), details=shown)

    def measure(self, config: PredictionsConfig, increments: Mapping[str, float], seconds: float) -> Measured:  # noqa: ARG002  # nothing is per second
        """Turn a window into the number that a limit is held against."""
        if config.signal is Signal.BIAS:
            grown = defaultdict(float, increments)
            count = grown["bias/count"]
            return Measured((grown["bias/up"] - grown["bias/down"]) / count if count > 0 else None, round(count))
        measure = self.measure_arm(config, increments)
        return Measured(_pairs.value(measure.tally), round(measure.tally.total)) if measure else Measured(None, 0)

    def measure_arm(self, config: PredictionsConfig, increments: Mapping[str, float]) -> Measure | None:
        """Turn what was counted into a tally; of pairs the candidate's arm has it all."""
        form = _TALLIES.get(config.signal)
        if form is None:
            return None
        tally = form[1](increments)
        return Measure(tally) if tally.total > 0 else None


def _nothing(pages: Mapping[str, Page], ours: Mapping[str, Page]) -> str:
    if not pages:
        return "No collector answers."
    return "No collector knows yet what to compare." if ours else "The collectors compare other revisions."


def _series(signal: Signal, scope: Scope, counted: Counted) -> Iterator[tuple[str, str]]:
    """Yield arm and series of a counter that a signal is made of; the number of pairs tells when a collector began anew."""
    arms = {"stable": scope.stable or "", "candidate": scope.arm}
    if counted.series == _PAIRS:
        yield arms["candidate"], _PAIRS
        if signal in _PER_ARM:
            yield arms["stable"], _PAIRS
    elif signal in _PREFIXES:
        if counted.series.startswith(_PREFIXES[signal]):
            yield arms["candidate"], counted.series
    else:
        match signal, counted.series.split("/"):
            case Signal.LENGTH, ["length", ("stable" | "candidate") as side, ("sum" | "count") as what]:
                yield arms[side], what
            case Signal.FINISH_REASONS, ["finish", ("stable" | "candidate") as side, reason]:
                yield arms[side], f"class/{reason}/"
            case Signal.CLASSES, ["length", ("stable" | "candidate") as side, "count"]:
                yield arms[side], "count"
            case Signal.CLASSES, ["class", stable, candidate]:
                yield arms["stable"], f"class/{stable}/{candidate}"
                yield arms["candidate"], f"class/{candidate}/{stable}"
            case _:
                # Of another signal: the page has those of all of them.
                return


PLUGIN = PredictionsSource()
