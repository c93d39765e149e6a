"""The report of a finished attempt: a ConfigMap that nobody can change, with the same facts for programs and for people.

A ConfigMap is small, and texts of people and of other programs are not. Whatever they are, the report fits: the longest texts
are cut first, then the parts that say least are left out: what says most stands first in each list.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from modelrollout.names import COMPONENT_REPORT, report
from modelrollout.resources.owner import Owner, child_metadata

MOST = 64 * 1024
"""Bytes of both forms together."""
JSON, MARKDOWN = "report.json", "report.md"
SLICES = "slices"
_CUTS = (
    (4096, 20, 100),
    (1024, 20, 100),
    (512, 10, 100),
    (256, 5, 100),
    (128, 3, 100),
    (64, 1, 100),
    (64, 0, 100),
    (64, 0, 40),
    (64, 0, 20),
    (64, 0, 10),
)
"""Characters of a text, slices of a gate, and items of any list, tried in order until the report fits."""


def report_map(
    name: str,
    namespace: str,
    owner: Owner,
    values: Mapping[str, Any],
    page: Callable[[Mapping[str, Any]], str],
) -> dict[str, Any]:
    """Return the ConfigMap that keeps a report.

    Args:
        name: of the ModelDeployment.
        namespace: of the ModelDeployment.
        owner: ownerReferences.
        values: the facts as JSON values; ``candidate.revision`` and ``attempt`` say whose they are.
        page: the same facts for people.
    """
    revision, attempt = values["candidate"]["revision"], values["attempt"]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": child_metadata(
            name,
            namespace,
            owner,
            report(name, revision, attempt),
            component=COMPONENT_REPORT,
            revision=revision,
            attempt=str(attempt),
        ),
        "immutable": True,
        "data": _fitting(values, page),
    }


def _fitting(values: Mapping[str, Any], page: Callable[[Mapping[str, Any]], str]) -> dict[str, str]:
    data: dict[str, str] = {}
    for longest, slices, items in _CUTS:
        shorter = _shorter(values, longest, slices, items)
        if shorter != values:
            shorter["cut"] = True
        data = {JSON: json.dumps(shorter, ensure_ascii=False, separators=(",", ":")), MARKDOWN: page(shorter)}
        if sum(len(text.encode()) for text in data.values()) <= MOST:
            break
    return data


def _shorter(value: Any, longest: int, slices: int, items: int) -> Any:  # noqa: ANN401  # JSON
    """Return a value with its long texts cut and only the first items of its lists."""
    match value:
        case str():
            return value if len(value) <= longest else f"{value[: longest - 1]}…"
        case Mapping():
            kept = {key: inner[:slices] if key == SLICES else inner for key, inner in value.items()}
            return {key: _shorter(inner, longest, slices, items) for key, inner in kept.items()}
        case list():
            return [_shorter(inner, longest, slices, items) for inner in value[:items]]
        case _:
            return value
