"""The garbage collector: what no living owner holds any more goes, a little later."""

from functools import partial

from modelrollout.simulation.agenda import Agenda
from modelrollout.simulation.store import Change, Object, Store, place_of

DELAY = 0.3
"""Seconds until the collector has noticed."""


class GarbageCollector:
    """Deletes dependents of deleted owners, also those that were made after their owner had gone.

    Args:
        agenda: virtual time.
        store: the objects.
    """

    def __init__(self, agenda: Agenda, store: Store) -> None:
        self._agenda = agenda
        self._store = store
        store.watchers.append(self._saw)

    def _saw(self, change: Change, stored: Object, _before: Object | None) -> None:
        if change is Change.DELETED:
            uid = stored["metadata"]["uid"]
            for item in self._store.all():
                if uid in _owners(item):
                    self._agenda.after(DELAY, partial(self._collect, item))
        elif change is Change.ADDED and _owners(stored) and not self._has_owner(stored):
            self._agenda.after(DELAY, partial(self._collect, stored))

    def _collect(self, item: Object) -> None:
        live = self._store.get(*place_of(item))
        if live is None or live["metadata"]["uid"] != item["metadata"]["uid"] or not _owners(live):
            return
        if not self._has_owner(live):
            terminate(self._store, live, self._agenda)

    def _has_owner(self, item: Object) -> bool:
        living = {other["metadata"]["uid"] for other in self._store.all()}
        return bool(_owners(item) & living)


def terminate(store: Store, found: Object, agenda: Agenda) -> None:
    """Delete an object as a person or a controller does: pods are given their time, all else goes at once."""
    if found["kind"] != "Pod":
        store.remove(found)
    elif "deletionTimestamp" not in found["metadata"]:
        metadata = {**found["metadata"], "deletionTimestamp": agenda.now.isoformat()}
        store.put({**found, "metadata": metadata})


def _owners(item: Object) -> set[str]:
    return {owner["uid"] for owner in item["metadata"].get("ownerReferences", ())}
