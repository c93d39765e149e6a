"""Evidence as bars: how far each metric is on its way to a rollback and to a pass, and how much is still to come. Pure."""

import math
from collections.abc import Iterator

import click

from modelrollout.cli.table import columns
from modelrollout.cli.view import RolloutView, View
from modelrollout.domain.evidence import Evidence
from modelrollout.domain.status import RolloutState
from modelrollout.domain.verdict import Gate

CELLS = 5
"""Cells of a bar."""
SLICES = 5
"""Parts of the traffic that are drawn for one metric: those that say most."""


def evidence_lines(view: View) -> list[str]:
    """Return a line for each metric and slice that evidence is gathered for, and what the numbers mean."""
    rollout = view.rollout
    if rollout is None or rollout.state is RolloutState.COMPLETED:
        return []
    rows = [row for gate in rollout.gates for row in _gate_rows(rollout, gate)]
    if len(rows) > 1 and rollout.together is not None:
        rows.append(("all together", "", _bar("rollback", rollout.together, _bound(rollout.alpha), "red"), "", ""))
    rows += [row for gate in rollout.watched for row in _gate_rows(rollout, gate)]
    if not rows:
        return []
    bounds = (_bound(rollout.alpha), _bound(rollout.beta))
    meaning = (
        f"Bars are ln E. Rollback at {bounds[0]:.1f} of all metrics together (alpha {_percent(rollout.alpha)}), "
        f"a pass at {bounds[1]:.1f} of each (beta {_percent(rollout.beta)})."
    )
    return [*columns(rows), click.style(meaning, dim=True)]


def _gate_rows(rollout: RolloutView, gate: Gate) -> Iterator[tuple[str, ...]]:
    if gate.evidence is None:
        # Slices under a plain limit gather none.
        return
    mode = f" ({gate.mode})" if gate.mode is not None else ""
    yield _row(rollout, gate.name, f"{gate.name}{mode}", gate.evidence)
    telling = sorted(gate.slices, key=lambda one: -max(one.against, one.worse))
    for one in telling[:SLICES]:
        yield _row(rollout, gate.name, f"{gate.name}[{one.slice}]", one)
    left = len(telling) - SLICES
    if left > 0:
        yield (f"{gate.name}[…]", "", "", "", f"{left} more slice{'' if left == 1 else 's'}, with less against them")


def _row(rollout: RolloutView, metric: str, name: str, seen: Evidence) -> tuple[str, ...]:
    return (
        name,
        _values(seen, fraction=metric in rollout.fractions),
        _bar("rollback", seen.against, _bound(rollout.alpha), "red"),
        _bar("pass", seen.within, _bound(rollout.beta), "green"),
        _requests(rollout, seen),
    )


def _bound(chance: float) -> float:
    return math.log(1 / chance)


def _values(seen: Evidence, *, fraction: bool) -> str:
    """Return the candidate's value and stable's."""
    values = [value for value in (seen.candidate, seen.stable) if value is not None]
    return " / ".join(_percent(value) if fraction else f"{value:.4g}" for value in values)


def _percent(value: float) -> str:
    return f"{value * 100:.3g} %"


def _bar(name: str, value: float, bound: float, colour: str) -> str:
    """Return how much of a bound there is; the bar is full, and the number the bound's, only when it is reached."""
    reached = value >= bound
    full = CELLS if reached else max(0, math.floor(value / bound * CELLS))
    cells = "█" * full + "░" * (CELLS - full)
    # Never shown as more than it is: rounded up, it would look reached.
    shown = value if reached or value < 0 else math.floor(value * 10) / 10
    words = f"{name} {cells}| {shown:4.1f} of {bound:.1f}"
    return click.style(words, fg=colour) if reached else words


def _requests(rollout: RolloutView, seen: Evidence) -> str:
    text = f"{seen.requests:,} request{'' if seen.requests == 1 else 's'}"
    if seen.within >= _bound(rollout.beta) or not seen.needed:
        return text
    more = f"≈ {_two_digits(seen.needed):,} more"
    if not seen.per_second:
        return f"{text}, {more}"
    return f"{text}, {more} (≈ {roughly(seen.needed / seen.per_second)})"


def _two_digits(number: int) -> int:
    """Return a number of which no more is said than is known."""
    digit = int(10 ** max(0, len(str(number)) - 2))
    return round(number / digit) * digit


def roughly(seconds: float) -> str:
    """Return a span of time in one unit."""
    for unit, size, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < most * size:
            return f"{max(1, round(seconds / size))} {unit}"
    return f"{round(seconds / 86400):,} d"
