"""The counters for Prometheus: few names, and labels that a spec bounds."""

from collections.abc import Iterable, Iterator, Mapping

from modelrollout.collector.accounts import Row

_PREFIX = "modelrollout_predictions"
_HELP = {
    "messages_total": "What the router handed over, and what became of it.",
    "pairs_total": "Requests of which both answers came.",
    "agreement_sum": "Sum of the shares of predictions that agree, of all compared pairs.",
    "agreement_count": "Pairs that were compared.",
    "bad_total": "Pairs by what is bad (error, empty, invalidJson, refusal) and in whose answer.",
    "skipped_total": "Pairs whose predictions were not compared, by reason.",
    "waiting": "Requests that are remembered.",
    "waiting_bytes": "Bytes that they need, as estimated.",
}


def exposition(rows: Iterable[Row], totals: Mapping[str, int], waiting: int, size: int) -> str:
    """Return a page in the Prometheus text format."""
    found: dict[str, dict[str, float]] = {name: {} for name in _HELP}
    for kind, count in sorted(totals.items()):
        found["messages_total"][_labels(kind=kind)] = count
    for key, part, series, value in rows:
        for name, labels, amount in _points(series, value):
            text = _labels(extraction=key, part=part, **labels)
            found[name][text] = found[name].get(text, 0) + amount
    found["waiting"][""] = waiting
    found["waiting_bytes"][""] = size
    return "".join(line + "\n" for name in _HELP for line in _family(name, found[name]))


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
        kind = "gauge" if name.startswith("waiting") else "counter"
        yield f"# HELP {_PREFIX}_{name} {_HELP[name]}"
        yield f"# TYPE {_PREFIX}_{name} {kind}"
        yield from (f"{_PREFIX}_{name}{labels} {value:.10g}" for labels, value in points.items())


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
