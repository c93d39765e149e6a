"""Do requests arrive in the proportions that were asked for? A wrong split voids a comparison's plan, not its validity.

The evidence is a Dirichlet-multinomial over the multinomial with the asked weights. Proof idea: a mixture of likelihood
ratios against a simple null has mean 1 after every request (Lindon, Malek, "Anytime-valid inference for multinomial count
data", NeurIPS 2022).
"""

import math
from collections.abc import Sequence


def split_log_e(counts: Sequence[float], weights: Sequence[float], strength: float = 100.0) -> float:
    """Return ln E that the split is not the one that was asked for.

    Args:
        counts: requests of each arm since the weights last changed.
        weights: what was asked for, in any unit. An arm with weight 0 that gets a request is infinite evidence.
        strength: how close to the weights alternatives are; a hundred requests' worth of closeness.
    """
    asked = math.fsum(weights)
    found = math.lgamma(strength) - math.lgamma(strength + math.fsum(counts))
    for count, weight in zip(counts, weights, strict=True):
        if weight <= 0:
            if count > 0:
                return math.inf
            continue
        share = weight / asked
        found += math.lgamma(strength * share + count) - math.lgamma(strength * share) - count * math.log(share)
    return found
