"""The demo while it runs: everything that is heard goes into the recording here, and the screen reads it from here."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from tests.demo.recording import Bin, Decision, Outcome, Recording, Route
from tests.demo.view import View, changes, traffic


class Show:
    """Listens to the clients and to the ModelDeployment; what listens calls from threads of its own."""

    def __init__(self, said: Callable[[Decision], None] = lambda _: None) -> None:
        """`said` is called with every heading and decision when it becomes known."""
        self.recording = Recording(started=time.time())  # noqa: TID251  # a demo owns a clock
        self.view = View()
        self.act = ""
        self.lock = Lock()
        self._said = said
        self._mirrored = 0

    def heard(self, each: Bin) -> None:
        """Take a line of the client of the ModelDeployment."""
        with self.lock:
            self.recording.ours.append(each)

    def heard_plain(self, each: Bin) -> None:
        """Take a line of the client of the plain Deployment."""
        with self.lock:
            self.recording.plain.append(each)

    def changed(self, view: View, now: float | None = None) -> None:
        """Take a new state of the ModelDeployment."""
        at = time.time() if now is None else now  # noqa: TID251  # a demo owns a clock
        with self.lock:
            before, self.view, recording = self.view, view, self.recording
            if view.current and view.candidate and view.state == "Progressing":
                recording.names.setdefault(view.candidate, view.version)
            if before.candidate != view.candidate:
                self._mirrored = 0
            self._mirrored = max(self._mirrored, view.mirrored)
            texts = list(changes(before, view, recording.names))
            if view.verified and view.shares:
                last = recording.routes[-1] if recording.routes else None
                if last is None or (last.shares, last.copies) != (view.shares, view.copies):
                    recording.routes.append(Route(at=at, shares=dict(view.shares), copies=dict(view.copies)))
                    texts += traffic(view, recording.names)
            if before.running and view.candidate == before.candidate and view.state in ("Aborted", "Completed"):
                recording.stable = recording.name(view.stable)
                recording.outcomes.append(self._outcome(view))
        for text in texts:
            self.say(text, at)

    def begin(self, act: str) -> None:
        """Begin an act: a heading, and no decision."""
        now = time.time()  # noqa: TID251  # a demo owns a clock
        if not self.act:
            self.recording.started = now
        self.act = act
        self._said(Decision(at=now, text=act))

    def say(self, text: str, at: float | None = None) -> None:
        """Add a decision, somebody's or the operator's."""
        decision = Decision(at=time.time() if at is None else at, text=text)  # noqa: TID251  # a demo owns a clock
        with self.lock:
            self.recording.decisions.append(decision)
        self._said(decision)

    def _outcome(self, view: View) -> Outcome:
        return Outcome(
            version=self.recording.name(view.candidate),
            revision=view.candidate,
            strategy=view.strategy,
            state=view.state,
            reason=view.reason,
            cause=view.cause,
            mirrored=self._mirrored,
        )
