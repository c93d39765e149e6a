"""The client in its pod: what it prints becomes bins, line by line, and its sum when it is stopped."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

from tests.demo.objects import client
from tests.demo.place import Place, PlaceError
from tests.demo.recording import Bin

RATE = 100
"""Requests per second to each of the two Services."""
_END = "import os, signal; os.kill(1, signal.SIGTERM)"


class Client:
    """One client pod, sending from the moment it is made until `stop`."""

    def __init__(
        self, place: Place, namespace: str, requests: list[dict[str, object]], heard: Callable[[Bin], None]
    ) -> None:
        """Start it; `heard` is called from another thread with each of its live lines."""
        self._place, self._namespace, self._heard = place, namespace, heard
        self._total: Bin | None = None
        self._trouble = ""
        # Server-side: the requests are longer than the annotation that kubectl would keep them in.
        self._kubectl(
            "apply", "--server-side", "-f", "-", input=json.dumps(client(place.images["testmodel"], RATE, requests))
        )
        self._kubectl("wait", "--for=condition=Ready", "--timeout=60s", "pod/client")
        self._logs = place.follow("-n", namespace, "logs", "--follow", "client")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def stop(self) -> Bin:
        """Let it finish what is in flight, and return what it has counted."""
        self._kubectl("exec", "client", "--", "python3", "-c", _END)
        self._reader.join(30)
        if self._total is None:
            raise PlaceError(f"the client in {self._namespace} did not say what it has counted: {self._trouble}")
        return self._total

    def kill(self) -> None:
        """Stop reading; the pod goes with its namespace."""
        self._logs.kill()
        self._logs.wait()

    def check(self) -> None:
        """Complain about a client that ended too early."""
        if not self._reader.is_alive() and self._total is None:
            raise PlaceError(f"the client in {self._namespace} has ended: {self._trouble}")

    def _kubectl(self, *arguments: str, input: str | None = None) -> None:  # noqa: A002  # as in subprocess
        self._place.kubectl("-n", self._namespace, *arguments, input=input)

    def _read(self) -> None:
        assert self._logs.stdout is not None
        for line in self._logs.stdout:
            try:
                said = json.loads(line)
            except ValueError:
                self._trouble = line.strip()
                continue
            if "target" in said:
                self._total = Bin.of(said)
            else:
                self._heard(Bin.of(said))
