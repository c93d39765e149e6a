"""The demo's figures, and whether what was promised did happen: pure arithmetic on a recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.demo.recording import Bin, Outcome, Recording, versions

BETTER, BAD, SWITCHED = "v2", "v3", "v4"
WRONG, LOST = "v2-rc1", "v2-rc2"
"""Fast, healthy, without an error, and wrong: the one always, the other in the dark."""
SLICE = "light=dark"
"""What the second one must be stopped for."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the demo says at its end."""

    sent: int
    failed_by_rollouts: int
    failed_by_model: int
    """Answers of the bad model that were errors, with the rollout that was judged."""
    plain_sent: int
    plain_failed_by_model: int
    plain_failed_otherwise: int
    reaction: float | None
    """Seconds from the first bad answer until every router ran weight 0; None when either did not happen."""
    plain_reaction: float | None
    """Seconds from the first bad answer of the plain Deployment to its last."""
    answers: dict[str, int]
    """By version."""
    right: dict[str, float | None]
    """By version: share of right answers; errors count in neither way."""

    @property
    def reached(self) -> dict[str, int]:
        """By version that is to be stopped for what it predicts: answers that a client got."""
        return {version: self.answers.get(version, 0) for version in (WRONG, LOST)}

    @property
    def plain_failed(self) -> int:
        return self.plain_failed_by_model + self.plain_failed_otherwise


def summarize(recording: Recording) -> Summary:
    """Add up. A client that has not ended yet is added up from its live lines."""
    ours = recording.total_ours or total(recording.ours)
    plain = recording.total_plain or total(recording.plain)
    right, wrong = versions(ours.right, recording), versions(ours.wrong, recording)
    return Summary(
        sent=ours.requests,
        failed_by_rollouts=ours.ours,
        failed_by_model=ours.model,
        plain_sent=plain.requests,
        plain_failed_by_model=plain.model,
        plain_failed_otherwise=plain.ours,
        reaction=reaction(recording),
        plain_reaction=plain_reaction(recording),
        answers=versions(ours.answers, recording),
        right={
            version: right[version] / (right[version] + wrong[version]) if right[version] + wrong[version] else None
            for version in right
        },
    )


def total(bins: list[Bin]) -> Bin:
    """Add up live lines."""
    sums: dict[str, dict[str, int]] = {"answers": {}, "errors": {}, "right": {}, "wrong": {}}
    for each in bins:
        for name, counts in sums.items():
            for revision, count in getattr(each, name).items():
                counts[revision] = counts.get(revision, 0) + count
    return Bin(
        at=0.0,
        span=sum(each.span for each in bins),
        requests=sum(each.requests for each in bins),
        ours=sum(each.ours for each in bins),
        model=sum(each.model for each in bins),
        first_error=min((each.first_error for each in bins if each.first_error), default=None),
        **sums,
    )


def reaction(recording: Recording) -> float | None:
    """Return the seconds from the first error of the bad version to the first verified route without it after that."""
    bad = {revision for revision, version in recording.names.items() if version == BAD}
    errors = [each.first_error for each in recording.ours if each.first_error and bad & each.errors.keys()]
    if not errors:
        return None
    gone = [route.at for route in recording.routes if route.at >= errors[0] and not _share(route.shares, bad)]
    return gone[0] - errors[0] if gone else None


def plain_reaction(recording: Recording) -> float | None:
    """Return the seconds for which clients of the plain Deployment got errors."""
    bad = [each for each in recording.plain if each.first_error]
    return bad[-1].at - bad[0].first_error if bad and bad[0].first_error else None


def _share(shares: object, revisions: set[str]) -> int:
    assert isinstance(shares, dict)
    return sum(share for revision, share in shares.items() if revision in revisions)


def missing(recording: Recording) -> list[str]:
    """Return what of the story did not happen; nothing when all of it did."""
    summary = summarize(recording)
    outcomes = {outcome.version: outcome for outcome in recording.outcomes}
    found = list(_endings(outcomes))
    found += _weights(recording)
    found += [f"{count} answers of {version} reached a client" for version, count in summary.reached.items() if count]
    if summary.failed_by_rollouts:
        found.append(f"{summary.failed_by_rollouts} requests failed because of the rollouts")
    if not summary.sent:
        found.append("no request was sent")
    ours = recording.total_ours or total(recording.ours)
    others = {version for version in versions(ours.errors, recording) if version != BAD}
    if others:
        found.append(f"{', '.join(sorted(others))} answered with errors, and only {BAD} should")
    if not summary.failed_by_model:
        found.append(f"{BAD} answered no client with an error, so that nothing was there to roll back")
    elif summary.reaction is None:
        found.append(f"no route without {BAD} was seen after its first error")
    if summary.plain_failed <= summary.failed_by_model:
        found.append(
            f"the plain Deployment lost {summary.plain_failed} requests and the rollout {summary.failed_by_model}"
        )
    if recording.stable != BETTER:
        found.append(f"{recording.stable or 'nothing'} is stable in the end and not {BETTER}")
    return found


def _endings(outcomes: dict[str, Outcome]) -> Iterator[str]:
    wanted = {
        WRONG: ("canary", "Aborted", "GateFailed"),
        LOST: ("canary", "Aborted", "GateFailed"),
        BETTER: ("canary", "Completed", ""),
        BAD: ("canary", "Aborted", "GateFailed"),
        SWITCHED: ("blueGreen", "Aborted", "Requested"),
    }
    for version, expected in wanted.items():
        outcome = outcomes.get(version)
        if outcome is None:
            yield f"{version} was never rolled out"
        elif (outcome.strategy, outcome.state, outcome.reason) != expected:
            yield f"{version}: {' '.join(expected)} was expected, and it was {outcome.strategy} {outcome.state} {outcome.reason}"
    if BETTER in outcomes and not outcomes[BETTER].mirrored:
        yield f"{BETTER} got no copies in its shadow stage"
    if LOST in outcomes and SLICE not in outcomes[LOST].cause:
        yield f"{LOST} was not stopped for {SLICE}: {outcomes[LOST].cause}"


def _weights(recording: Recording) -> Iterator[str]:
    """Say which weights never were, by the routers' own word and by the revisions that answered."""
    answered = versions((recording.total_ours or total(recording.ours)).answers, recording)
    for version, least in ((BETTER, 100), (BAD, 1), (SWITCHED, 100)):
        revisions = {revision for revision, name in recording.names.items() if name == version}
        reached = max((_share(route.shares, revisions) for route in recording.routes), default=0)
        if reached < least:
            yield f"{version} reached a weight of {reached}, not {least}"
        if not answered.get(version):
            yield f"{version} answered no client"
    # Copies are counted in the status now and then; whoever is stopped at once may have none there.
    copied = {recording.name(revision) for route in recording.routes for revision in route.copies}
    yield from (f"{version} was to get copies, and got none" for version in (WRONG, LOST) if version not in copied)
    last = recording.routes[-1].shares if recording.routes else {}
    if {recording.name(revision) for revision in last} != {BETTER}:
        yield f"the last route is {dict(last)}, and {BETTER} alone was expected"
