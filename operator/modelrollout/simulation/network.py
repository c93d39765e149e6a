"""DNS and reachability: which addresses a revision's headless Service gives, some time after they changed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelrollout.names import COMPONENT_MODEL, LABEL_COMPONENT, LABEL_REVISION
from modelrollout.simulation.agenda import Agenda
from modelrollout.simulation.kubelet import image_of
from modelrollout.simulation.store import Change, Object, Store
from modelrollout.simulation.workloads import is_ready


@dataclass
class _Record:
    """One address of one revision, and when DNS begins and ends to give it."""

    uid: str
    revision: str
    address: str
    image: str
    since: datetime
    until: datetime | None = None


class Network:
    """What resolvers see.

    Args:
        agenda: virtual time.
        store: the objects.
    """

    def __init__(self, agenda: Agenda, store: Store) -> None:
        self._agenda = agenda
        self._records: dict[str, list[_Record]] = {}
        self._alive: set[str] = set()
        store.watchers.append(self._saw)

    def _saw(self, change: Change, stored: Object, _before: Object | None) -> None:
        labels = stored["metadata"].get("labels") or {}
        if stored["kind"] != "Pod" or labels.get(LABEL_COMPONENT) != COMPONENT_MODEL:
            return
        metadata, status = stored["metadata"], stored["status"]
        uid, address = metadata["uid"], status.get("podIP", "")
        gone = change is Change.DELETED
        if gone or status["phase"] != "Running":
            self._alive.discard(address)
        else:
            self._alive.add(address)
        given = is_ready(stored) and not gone and "deletionTimestamp" not in metadata
        records = self._records.setdefault(labels[LABEL_REVISION], [])
        current = next((record for record in records if record.uid == uid and record.until is None), None)
        if given and current is None:
            records.append(_Record(uid, labels[LABEL_REVISION], address, image_of(stored), self._agenda.now))
        elif not given and current is not None:
            current.until = self._agenda.now

    def resolve(self, revision: str, lag: timedelta) -> dict[str, str]:
        """Return address and image of each pod that a resolver knows which is so late."""
        then = self._agenda.now - lag
        return {
            record.address: record.image
            for record in self._records.get(revision, ())
            if record.since <= then and (record.until is None or record.until > then)
        }

    def answers(self, address: str) -> bool:
        """Return whether a process still listens at an address."""
        return address in self._alive
