"""The counters for Prometheus: few names, and labels that a spec bounds."""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

from modelrollout.collector.accounts import Row
from modelrollout.collector.labels import Labels

_PREFIX = "modelrollout_predictions"
_HELP = {
    "messages_total": "What the router handed over, and what became of it.",
    "pairs_total": "Requests of which both answers came.",
    "agreement_sum": "Sum of the shares of predictions that agree, of all compared pairs.",
    "agreement_count": "Pairs that were compared.",
    "bad_total": "Pairs by what is bad (error, empty, invalidJson, refusal) and in whose answer.",
    "skipped_total": "Pairs whose predictions were not compared, by reason.",
    "labelled_requests_total": "Requests that were answered and are waited for labels of.",
    "labels_total": "Labels that were joined with their request, by whether the prediction was right.",
    "events_total": "Requests with an event, of those whose time for events is over.",
    "ripe_total": "Requests whose time for events is over.",
    "labels_missed_total": "Labels and events that were not joined, by reason.",
    "label_horizon_seconds": "Age of the oldest request that a label would still find.",
    "waiting": "Requests that are remembered.",
    "waiting_bytes": "Bytes that they need, as estimated.",
}


def exposition(
    rows: Iterable[Row], totals: Mapping[str, int], waiting: int, size: int, known: Labels | None = None
) -> str:
    """Return a page in the Prometheus text format; with labels where they are taken."""
    found: dict[str, dict[str, float]] = {name: {} for name in _HELP}
    for kind, count in sorted(totals.items()):
        found["messages_total"][labels_text(kind=kind)] = count
    for key, part, series, value in rows:
        for name, labels, amount in _points(series, value):
            text = labels_text(extraction=key, part=part, **labels)
            found[name][text] = found[name].get(text, 0) + amount
    if known is not None:
        _add_labels(found, known)
    found["waiting"][""] = waiting
    found["waiting_bytes"][""] = size
    return "".join(line + "\n" for name in _HELP for line in _family(name, found[name]))


def _add_labels(found: dict[str, dict[str, float]], known: Labels) -> None:
    every: dict[tuple[str, str], dict[str, float]] = {}
    for arm, part, series, value in known.rows():
        every.setdefault((arm, part), {})[series] = value
    for (arm, part), counts in every.items():
        place = {"revision": arm, "part": part}
        found["labelled_requests_total"][labels_text(**place)] = counts.get("requests", 0)
        right = counts.get("right", 0)
        found["labels_total"][labels_text(**place, right="true")] = right
        found["labels_total"][labels_text(**place, right="false")] = counts.get("labels", 0) - right
        found["ripe_total"][labels_text(**place)] = counts.get("ripe", 0)
        for series, value in counts.items():
            if series.startswith("event/"):
                found["events_total"][labels_text(**place, event=unquote(series.partition("/")[2]))] = value
    told = known.told()
    found["label_horizon_seconds"][""] = told.pop("seconds")
    for name in sorted(told.keys() - {"joined", "kept"}):
        found["labels_missed_total"][labels_text(reason=name)] = told[name]


def _points(series: str, value: float) -> Iterator[tuple[str, dict[str, str], float]]:
    match series.split("/"):
        case ["pairs"]:
            yield "pairs_total", {}, value
        case ["score", share]:
            yield "agreement_sum", {}, float(share) * value
            yield "agreement_count", {}, value
        case ["bad", flag, cell]:
            yield "bad_total", {"flag": flag, "cell": cell}, value
        case ["skipped", reason]:
            yield "skipped_total", {"reason": reason}, value
        case _:
            # The rest is for the judges; a person's dashboard has no use for hundreds of series.
            pass


def _family(name: str, points: Mapping[str, float]) -> Iterator[str]:
    if points:
        kind = "counter" if name.endswith(("_total", "_sum", "_count")) else "gauge"
        yield f"# HELP {_PREFIX}_{name} {_HELP[name]}"
        yield f"# TYPE {_PREFIX}_{name} {kind}"
        yield from (f"{_PREFIX}_{name}{labels} {value:.10g}" for labels, value in points.items())


def labels_text(**labels: str) -> str:
    """Return labels as they stand behind a name."""
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
