"""What was changed in an analysis while an attempt was under way, setting by setting: a report must tell it.

A threshold that is loosened in mid-rollout is a decision, and the verdicts before it were made by another one.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from modelrollout.domain.status import Edit

_LONGEST = 256
_LONGEST_SETTING = 128

Analysis = Mapping[str, Any]


def edits(before: Analysis | None, after: Analysis | None, generation: int, at: datetime) -> tuple[Edit, ...]:
    """Return every setting in which two analyses differ.

    Args:
        before: as it was; None: there was none.
        after: as it became.
        generation: of the spec that brought the change.
        at: when it was accepted.
    """
    old, new = (dict(_settings(analysis or {})) for analysis in (before, after))
    whole = {metric for metric in _metrics(old) ^ _metrics(new) if metric}
    return tuple(
        Edit(
            at=at,
            generation=generation,
            metric=metric,
            setting=setting[:_LONGEST_SETTING],
            before=_text(old.get((metric, setting))),
            after=_text(new.get((metric, setting))),
        )
        for metric, setting in dict.fromkeys((*old, *new))
        # Of a metric that comes or goes the whole is told, and of any other what differs.
        if old.get((metric, setting)) != new.get((metric, setting)) and (metric in whole) == (setting == "")
    )


def _metrics(settings: Mapping[tuple[str, str], Any]) -> set[str]:
    return {metric for metric, _ in settings}


def _settings(analysis: Analysis) -> Iterator[tuple[tuple[str, str], Any]]:
    """Yield every setting with its value, by metric and path; each metric also as a whole, with an empty path."""
    for key, value in analysis.items():
        if key != "metrics":
            yield from _leaves("", key, value)
    for metric in analysis.get("metrics", ()):
        parts = {key: value for key, value in metric.items() if key != "name"}
        yield (metric["name"], ""), parts
        for key, value in parts.items():
            yield from _leaves(metric["name"], key, value)


def _leaves(metric: str, path: str, value: Any) -> Iterator[tuple[tuple[str, str], Any]]:  # noqa: ANN401  # JSON
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(metric, f"{path}.{key}", inner)
    else:
        yield (metric, path), value


def _text(value: Any) -> str:  # noqa: ANN401  # JSON
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
