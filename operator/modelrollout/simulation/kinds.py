"""What is asked of two versions and what they say: the kinds of requests, and how often each comes.

Every request has a right label, positive or negative. A version says it, unless its behaviour says otherwise. So requests of
one kind are all alike, and it is enough to count them: what a kind amounts to is the collector's answer and not ours.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from modelrollout.simulation.behaviour import Behaviour

if TYPE_CHECKING:
    from modelrollout.simulation.watched import Law

POSITIVE, NEGATIVE = "positive", "negative"
ERROR = "error"
"""It answers 500."""
NULL = ""
"""It answers, and there is no prediction in it."""
SILENCE = "-"
"""It never answers."""


@dataclass(frozen=True)
class Mix:
    """What clients ask.

    Attributes:
        parts: which share of the requests is in which part of the traffic, by the part's name; each is in one at most.
        positives: share of the requests of which the right label is positive.
        inputs: how the values of features are spread.
        concept: share of the requests of which the right label has become the other one, and no version knows it.
        labelled: share of the answers that are looked at of which the right label becomes known.
        after: how long after the answer.
    """

    parts: tuple[tuple[str, float], ...] = ()
    positives: float = 0.5
    inputs: "tuple[Law, ...]" = ()
    concept: float = 0.0
    labelled: float = 0.0
    after: timedelta = timedelta()


@dataclass(frozen=True)
class Kind:
    """One kind of request.

    Attributes:
        part: of the traffic; empty: none that anybody tells apart.
        stable: what stable says.
        candidate: what the candidate says.
        again: what stable says to a second copy; None: it gets none.
    """

    part: str
    stable: str
    candidate: str
    again: str | None = None


@dataclass(frozen=True)
class Meeting:
    """Who is compared on what.

    Attributes:
        mix: what clients ask.
        stable: how stable behaves.
        candidate: how the candidate behaves.
        shared: chance of each request to fail that does not depend on who answers it.
        again: share of the copied requests that stable answers twice.
    """

    mix: Mix
    stable: Behaviour
    candidate: Behaviour
    shared: float = 0.0
    again: float = 0.0


@lru_cache(maxsize=64)
def kinds(meeting: Meeting) -> Mapping[Kind, float]:
    """Return every kind of request that comes at all, and its share; the shares sum to 1."""
    found: dict[Kind, float] = {}
    for kind, share in _kinds(meeting):
        found[kind] = found.get(kind, 0.0) + share
    return found


def answers(behaviour: Behaviour, mix: Mix, shared: float) -> Iterator[tuple[str, str, str, float]]:
    """Yield part of the traffic, right label, what a version says to it, and how often that comes, if it does."""
    for part, truth, share in asked(mix):
        for said, chance in says(behaviour, truth, part, shared).items():
            if share * chance > 0:
                yield part, truth, said, share * chance


def parts_of(mix: Mix) -> dict[str, float]:
    """Return which share of the requests is in which part of the traffic; the empty name is the rest."""
    return {**dict(mix.parts), "": max(0.0, 1 - sum(share for _, share in mix.parts))}


def asked(mix: Mix) -> Iterator[tuple[str, str, float]]:
    """Yield part of the traffic, right label, and which share of the requests is of both."""
    truths = {POSITIVE: mix.positives, NEGATIVE: 1 - mix.positives}
    for (part, of_part), (truth, of_truth) in product(parts_of(mix).items(), truths.items()):
        yield part, truth, of_part * of_truth


def _kinds(meeting: Meeting) -> Iterator[tuple[Kind, float]]:
    for part, truth, share_of_both in asked(meeting.mix):
        stable = says(meeting.stable, truth, part, meeting.shared)
        candidate = says(meeting.candidate, truth, part, meeting.shared)
        again: dict[str | None, float] = {None: 1 - meeting.again}
        again |= {said: share * meeting.again for said, share in stable.items()}
        for one, two, three in product(stable, candidate, again):
            share = share_of_both * stable[one] * candidate[two] * again[three]
            if share > 0:
                yield Kind(part, one, two, three), share


def says(behaviour: Behaviour, truth: str, part: str, shared: float) -> dict[str, float]:
    """Return what a version says to a request with some right answer, each with its chance."""
    if behaviour.hangs:
        return {SILENCE: 1.0}
    answers = (1 - behaviour.errors) * (1 - shared)
    predicts = answers * (1 - behaviour.empty)
    meant = behaviour.always or truth
    differs, noise = behaviour.differing(part), behaviour.noise
    other = differs * (1 - noise) + (1 - differs) * noise
    return {
        meant: predicts * (1 - other),
        NEGATIVE if meant == POSITIVE else POSITIVE: predicts * other,
        NULL: answers - predicts,
        ERROR: 1 - answers,
    }
