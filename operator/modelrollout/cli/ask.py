"""What people ask for, as values: which annotation says it, and what would be pointless to ask.

The operator has the last word on every request. Only what cannot even be put into a request is refused here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelrollout.adapters.reading import read_snapshot
from modelrollout.domain.revision import Revision
from modelrollout.domain.status import Rollout, RolloutState, Status
from modelrollout.errors import RolloutError


class AskError(RolloutError):
    """It makes no sense to ask for this now."""


@dataclass(frozen=True)
class Intent:
    """What is asked for, and which state of affairs it speaks of. Two equal ones mean the same.

    Attributes:
        action: promote, promote-full, retry, rollback, pause or resume.
        revision: the candidate; for a rollback the revision to go back to.
        attempt: at the candidate.
        step: index of the stage, for promote.
    """

    action: str
    revision: str
    attempt: int
    step: int | None = None

    def text(self, name: str, at: datetime, by: str) -> str:
        """Return the value of the annotation.

        Args:
            name: the request's own id.
            at: when it is made.
            by: who makes it.
        """
        body: dict[str, Any] = {
            "id": name,
            "action": self.action,
            "revision": self.revision,
            "attempt": self.attempt,
            "step": self.step,
            "at": at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "by": by or None,
        }
        said = {key: value for key, value in body.items() if value is not None}
        # Names as they are: an admission policy compares them, and cannot undo escapes.
        return json.dumps(said, separators=(",", ":"), ensure_ascii=False)


def intent(action: str, name: str, status: Status) -> Intent:
    """Return what an action other than rollback means now.

    Raises:
        AskError: there is nothing that it could speak of.
    """
    rollout = status.rollout
    if action in ("pause", "resume"):
        revision = rollout.revision if rollout else status.stable
        if revision is None:
            raise AskError(f"The operator has not looked at {name} yet. Try again; if that stays so, does it run?")
        return Intent(action, revision, rollout.attempt if rollout else 0)
    if rollout is None:
        raise AskError(f"{name} has no rollout. `kubectl modelrollout status {name}` shows what there is.")
    if action == "retry":
        if rollout.state is not RolloutState.ABORTED:
            raise AskError(_nothing(name, rollout, action))
        return Intent(action, rollout.revision, rollout.attempt)
    if rollout.state is not RolloutState.PROGRESSING:
        raise AskError(_nothing(name, rollout, "promote"))
    return Intent(action, rollout.revision, rollout.attempt, rollout.stage if action == "promote" else None)


def _nothing(name: str, rollout: Rollout, action: str) -> str:
    match rollout.state:
        case RolloutState.ABORTED if rollout.cause and rollout.cause.reason in ("Superseded", "SpecReverted"):
            instead = "The spec names another revision since."
        case RolloutState.ABORTED:
            instead = f"Apply another revision, or `kubectl modelrollout retry {name}`."
        case RolloutState.COMPLETED:
            instead = f"`kubectl modelrollout history {name}` shows where a rollback can go."
        case RolloutState.ABORTING:
            instead = "Traffic goes home; wait for the end."
        case RolloutState.PROGRESSING:
            instead = f"`kubectl modelrollout abort {name}` sends traffic home."
    return f"The last rollout of {name} is {rollout.state}, so there is nothing to {action}. {instead}"


def abort_value(name: str, status: Status) -> str | None:
    """Return the value of the abort annotation, None when the rollout is aborted already.

    Raises:
        AskError: there is nothing to abort.
    """
    rollout = status.rollout
    if rollout is None:
        raise AskError(f"{name} has no rollout, so there is nothing to abort.")
    if rollout.state in (RolloutState.ABORTING, RolloutState.ABORTED):
        return None
    if rollout.state is RolloutState.COMPLETED:
        raise AskError(_nothing(name, rollout, "abort"))
    if rollout.previous is None:
        remedy = "Apply a revision that works, or delete it."
        raise AskError(f"{name} is installed for the first time, so there is no revision to go home to. {remedy}")
    return f"{rollout.revision}/{rollout.attempt}"


def abort_outcome(value: str, status: Status) -> tuple[bool, str] | None:
    """Return whether an abort was obeyed and what that means; None while it is still to be seen.

    Args:
        value: of the abort annotation.
        status: any status after it was written.
    """
    rollout = status.rollout
    if rollout is None or f"{rollout.revision}/{rollout.attempt}" != value:
        return False, f"{value} is not the current attempt any more."
    match rollout.state:
        case RolloutState.ABORTING:
            return True, f"Aborting: traffic goes home to {rollout.previous}."
        case RolloutState.ABORTED:
            return True, f"Aborted: all traffic is at {rollout.previous}."
        case RolloutState.COMPLETED:
            return False, f"Too late: {rollout.revision} is stable. A rollback goes back."
        case RolloutState.PROGRESSING:
            return None


def rollback(name: str, status: Status, snapshots: Mapping[str, Revision], to: str | None) -> Intent | None:
    """Return the request to go back to an earlier revision, None when it is the stable one and nothing is under way.

    Args:
        name: of the ModelDeployment.
        status: its status.
        snapshots: every revision that is kept.
        to: a revision, the beginning of one, or a model's version; None: the one before.

    Raises:
        AskError: there is no such revision, or more than one.
    """
    rollout = status.rollout
    under_way = rollout is not None and rollout.state in (RolloutState.PROGRESSING, RolloutState.ABORTING)
    if to is None and under_way:
        raise AskError(
            f"A rollout of {name} is in progress: `kubectl modelrollout abort {name}` sends traffic home to {status.stable}. "
            "To go to another revision instead, name it with --to."
        )
    target = _before(name, status, snapshots) if to is None else find_revision(name, snapshots, to)
    if target == status.stable and not under_way:
        return None
    return Intent("rollback", target, rollout.attempt if rollout else 0)


def _before(name: str, status: Status, snapshots: Mapping[str, Revision]) -> str:
    for past in status.history:
        if past.outcome == "Completed" and past.revision != status.stable and past.revision in snapshots:
            return past.revision
    raise AskError(
        f"The history of {name} has no earlier revision that is still kept. `kubectl modelrollout history {name}` shows it."
    )


def find_revision(name: str, snapshots: Mapping[str, Revision], words: str) -> str:
    """Return the revision that a person means: its name, a version of the model, or the beginning of its name.

    Raises:
        AskError: none or several fit.
    """
    ways = (
        [revision for revision in snapshots if revision == words],
        [key for key, revision in snapshots.items() if (revision.content.get("model") or {}).get("version") == words],
        [revision for revision in snapshots if revision.startswith(words)],
    )
    fitting = next((found for found in ways if found), [])
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise AskError(f"{words} can be {' or '.join(sorted(fitting))}. Write more of it.")
    known = ", ".join(sorted(snapshots)) or "none"
    raise AskError(
        f"{name} keeps no revision {words}. Kept are: {known}. `kubectl modelrollout history {name}` shows their models."
    )


def read_snapshots(name: str, raws: Sequence[Mapping[str, Any]]) -> dict[str, Revision]:
    """Return the revisions that ControllerRevisions keep, by name, newest first."""
    found = (read_snapshot(raw, name) for raw in sorted(raws, key=lambda raw: -raw.get("revision", 0)))
    return {revision.name: revision for revision in found if revision is not None}
