"""Follows the ModelDeployment: every change that the API server tells becomes a view, and somebody may wait for one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from tests.demo.objects import NAME
from tests.demo.place import Place, PlaceError
from tests.demo.view import View


class Watch:
    """A running `kubectl get --watch`."""

    def __init__(self, place: Place, namespace: str, changed: Callable[[View], None]) -> None:
        """Start it; `changed` is called from another thread with each view."""
        self.view = View()
        self._changed = changed
        self._news = threading.Condition()
        self._ended = False
        arguments = ("get", "modeldeployment", NAME, "--output=json", "--watch")
        self._process = place.follow("-n", namespace, *arguments)
        threading.Thread(target=self._read, daemon=True).start()

    def until(self, what: str, holds: Callable[[View], bool], limit: float) -> View:
        """Wait for a view.

        Raises:
            PlaceError: it did not come within the limit (seconds); with what the object said last.
        """
        end = time.monotonic() + limit
        with self._news:
            while not holds(self.view):
                left = end - time.monotonic()
                if self._ended:
                    raise PlaceError(f"waiting for {what}: the watch of the ModelDeployment has ended")
                if left <= 0 or not self._news.wait(left):
                    last = self.view
                    raise PlaceError(f"{what} did not happen within {limit:.0f} s; last: {last.phase}. {last.message}")
            return self.view

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in objects(self._process.stdout):
            view = View.of(json.loads(text))
            self._changed(view)
            with self._news:
                self.view = view
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def objects(stream: TextIO) -> Iterator[str]:
    """Yield each object of a stream in which kubectl prints one indented object after the other."""
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        # Only the brace that closes the object stands at the start of a line.
        if line.startswith("}"):
            yield "".join(lines)
            lines.clear()
