"""The state of every test: evidence mixed over alternatives and over the block in which a regression begins.

    E = Σ_g w_g Σ_j π_j Π_{i ≥ j} e_i(g) + (1 - Σ π_j)

with e_i(g) the e-value of block i against alternative g, w_g equal weights and π_j the prior of a start with block j.
Proof idea: E[e_i(g) | past] ≤ 1 under the null makes each product a nonnegative supermartingale that starts at 1;
weighted sums of them with fixed weights are such as well, and Ville's inequality gives P(E ever ≥ 1/alpha) ≤ alpha: one may
look as often as one likes (Ville 1939; Ramdas, Grünwald, Vovk, Shafer, Statistical Science 2023).

All numbers are natural logarithms and finite, so a state can be stored as JSON.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from modelrollout.evidence.onset import Onset


class Mixture(NamedTuple):
    """What has been gathered so far.

    Attributes:
        parts: for each alternative ln Σ_j π_j Π_{i ≥ j} e_i, over the starts that have come.
        rest: weight of the starts that are still to come.
        steps: blocks so far; before the first one the evidence is 1, whatever the prior.
    """

    parts: tuple[float, ...]
    rest: float = 0.0
    steps: int = 0


def start(alternatives: int) -> Mixture:
    """Return the state before the first block."""
    return Mixture((0.0,) * alternatives)


def advance(state: Mixture, increments: Sequence[float], onset: Onset | None) -> Mixture:
    """Multiply the e-values of one block in.

    Args:
        state: before the block.
        increments: ln e of the block, one for each alternative.
        onset: prior of the starting block; None: all weight on the first. The same for all blocks.
    """
    steps = state.steps + 1
    parts = state.parts
    prior = 0.0 if onset is None else onset.prior(state.steps)
    if prior > 0:
        fresh = math.log(prior)
        parts = tuple(fresh if state.steps == 0 else log_sum((part, fresh)) for part in parts)
    # What is left comes from the prior, not from the state: so it cannot drift when a state is stored rounded.
    rest = 0.0 if onset is None else onset.rest(steps)
    return Mixture(tuple([part + increment for part, increment in zip(parts, increments, strict=True)]), rest, steps)


def temper(state: Mixture, power: float) -> Mixture:
    """Raise what speaks for each alternative to a power of at most 1; what speaks against it stays.

    With w = Σ π_j of the starts that have come it is Σ_j π_j Π_j = w · A, of which w · min(A, A^power) is left. So no evidence
    ever grows by it, whatever the power was learnt from.
    """
    came = math.log(1 - state.rest) if state.steps else 0.0
    return Mixture(
        tuple(came + min(part - came, (part - came) * power) for part in state.parts), state.rest, state.steps
    )


def log_e(state: Mixture) -> float:
    """Return ln E, with equal weights of the alternatives."""
    mixed = log_sum(state.parts) - math.log(len(state.parts))
    return log_sum((mixed, math.log(state.rest))) if state.rest > 0 else mixed


def log_sum(logs: Sequence[float]) -> float:
    """Return ln Σ exp of the numbers without overflow."""
    most = max(logs)
    if math.isinf(most):
        return most
    exp = math.exp
    return most + math.log(math.fsum([exp(number - most) for number in logs]))
