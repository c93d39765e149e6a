"""The part of a dossier's page that shows how both versions differ: their confusion, and requests to look up by id."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from modelrollout.engine.dossier_words import code, table, words

Values = Mapping[str, Any]

WIDEST = 12
"""Classes of which the whole confusion is shown; of more, only the ways to differ."""


def pairs_part(predictions: Mapping[str, Values]) -> str:
    """Return the tables of all metrics that compare predictions; nothing where none does."""
    return "\n\n".join(
        text
        for metric, said in predictions.items()
        for text in (_confusion(metric, said), _examples(metric, said))
        if text
    )


def _confusion(metric: str, said: Values) -> str:
    cells: dict[tuple[str, str], int] = defaultdict(int)
    for stable, candidate, count in said.get("confusion", ()):
        cells[stable, candidate] += count
    classes = sorted({name for pair in cells for name in pair}, key=_as_number)
    if len(classes) <= WIDEST:
        return _matrix(metric, cells, classes)
    differing = sorted(((count, *pair) for pair, count in cells.items() if pair[0] != pair[1]), reverse=True)
    rows = ((code(stable), code(candidate), f"{count:,}") for count, stable, candidate in differing)
    title = f"How the predictions of {words(metric)} differ"
    return table(title, ("stable", "candidate", "predictions"), rows)


def _matrix(metric: str, cells: Mapping[tuple[str, str], int], classes: Sequence[str]) -> str:
    counted: Callable[[int], str] = lambda count: f"{count:,}" if count else "·"  # noqa: E731  # one word for one format
    rows = (
        (code(stable), *(counted(cells.get((stable, candidate), 0)) for candidate in classes)) for stable in classes
    )
    heads = ("stable ↓ candidate →", *map(code, classes))
    return table(
        f"Predictions of {words(metric)}: what stable said, and the candidate to the same request", heads, rows
    )


def _as_number(name: str) -> tuple[bool, float, str]:
    """Sort numbers by value and before words."""
    try:
        return (False, float(name), name)
    except ValueError:
        return (True, 0.0, name)


def _examples(metric: str, said: Values) -> str:
    title = f"Requests that {words(metric)} differs on, the newest"
    return table(title, ("x-request-id", "slices", "stable", "candidate"), _example_rows(said.get("examples", ())))


def _example_rows(examples: Sequence[Values]) -> Iterator[tuple[str, ...]]:
    for one in examples:
        yield (
            code(one["id"]),
            words(", ".join(one.get("slice", ()))),
            code(one.get("stable", "")),
            code(one.get("candidate", "")),
        )
