"""Pages of collectors, as they answer ``GET /predictions``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RECORDED = (Path(__file__).parents[2] / "data" / "predictions" / "page.json").read_text(encoding="utf-8")
"""15 pairs, 4 of them of the part light=dark, with every series that there is."""


def recorded(key: str) -> str:
    """Return a page on which an extraction has all signals."""
    return RECORDED.replace('"extraction"', json.dumps(key))


def page(
    key: str,
    counters: Mapping[str, float],
    parts: Mapping[str, Mapping[str, float]] | None = None,
    *,
    examples: Sequence[Mapping[str, Any]] = (),
    revisions: tuple[str | None, str | None] = ("old", "new"),
) -> str:
    """Return a page with the counters of one extraction, of all requests and of parts of them."""
    every = {"": counters, **(parts or {})}
    return json.dumps(
        {
            "v": 1,
            "stable": revisions[0],
            "candidate": revisions[1],
            "counters": [
                [key, part, series, value] for part, found in every.items() for series, value in found.items()
            ],
            "examples": {key: list(examples)} if examples else {},
            "totals": {},
        }
    )
