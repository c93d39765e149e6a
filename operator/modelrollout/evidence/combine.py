"""Many tests, one decision: whether anything is wrong at all, and what.

Under any dependence the average of e-values with fixed weights is an e-value; it is never weaker than Bonferroni's rule
with the same weights (Vovk, Wang, Annals of Statistics 2021). Which of them are guilty is asked with the values at the
time of the stop, not with the largest they ever had.
"""

import math
from collections.abc import Sequence

from modelrollout.evidence.mixture import log_sum

# Beyond it exp() overflows. No decision needs more.
_MOST = 700.0


def average(logs: Sequence[float], weights: Sequence[float]) -> float:
    """Return ln Σ w·E.

    Args:
        logs: ln E of each test.
        weights: fixed before the first block, at least 0, not more than 1 in sum.
    """
    parts = [log + math.log(weight) for log, weight in zip(logs, weights, strict=True) if weight > 0]
    return log_sum(parts) if parts else 0.0


def blame(logs: Sequence[float], alpha: float) -> tuple[int, ...]:
    """Return which tests are guilty: with a chance of at most alpha any innocent one is among them.

    Closed testing: one is guilty when in every group that it belongs to the average reaches 1/alpha. The group that
    speaks most for it has all others that fall short of 1/alpha, so only that one needs to be looked at.
    """
    enough = 1 / alpha
    values = [math.exp(min(log, _MOST)) for log in logs]
    short = math.fsum(enough - value for value in values if value < enough)
    return tuple(index for index, value in enumerate(values) if value >= enough and value - enough >= short)


def discoveries(logs: Sequence[float], alpha: float) -> tuple[int, ...]:
    """Return which tests to report: at most alpha of them are innocent ones, on average.

    The e-BH procedure: of m tests the k largest with the largest k for which all of these reach m/(k·alpha); it needs
    no assumption on their dependence (Wang, Ramdas, JRSS B 2022).
    """
    order = sorted(range(len(logs)), key=lambda index: -logs[index])
    reached = [rank for rank, index in enumerate(order, 1) if logs[index] >= math.log(len(logs) / (rank * alpha))]
    return tuple(sorted(order[: max(reached, default=0)]))
