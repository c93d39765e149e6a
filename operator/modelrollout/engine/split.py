"""Is the split that was asked for the split that is seen? Asked once for a rollout, whatever its metrics are measured by.

Only the routers know for which requests they chose which version, so only their counters are asked. A split is looked at from
the first answers after every router has acknowledged it until it changes. Another split than the one that was asked for voids
a comparison's plan and not its validity: nothing may pass, and what speaks against the candidate still does.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from modelrollout.domain.observation import RouterPodSeen
from modelrollout.domain.reading import Key, Reading, State
from modelrollout.engine.counters import ByArm, by_arm, increments, remember
from modelrollout.engine.wants import AnalysisWants
from modelrollout.evidence.routing import split_log_e

MISMATCH = math.log(1000.0)
"""Evidence that requests are split in other proportions than asked for; one in a thousand splits as asked for reaches it."""


@dataclass(frozen=True)
class Split:
    """What routers did with the requests of one split.

    Attributes:
        name: which split of which attempt; another one begins anew. Empty: none that is checked.
        seen: the counters to subtract from the next answers.
        grown: by how much they grew since the split began, summed over routers.
    """

    name: str = ""
    seen: Mapping[Key, float] = field(default_factory=dict)
    grown: ByArm = field(default_factory=dict)


def follow(split: Split, wants: AnalysisWants | None, routers: Iterable[RouterPodSeen]) -> Split:
    """Add what the routers answered; the first answers of a split only say where to count from."""
    if wants is None or wants.comparison.weight is None:
        return Split()
    now = dict(_counters(wants, routers))
    if split.name != _name(wants):
        return Split(_name(wants), now)
    return replace(split, seen=remember(split.seen, now), grown=by_arm(increments(split.seen, now), split.grown))


def mismatch(split: Split, wants: AnalysisWants) -> str:
    """Return in words how requests arrive in other proportions than asked for, beyond chance; empty: they do not."""
    weight = wants.comparison.weight
    if weight is None or split.name != _name(wants):
        return ""
    candidate, stable = _sent(split, wants.scope.revision), _sent(split, wants.scope.stable or "")
    if split_log_e((candidate, stable), (weight, 100 - weight)) < MISMATCH:
        return ""
    requests = candidate + stable
    return f"The candidate should get {weight} % and gets {candidate / requests:.1%} of {requests:.0f} requests."


def withhold(reading: Reading, words: str) -> Reading:
    """Return a reading without its value where the split is another one; its evidence stays.

    Silence is withheld too: of a metric that gets nothing ``onNoData`` may pass over, and of a wrong split nothing may.
    """
    if not words or not reading.closed or reading.state not in (State.VALUE, State.NO_TRAFFIC):
        return reading
    return reading._replace(state=State.MISMATCH, value=None, message=words)


def _name(wants: AnalysisWants) -> str:
    return f"{wants.comparison.attempt} {wants.comparison.split}"


def _counters(wants: AnalysisWants, routers: Iterable[RouterPodSeen]) -> Iterator[tuple[Key, float]]:
    arms = {wants.scope.revision, wants.scope.stable}
    for router in routers:
        for cluster, tries in router.tries.items():
            if cluster in arms:
                yield Key(cluster, router.pod.uid, "tries"), float(tries)
                yield Key(cluster, router.pod.uid, "retries"), float(router.retries.get(cluster, 0))


def _sent(split: Split, revision: str) -> float:
    """Return for how many requests a revision was chosen."""
    grown = split.grown.get((revision, ""), {})
    # Of a request that waits for its next try the router has counted that it tries again, and not yet the try.
    return max(grown.get("tries", 0.0) - grown.get("retries", 0.0), 0.0)
