"""What is observed, for Prometheus: histograms as its people expect them, and labels that a spec bounds.

Bins are told on a coarser scale than judges have them (1, 2, 5 and so on), and for all of the traffic alone: of each bin the
series is there from the first value on, so that a rate never misses a new one.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from modelrollout.collector.bins import R10
from modelrollout.collector.metrics import labels_text
from modelrollout.collector.observed import Row

_COARSE = (*(bound for bound in R10 if f"{abs(bound):e}"[:4] in ("0.00", "1.00", "2.00", "5.00")), math.inf)
_HELP = {
    "observed_requests_total": "Observed requests, by who answered; copies by the name of the mirror's cluster.",
    "input_requests_total": "Observed requests in which a feature was looked for.",
    "input_missing_total": "Of these, those in which it is null, not a number, or absent.",
    "input_category_total": "Values of a feature by category.",
    "input_value": "Values of a feature: numbers, lengths, brightness.",
    "output_requests_total": "Answers whose predictions were looked for.",
    "output_empty_total": "Of these, those without a prediction.",
    "output_error_total": "Of these, those that are no success.",
    "output_class_total": "Predictions by class.",
    "output_value": "Predictions that are numbers, or lengths of texts.",
}
_OF_INPUT = {"count": "input_requests_total", "missing": "input_missing_total"}
_OF_OUTPUT = {"count": "output_requests_total", "empty": "output_empty_total", "error": "output_error_total"}


@dataclass
class _Values:
    """One distribution."""

    bins: Counter[float] = field(default_factory=Counter)
    total: float | None = None


def observed_exposition(rows: Iterable[Row], scales: Mapping[str, tuple[str, ...]]) -> str:
    """Return a page in the Prometheus text format, empty where nothing is observed.

    Args:
        rows: all counters.
        scales: bins of features that have some of their own.
    """
    counts: dict[str, dict[str, float]] = {name: {} for name in _HELP}
    values: dict[str, dict[tuple[tuple[str, str], ...], _Values]] = defaultdict(lambda: defaultdict(_Values))
    for arm, part, series, value in rows:
        labels = {"arm": arm, "part": part}
        match series.split("/"):
            case ["requests"]:
                counts["observed_requests_total"][labels_text(**labels)] = value
            case ["in", feature, what]:
                labels["feature"] = unquote(feature)
                _sort("input", _OF_INPUT, what, labels, value, counts, values)
            case ["out", what]:
                _sort("output", _OF_OUTPUT, what, labels, value, counts, values)
            case _:
                pass
    return "".join(line + "\n" for name in _HELP for line in _family(name, counts[name], values[name], scales))


def _sort(  # noqa: PLR0913, PLR0917  # one row, and where it belongs
    side: str,
    plain: Mapping[str, str],
    what: str,
    labels: dict[str, str],
    value: float,
    counts: Mapping[str, dict[str, float]],
    values: Mapping[str, dict[tuple[tuple[str, str], ...], _Values]],
) -> None:
    key, _, name = what.partition("=")
    if what in plain:
        counts[plain[what]][labels_text(**labels)] = value
    elif key == "is":
        label, family = ("category", "input_category_total") if side == "input" else ("class", "output_class_total")
        counts[family][labels_text(**labels, **{label: unquote(name)})] = value
    elif not labels["part"]:
        found = values[f"{side}_value"][tuple(labels.items())]
        if key == "at":
            found.bins[float(name)] += value  # type: ignore[assignment]  # counts of requests may be simulated
        elif key == "sum":
            found.total = value


def _family(
    name: str,
    points: Mapping[str, float],
    values: Mapping[tuple[tuple[str, str], ...], _Values],
    scales: Mapping[str, tuple[str, ...]],
) -> Iterator[str]:
    if not points and not values:
        return
    full = f"modelrollout_{name}"
    yield f"# HELP {full} {_HELP[name]}"
    yield f"# TYPE {full} {'histogram' if values else 'counter'}"
    yield from (f"{full}{labels} {value:.10g}" for labels, value in points.items())
    for labels, found in values.items():
        named = dict(labels)
        # Bins between two given ends are few, and told as they are.
        scale = scales.get(named.get("feature", ""))
        yield from _histogram(full, named, found, _COARSE if scale is None else [*map(float, scale)])


def _histogram(name: str, labels: dict[str, str], found: _Values, ends: Iterable[float]) -> Iterator[str]:
    # Lengths are known by their sum, and never below 0.
    for end in ends if found.total is None else [end for end in ends if end >= 0]:
        count = sum(value for bound, value in found.bins.items() if bound <= end)
        le = "+Inf" if math.isinf(end) else f"{end:g}"
        yield f"{name}_bucket{labels_text(**labels, le=le)} {count:.10g}"
    if found.total is not None:
        yield f"{name}_sum{labels_text(**labels)} {found.total:.10g}"
    yield f"{name}_count{labels_text(**labels)} {sum(found.bins.values()):.10g}"
