"""How the predictions of both versions differ: their confusion as a heat map, and requests to look up by id.

Metrics that look at the same part of the answer have the same confusion; it is shown once.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelrollout.cli.html_markup import Markup, code, count, join, section, table, tag

Values = Mapping[str, Any]

FREQUENT = 8
"""Ways to differ that are listed below a heat map of more than two classes."""


def pairs(values: Values) -> Markup | None:
    """Return everything about the predictions; nothing where none were compared."""
    alike: dict[str, list[str]] = defaultdict(list)
    known = values.get("predictions") or {}
    for metric, said in known.items():
        alike[json.dumps(said, sort_keys=True)].append(metric)
    cards = [_card(metrics, known[metrics[0]]) for metrics in alike.values()]
    return section("Predictions of both versions to the same requests", *cards) if cards else None


def _card(metrics: Sequence[str], said: Values) -> Markup:
    head = tag("header", tag("h3", ", ".join(metrics)), tag("span", _totals(said.get("totals") or {}), class_="pale"))
    return tag(
        "article", head, *_confusion(said.get("confusion") or ()), _examples(said.get("examples") or ()), class_="card"
    )


def _totals(totals: Values) -> str:
    compared = f"{count(totals['pairs'])} pairs of answers" if "pairs" in totals else ""
    skipped = [
        f"{key.removeprefix('skipped/')} {count(number)}"
        for key, number in totals.items()
        if key.startswith("skipped/")
    ]
    without = f"not compared: {', '.join(skipped)}" if skipped else ""
    return "; ".join(filter(None, (compared, without)))


def _confusion(rows: Sequence[Sequence[Any]]) -> Iterator[Markup | None]:
    cells: dict[tuple[str, str], int] = defaultdict(int)
    for stable, candidate, number in rows:
        cells[str(stable), str(candidate)] += int(number)
    if not cells:
        return
    classes = sorted({name for pair in cells for name in pair}, key=_as_number)
    differing = sorted(((number, *pair) for pair, number in cells.items() if pair[0] != pair[1]), reverse=True)
    every = sum(cells.values())
    agree = every - sum(number for number, *_ in differing)
    yield tag(
        "p", f"{agree / every:.1%} of {count(every)} predictions agree: the outlined diagonal.".replace("%", " %")
    )
    yield _heat(cells, classes)
    if len(classes) > 2:
        frequent = (
            (code(one), code(two), count(number), f"{number / every * 100:.2g} %") for number, one, two in differing
        )
        yield table(("stable said", "candidate said", "predictions", "of all"), [*frequent][:FREQUENT])


def _heat(cells: Mapping[tuple[str, str], int], classes: Sequence[str]) -> Markup:
    heads = tag("tr", tag("th", "stable ↓ candidate →"), *(tag("th", code(name), scope="col") for name in classes))
    lines = []
    for stable in classes:
        row = sum(cells.get((stable, candidate), 0) for candidate in classes)
        found = (_cell(cells.get((stable, candidate), 0), row, same=stable == candidate) for candidate in classes)
        lines.append(tag("tr", tag("th", code(stable), scope="row"), *found))
    return tag("div", tag("table", tag("thead", heads), tag("tbody", *lines), class_="heat"), class_="wide")


def _cell(number: int, row: int, *, same: bool) -> Markup:
    """Return how often both said so; as dark as its share of what stable said there."""
    share = number / row if row else 0.0
    words = join((count(number), tag("small", f"{share * 100:.3g} %"))) if number else "·"
    return tag("td", words, class_="same" if same else "other", style=f"--share:{share:.3f}")


def _as_number(name: str) -> tuple[bool, float, str]:
    """Sort numbers by value and before words."""
    try:
        return (False, float(name), name)
    except ValueError:
        return (True, 0.0, name)


def _examples(examples: Sequence[Values]) -> Markup | None:
    rows = [
        (code(one["id"]), ", ".join(one.get("slice", ())), code(one.get("stable")), code(one.get("candidate")))
        for one in examples
    ]
    drawn = table(("x-request-id", "slices", "stable said", "candidate said"), rows)
    return join((tag("p", "The newest requests that they differ on:", class_="pale"), drawn)) if drawn else None
