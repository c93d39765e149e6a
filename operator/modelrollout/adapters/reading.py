"""From raw objects to what was seen. Pure: each rule about how Kubernetes says things is here, testable as a table."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from modelrollout.domain.observation import PodSeen, RequestSeen
from modelrollout.domain.revision import Revision
from modelrollout.domain.status import Status
from modelrollout.names import (
    ANNOTATION_ABORT,
    ANNOTATION_NUDGE,
    ANNOTATION_REQUEST,
    COMPONENT_MODEL,
    COMPONENT_ROUTER,
    FIELD_MANAGER,
    GROUP,
    KIND,
    LABEL_COMPONENT,
    LABEL_NAME,
    LABEL_REVISION,
)

ACTIONS = ("promote", "promote-full", "retry", "rollback", "pause", "resume")


class Ownership(StrEnum):
    """Whose an object with one of our names is."""

    OURS = "Ours"
    FOREIGN = "Foreign"
    """Somebody else made it: it is never touched."""
    LEFTOVER = "Leftover"
    """It belongs to a deleted ModelDeployment of the same name and is about to be collected: it is waited for."""


def ownership(raw: Mapping[str, Any], name: str, uid: str) -> Ownership:
    """Return whose an object is.

    Args:
        raw: an object that has one of our names.
        name: of the ModelDeployment.
        uid: of the ModelDeployment.
    """
    metadata = raw["metadata"]
    managers = {entry.get("manager") for entry in metadata.get("managedFields") or ()}
    if (metadata.get("labels") or {}).get(LABEL_NAME) != name or FIELD_MANAGER not in managers:
        return Ownership.FOREIGN
    owners = metadata.get("ownerReferences") or ()
    # A name belongs to one living object, so an owner of our kind and name with another uid is dead.
    if any(_is_namesake(owner, name) and owner["uid"] != uid for owner in owners):
        return Ownership.LEFTOVER
    if any(owner["uid"] != uid for owner in owners):
        return Ownership.FOREIGN
    return Ownership.OURS


def _is_namesake(owner: Mapping[str, Any], name: str) -> bool:
    group = str(owner["apiVersion"]).partition("/")[0]
    return bool(group == GROUP and owner["kind"] == KIND and owner["name"] == name)


def read_pod(raw: Mapping[str, Any]) -> PodSeen:
    """Read one pod of ours."""
    metadata, status = raw["metadata"], raw.get("status", {})
    conditions = {item["type"]: item for item in status.get("conditions", ())}
    ready = conditions.get("Ready", {})
    scheduled = conditions.get("PodScheduled", {})
    terminating = "deletionTimestamp" in metadata
    is_ready = ready.get("status") == "True" and not terminating
    unschedulable = scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"
    labels = metadata.get("labels") or {}
    containers = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
    return PodSeen(
        name=metadata["name"],
        uid=metadata["uid"],
        address=status.get("podIP"),
        router=labels.get(LABEL_COMPONENT) == COMPONENT_ROUTER,
        revision=labels.get(LABEL_REVISION) if labels.get(LABEL_COMPONENT) == COMPONENT_MODEL else None,
        ready=is_ready,
        terminating=terminating,
        running=_may_run(status, terminating=terminating),
        ready_since=read_time(ready.get("lastTransitionTime")) if is_ready else None,
        born=read_time(metadata.get("creationTimestamp")),
        restarted=any(item.get("restartCount", 0) > 0 for item in status.get("containerStatuses", ())),
        # It becomes part of a sentence.
        problem=str(scheduled.get("message", "")).rstrip(".") if unschedulable else _problem(containers),
        unschedulable=unschedulable,
        nudge=(metadata.get("annotations") or {}).get(ANNOTATION_NUDGE),
    )


def _may_run(status: Mapping[str, Any], *, terminating: bool) -> bool:
    """Return whether a container of the pod runs or may come back by itself.

    A container that never started holds no request and will start with the current configuration. One that crashed
    comes back, perhaps with an old one, unless the pod is on its way out.
    """
    phase = status.get("phase")
    if phase in ("Succeeded", "Failed"):
        return False
    containers = status.get("containerStatuses") or ()
    if not containers:
        return phase != "Pending"
    states = [item.get("state") or {} for item in containers]
    if terminating:
        # A container whose state is unknown must be taken for a running one.
        return any("running" in state or not state for state in states)
    started = [bool(item.get("lastState")) or "waiting" not in (item.get("state") or {}) for item in containers]
    return any(started)


def _problem(containers: Iterable[Mapping[str, Any]]) -> str:
    """Return why a container cannot run, in words that stay the same from one try to the next.

    The kubelet's own message names the pod and counts seconds; in a condition it would change at each pass.
    """
    for item in containers:
        waiting = (item.get("state") or {}).get("waiting") or {}
        match waiting.get("reason"):
            case None | "ContainerCreating" | "PodInitializing":
                continue
            case "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull":
                return f"container {item['name']}: its image {item.get('image', '')} cannot be pulled"
            case "CrashLoopBackOff":
                ended = (item.get("lastState") or {}).get("terminated") or {}
                why = ended.get("reason") or "Error"
                return f"container {item['name']} crashes: {why}, exit code {ended.get('exitCode', 'unknown')}"
            case "CreateContainerConfigError" as reason:
                return f"container {item['name']}: {reason}: {waiting.get('message', '')}"
            case reason:
                return f"container {item['name']}: {reason}"
    return ""


def read_request(annotations: Mapping[str, str]) -> RequestSeen | None:
    """Read a person's request; what cannot be read becomes a request with a problem, so that it is answered."""
    text = annotations.get(ANNOTATION_REQUEST)
    if text is None:
        return None
    # The same unreadable text must be answered once, so it gets the same id each time.
    made_up = "unreadable-" + hashlib.sha256(text.encode()).hexdigest()[:10]
    try:
        data = json.loads(text)
    except ValueError:
        return RequestSeen(made_up, problem="it is no JSON object. Use kubectl modelrollout to write it.")
    if not isinstance(data, dict):
        return RequestSeen(made_up, problem="it is no JSON object. Use kubectl modelrollout to write it.")
    name = data.get("id")
    if not isinstance(name, str) or not 1 <= len(name) <= 63:
        return RequestSeen(made_up, problem="its id is no text of 1 to 63 characters.")
    try:
        return _request(name, data)
    except ValueError as exc:
        return RequestSeen(name, problem=str(exc))


def _request(name: str, data: Mapping[str, Any]) -> RequestSeen:
    action, revision, attempt, step, by = (data.get(key) for key in ("action", "revision", "attempt", "step", "by"))
    if action not in ACTIONS:
        raise ValueError(f"its action is none of {', '.join(ACTIONS)}.")
    if not isinstance(revision, str) or not revision:
        raise ValueError("its revision is missing.")
    if not isinstance(attempt, int) or isinstance(attempt, bool):
        raise ValueError("its attempt is no whole number.")  # noqa: TRY004  # one error class for all mistakes of the writer
    if step is not None and (not isinstance(step, int) or isinstance(step, bool)):
        raise ValueError("its step is no whole number.")
    if by is not None and not isinstance(by, str):
        raise ValueError("its by is no text.")
    at = read_time(data.get("at"))
    if at is None:
        raise ValueError("its time is no RFC 3339 time with a zone.")
    return RequestSeen(name, action, revision, attempt, step, at, by[:256] if by else None)


def read_abort(annotations: Mapping[str, str]) -> str | None:
    """Read the abort annotation."""
    return annotations.get(ANNOTATION_ABORT, "").strip() or None


def read_time(value: object) -> datetime | None:
    """Read an RFC 3339 time with its zone; None when it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else None


def read_status(raw: object) -> Status | None:
    """Read a stored status; an empty one when it was wiped, None when it cannot be read."""
    try:
        return Status.model_validate(raw or {})
    except ValidationError:
        return None


def read_snapshot(raw: Mapping[str, Any], name: str) -> Revision | None:
    """Read a ControllerRevision; None when it does not hold the revision that its name says."""
    try:
        revision = Revision.restore(raw["data"])
    except (KeyError, TypeError, ValueError):
        return None
    return revision if raw["metadata"]["name"] == f"{name}-{revision.name}" else None
