"""Which drifts of what is watched may take traffic back, in words, where not all of them may. Pure."""

from collections.abc import Iterator
from datetime import timedelta

from modelrollout.api.watched import Watched
from modelrollout.domain.verdict import Mode
from modelrollout.engine.culprit import of_inputs, of_spread
from modelrollout.schema import format_duration


def taken_back(metrics: tuple[Watched, ...], lasting: timedelta) -> Iterator[str]:
    """Yield what takes nothing back, and why.

    Args:
        metrics: all that are watched.
        lasting: how long the others must drift without those of inputs.
    """
    asked = tuple(one for one in metrics if of_inputs(one))
    untold = tuple(one for one in metrics if of_spread(one) and one not in asked and not any(map(of_spread, asked)))
    shown = tuple(one for one in metrics if one.mode is not Mode.GATE and one not in (*asked, *untold))
    own = tuple(one for one in metrics if one not in (*asked, *untold, *shown))
    if asked:
        then = f"{_names(own)}: for {format_duration(lasting)} without that" if own else "nothing else is watched"
        yield f"While what is asked drifts ({_names(asked)}) nothing is taken back, as that is no version's doing; {then}."
    if untold:
        yield (
            f"{_names(untold)}: a drift takes nothing back, because without a metric of inputs with drift nobody can tell the "
            "version from the world."
        )
    if shown:
        yield f"{_names(shown)}: a drift takes nothing back (mode)."


def _names(metrics: tuple[Watched, ...]) -> str:
    return ", ".join(one.name for one in metrics)
