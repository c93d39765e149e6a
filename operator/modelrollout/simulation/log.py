"""A whole rollout as people read it: when, who, what. One line for each thing that happened.

Revisions are shown by the names that the person who applied them gave them, so that a log does not change with a hash.
"""

import re
from collections.abc import Mapping
from typing import Any

from modelrollout.domain.plan import Event
from modelrollout.domain.route import RouteAsk
from modelrollout.names import ANNOTATION_NUDGE, KIND, LABEL_COMPONENT, LABEL_REVISION
from modelrollout.simulation.agenda import Agenda
from modelrollout.simulation.envoy import Envoy
from modelrollout.simulation.store import Change, Object, Store
from modelrollout.simulation.workloads import is_ready

_VERSION = re.compile(r"\b(\d+)-[0-9a-f]{10}\b")
_SHOWN = ("phase", "step", "weight", "message")


class Log:
    """Lines of text.

    Args:
        agenda: virtual time.
        store: what is told about.

    Attributes:
        lines: everything that happened.
        events: the Events among it, each with the seconds since the beginning.
    """

    def __init__(self, agenda: Agenda, store: Store) -> None:
        self._agenda = agenda
        self._labels: dict[str, str] = {}
        self.lines: list[str] = []
        self.events: list[tuple[float, Event]] = []
        store.watchers.append(self._saw)

    def name(self, revision: str, label: str) -> None:
        """Show a revision by a label from now on."""
        self._labels.setdefault(revision, label)

    def label(self, revision: str) -> str:
        """Return how a revision is shown."""
        return self._labels.get(revision, revision)

    def say(self, who: str, what: str) -> None:
        """Add a line."""
        self.lines.append(f"{self._agenda.elapsed:8.2f}  {who:<8}  {self.plain(what)}".rstrip())

    def plain(self, text: str) -> str:
        """Return a text with labels instead of hashes."""
        for revision, label in self._labels.items():
            text = text.replace(revision, label)
        return _VERSION.sub(r"#\1", text)

    def event(self, event: Event) -> None:
        """Add an Event."""
        self.events.append((self._agenda.elapsed, event))
        self.say("event", f"{'Warning' if event.warning else 'Normal'} {event.reason}: {event.message}")

    def router(self, envoy: Envoy) -> None:
        """Add what a router runs now."""
        arms = sorted(self.plain(f"{name} {weight}") for name, weight in envoy.routes.arms.items())
        mirrors = sorted(self.plain(f"copies {name} {percent}") for name, percent in envoy.routes.mirrors.items())
        clusters = ", ".join(sorted(map(self.plain, envoy.clusters.names)))
        text = f"{envoy.pod} runs {envoy.routes.version}: {', '.join([*arms, *mirrors])} (clusters {clusters})"
        if envoy.clusters.version != envoy.routes.version:
            text += f"; clusters are of {envoy.clusters.version}"
        self.say("router", text)

    def ask(self, ask: RouteAsk) -> str:
        """Return an ask in one line."""
        route = ask.route
        arms = sorted(f"{self.label(arm.revision)} {arm.weight}" for arm in route.arms)
        mirrors = sorted(f"copies {self.label(mirror.revision)} {mirror.percent}" for mirror in route.mirrors)
        preview = [f"preview {self.label(route.preview)}"] if route.preview else []
        clusters = ", ".join(sorted(map(self.plain, ask.clusters)))
        return f"#{ask.serial}: {', '.join([*arms, *mirrors, *preview])} (clusters {clusters})"

    def _saw(self, change: Change, stored: Object, before: Object | None) -> None:
        kind, name = stored["kind"], stored["metadata"]["name"]
        match kind:
            case "Pod":
                self._pod(change, stored, before)
            case _ if kind == KIND:
                if change is Change.MODIFIED and before is not None:
                    self._status(before.get("status", {}), stored.get("status", {}))
            case _ if change is Change.ADDED:
                self.say("cluster", f"{kind} {name} created{_detail(stored)}")
            case _ if change is Change.DELETED:
                self.say("cluster", f"{kind} {name} deleted")
            case _:
                assert before is not None
                if _detail(stored) != _detail(before):
                    self.say("cluster", f"{kind} {name}{_detail(stored)}, was{_detail(before)}")
                elif stored.get("spec") != before.get("spec") or stored.get("data") != before.get("data"):
                    self.say("cluster", f"{kind} {name} changed")

    def _pod(self, change: Change, stored: Object, before: Object | None) -> None:
        name = stored["metadata"]["name"]
        if change is Change.DELETED:
            self.say("pod", f"{name} is gone")
        elif before is not None:
            if is_ready(stored) != is_ready(before):
                self.say("pod", f"{name} is {'Ready' if is_ready(stored) else 'not Ready'}")
            if "deletionTimestamp" in stored["metadata"] and "deletionTimestamp" not in before["metadata"]:
                self.say("pod", f"{name} leaves")
            nudge = stored["metadata"].get("annotations", {}).get(ANNOTATION_NUDGE)
            if nudge != before["metadata"].get("annotations", {}).get(ANNOTATION_NUDGE):
                self.say("pod", f"{name} is told of {nudge}")

    def _status(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        if not after and before:
            self.say("status", "is lost")
            return
        if any(before.get(key) != after.get(key) for key in _SHOWN):
            step, weight = after.get("step", ""), after.get("weight")
            place = f" [{step}]" if step else ""
            share = f" {weight} %" if weight is not None else ""
            self.say("status", f"{after.get('phase', '')}{place}{share} - {after.get('message', '')}")
        if before.get("route") != after.get("route") and "route" in after:
            self.say("status", f"asks for {self.ask(RouteAsk.model_validate(after['route']))}")
        self._conditions(before, after)
        self._gates(before, after)

    def _conditions(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        was = {item["type"]: item for item in before.get("conditions", ())}
        now = {item["type"]: item for item in after.get("conditions", ())}
        flips = [
            f"{kind} {item['status']} ({item['reason']})"
            for kind, item in now.items()
            if kind not in was or (was[kind]["status"], was[kind]["reason"]) != (item["status"], item["reason"])
        ]
        flips += [f"{kind} absent" for kind in sorted(was.keys() - now.keys())]
        if flips:
            self.say("status", ", ".join(flips))

    def _gates(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        was = {gate["name"]: gate for gate in (before.get("rollout") or {}).get("gates", ())}
        for gate in (after.get("rollout") or {}).get("gates", ()):
            if was.get(gate["name"]) != gate:
                value = f" {gate['value']:.4g}" if "value" in gate else ""
                words = f" - {gate['message']}" if gate.get("message") else ""
                self.say(
                    "gate", f"{gate['name']} {gate['verdict']} {gate['state']}{value} {gate.get('limit', '')}{words}"
                )


def _detail(found: Object) -> str:
    match found["kind"]:
        case "Deployment":
            return f" with {found['spec'].get('replicas', 1)} replicas"
        case "Service":
            selector = found["spec"].get("selector", {})
            of_ours = selector.get(LABEL_REVISION) or selector.get(LABEL_COMPONENT)
            return f" for {of_ours or ', '.join(selector.values())}"
        case _:
            return ""
