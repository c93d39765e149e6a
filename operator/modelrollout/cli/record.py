"""``modelrollout record``: writes down what the metrics of a live rollout read, for ``simulate --replay``.

The operator's own poller reads and its own engine says what is read and when; only the way to the pods is a person's.
"""

import asyncio
import sys
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TextIO

from modelrollout.adapters.http import HttpClient, Prometheus
from modelrollout.adapters.reading import read_pod
from modelrollout.cli.access import Access, Object, access, now
from modelrollout.cli.ask import read_snapshots
from modelrollout.cli.options import Where, say
from modelrollout.cli.proxied import Proxied
from modelrollout.cli.view import status_of
from modelrollout.controller.polling import Poller
from modelrollout.domain.observation import Observation
from modelrollout.domain.revision import Revision
from modelrollout.domain.status import RolloutState, Status
from modelrollout.engine.wants import AnalysisWants, Wants, attempt_of, wants
from modelrollout.errors import RolloutError
from modelrollout.simulation.recorder import Recorder
from modelrollout.simulation.recording import Change

PROMETHEUS = "prometheus"
LATE = 0.5
"""Seconds by which a poll may come later than the operator's: a watch tells of a new stage, and others pass on what is asked."""


def record(where: Where, name: str, file: str, prometheus: str | None) -> int:
    """Record a rollout to its end; return 0, or 130 after ctrl-C.

    Args:
        where: which cluster.
        name: of the ModelDeployment.
        file: to write; ``-``: standard output.
        prometheus: its address, as seen from here; None: what comes from it is left out.

    Raises:
        RolloutError: the file cannot be written, or the cluster does not let us read.
    """

    async def run() -> None:
        reach = Prometheus(prometheus) if prometheus is not None else None
        async with access(where) as cluster, HttpClient(reach) as http:
            await _Scribe(cluster, http, name, out, reached=prometheus is not None).follow()

    out = _open(file)
    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        say("Not recording any more; what is in the file can be replayed.", err=True)
        return 130
    finally:
        if out is not sys.stdout:
            out.close()
    return 0


def _open(file: str) -> TextIO:
    if file == "-":
        return sys.stdout
    try:
        return Path(file).open("w", encoding="utf-8")
    except OSError as exc:
        raise RolloutError(f"{file} cannot be written: {exc}") from exc


class _Scribe:
    """Follows one ModelDeployment until a rollout of it has ended."""

    def __init__(self, cluster: Access, http: HttpClient, name: str, out: TextIO, *, reached: bool) -> None:
        self._cluster = cluster
        self._name = name
        self._out = out
        self._reached = reached
        self._key = (cluster.namespace, name)
        self._routers = Proxied(cluster, http)
        recorder = Recorder(self._write, LATE)
        self._poller = Poller(
            self._routers, self._routers, now, lambda _key: None, background=False, sampled=recorder.note
        )
        self._said: set[str] = set()
        self._attempt = ""
        self._snapshots: dict[str, Revision] = {}
        self._epoch = ""
        self._due: datetime | None = None

    def _write(self, change: Change) -> None:
        self._out.write(change.line() + "\n")

    async def follow(self) -> None:
        """Wait for a rollout, and record it to its end."""
        raw: Object | None = None
        async with aclosing(self._cluster.changes(self._name)) as changes:
            coming = asyncio.ensure_future(anext(changes))
            try:
                while raw is None or not await self._ended(raw):
                    pause = (self._due - now()) / timedelta(seconds=1) if self._due is not None else None
                    done, _ = await asyncio.wait({coming}, timeout=max(pause, 0.0) if pause is not None else None)
                    if done:
                        raw = coming.result() or raw
                        coming = asyncio.ensure_future(anext(changes))
            finally:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)

    async def _ended(self, raw: Object) -> bool:
        """Look at the object, and read the metrics where it is time to; return whether the rollout is over."""
        status = status_of(raw)
        rollout = status.rollout
        if rollout is None or rollout.previous is None or rollout.state is not RolloutState.PROGRESSING:
            if self._attempt:
                # The numbers that decided it may have come just now.
                await self._read()
                say(f"The rollout of {self._name} has ended.", err=True)
                return True
            self._say_once(f"Waiting for a rollout of {self._name}.")
            return False
        if self._attempt not in ("", attempt_of(rollout)):
            say(f"Another rollout of {self._name} has begun.", err=True)
            return True
        if not self._attempt:
            self._attempt = attempt_of(rollout)
            self._snapshots = read_snapshots(self._name, await self._cluster.children("ControllerRevision", self._name))
            say(f"Recording the rollout of {rollout.revision}.", err=True)
        await self._poll(raw, status)
        return False

    def _say_once(self, words: str) -> None:
        if words not in self._said:
            self._said.add(words)
            say(words, err=True)

    async def _poll(self, raw: Object, status: Status) -> None:
        """Read the metrics when the operator does: at once in each new stage, and then at the interval."""
        self._routers.seen = [read_pod(raw) for raw in await self._cluster.pods(self._name)]
        found = self._wanted(wants(self._observe(raw, status)).analysis)
        if found is None:
            self._due = None
            return
        if found.epoch == self._epoch and self._due is not None and now() < self._due:
            return
        # Counted from when it was due: a recording that drifts would fall behind the operator.
        begin = self._due if found.epoch == self._epoch and self._due is not None else now()
        self._epoch, self._due = found.epoch, max(begin + found.interval, now())
        self._poller.want(self._key, Wants(analysis=found), status)
        await self._read()

    async def _read(self) -> None:
        await self._poller.poll_metrics(self._key)
        self._out.flush()

    def _observe(self, raw: Object, status: Status) -> Observation:
        metadata, pods = raw["metadata"], (pod for pod in self._routers.seen if not pod.router)
        return Observation(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            generation=metadata["generation"],
            resource_version=metadata["resourceVersion"],
            spec=raw["spec"],
            status=status,
            snapshots=self._snapshots,
            pods=tuple(sorted(pods, key=lambda pod: pod.name)),
        )

    def _wanted(self, found: AnalysisWants | None) -> AnalysisWants | None:
        """Return what can be read from here."""
        if found is None or self._reached:
            return found
        far = [metric.name for metric in found.metrics if metric.source.name == PROMETHEUS]
        if far:
            self._say_once(f"Left out, because no --prometheus says where it is: {', '.join(far)}.")
        metrics = tuple(metric for metric in found.metrics if metric.name not in far)
        return replace(found, metrics=metrics) if metrics else None
