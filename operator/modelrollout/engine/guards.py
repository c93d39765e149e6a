"""Guards: what stands in the way until somebody acts. A chain; the first that speaks is the reason of ``Stalled``.

Nothing new starts while one speaks. A running rollout is still judged and can be aborted.
"""

from collections.abc import Callable

from modelrollout.domain.status import RolloutState
from modelrollout.engine.context import Context
from modelrollout.engine.filing import awaited
from modelrollout.engine.report import Trouble, invalid
from modelrollout.schema import format_duration

Guard = Callable[[Context], Trouble | None]


def find_trouble(context: Context) -> Trouble | None:
    """Return the first trouble of the chain, None when the way is free."""
    return next((trouble for guard in CHAIN if (trouble := guard(context)) is not None), None)


def _invalid_spec(context: Context) -> Trouble | None:
    return invalid(context.problems) if context.problems else None


def _name_conflict(context: Context) -> Trouble | None:
    if not context.seen.foreign:
        return None
    names = ", ".join(f"{kind} {name}" for kind, name in sorted(context.seen.foreign))
    return Trouble(
        "NameConflict",
        f"These objects have our names and are not ours: {names}. Rename or delete them, or rename this ModelDeployment.",
    )


def _rejected(context: Context) -> Trouble | None:
    # Nobody waits for a report: one that is refused (a quota, perhaps) stands in nobody's way.
    refused = {
        child: words for child, words in context.seen.rejected.items() if child != ("ConfigMap", awaited(context))
    }
    if not refused:
        return None
    (kind, name), words = min(refused.items())
    return Trouble("ObjectRejected", f"The API server refused {kind} {name}: {words}. Correct the spec.")


def _aborted(context: Context) -> Trouble | None:
    rollout = context.status.rollout
    if rollout is None or rollout.state is not RolloutState.ABORTED or rollout.cause is None:
        return None
    if rollout.revision != context.wanted.name or context.status.stable == rollout.revision:
        return None
    return Trouble(
        "RolloutAborted",
        f"{rollout.cause.reason}: {rollout.cause.message} All traffic is at {rollout.previous}. "
        f"Apply another revision, or `kubectl modelrollout retry {context.seen.name}`.",
    )


def _install_overdue(context: Context) -> Trouble | None:
    rollout = context.progressing
    if rollout is None or rollout.previous is not None or rollout.waiting_since is None:
        return None
    if (rollout.paused_at or context.now) < rollout.waiting_since + context.spec.progress_deadline:
        return None
    problems = sorted({pod.problem for pod in context.seen.pods if pod.revision == rollout.revision and pod.problem})
    limit = format_duration(context.spec.progress_deadline)
    detail = f" {problems[0]}" if problems else ""
    return Trouble(
        "ProgressDeadlineExceeded",
        f"The first revision is not Available after {limit}.{detail} Apply a revision that starts.",
    )


CHAIN: tuple[Guard, ...] = (_invalid_spec, _name_conflict, _rejected, _install_overdue, _aborted)
