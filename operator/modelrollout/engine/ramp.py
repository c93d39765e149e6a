"""Climbing a ramp: the next weight is the largest that can be afforded at the worst that the candidate may still be.

A weight of w percent risks ``upper · rps · w/100 · 60`` bad requests a minute: ``upper`` bounds how much more often than stable
the candidate answers badly, at any time and with the confidence of the tests, and 1 is all that is known at the beginning.
A weight that was chosen from the past alone leaves their guarantees as they are.
"""

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.stage import Stage

MINUTE = 60


def rungs_above(stages: tuple[Stage, ...], index: int) -> tuple[int, ...]:
    """Return the indices of the rungs above the one that the rollout stands on; none when it is the last, or no rung."""
    if stages[index].budget is None:
        return ()
    return tuple(later for later in range(index + 1, len(stages)) if stages[later].budget is not None)


def next_rung(stages: tuple[Stage, ...], index: int, upper: float | None, rps: float | None) -> int | None:
    """Return the rung to go on to, None to stay.

    Args:
        stages: of the rollout.
        index: of the current one, whose route is verified. The first rung is entered without asking.
        upper: how much more often than stable the candidate answers badly, at most; None: nothing is known yet.
        rps: requests per second of both arms together, lately; None: unknown. Without requests nothing can be afforded: more
            of them may come at any time.
    """
    affordable = [
        later
        for later in rungs_above(stages, index)
        if rps and risk(stages[later], upper, rps) <= _budget(stages[later])
    ]
    return max(affordable, default=None)


def afforded_to(stages: tuple[Stage, ...], index: int) -> float | None:
    """Return up to how many more bad requests a second than stable, at all of the traffic, the next rung can be afforded.

    None: there is no rung above.
    """
    above = rungs_above(stages, index)
    return _budget(stages[above[0]]) / risk(stages[above[0]], None, 1.0) if above else None


def can_be_afforded(evidence: Evidence | None, limit: float | None) -> bool:
    """Return whether the next rung can be, as far as one metric says: it depends on how many requests arrive, too."""
    if evidence is None or limit is None or not evidence.both_per_second:
        return False
    return _bound(evidence.high) * evidence.both_per_second <= limit


def risk(stage: Stage, upper: float | None, rps: float) -> float:
    """Return the bad requests a minute that a stage costs, at most."""
    return _bound(upper) * rps * stage.weight / 100 * MINUTE


def why_it_stays(stages: tuple[Stage, ...], index: int, upper: float | None, rps: float | None) -> str:
    """Return what the next rung could cost, for people; empty when it can be afforded, or when there is none."""
    above = rungs_above(stages, index)
    if not above or next_rung(stages, index, upper, rps) is not None:
        return ""
    here, following = stages[index], stages[above[0]]
    if not rps:
        unknown = "no requests arrive" if rps is not None else "how many requests arrive is unknown"
        return f"{here.label}: {unknown}, so nothing says what {following.weight} % could cost"
    known = "nothing is known yet" if upper is None else f"upper bound {_number(100 * upper)} pp"
    return (
        f"{here.label}: {following.weight} % could cost {_number(risk(following, upper, rps))} bad requests a minute "
        f"({known} at {_number(rps)} requests/s); budget {_number(_budget(following))}"
    )


def ends_when(stages: tuple[Stage, ...], index: int) -> str:
    """Return when a rung ends, for people; empty when it ends as an ordinary step does."""
    above = rungs_above(stages, index)
    if not above:
        return ""
    following = stages[above[0]]
    return f"when {following.weight} % risks at most {_number(_budget(following))} bad requests a minute"


def first_rung_risk(stages: tuple[Stage, ...]) -> str:
    """Return from how many requests on the first rung risks more than the budget, for people; empty without a ramp."""
    first = next((stage for stage in stages if stage.budget is not None), None)
    if first is None:
        return ""
    enough = _budget(first) / risk(first, None, 1.0)
    return (
        f"The first rung of the ramp, {first.weight} %, is entered whatever it risks: a candidate that fails altogether costs "
        f"more than {_number(_budget(first))} bad requests a minute there when more than {_number(enough)} requests/s arrive."
    )


def _bound(upper: float | None) -> float:
    """Return how much more often than stable the candidate answers badly, at most: 1 where nothing is known."""
    # What is above 1 says nothing, and NaN neither.
    return max(upper, 0.0) if upper is not None and upper <= 1 else 1.0


def _budget(stage: Stage) -> float:
    assert stage.budget is not None
    return stage.budget


def _number(value: float) -> str:
    """Three digits are enough for a bound."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
