"""What was measured: for each metric its verdict, its values with their intervals, and the evidence; its slices below it."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from modelrollout.cli.html_draw import axis_of, axis_picture, evidence_axis, evidence_picture, value_picture
from modelrollout.cli.html_limit import limits_of
from modelrollout.cli.html_markup import Markup, code, count, finite, join, number, section, table, tag
from modelrollout.engine.dossier_page import one_in

Values = Mapping[str, Any]

SIGNS = {
    "Pass": "✓",
    "Fail": "✕",
    "Undecided": "…",
    "Completed": "✓",
    "Aborted": "✕",
    "Superseded": "…",
    "ignored": "–",
}
_HEADS = ("", "candidate ●", "stable □", "", "difference", "requests", "evidence, ln E")


def badge(word: str, said: str = "") -> Markup:
    """Return a verdict or an outcome: sign and word, and a colour for whoever sees it."""
    kind = word if word in SIGNS else None
    return tag("span", f"{SIGNS.get(word, '')} {said or word}".strip(), class_=f"badge {kind or ''}".strip())


def measured(values: Values) -> Markup | None:
    """Return the cards of all metrics, those that speak against the candidate first."""
    bounds = bounds_of(values)
    legend = (
        "● candidate, □ stable. The pale bar with two ends is the interval of the difference candidate − stable (1 − α, at any "
        "time); an upright line is the limit, a dashed one a multiple of stable. A bar of evidence is full and has a ✓ when it "
        f"has reached its bound: {bounds[0]:.1f} = ln 1/α for beyond and worse, {bounds[1]:.1f} = ln 1/β for within."
    )
    cards = [_card(gate, bounds) for gate in values["gates"]]
    return (
        section("What was measured", tag("p", legend, class_="pale"), *cards, _together(values, bounds))
        if cards
        else None
    )


def bounds_of(values: Values) -> tuple[float, float]:
    """Return the evidence that a rollback and a pass ask for."""
    settings = values.get("analysis") or {}
    chances = [finite(settings.get(key)) or 0.05 for key in ("alpha", "beta")]
    rollback, passes = (math.log(1 / chance) if 0 < chance < 1 else math.log(20) for chance in chances)
    return rollback, passes


def _card(gate: Values, bounds: tuple[float, float]) -> Markup:
    verdict = str(gate["verdict"])
    aside = "ignored" if gate.get("ignored") else gate.get("mode")
    beside = f" ({aside})" if aside else ""
    limit = gate.get("limit")
    head = tag(
        "header",
        tag("h3", gate["name"]),
        badge(verdict, f"{verdict}{beside}"),
        tag("span", limit, class_="pale") if limit else None,
    )
    rows = [*_rows(gate, bounds)]
    message = tag("p", gate["message"]) if gate.get("message") else None
    return tag("article", head, message, table(_HEADS, rows, kind="measure"), _how(gate), class_="card")


def _rows(gate: Values, bounds: tuple[float, float]) -> Iterator[tuple[object, ...]]:
    """Yield all of the traffic, each slice, and the axis."""
    fraction, limits, seen = bool(gate.get("fraction")), limits_of(gate), gate.get("evidence")
    whole = seen or {"candidate": gate.get("value"), "requests": gate.get("requests")}
    slices = gate.get("slices") or []
    # Kappa and the golden examples have no unit; a value that is none has no number.
    axis = axis_of([whole, *slices], limits)
    for part, (name, verdict) in [
        (whole, ("all", None)),
        *((one, (one["slice"], one.get("verdict"))) for one in slices),
    ]:
        value = number(part.get("candidate"), fraction=fraction)
        if part is whole and not value:
            value = str(gate.get("state", ""))
        yield (
            join((name, badge(str(verdict)))) if verdict else name,
            value,
            number(part.get("stable"), fraction=fraction),
            value_picture(part, axis, limits) if axis else "",
            _between(part, fraction=fraction),
            _requests(part),
            evidence_picture(part, *bounds) if "against" in part else "",
        )
    below = evidence_axis(*bounds) if seen or slices else ""
    if axis or below:
        yield ("", "", "", axis_picture(axis, fraction=fraction) if axis else "", "", "", below)


def _between(part: Values, *, fraction: bool) -> str:
    low, high = (number(part.get(end), fraction=fraction, sign="+") for end in ("low", "high"))
    return f"{low or 'unknown'} … {high or 'unknown'}" if low or high else ""


def _requests(part: Values) -> str:
    stable = count(part.get("stableRequests")) if part.get("stableRequests") else ""
    return f"{count(part.get('requests'))} / {stable}" if stable else count(part.get("requests"))


def _how(gate: Values) -> Markup | None:
    if "judge" not in gate:
        return None
    parts = [code(flat(gate[key])) for key in ("source", "judge") if gate.get(key)]
    noise = finite((gate.get("evidence") or {}).get("noise"))
    noisy = f" Noise φ {noise:.3g}." if noise is not None and noise > 1 else None
    return tag("p", join(parts, ", judged by "), ".", noisy, class_="pale") if parts else None


def _together(values: Values, bounds: tuple[float, float]) -> Markup | None:
    found = finite((values.get("together") or {}).get("against"))
    if found is None:
        return None
    reached = "enough" if found >= bounds[0] else "not enough"
    rare = (
        f" So much is seen at most 1 time in {one_in(found)}, if no metric is beyond its margin." if found > 0 else ""
    )
    size = f"{found:.1f} of {bounds[0]:.1f}".replace("-", "−")
    return tag("p", f"All metrics together speak against the candidate with {size}: {reached} for a rollback.{rare}")


def flat(value: object, path: str = "") -> str:
    """Return settings on one line: ``compare.margin.absolute=0.005``."""
    if isinstance(value, Mapping):
        inner = (flat(item, f"{path}.{key}" if path else str(key)) for key, item in value.items())
        return ", ".join(inner) if value else path
    if isinstance(value, list):
        return f"{path}={json.dumps(value, ensure_ascii=False)}"
    if isinstance(value, bool):
        return f"{path}={str(value).lower()}"
    return f"{path}={value:.12g}" if isinstance(value, float) else f"{path}={value}"
