"""Parts of the traffic: each is judged by itself, and none is passed over in silence.

A slice may stop a rollout and cannot carry one: a gate passes when all requests together pass and no slice speaks against it.
A slice with too few requests is Undecided, never passed. It holds nothing up, because a part of the traffic that hardly
anybody sends would hold up every rollout, but the gate names it as long as it is so. A slice under a plain limit that was
outside it in its last full window does hold the gate up, until its next one.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.judges._base import Judge
from modelrollout.sources._base import Measured

LONGEST_MESSAGE = 512
"""Characters that a gate's message may have."""
NAMED = 3
"""Slices without a verdict that a gate names; of further ones it says how many there are."""


def shown(part: str, measured: Measured, *, full: bool, at: datetime) -> Evidence:
    """Return what the window of one slice holds.

    Args:
        part: the slice.
        measured: value and requests.
        full: the window holds enough requests and ends here.
        at: now.
    """
    found = Evidence(slice=part, candidate=measured.value, requests=measured.requests, enough=full)
    return found.model_copy(update={"at": at}) if full else found


def judge_windows(judge: Judge[Any], config: Any, reading: Reading, gate: Gate, before: Gate | None) -> Gate:  # noqa: ANN401  # the judge's own type
    """Have a judge of windows judge each slice as it judges all requests; a slice that fails fails the gate."""
    known = {one.slice: one for one in before.slices} if before is not None and before.evidence is None else {}
    fresh = {one.slice: one for one in reading.slices}
    found = [
        _judge_window(judge, config, reading, fresh.get(part), known.get(part)) for part in sorted(known.keys() | fresh)
    ]
    if not found:
        return gate
    # What stands since an earlier pass was told of the slices as they were then.
    said = "" if gate.message.startswith("slice ") else gate.message.partition("; slice ")[0]
    gate = gate.model_copy(update={"slices": tuple(one for one, _ in found), "message": said})
    if failed := [words for one, words in found if one.verdict == "Fail"]:
        return _told(gate, Verdict.FAIL, failed, own=gate.verdict is Verdict.FAIL)
    if gate.verdict is Verdict.PASS and (holding := [words for one, words in found if one.failures]):
        return _told(gate, Verdict.UNDECIDED, holding, own=False)
    return tell_undecided(gate)


def _judge_window(
    judge: Judge[Any],
    config: Any,  # noqa: ANN401  # the judge's own type
    reading: Reading,
    fresh: Evidence | None,
    known: Evidence | None,
) -> tuple[Evidence, str]:
    """Return a slice with its verdict, and what is wrong with it."""
    memory = None
    if known is not None:
        memory = Gate(
            name=reading.metric,
            verdict=Verdict(known.verdict or Verdict.UNDECIDED),
            state=State.VALUE,
            failures=known.failures or 0,
            at=known.at,
        )
    if fresh is None and known is not None and reading.state is State.VALUE:
        # Nothing came since its last window ended: what was said of that stands.
        return known, f"slice {known.slice}: {known.candidate:.6g} in its last window, outside the limit"
    now = reading._replace(
        value=fresh.candidate if fresh else None,
        requests=fresh.requests if fresh else 0,
        closed=bool(fresh and fresh.at),
        at=fresh.at if fresh and fresh.at else reading.at,
        slices=(),
    )
    said = judge.judge(config, now, memory)
    found = fresh or known
    assert found is not None
    changes = {
        "verdict": str(said.verdict),
        "failures": said.failures or None,
        "at": said.at,
        "enough": found.enough or bool(known and known.enough),
    }
    earlier = "" if now.closed else "outside the limit in its last window, now "
    return found.model_copy(update=changes), f"slice {found.slice}: {earlier}{said.message}"


def settle(gate: Gate, beta: float, least: int) -> Gate:
    """Give each slice whose evidence is gathered its verdict.

    Args:
        gate: as its judge made it.
        beta: highest chance of a false pass.
        least: requests without which nothing passes.
    """
    if not gate.slices:
        return gate
    slices = tuple(
        one.model_copy(update={"verdict": str(Verdict.PASS if _passes(one, beta, least) else Verdict.UNDECIDED)})
        for one in gate.slices
    )
    return tell_undecided(gate.model_copy(update={"slices": slices}))


def _passes(one: Evidence, beta: float, least: int) -> bool:
    return one.within >= math.log(1 / beta) and one.requests >= least


def tell_undecided(gate: Gate) -> Gate:
    """Have a gate that passes say which slices have not."""
    waiting = [one for one in gate.slices if one.verdict == "Undecided"]
    if gate.verdict is not Verdict.PASS or not waiting:
        return gate
    return _told(gate, gate.verdict, list(_undecided(waiting)), own=True)


def _undecided(waiting: list[Evidence]) -> Iterator[str]:
    for one in sorted(waiting, key=lambda one: one.requests)[:NAMED]:
        yield f"slice {one.slice}: {one.requests:,} pair{'' if one.requests == 1 else 's'}, undecided"
    if len(waiting) > NAMED:
        yield f"{len(waiting) - NAMED} more slices undecided"


def blamed(gate: Gate, parts: Collection[str]) -> tuple[Evidence, ...]:
    """Return the slices of a gate; those that are to blame have failed."""
    return tuple(
        one.model_copy(update={"verdict": str(Verdict.FAIL)}) if one.slice in parts else one for one in gate.slices
    )


def _told(gate: Gate, verdict: Verdict, words: Sequence[str], *, own: bool) -> Gate:
    """Return the gate with another verdict and words about its slices, after its own words if they still hold."""
    every = [*([gate.message] if own and gate.message else []), *words]
    return gate.model_copy(update={"verdict": verdict, "message": "; ".join(every)[:LONGEST_MESSAGE]})
