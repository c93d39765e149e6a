"""Comparing shares of classes: none may differ from stable's by more than the margin, up or down.

Which classes there are is only known once they appear. Against the candidate a class counts from the block after its first
one, with a part of the weight that is not given away yet: both are known before the block that is tested. For it, each
class that may ever appear has a test from the first block on. Those of all classes that have not appeared are equal, so
one state stands for them, and a class that appears takes it over.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.tally import Block, Shares
from modelrollout.evidence.combine import average
from modelrollout.evidence.mixture import Mixture
from modelrollout.evidence.pair import Pair, PairTest
from modelrollout.judges._base import Question
from modelrollout.judges._case import Claim, Damping, counts, restore
from modelrollout.judges._compare import CompareConfig, Form
from modelrollout.judges._forecast import further
from modelrollout.judges._margin import accepted, share_claim
from modelrollout.judges._shown import show
from modelrollout.judges._stored import count, down, fields, numbers, short

MOST_CLASSES = 32
"""Classes that are compared by themselves; the others are one class together."""
_GIVEN = 0.9
"""Part of the weight that is left which the classes of one block share."""


@dataclass(frozen=True)
class ClassCase:
    """What was gathered about one class. States come in pairs: a larger share, a smaller share.

    Attributes:
        since: blocks before the first one that counts against the candidate.
        weight: of its evidence against the candidate; both signs have half of it.
        past: totals.
        expected: how many of this class the candidate would have had with stable's share of the same minutes.
        against: "more than the margin".
        within: "within the margin".
        worse: "more than a tenth of the margin".
    """

    since: int
    weight: float
    past: Pair
    expected: float
    against: tuple[Mixture, ...]
    within: tuple[Mixture, ...]
    worse: tuple[Mixture, ...]


@dataclass(frozen=True)
class SharesLedger:
    """What was gathered about classes.

    Attributes:
        question: what it is about.
        claim: what is tested for each class and sign.
        blocks: number of blocks with both sides.
        classes: by name, in order of appearance.
        rest: any class that has not appeared; once there are too many, all others together.
        free: weight that is not given away.
    """

    question: Question
    claim: Claim
    rest: ClassCase
    blocks: int = 0
    classes: Mapping[str, ClassCase] = field(default_factory=dict)
    free: float = 1.0

    @property
    def full(self) -> bool:
        """Whether no further class gets a case of its own."""
        return len(self.classes) >= MOST_CLASSES


class ClassShares(Form[SharesLedger]):
    """Two cases for each class. Nothing is watched once stable is gone."""

    name = "shares"

    def begin(self, config: CompareConfig, question: Question) -> SharesLedger:
        """Return the ledger before the first block."""
        claim = share_claim(_margin(config), strict=config.strict, horizon=question.horizon)
        return SharesLedger(question, claim, _start(claim))

    def weigh(self, config: CompareConfig, ledger: SharesLedger, block: Block, damping: Damping) -> SharesLedger:  # noqa: ARG002  # the claim says it all
        """Fold one block in."""
        candidate, stable = block.candidate, block.stable
        if not isinstance(candidate, Shares) or not isinstance(stable, Shares):
            return ledger
        claim, known, rest = ledger.claim, ledger.classes, ledger.rest
        totals = (candidate.total, stable.total)

        def pair(ours: float, theirs: float) -> Pair:
            return counts(ours, totals[0], theirs, totals[1])

        def of(name: str) -> Pair:
            return pair(candidate.counts.get(name, 0.0), stable.counts.get(name, 0.0))

        new = sorted({*candidate.counts, *stable.counts} - known.keys(), key=lambda name: (-sum(_bad(of(name))), name))
        added = new[: max(MOST_CLASSES - len(known), 0)]
        classes = {name: _fold(claim, case, of(name), damping) for name, case in known.items()}
        given = ledger.free * _GIVEN if added else 0.0
        for name in added:
            begun = replace(rest, since=ledger.blocks + 1, weight=given / len(added))
            classes[name] = _fold(claim, begun, of(name), damping, only_within=True)
        if ledger.full:
            others = [_bad(of(name)) for name in new]
            summed = pair(sum(ours for ours, _ in others), sum(theirs for _, theirs in others))
            rest = _fold(claim, rest, summed, damping)
        elif len(classes) < MOST_CLASSES:
            rest = _fold(claim, rest, pair(0.0, 0.0), damping, only_within=True)
        else:
            rest = replace(_start(claim), since=ledger.blocks + 1)
        return replace(ledger, blocks=ledger.blocks + 1, classes=classes, rest=rest, free=ledger.free - given)

    def evidence(self, config: CompareConfig, ledger: SharesLedger) -> Evidence:
        """Return what has been gathered; its values are the shares of the class that speaks loudest."""
        claim, classes, rest = ledger.claim, ledger.classes, ledger.rest
        if not classes:
            return Evidence()
        last = replace(rest, weight=ledger.free)
        everything = {**classes, "": last}
        passing = {name: [claim.within[0].log_e(state) for state in case.within] for name, case in everything.items()}
        shown = everything if ledger.full else classes
        loudest = max(shown, key=lambda name: max(map(claim.against[0].log_e, shown[name].against)))
        loud = shown[loudest]
        margin, beta = accepted(config.margin, Shares), ledger.question.beta
        waits = [
            further(margin, past, within, beta)
            for name, case in shown.items()
            for past, within in zip((case.past, case.past.rest), passing[name], strict=True)
        ]
        return show(
            against=_both(everything.values(), lambda case: map(claim.against[0].log_e, case.against)),
            within=min(min(logs) for logs in passing.values()),
            worse=_both(everything.values(), lambda case: map(claim.worse.log_e, case.worse)),
            candidate=loud.past.kc / loud.past.nc if loud.past.nc > 0 else None,
            stable=loud.expected / loud.past.nc if loud.past.nc > 0 else None,
            past=max((case.past for case in everything.values()), key=lambda past: past.nc),
            needed=None if None in waits else max(wait for wait in waits if wait is not None),
            least=config.min_requests,
            about=f"share of {loudest}" if loudest else "share of other classes",
        )

    def write(self, ledger: SharesLedger) -> list[Any]:
        """Return what is to be stored."""
        classes = [[name, _write(case)] for name, case in ledger.classes.items()]
        return [ledger.blocks, ledger.free, _write(ledger.rest), classes]

    def read(self, config: CompareConfig, question: Question, raw: object) -> SharesLedger:
        """Return what was stored."""
        empty = self.begin(config, question)
        blocks, free, rest, classes = fields(raw, 4)
        steps = count(blocks)
        if not isinstance(classes, list) or len(classes) > MOST_CLASSES:
            raise ValueError("The ledger holds too many classes.")
        full = len(classes) == MOST_CLASSES
        found: dict[str, ClassCase] = {}
        for row in classes:
            name, case = fields(row, 2)
            if not isinstance(name, str) or name in found:
                raise ValueError("The ledger holds a class without a name of its own.")
            found[name] = _read(empty.claim, case, steps)
        return replace(
            empty,
            blocks=steps,
            free=numbers([free])[0],
            rest=_read(empty.claim, rest, steps, rest=True, full=full),
            classes=found,
        )


def _margin(config: CompareConfig) -> float:
    absolute = accepted(config.margin, Shares).absolute
    assert absolute is not None
    return absolute


def _start(claim: Claim) -> ClassCase:
    def twice(test: Any) -> tuple[Mixture, ...]:  # noqa: ANN401  # any test
        return (test.start(), test.start())

    return ClassCase(0, 0.0, Pair(), 0.0, twice(claim.against[0]), twice(claim.within[0]), twice(claim.worse))


def _fold(claim: Claim, case: ClassCase, block: Pair, damping: Damping, *, only_within: bool = False) -> ClassCase:
    """Return the case with one more block; that a class appears in it counts for nothing against the candidate."""
    pasts, blocks = (case.past, case.past.rest), (block, block.rest)

    def both(test: Any, states: tuple[Mixture, ...]) -> tuple[Mixture, ...]:  # noqa: ANN401  # any test
        return tuple(
            test.step(state, past, one, damping.noise, damping.cap)
            for state, past, one in zip(states, pasts, blocks, strict=True)
        )

    expected = case.expected + (block.nc * block.ks / block.ns if block.ns > 0 else 0.0)
    folded = replace(case, past=case.past + block, expected=expected, within=both(claim.within[0], case.within))
    if only_within:
        return folded
    return replace(folded, against=both(claim.against[0], case.against), worse=both(claim.worse, case.worse))


def _bad(pair: Pair) -> tuple[float, float]:
    return pair.kc, pair.ks


def _both(cases: Iterable[ClassCase], logs: Callable[[ClassCase], Iterable[float]]) -> float:
    found = [(log, case.weight / 2) for case in cases for log in logs(case)]
    return average([log for log, _ in found], [weight for _, weight in found])


def _write(case: ClassCase) -> list[Any]:
    past = case.past
    totals = [short(value) for value in (past.kc, past.nc, past.ks, past.ns, case.expected)]
    states = (*case.against, *case.within, *case.worse)
    return [case.since, case.weight, *totals, *(down(part) for state in states for part in state.parts)]


def _read(claim: Claim, raw: object, blocks: int, *, rest: bool = False, full: bool = False) -> ClassCase:
    """Return the case that was stored; the rest has no evidence against before, and all of its evidence since, it is full."""
    tests = (claim.against[0], claim.within[0], claim.worse)
    length = 7 + 2 * sum(test.alternatives for test in tests)
    values = numbers(raw, length, length)
    since, weight, kc, nc, ks, ns, expected = values[:7]
    if not (0 <= since <= blocks and 0 <= weight <= 1 and 0 <= kc <= nc and 0 <= ks <= ns and 0 <= expected <= nc):
        raise ValueError("The ledger holds a class that cannot be.")
    own = 0 if rest and not full else blocks - int(since)
    parts = iter(values[7:])

    def two(test: PairTest, steps: int) -> tuple[Mixture, ...]:
        return tuple(restore(test, [next(parts) for _ in range(test.alternatives)], steps) for _ in range(2))

    return ClassCase(
        int(since),
        weight,
        Pair(kc, nc, ks, ns),
        expected,
        two(tests[0], own),
        two(tests[1], own if full and rest else blocks),
        two(tests[2], own),
    )
