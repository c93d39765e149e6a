"""As much of Prometheus as the sources need: scraped pages become the answer to an instant query.

Knows selectors, ``or`` between them, ``label_replace`` that only adds a label, and when a target was scraped; anything else is
an error of the test. What is stored as ``up`` is the time of the last scrape, and 0 when that failed.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modelrollout.domain.exposition import parse_exposition

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAGES = Path(__file__).parents[2] / "data" / "exposition"
_SELECTOR = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)?(?:\{((?:[^"{}]|"(?:[^"\\]|\\.)*")*)\})?')
_MATCHER = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*,?\s*')
_MARK = re.compile(r'label_replace\((.*), "([a-z_]+)", "([a-z]+)", "", ""\)', re.DOTALL)
_SCRAPED = re.compile(r"timestamp\((up\{.*\})\) \* \1")
_HOLDS: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda text, wanted: text == wanted,
    "!=": lambda text, wanted: text != wanted,
    "=~": lambda text, wanted: re.fullmatch(wanted, text) is not None,
    "!~": lambda text, wanted: re.fullmatch(wanted, text) is None,
}

Vector = list[tuple[dict[str, str], float]]


def page(server: str) -> str:
    """Return the page of a server."""
    return (PAGES / f"{server}.txt").read_text(encoding="utf-8")


def scrape(text: str, pod: str, namespace: str = "ml", address: str = "10.0.0.1:8080", times: float = 1) -> Vector:
    """Return a page as it is stored: with the labels of its target, which win over those of the page.

    Args:
        text: the page.
        pod: of the target.
        namespace: of the target.
        address: of the target.
        times: what all values are multiplied with.
    """
    target = {
        "job": "ml/models",
        "instance": address,
        "namespace": namespace,
        "pod": pod,
        "container": "model",
        "endpoint": "http",
    }
    return [
        ({"__name__": name, **{_renamed(key, target): value for key, value in labels.items()}, **target}, value * times)
        for name, labels, value in parse_exposition(text)
    ]


def answer(query: str, *pages: Vector, at: datetime = NOW) -> Any:
    """Return the decoded JSON of an instant query."""
    found = evaluate(query, [series for one in pages for series in one])
    result = [{"metric": labels, "value": [at.timestamp(), f"{value!r}"]} for labels, value in found]
    # Once through JSON, as over the wire.
    return json.loads(json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}))


def evaluate(query: str, stored: Vector) -> Vector:
    """Return what a query finds."""
    left, *others = _operands(query)
    found = _part(left, stored)
    for other in others:
        signatures = {_signature(labels) for labels, _ in found}
        found = found + [item for item in _part(other, stored) if _signature(item[0]) not in signatures]
    return found


def up(pod: str, at: float, **labels: str) -> tuple[dict[str, str], float]:
    """Return what Prometheus knows of a target: when it was scraped, in seconds since the epoch, and 0 when that failed."""
    return {"__name__": "up", "job": "models", "instance": f"{pod}:1", "pod": pod, **labels}, at


def _operands(query: str) -> list[str]:
    """Return what stands between the ``or`` that are in no parentheses."""
    found, depth = [""], 0
    for piece in re.split(r'("(?:[^"\\]|\\.)*"|[()]| or )', query):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if piece == " or " and depth == 0:
            found.append("")
        else:
            found[-1] += piece
    return found


def _part(query: str, stored: Vector) -> Vector:
    marked = _MARK.fullmatch(query.strip())
    if marked:
        return [({**labels, marked[2]: marked[3]}, value) for labels, value in evaluate(marked[1], stored)]
    scraped = _SCRAPED.fullmatch(query.strip())
    if scraped:
        return [
            ({key: text for key, text in labels.items() if key != "__name__"}, value)
            for labels, value in _part(scraped[1], stored)
        ]
    selector = _SELECTOR.fullmatch(query.strip())
    assert selector is not None, f"no selector: {query}"
    name, inner = selector[1], selector[2] or ""
    assert not _MATCHER.sub("", inner), f"no matchers: {inner}"
    matchers = [*_MATCHER.findall(inner), *([("__name__", "=", name)] if name else [])]
    assert any(operator in {"=", "=~"} for _, operator, _ in matchers)
    return [item for item in stored if _matches(item[0], matchers)]


def _matches(labels: Mapping[str, str], matchers: Iterable[tuple[str, str, str]]) -> bool:
    return all(_HOLDS[operator](labels.get(name, ""), wanted) for name, operator, wanted in matchers)


def _signature(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Return what ``or`` compares: all labels but the name."""
    return frozenset((name, value) for name, value in labels.items() if name != "__name__")


def _renamed(label: str, target: Mapping[str, str]) -> str:
    return f"exported_{label}" if label in target else label
