"""Evidence as it is shown: rounded, so that equal evidence is written equally, and never up."""

import math

from modelrollout.domain.evidence import Evidence
from modelrollout.evidence.pair import Pair
from modelrollout.judges._stored import down


def show(  # noqa: PLR0913  # the fields of Evidence
    *,
    against: float,
    within: float,
    worse: float,
    candidate: float | None,
    stable: float | None,
    past: Pair,
    needed: int | None,
    least: int,
    about: str = "",
    alarm: float = -math.inf,
    low: float | None = None,
    high: float | None = None,
) -> Evidence:
    """Return what is shown.

    Args:
        against: ln E that the candidate is beyond the margin.
        within: ln E that it is within it.
        worse: ln E that it is worse at all.
        candidate: its value.
        stable: stable's.
        past: totals of requests.
        needed: further requests of the candidate until a pass.
        least: requests without which nothing passes.
        about: what the values are of, such as ``p99``; empty: the metric itself.
        alarm: what an alarm of the change detector stands for; −∞: there is none.
        low: lower end of the difference.
        high: upper end of it.
    """
    requests = round(past.nc)
    return Evidence(
        about=about[:63],
        alarm=alarm > -math.inf,
        against=_log(max(against, alarm)),
        within=_log(within),
        worse=_log(worse),
        candidate=_six(candidate),
        stable=_six(stable),
        low=low,
        high=high,
        enough=requests >= least,
        requests=requests,
        stable_requests=round(past.ns),
        needed=max(needed, least - requests) if needed is not None else None,
    )


def _log(log: float) -> float:
    """Return evidence rounded down; what arithmetic took from 0 is no evidence."""
    return down(log + 1e-9) + 0.0


def _six(value: float | None) -> float | None:
    return float(f"{value:.6g}") if value is not None else None
