"""When asking routers again can bring no news: nothing that their answers depend on has changed for a while.

A quiet hour holds 1800 such questions. Leaving them out changes no pass: what routers run, whom they know, and whether anything
is in flight that left the route follow from pods, ConfigMaps and the route in the status, a short time after these changed.
How requests are split does not; it is a check that may be made more seldom.
"""

from datetime import datetime, timedelta
from typing import Any

from modelrollout.names import KIND
from modelrollout.routers._envoy_bootstrap import CLUSTERS_FILE
from modelrollout.simulation.agenda import Agenda
from modelrollout.simulation.http import SimulatedHttp
from modelrollout.simulation.store import Change, Object, Store

SETTLES = timedelta(seconds=30)
"""Longer than the latest resolver is behind, and than the longest request takes."""
_ROUTE = ("route", "routeVerified", "drainingSince")


class Stillness:
    """Knows since when nothing has changed.

    Args:
        agenda: virtual time.
        store: the objects.
        http: knows which routers are silent.
    """

    def __init__(self, agenda: Agenda, store: Store, http: SimulatedHttp) -> None:
        self._agenda = agenda
        self._http = http
        self._silent: frozenset[str] = frozenset()
        self._stirred = agenda.now
        self._copies = False
        store.watchers.append(self._saw)

    def stir(self) -> None:
        """Say that something has changed."""
        self._stirred = self._agenda.now

    def since(self, asked: datetime) -> bool:
        """Return whether an answer now would be the one that was given at a time."""
        if self._http.silent != self._silent:
            self._silent = frozenset(self._http.silent)
            self.stir()
        # Copies are counted, and their number is an answer too.
        return not self._copies and asked >= self._stirred + SETTLES

    def _saw(self, change: Change, stored: Object, before: Object | None) -> None:
        match stored["kind"]:
            case "Pod":
                self.stir()
            case "ConfigMap":
                # Nobody but the operator reads its checkpoints.
                if CLUSTERS_FILE in (stored.get("data") or {}):
                    self.stir()
            case kind if kind == KIND:
                was, now = (before or {}).get("status") or {}, stored.get("status") or {}
                if change is not Change.MODIFIED or _of_route(was) != _of_route(now):
                    self.stir()
                self._copies = bool(((now.get("route") or {}).get("route") or {}).get("mirrors"))
            case _:
                pass


def _of_route(status: dict[str, Any]) -> list[Any]:
    return [status.get(name) for name in _ROUTE]
