"""Has something moved, and whose doing is it? The candidate against stable, and both against a reference where there is one.

Every feature is tested at a few places (`_drift_places.py`) for both signs, and what all of them say is averaged, which is
evidence whatever their number and however they depend on one another (``evidence/combine.py``). A difference of at most the
floor is never told, however many requests there are; how many are needed for a larger one, the evidence says by itself.

Whose doing it is follows from what is proven, each with a chance of α of being wrong:

=================================================== ===========  ====================================================
proven                                              moved        what follows
=================================================== ===========  ====================================================
both versions are away from the reference, at the   world        hold: neither version is to blame. What the versions
same place in the same direction                                 differ by is then not held against the candidate.
what they are asked differs by more than the floor  inputs       hold: requests are not split at random
what they answer does                               candidate    evidence against the candidate; but where stable is
                                                                 away from the reference by itself: world
=================================================== ===========  ====================================================

A tenth of α is spent on the reference, which was counted from requests, too; evidence against it counts nine tenths. Without a
reference the versions are compared with one another and nothing is known about the world.

Once the candidate answers everything, nobody can tell the world from the candidate: both look the same from one version. A
change detector then watches the distance from the reference, with 10,000 blocks between two false alarms on average at least.
What it finds is told as ``world`` and holds; it is no ``alarm``, because an alarm rolls back, and a world that moves is no
reason to. Without a reference there is nothing to watch.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import groupby
from typing import Annotated, Any, Literal

from pydantic import Field

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.problem import Problem
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.tally import Block, Features, Histogram, Shares
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.evidence import combine
from modelrollout.evidence.drift import PlaceTests
from modelrollout.evidence.pair import Pair
from modelrollout.judges import _drift_feature, _drift_shown, _drift_words
from modelrollout.judges._base import DEFAULT_BETA, Question, Weigher
from modelrollout.judges._case import Damping
from modelrollout.judges._drift_feature import FeatureCase, Seen, Told, Trial
from modelrollout.judges._drift_places import together, words
from modelrollout.judges._drift_shown import pace_of
from modelrollout.judges._forecast import further
from modelrollout.judges._gate import conclude
from modelrollout.judges._margin import Accepted
from modelrollout.judges._shown import show
from modelrollout.judges._stored import count, fields, number, short
from modelrollout.judges._watch import DETECTOR
from modelrollout.schema import ApiModel

VERSION = 2
"""Of stored ledgers, see ``compare.py``."""
MOST_FEATURES = 22
"""As many as a collector measures: twenty, and two of every body."""
LOOK = 100.0
"""Requests of both versions after which the places of a feature are chosen, where no reference says them."""
REFERENCE = 0.1
"""Part of α that is spent on the reference's own error."""
_GIVEN = 0.9
"""Part of the weight that is left which the features of one block share."""


class DriftConfig(ApiModel):
    """Whether distributions have moved: the candidate's away from stable's, or both versions' away from a reference.

    For inputs and outputs with signal values. Outputs that differ by more than the floor speak against the candidate
    (rollback; false with a chance of at most `analysis.alpha`); outputs and inputs that are proven not to pass (false with a
    chance of at most `analysis.beta`). Inputs that differ, and a world in which both versions are away from the reference,
    hold the rollout, at every step, and blame nobody. All of it holds for all features together and however often it is
    looked at.
    """

    floor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """The largest difference that is of no interest, as a fraction of 1: 0.1 means that the share of requests below any
    value, or of any category, may differ by ten percentage points."""
    min_requests: Annotated[int, Field(ge=1, le=1_000_000_000)] = 50
    """Requests of the candidate without which nothing passes, whatever the evidence."""
    required: bool = True
    """Whether the rollout waits until this metric passes. false: it only rolls back, or holds once something has moved."""


@dataclass(frozen=True)
class DriftLedger:
    """What was gathered.

    Attributes:
        question: what it is about.
        blocks: number of them.
        requests: of candidate and stable.
        free: weight that is not given away.
        alone: stable is gone.
        features: by name.
        waiting: what was seen of features whose places are not chosen yet; not stored.
    """

    question: Question
    blocks: int = 0
    requests: tuple[float, float] = (0.0, 0.0)
    free: float = 1.0
    alone: bool = False
    features: Mapping[str, FeatureCase] = field(default_factory=dict)
    waiting: Mapping[str, Histogram | Shares] = field(default_factory=dict)


@dataclass(frozen=True)
class _Loud:
    """What one sign of one place says, and where that is."""

    feature: str
    place: int
    told: Told
    weight: float
    up: bool


class DriftJudge(Weigher[DriftConfig, DriftLedger]):
    """Passes when no feature is proven to differ between the versions, and the world has not moved."""

    name = "drift"
    config = DriftConfig

    def problems(
        self,
        config: DriftConfig,  # noqa: ARG002  # all configs need the same
        *,
        counts: bool,
        fraction: bool = False,  # noqa: ARG002  # a distribution is none
        forms: frozenset[type] = frozenset(),
    ) -> tuple[Problem, ...]:
        """Return why this judge cannot judge such readings."""
        if counts and forms == {Features}:
            return ()
        reason = "this metric counts no distribution of features"
        return (Problem("drift", reason, "Use compare or threshold, or measure inputs or outputs with signal values."),)

    def compares(self, config: DriftConfig) -> bool:  # noqa: ARG002  # with every config
        """It compares with stable first of all."""
        return True

    def required(self, config: DriftConfig) -> bool:
        """Return what the user says."""
        return config.required

    def min_requests(self, config: DriftConfig) -> int:
        """Return how many requests of the candidate a pass needs."""
        return config.min_requests

    def forms(self, config: DriftConfig) -> frozenset[type]:  # noqa: ARG002  # with every config
        """Return what tallies it accepts."""
        return frozenset({Features})

    def begin(self, config: DriftConfig, question: Question) -> DriftLedger:  # noqa: ARG002  # nothing is known of it yet
        """Return the ledger before the first block."""
        return DriftLedger(question)

    def weigh(self, config: DriftConfig, ledger: DriftLedger, block: Block, noise: float, cap: float) -> DriftLedger:
        """Fold one block in."""
        candidate, stable = block.candidate, block.stable
        if not isinstance(candidate, Features):
            return ledger
        others = stable if isinstance(stable, Features) else None
        alone = ledger.alone or others is None
        seen = dict(_seen(candidate, others, block.reference))
        ledger = _choose(ledger, seen)
        trial = Trial(
            _tests(config.floor, ledger.question.horizon),
            REFERENCE * ledger.question.alpha / MOST_FEATURES,
            Damping(max(float(noise), 1.0), float(cap)),
            alone,
        )
        nothing = Seen(None, None, None, 0.0)
        features = {
            name: _drift_feature.fold(trial, case, seen.get(name, nothing)) if case.since <= ledger.blocks else case
            for name, case in ledger.features.items()
        }
        came = (ledger.requests[0] + candidate.total, ledger.requests[1] + (others.total if others else 0.0))
        return replace(ledger, blocks=ledger.blocks + 1, requests=came, alone=alone, features=features)

    def evidence(self, config: DriftConfig, ledger: DriftLedger) -> Evidence:
        """Return what has been gathered; its values are the shares of the place that speaks loudest."""
        tests, question = _tests(config.floor, ledger.question.horizon), ledger.question
        every = list(_every(tests, ledger))
        if not every:
            return Evidence()
        apart = _mean(every, "apart")
        moved = _moved(every, ledger, apart)
        said = _said(every, ledger, moved)
        loud = max(every, key=lambda one: getattr(one.told, said))
        least = min(every, key=lambda one: one.told.alike)
        case = ledger.features[loud.feature]
        spot = case.spots[loud.place]
        found = show(
            against=0.0 if question.inputs or moved == "world" else apart,
            within=least.told.alike,
            worse=0.0,
            candidate=spot.bad[0] / case.totals[0] if case.totals[0] > 0 else None,
            stable=spot.bad[1] / case.totals[1] if case.totals[1] > 0 and not ledger.alone else None,
            past=Pair(0.0, ledger.requests[0], 0.0, ledger.requests[1]),
            needed=_needed(config, ledger, least),
            least=config.min_requests,
            about=words(loud.feature, case.places[loud.place]),
        )
        changes = {
            "moved": moved,
            "pace": pace_of(case, said, config.floor) if moved else None,
            "reference": spot.normal,
        }
        return found.model_copy(update=changes)

    def details(self, config: DriftConfig, ledger: DriftLedger) -> dict[str, Any]:
        """Return each feature at the place of it that speaks loudest, or differs most where none says anything.

        A feature has moved when what it says is enough without the others, once all of them together say enough. Those stand
        first, and the loudest of them before the others.
        """
        every = list(_every(_tests(config.floor, ledger.question.horizon), ledger))
        if not every:
            return {}
        moved = _moved(every, ledger, _mean(every, "apart"))
        said = "watch" if ledger.alone and moved is None else _said(every, ledger, moved)
        found = []
        for name, ones in groupby(every, key=lambda one: one.feature):
            own, case = list(ones), ledger.features[name]
            rows = [_drift_shown.row(name, case, place, said) for place in range(len(case.places))]
            loud, _, place = max(
                (max(getattr(one.told, said), 0.0), abs(rows[one.place].get("distance", 0.0)), one.place) for one in own
            )
            guilty = moved is not None and _enough(own, case, said, ledger.question.alpha)
            how = {"moved": moved, "pace": pace_of(case, said, config.floor)} if guilty else {}
            row = rows[place] | {key: word for key, word in how.items() if word is not None}
            found.append((guilty, loud, row))
        found.sort(key=lambda one: one[:2], reverse=True)
        return {"features": [row for *_, row in found]}

    def dump(self, ledger: DriftLedger) -> list[Any]:
        """Return a ledger as JSON values."""
        features = [[name, _drift_feature.write(case)] for name, case in ledger.features.items()]
        return [
            VERSION,
            ledger.question.horizon,
            int(ledger.question.inputs),
            ledger.blocks,
            *map(short, ledger.requests),
            ledger.free,
            int(ledger.alone),
            features,
        ]

    def load(self, config: DriftConfig, question: Question, raw: object) -> DriftLedger:
        """Return the ledger that was dumped."""
        version, horizon, inputs, blocks, ours, theirs, free, alone, features = fields(raw, 9)
        if version != VERSION or horizon != question.horizon or inputs not in (0, 1) or alone not in (0, 1):
            raise ValueError("The ledger is of another version.")
        if not isinstance(features, list) or len(features) > MOST_FEATURES or not 0 <= number(free) <= 1:
            raise ValueError("The ledger holds too many features.")
        tests, found, steps = _tests(config.floor, question.horizon), dict[str, FeatureCase](), count(blocks)
        for row in features:
            name, case = fields(row, 2)
            if not isinstance(name, str) or name in found:
                raise ValueError("The ledger holds a feature without a name of its own.")
            found[name] = _drift_feature.read(tests, case, steps)
        requests = (max(number(ours), 0.0), max(number(theirs), 0.0))
        asked = replace(question, form=Features, inputs=bool(inputs))
        return DriftLedger(asked, steps, requests, number(free), bool(alone), found)

    def judge(self, config: DriftConfig, reading: Reading, gate: Gate | None, *, beta: float = DEFAULT_BETA) -> Gate:
        """Return the gate that the evidence of a reading makes: undecided, whatever was proven, once something has moved."""
        evidence = reading.evidence
        made = conclude(
            reading,
            gate,
            beta=beta,
            least=config.min_requests,
            required=self.required(config),
            limit=_drift_words.limit(config.floor),
            values=_drift_words.values(evidence),
            basis=_drift_words.basis(config.floor, evidence),
            bound="floor",
        )
        held = [one for one in (evidence, *reading.slices) if one is not None and one.moved in ("world", "inputs")]
        if not held or reading.state is not State.VALUE:
            return made
        message = "; ".join(map(_drift_words.moved, held))[:512]
        return made.model_copy(
            update={"verdict": Verdict.UNDECIDED, "ignored": False, "at": reading.at, "message": message}
        )

    def blame_words(self, config: DriftConfig, evidence: Evidence, alpha: float) -> str:
        """Return what has moved, or what speaks against the candidate."""
        if evidence.moved in ("world", "inputs"):
            return _drift_words.moved(evidence)
        return _drift_words.blame(config.floor, evidence, alpha)


@lru_cache(maxsize=64)
def _tests(floor: float, horizon: int) -> PlaceTests:
    return PlaceTests(floor, horizon)


def _seen(candidate: Features, stable: Features | None, reference: object) -> Iterator[tuple[str, Seen]]:
    kept = reference if isinstance(reference, Features) else Features({}, 0.0)
    theirs = stable.counts if stable is not None else {}
    for name in sorted({*candidate.counts, *theirs}):
        yield name, Seen(candidate.counts.get(name), theirs.get(name), kept.counts.get(name), kept.requests)


def _choose(ledger: DriftLedger, seen: Mapping[str, Seen]) -> DriftLedger:
    """Return the ledger with the places of features that are new: from the reference at once, otherwise after a look.

    What was looked at is no test: a feature counts from the next block on.
    """
    new = {name: one for name, one in seen.items() if name not in ledger.features}
    if not new:
        return ledger
    waiting, chosen = dict(ledger.waiting), dict[str, FeatureCase]()
    looked = sum(ledger.requests) >= LOOK
    for name, one in new.items():
        if one.reference is not None and one.reference.total > 0:
            chosen[name] = _drift_feature.begin(one.reference, ledger.blocks, reference=True)
            continue
        both = together(together(waiting.get(name), one.stable), one.candidate)
        if both is not None:
            waiting[name] = both
    if looked:
        for name, both in waiting.items():
            if name not in chosen and both.total > 0:
                chosen[name] = _drift_feature.begin(both, ledger.blocks + 1, reference=False)
    room = max(MOST_FEATURES - len(ledger.features), 0)
    added = dict(list(chosen.items())[:room])
    if not added:
        return replace(ledger, waiting=waiting)
    given = ledger.free * _GIVEN
    weighed = {name: replace(case, weight=given / len(added)) for name, case in added.items()}
    left = {name: both for name, both in waiting.items() if name not in chosen}
    return replace(ledger, features={**ledger.features, **weighed}, free=ledger.free - given, waiting=left)


def _every(tests: PlaceTests, ledger: DriftLedger) -> Iterator[_Loud]:
    for name, case in ledger.features.items():
        for index, pair in enumerate(_drift_feature.tell(tests, case)):
            weight = case.weight / len(case.places) / 2
            for told, up in zip(pair, (True, False), strict=True):
                yield _Loud(name, index, told, weight, up)


def _mean(every: list[_Loud], what: str) -> float:
    return combine.average([getattr(one.told, what) for one in every], [one.weight for one in every])


def _against_reference(every: list[_Loud], what: str) -> float:
    return _mean(every, what) + math.log(1 - REFERENCE)


def _moved(every: list[_Loud], ledger: DriftLedger, apart: float) -> Literal["world", "candidate", "inputs"] | None:
    enough = math.log(1 / ledger.question.alpha)
    if ledger.alone:
        states = [log for case in ledger.features.values() for spot in case.spots for log in spot.watch]
        if states and DETECTOR.alarm(states):
            return "world"
    elif ledger.question.inputs and apart >= enough:
        return "inputs"
    elif _against_reference(every, "world") >= enough:
        return "world"
    if apart < enough:
        return None
    if ledger.question.inputs:
        return "inputs"
    return "world" if _against_reference(every, "stable") >= enough else "candidate"


def _said(every: list[_Loud], ledger: DriftLedger, moved: str | None) -> str:
    """Return which evidence it is that tells what has moved."""
    if moved != "world":
        return "apart"
    both = _against_reference(every, "world") >= math.log(1 / ledger.question.alpha)
    return "watch" if ledger.alone else "world" if both else "stable"


def _enough(own: list[_Loud], case: FeatureCase, said: str, alpha: float) -> bool:
    """Return whether one feature would say enough by itself."""
    if said == "watch":
        states = [log for spot in case.spots for log in spot.watch]
        return bool(states) and DETECTOR.alarm(states)
    spent = math.log(1 - REFERENCE) if said in ("world", "stable") else 0.0
    alone = combine.average([getattr(one.told, said) for one in own], [1 / len(own)] * len(own))
    return alone + spent >= math.log(1 / alpha)


def _needed(config: DriftConfig, ledger: DriftLedger, least: _Loud) -> int | None:
    """Return how many more requests the place takes that is furthest from a pass."""
    case = ledger.features[least.feature]
    bad = case.spots[least.place].bad
    past = Pair(bad[0], case.totals[0], bad[1], case.totals[1])
    return further(Accepted(config.floor), past if least.up else past.rest, least.told.alike, ledger.question.beta)


PLUGIN = DriftJudge()
