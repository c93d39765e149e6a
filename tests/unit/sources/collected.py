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


_LABELS = {
    "requests": 19, "labels": 10, "right": 7, "ripe": 12,
    "truth/x/x": 4, "truth/xy/xy": 3, "truth/x/xy": 2, "truth/xy/x": 1,
    "error/at=0.05": 4, "error/at=0.5": 6,
    "event/x": 6, "event/xy": 5, "both/x/xy": 3,
    "group/sex%3Df/total": 9, "group/sex%3Df/positive": 3, "group/sex%3Df/actualPositive": 4, "group/sex%3Df/truePositive": 2,
    "group/sex%3Dm/total": 8, "group/sex%3Dm/positive": 6, "group/sex%3Dm/actualPositive": 5, "group/sex%3Dm/truePositive": 4,
}  # fmt: skip


def labelled(arms: Mapping[str, Mapping[str, float]] | None = None, part: str = "") -> str:
    """Return a page with counters of labels by arm, of one part of the traffic; those of both versions that have them all."""
    found = arms if arms is not None else {"stable": _LABELS, "candidate": _LABELS}
    rows = [[arm, part, series, value] for arm, counts in found.items() for series, value in counts.items()]
    return json.dumps({**json.loads(page("x", {})), "labels": rows, "labelTotals": {"kept": 1200, "seconds": 83.4}})


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


FEATURES = {
    "requests": 12,
    "in/length/at=2": 4,
    "in/length/at=4": 6,
    "in/length/count": 10,
    "in/x/at=2": 4,
    "in/x/at=4": 4,
    "in/x/missing": 2,
    "in/x/count": 10,
    "in/light/is=dark%2Fdim": 3,
    "in/light/is=bright": 7,
    "in/light/missing": 0,
    "in/light/count": 10,
    "out/is=yes": 5,
    "out/is=no": 4,
    "out/empty": 1,
    "out/error": 0,
    "out/count": 10,
}
"""What was observed of twelve requests to one version."""


def observed(
    arms: Mapping[str, Mapping[str, float]] | None = None, parts: Mapping[str, Mapping[str, float]] | None = None
) -> str:
    """Return a page with what was observed, by arm; of parts of the traffic, at all of these arms alike."""
    rows = [
        [arm, part, series, value]
        for arm, whole in (arms or {"stable": FEATURES, "candidate": FEATURES}).items()
        for part, found in {"": whole, **(parts or {})}.items()
        for series, value in found.items()
    ]
    found: dict[str, Any] = json.loads(page("key", {}))
    return json.dumps({**found, "observed": rows})
