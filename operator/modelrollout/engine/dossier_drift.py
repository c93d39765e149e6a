"""The part of a dossier's page that shows what each feature has drifted by, the one that speaks loudest first."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelrollout.engine.dossier_words import table, words

Values = Mapping[str, Any]


def drift_part(drift: Mapping[str, Sequence[Values]]) -> str:
    """Return the tables of all metrics that look for drift; nothing where none does."""
    heads = ("feature", "its values", "candidate", "stable", "reference", "difference", "moved", "pace")
    tables = (table(f"Drift by feature of {words(metric)}", heads, _rows(said)) for metric, said in drift.items())
    return "\n\n".join(text for text in tables if text)


def _rows(features: Sequence[Values]) -> Iterator[tuple[str, ...]]:
    for one in features:
        yield (
            words(one["feature"]),
            words(one["place"]),
            *(_share(one.get(key)) for key in ("candidate", "stable", "reference")),
            f"{one['distance'] * 100:+.1f} pp" if "distance" in one else "",
            one.get("moved", ""),
            one.get("pace", ""),
        )


def _share(value: float | None) -> str:
    return f"{value * 100:.3g} %" if value is not None else ""
