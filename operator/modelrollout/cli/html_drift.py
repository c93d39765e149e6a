"""What each feature has drifted by: the shares of both versions and of the reference, on one line from 0 to 100 percent."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelrollout.cli.html_draw import Axis, axis_picture, value_picture
from modelrollout.cli.html_limit import Limits
from modelrollout.cli.html_markup import Markup, finite, number, section, table, tag

Values = Mapping[str, Any]

_HEADS = ("feature", "its values", "candidate ●", "stable □", "reference |", "", "difference", "moved")
_WHOLE = Axis(0.0, 1.0, differences=False)


def drift(values: Values) -> Markup | None:
    """Return the cards of all metrics that look for drift; nothing where none does."""
    legend = (
        "Shares of requests, at the place of each feature that speaks loudest. The upright line is the reference. The difference "
        "is candidate − stable, or from the reference where the world has moved. What is named as moved is proven."
    )
    cards = [
        tag(
            "article",
            tag("header", tag("h3", metric)),
            table(_HEADS, _rows(said), kind="measure"),
            class_="card",
        )
        for metric, said in (values.get("drift") or {}).items()
    ]
    return section("Drift by feature", tag("p", legend, class_="pale"), *cards) if cards else None


def _rows(features: Sequence[Values]) -> Iterator[tuple[object, ...]]:
    for one in features:
        reference, distance = finite(one.get("reference")), finite(one.get("distance"))
        limits = Limits(constants=(reference,) if reference is not None else ())
        yield (
            one["feature"],
            one["place"],
            *(number(one.get(key), fraction=True) for key in ("candidate", "stable", "reference")),
            value_picture(one, _WHOLE, limits),
            f"{distance * 100:+.1f} pp".replace("-", "−") if distance is not None else "",
            ", ".join(str(one[key]) for key in ("moved", "pace") if one.get(key)),
        )
    yield ("", "", "", "", "", axis_picture(_WHOLE, fraction=True), "", "")
