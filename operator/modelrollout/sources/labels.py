"""What became known later about the answers that clients got, as the collectors beside the routers have joined it.

Shares are counted as what is bad of them, so that every judge sees the same number as people do: `wrong` is to be small, and
`accuracy` is the same thing the other way round, for those who want to write `min`. Series of a page:

======================== =========================================================================================
requests                 that were answered and are waited for labels of
labels, right            labels that came, and those that the prediction was equal to, or near enough
truth/PREDICTED/LABEL    labels by what was predicted, percent-encoded
error/at=BOUND           distances between prediction and label that are at most this, and above the bound before
ripe                     requests whose time for events is over
event/NAME               of these: those with an event; both/A/B: those with two
group/PART/…             total, positive: predictions in a part; actualPositive, truePositive: labels, and predictions of these
======================== =========================================================================================
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

from modelrollout.domain.capability import Capability
from modelrollout.domain.capture import DIFFERENCES, LONGEST_CLASS
from modelrollout.domain.reading import Key, Sample, State
from modelrollout.domain.tally import Histogram, Measure, Rate
from modelrollout.schema import format_duration
from modelrollout.sources import _pairs
from modelrollout.sources._base import Fetch, Measured, Origin, Scope, Source
from modelrollout.sources._collected import Labels, read
from modelrollout.sources._histogram import DEFAULT_QUANTILE
from modelrollout.sources._labels import FAIR, OF_CLASSES, LabelsConfig, Signal

_RATES = frozenset({Signal.WRONG, Signal.MISSED, Signal.FALSE_ALARMS})
_REQUESTS = "requests"


class LabelsSource(Source[LabelsConfig]):
    """Reads the counters of labels of the collector beside each router."""

    name = "labels"
    config = LabelsConfig
    needs = frozenset({Capability.CAPTURE})

    def fraction(self, config: LabelsConfig) -> bool:
        """Everything but the distance between numbers is a share, or made of shares."""
        return config.signal is not Signal.ERROR

    def forms(self, config: LabelsConfig) -> frozenset[type]:
        """What says in itself that less is better can be compared."""
        if config.signal in _RATES or (config.signal is Signal.EVENTS and config.goal is not None):
            return frozenset({Rate})
        return frozenset({Histogram} if config.signal is Signal.ERROR else ())

    def quantile(self, config: LabelsConfig) -> float | None:
        """Distances are shown by their largest hundredth."""
        return DEFAULT_QUANTILE if config.signal is Signal.ERROR else None

    def late(self, config: LabelsConfig) -> bool:  # noqa: ARG002  # all signals
        """Nobody knows at once what would have been right."""
        return True

    def sees_copies(self, config: LabelsConfig) -> bool:  # noqa: ARG002  # all signals
        """Nobody labels an answer that reached nobody."""
        return False

    def sliced(self, config: LabelsConfig) -> bool:  # noqa: ARG002  # whatever is asked of them
        """The collector reads every request."""
        return True

    def fetch(self, config: LabelsConfig, scope: Scope) -> Fetch:  # noqa: ARG002  # the page holds everything
        """Return what to get."""
        return Fetch(Origin.COLLECTORS)

    def parse(self, config: LabelsConfig, scope: Scope, answers: Mapping[str, Any], at: datetime) -> Sample:
        """Read the page of each collector that takes labels."""
        pages = {pod: read(pod, answer) for pod, answer in answers.items()}
        known = {pod: one.labels for pod, one in pages.items() if one.labels is not None}
        if not known:
            words = "No collector takes labels yet." if pages else "No collector answers."
            return Sample(at, state=State.NO_METRIC, message=words)
        arms = [arm for arm in (scope.revision, scope.stable) if arm]
        # From the first page on, so that the first label of all is counted and not only the start to count from.
        counters: dict[Key, float] = {Key(arm, pod, _REQUESTS): 0.0 for pod in known for arm in arms}
        for pod, one in known.items():
            for arm in arms:
                for counted in one.counters.get(arm, ()):
                    if counted.series == _REQUESTS or _concerns(config, counted.series):
                        counters[Key(arm, pod, counted.series, counted.part)] = counted.value
        return Sample(at, counters, note=_reach(known.values()))

    def measure(self, config: LabelsConfig, increments: Mapping[str, float], seconds: float) -> Measured:  # noqa: ARG002  # nothing is per second
        """Turn a window into the number that a limit is held against."""
        grown = defaultdict(float, increments)
        if config.signal in FAIR:
            return _fair(config.signal, grown)
        if config.signal is Signal.ERROR:
            measure = self.measure_arm(config, increments)
            return Measured(_pairs.value(measure.tally), round(measure.tally.total)) if measure else Measured(None, 0)
        some, every = _share(config, grown)
        return Measured(some / every, round(every)) if every > 0 else Measured(None, 0)

    def measure_arm(self, config: LabelsConfig, increments: Mapping[str, float]) -> Measure | None:
        """Turn what was counted into a tally."""
        grown = defaultdict(float, increments)
        if config.signal is Signal.ERROR:
            found = _distances(grown)
            return Measure(found) if found.total > 0 else None
        if Rate not in self.forms(config):
            return None
        bad, total = _share(config, grown)
        return Measure(Rate(bad, total)) if total > 0 else None


def _reach(known: Collection[Labels]) -> str:
    """Return how far back a label finds its request, whichever router answered that."""
    kept, seconds = sum(one.kept for one in known), min(one.seconds for one in known)
    return f"{kept:,} requests of the last {format_duration(timedelta(seconds=round(seconds)))} can be labelled"


def _concerns(config: LabelsConfig, series: str) -> bool:
    """Return whether a signal is made of a counter."""
    match config.signal:
        case Signal.WRONG | Signal.ACCURACY:
            return series in ("labels", "right")
        case Signal.ERROR:
            return series.startswith("error/")
        case Signal.EVENTS:
            return series == "ripe" or series.startswith(("event/", "both/"))
        case signal if signal in OF_CLASSES:
            return series.startswith("truth/")
        case _:
            return series.startswith("group/")


def _share(config: LabelsConfig, grown: Mapping[str, float]) -> tuple[float, float]:
    """Return how many of how many; in signals that are compared the first ones are bad."""
    match config.signal:
        case Signal.WRONG:
            return grown["labels"] - grown["right"], grown["labels"]
        case Signal.ACCURACY:
            return grown["right"], grown["labels"]
        case Signal.EVENTS:
            return _events(config, grown)
        case _:
            return _of_class(config, grown)


def _of_class(config: LabelsConfig, grown: Mapping[str, float]) -> tuple[float, float]:
    both = predicted = actual = 0.0
    for (kind, *names), count in _named(grown):
        if kind == "truth" and len(names) == 2:
            hits = [name == _short(config.of) for name in names]
            predicted += count * hits[0]
            actual += count * hits[1]
            both += count * all(hits)
    match config.signal:
        case Signal.MISSED:
            return actual - both, actual
        case Signal.FALSE_ALARMS:
            return predicted - both, predicted
        case Signal.PRECISION:
            return both, predicted
        case Signal.RECALL:
            return both, actual
        case _:
            # F1 = 2 TP / (2 TP + FP + FN); it rests on all that is predicted or labelled so.
            return both, (predicted + actual) / 2


def _events(config: LabelsConfig, grown: Mapping[str, float]) -> tuple[float, float]:
    of, per = _quoted(config.of), _quoted(config.per)
    if config.per is None:
        having, every = grown[f"event/{of}"], grown["ripe"]
    else:
        one, other = sorted((of, per))
        having, every = grown[f"both/{one}/{other}"], grown[f"event/{per}"]
    return (every - having if config.goal == "more" else having), every


def _fair(signal: Signal, grown: Mapping[str, float]) -> Measured:
    """Return how far groups are apart; it rests on the smallest of them."""
    some, every = ("truePositive", "actualPositive") if signal is Signal.EQUAL_OPPORTUNITY else ("positive", "total")
    groups: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for (kind, *names), count in _named(grown):
        if kind == "group" and len(names) == 2:
            groups[names[0]][names[1]] += count
    found = [(counts[some] / counts[every], counts[every]) for counts in groups.values() if counts[every] > 0]
    if len(found) < 2:
        return Measured(None, 0)
    shares, least = [share for share, _ in found], round(min(number for _, number in found))
    if signal is Signal.RATIO:
        return Measured(min(shares) / max(shares), least) if max(shares) > 0 else Measured(None, 0)
    return Measured(max(shares) - min(shares), least)


def _distances(grown: Mapping[str, float]) -> Histogram:
    """Return rising counts at all bounds that a collector has."""
    at = {float(series.partition("=")[2]): count for series, count in grown.items() if series.startswith("error/at=")}
    buckets, below = [], 0.0
    for bound in sorted({*DIFFERENCES, math.inf, *at}):
        below += at.get(bound, 0.0)
        buckets.append((bound, below))
    return Histogram(tuple(buckets))


def _named(grown: Mapping[str, float]) -> Iterator[tuple[list[str], float]]:
    for series, count in grown.items():
        yield [unquote(name) for name in series.split("/")], count


def _short(name: str | None) -> str:
    """Return a class as a collector names it."""
    return (name or "")[:LONGEST_CLASS]


def _quoted(name: str | None) -> str:
    return quote(name or "", safe="", errors="replace")


PLUGIN = LabelsSource()
