"""All metrics together: one chance of a false rollback for a whole rollout, whatever the number of metrics and slices.

Evidence is combined as a weighted average, which is evidence under any dependence and never weaker than Bonferroni's
correction (Vovk, Wang, Annals of Statistics 2021). Half of the weight is on the metrics as a whole, half is spread over their
slices. Weights are fixed by the spec: who has not spoken yet counts as E = 1, and who cannot speak in this stage with what it
said last. A promotion needs no correction: every required metric must pass by itself. Slices under plain limits have no
evidence and no weight here.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.catastrophe import SHARE, limit
from modelrollout.engine.slices import blamed
from modelrollout.evidence.combine import average, blame, discoveries

COMPARED = 1 - SHARE
"""Weight of all that is compared; the rest is the catastrophe guard's."""
LONGEST_TEXT = 500
"""Characters of a verdict's reason; it becomes part of a condition."""

Words = Callable[[str, Evidence], str]
"""From a metric's name and its evidence to what is wrong with it."""

_Said = tuple[str, Evidence]
"""The name of a metric, and what it or one of its slices has gathered."""


@dataclass(frozen=True)
class Panel:
    """Who shares α in a rollout, whether or not they have spoken.

    Attributes:
        metrics: number of metrics whose evidence counts.
        parts: number of their slices.
        settled: gates of earlier stages as they were last.
    """

    metrics: int = 0
    parts: int = 0
    settled: Sequence[Gate] = ()

    def members(self, gates: Sequence[Gate]) -> tuple[list[_Said], list[_Said]]:
        """Return what metrics have gathered, and what slices have; for each that is silent, that it says nothing."""
        names = {gate.name for gate in gates}
        every = [*gates, *(gate for gate in self.settled if gate.name not in names and gate.mode is None)]
        weighed = [(gate, gate.evidence) for gate in every if gate.evidence is not None]
        whole = [(gate.name, evidence) for gate, evidence in weighed]
        parts = [(gate.name, evidence) for gate, _ in weighed for evidence in gate.slices]
        silent = ("", Evidence())
        return (
            whole + [silent] * (self.metrics - len(whole)),
            parts + [silent] * (self.parts - len(parts)),
        )


class Assessed(NamedTuple):
    """What all metrics say.

    Attributes:
        gates: one for each metric, in their order.
        against: ln of the weighted average of all evidence against the candidate; None where there is no evidence.
    """

    gates: tuple[Gate, ...]
    against: float | None


def combine(gates: Sequence[Gate], guards: Mapping[str, float], alpha: float, words: Words, panel: Panel) -> Assessed:
    """Return the gates with what only all of them together can say, and that itself.

    Args:
        gates: each with its own evidence.
        guards: ln E of a catastrophe, by metric; only of metrics that can tell one.
        alpha: chance of a false rollback.
        words: says what is wrong with a guilty metric.
        panel: who shares α with them.
    """
    every = [(gate.name, evidence) for gate in gates for evidence in _evidence(gate)]
    together = against(gates, panel) if every else None
    stopped = {name for name, log_e in guards.items() if log_e >= limit(alpha, len(guards))}
    if stopped:
        return Assessed(tuple(_catastrophe(gate) if gate.name in stopped else gate for gate in gates), together)
    alarms = [(name, evidence) for name, evidence in every if evidence.alarm]
    if alarms:
        return Assessed(tuple(_fail(gate, alarms, words, sure=True) for gate in gates), together)
    if together is not None and together >= math.log(1 / alpha):
        guilty, sure = _guilty(panel.members(gates), every, alpha)
        return Assessed(tuple(_fail(gate, guilty, words, sure=sure) for gate in gates), together)
    if together is not None and together >= math.log(1 / alpha) / 2:
        return Assessed(tuple(_doubt(gate) for gate in gates), together)
    return Assessed(tuple(gates), together)


def against(gates: Sequence[Gate], panel: Panel) -> float:
    """Return ln of the weighted average of all evidence against the candidate; without any, 0."""
    filled = [[evidence.against for _, evidence in group] for group in panel.members(gates) if group]
    if not filled:
        return 0.0
    weights = [COMPARED / len(filled) / len(group) for group in filled for _ in group]
    return average([log for group in filled for log in group], weights)


def _evidence(gate: Gate) -> tuple[Evidence, ...]:
    return (gate.evidence, *gate.slices) if gate.evidence is not None else ()


def _guilty(
    members: tuple[list[_Said], list[_Said]], present: Sequence[_Said], alpha: float
) -> tuple[list[_Said], bool]:
    """Return the metrics and slices to blame, each with the evidence that says so, and whether that is sure.

    Metrics by closed testing, which errs about any of them with chance α; slices by the e-value form of Benjamini and
    Hochberg's rule, of whose discoveries a share of at most α is wrong. Where nobody is singled out who speaks now, the loudest
    who does is a suspect.
    """
    whole, parts = members
    found = [*_named(whole, blame, alpha), *_named(parts, discoveries, alpha)]
    if any(one in present for one in found):
        return found, True
    return [max(present, key=lambda item: item[1].against)], False


def _named(some: Sequence[_Said], rule: Callable[[Sequence[float], float], Sequence[int]], alpha: float) -> list[_Said]:
    return [some[index] for index in rule([evidence.against for _, evidence in some], alpha)] if some else []


def _catastrophe(gate: Gate) -> Gate:
    message = "More than half of the candidate's requests fail, and more than stable's."
    return gate.model_copy(update={"verdict": Verdict.FAIL, "message": message})


def _fail(gate: Gate, guilty: Sequence[_Said], words: Words, *, sure: bool) -> Gate:
    """Fail a gate that is to blame: what all requests say comes first, and of its slices the loudest is told."""
    mine = [evidence for name, evidence in guilty if name == gate.name]
    if not mine:
        return _doubt(gate)
    slices = sorted((one for one in mine if one.slice), key=lambda one: -one.against)
    told = [words(gate.name, one) for one in mine if not one.slice]
    told += [f"slice {one.slice}: {words(gate.name, one)}" for one in slices[:1]]
    if len(slices) > 1:
        told.append(f"also {', '.join(one.slice for one in slices[1:])}")
    message = f"{'' if sure else 'suspect, together with other metrics: '}{'; '.join(told)}"
    return gate.model_copy(
        update={
            "verdict": Verdict.FAIL,
            "message": message[:LONGEST_TEXT],
            "slices": blamed(gate, {one.slice for one in slices} if sure else ()),
        }
    )


def _doubt(gate: Gate) -> Gate:
    """Nothing is promoted while all metrics together speak half as loudly against the candidate as a rollback needs."""
    if gate.evidence is None or gate.verdict is not Verdict.PASS:
        return gate
    message = "It passes by itself, but all metrics together speak against the candidate."
    return gate.model_copy(update={"verdict": Verdict.UNDECIDED, "message": message})
