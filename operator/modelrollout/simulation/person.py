"""What people do: apply, edit, scale, ask, delete. They write the ModelDeployment and nothing else."""

import copy
import json
from collections.abc import Mapping
from itertools import count
from typing import Any

from modelrollout.api.modeldeployment import hashed_content
from modelrollout.api.validate import parse_spec
from modelrollout.domain.status import Status
from modelrollout.names import ANNOTATION_ABORT, ANNOTATION_REQUEST, API_VERSION, KIND, revision_name
from modelrollout.simulation.agenda import Agenda
from modelrollout.simulation.garbage import terminate
from modelrollout.simulation.log import Log
from modelrollout.simulation.store import Object, Store

NAMESPACE = "default"


class Person:
    """A person with kubectl.

    Args:
        agenda: virtual time.
        store: the API server's objects.
        log: told what the person does.
        name: of the ModelDeployment.
    """

    def __init__(self, agenda: Agenda, store: Store, log: Log, name: str) -> None:
        self._agenda = agenda
        self._store = store
        self._log = log
        self._numbers = count(1)
        self._read: tuple[Mapping[str, Any], Status] = ({}, Status())
        self.name = name

    @property
    def object(self) -> Object | None:
        """The ModelDeployment."""
        return self._store.get(KIND, NAMESPACE, self.name)

    @property
    def status(self) -> Status:
        """Its status; an empty one when there is none."""
        raw = (self.object or {}).get("status") or {}
        # Stored objects are never changed in place, and people look far more often than anything is written.
        if raw is not self._read[0]:
            self._read = raw, Status.model_validate(raw)
        return self._read[1]

    def apply(self, spec: Mapping[str, Any]) -> None:
        """Create the ModelDeployment, or replace its spec."""
        live = self.object
        label = self._label(spec)
        self._log.say("person", f"applies {label}" if live else f"creates {self.name} with {label}")
        metadata = live["metadata"] if live else {"name": self.name, "namespace": NAMESPACE}
        body: Object = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": metadata,
            "spec": copy.deepcopy(dict(spec)),
        }
        self._store.put({**(live or {}), **body})

    def edit(self, words: str, **changes: Any) -> None:  # noqa: ANN401  # field values of the spec
        """Change fields of the spec; None removes one."""
        live = self._existing()
        self._log.say("person", words)
        spec = {key: value for key, value in {**live["spec"], **changes}.items() if value is not None}
        self._label(spec)
        self._store.put({**live, "spec": spec})

    def ask(self, action: str, *, revision: str = "") -> None:
        """Make a request, as ``kubectl modelrollout`` does: about the attempt and the stage that the status shows."""
        rollout = self.status.rollout
        request: dict[str, Any] = {
            "id": f"request-{next(self._numbers)}",
            "action": action,
            "revision": revision or (rollout.revision if rollout else self.status.stable or "none"),
            "attempt": rollout.attempt if rollout else 1,
            "at": self._agenda.now.isoformat(),
            "by": "someone",
        }
        if action == "promote" and rollout is not None:
            request["step"] = rollout.stage
        self._log.say("person", f"asks: {action} {request['revision']}/{request['attempt']}")
        self._annotate(ANNOTATION_REQUEST, json.dumps(request))

    def abort(self) -> None:
        """Abort the current attempt."""
        rollout = self.status.rollout
        assert rollout is not None
        self._log.say("person", f"aborts {rollout.revision}/{rollout.attempt}")
        self._annotate(ANNOTATION_ABORT, f"{rollout.revision}/{rollout.attempt}")

    def delete(self) -> None:
        """Delete the ModelDeployment."""
        self._log.say("person", f"deletes {self.name}")
        terminate(self._store, self._existing(), self._agenda)

    def lose_status(self) -> None:
        """Remove the status, as a restore from a backup does."""
        live = self.object
        if live is not None:
            self._store.put({**live, "status": {}})

    def _annotate(self, key: str, value: str) -> None:
        live = self._existing()
        annotations = {**live["metadata"].get("annotations", {}), key: value}
        self._store.put({**live, "metadata": {**live["metadata"], "annotations": annotations}})

    def _existing(self) -> Object:
        live = self.object
        assert live is not None, f"{self.name} does not exist"
        return live

    def call(self, spec: Mapping[str, Any], label: str) -> str:
        """Have the log show the revision of a valid spec by a label; return the revision's name."""
        parsed, problems = parse_spec(spec, {"name": self.name, "namespace": NAMESPACE})
        assert parsed is not None, problems
        revision = revision_name(hashed_content(parsed))
        self._log.name(revision, label)
        return revision

    def _label(self, spec: Mapping[str, Any]) -> str:
        """Return how the log names the revision of a spec."""
        parsed, _ = parse_spec(spec, {"name": self.name, "namespace": NAMESPACE})
        label = f"v{(spec.get('model') or {}).get('version', '?')}"
        if parsed is None:
            return f"{label}, which is invalid"
        self._log.name(revision_name(hashed_content(parsed)), label)
        return self._log.label(revision_name(hashed_content(parsed)))
