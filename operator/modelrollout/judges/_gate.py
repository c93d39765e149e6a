"""From evidence to a gate. It passes or stays undecided; to fail one is up to all metrics together."""

import math

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.judges import _words

NO_EVIDENCE = "Nothing to compare yet."


def conclude(  # noqa: PLR0913  # a reading, its thresholds and the words
    reading: Reading,
    before: Gate | None,
    *,
    beta: float,
    least: int,
    limit: str,
    values: str,
    basis: str,
    bound: str,
    required: bool = True,
    unit: str = "request",
) -> Gate:
    """Return the gate.

    Args:
        reading: with the evidence.
        before: the gate as it was.
        beta: highest chance of a false pass.
        least: requests of the candidate without which nothing passes.
        limit: what is asked of the value, as text.
        values: the values, as text: ``0.6 % against 0.5 %``.
        basis: what they are held against, as text: ``margin +0.5 pp``.
        bound: what a pass is within: ``margin``.
        required: whether the rollout waits for a pass.
        unit: what is counted.
    """
    evidence = reading.evidence
    if evidence is None or reading.state is not State.VALUE or evidence.candidate is None:
        return Gate(
            name=reading.metric,
            verdict=Verdict.UNDECIDED,
            state=reading.state,
            limit=limit,
            requests=reading.requests,
            ignored=not required,
            at=before.at if before else None,
            message=reading.message[:512] or NO_EVIDENCE,
            evidence=evidence,
            slices=reading.slices,
        )
    passed = evidence.within >= math.log(1 / beta) and evidence.requests >= least
    told = f"{values} ({basis}), {_words.count(evidence.requests, unit)}"
    message = f"within the {bound}: {told}" if passed else f"not decided: {told}{_left(evidence, least)}"
    return Gate(
        name=reading.metric,
        verdict=Verdict.PASS if passed else Verdict.UNDECIDED,
        state=reading.state,
        value=evidence.candidate,
        limit=limit,
        requests=evidence.requests,
        ignored=not passed and not required,
        at=reading.at,
        message=message,
        evidence=evidence,
        slices=reading.slices,
    )


def _left(evidence: Evidence, least: int) -> str:
    if evidence.needed:
        return f", about {_words.about(evidence.needed)} more needed"
    missing = least - evidence.requests
    return f", {missing:,} more needed" if missing > 0 else ""
