"""Workers: they take keys from the queue and reconcile them, on a real clock.

The one place that catches every exception: a pass that fails for whatever reason must be tried again, and must never
end the loop.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from modelrollout.controller.queue import Key, KeyedQueue
from modelrollout.controller.telemetry import Telemetry
from modelrollout.errors import ConflictError, KubeError

Reconcile = Callable[[Key], Awaitable[datetime | None]]

logger = logging.getLogger(__name__)


class Workers:
    """Runs reconciles from a queue.

    Args:
        queue: what to work on.
        clock: the current time, with its zone.
        telemetry: counts passes.
    """

    def __init__(self, queue: KeyedQueue, clock: Callable[[], datetime], telemetry: Telemetry) -> None:
        self._queue = queue
        self._clock = clock
        self._telemetry = telemetry
        self._stirred = asyncio.Event()
        self._stopping = False

    def wake(self, key: Key) -> None:
        """Have a key looked at; callable from any task of the loop."""
        self._queue.wake(key)
        self._stirred.set()

    def stop(self) -> None:
        """Take no further key; passes that run may end."""
        self._stopping = True
        self._stirred.set()

    async def run(self, reconcile: Reconcile, count: int) -> None:
        """Work until stopped; return when the last pass has ended.

        Args:
            reconcile: one pass over a key; returns when to look again although nothing happens.
            count: passes that run at the same time.
        """
        running: set[asyncio.Task[None]] = set()
        try:
            while not self._stopping:
                self._stirred.clear()
                while len(running) < count and (key := self._queue.take(self._clock())) is not None:
                    running.add(asyncio.create_task(self._pass(reconcile, key), name=f"reconcile {key[0]}/{key[1]}"))
                self._telemetry.queue_depth.set(self._queue.depth)
                stirred = asyncio.create_task(self._stirred.wait(), name="queue")
                # While all are busy, a key that is due waits for one of them and not for its time.
                pause = self._pause() if len(running) < count else None
                try:
                    done, _ = await asyncio.wait(
                        {*running, stirred}, timeout=pause, return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    stirred.cancel()
                running -= done
            if running:
                await asyncio.wait(running)
        finally:
            for task in running:
                task.cancel()

    def _pause(self) -> float | None:
        due = self._queue.next_due
        return None if due is None else max(0.0, (due - self._clock()) / timedelta(seconds=1))

    async def _pass(self, reconcile: Reconcile, key: Key) -> None:
        start = time.monotonic()
        try:
            due = await reconcile(key)
        except ConflictError as exc:
            # Somebody wrote in between. That is ordinary: read again, a little later.
            self._fail(key, exc, timedelta(), logging.DEBUG)
        except KubeError as exc:
            self._fail(key, exc, timedelta(seconds=exc.retry_after or 0), logging.WARNING)
        except Exception as exc:  # noqa: BLE001  # the one place: a bug in one pass must not stop all others
            self._fail(key, exc, timedelta(), logging.ERROR)
        else:
            self._queue.done(key, due)
            self._telemetry.reconciles.labels("ok").inc()
        finally:
            self._telemetry.reconcile_seconds.observe(time.monotonic() - start)

    def _fail(self, key: Key, exc: Exception, at_least: timedelta, level: int) -> None:
        pause = self._queue.failed(key, self._clock(), at_least)
        self._telemetry.reconciles.labels(type(exc).__name__).inc()
        logger.log(
            level,
            "a pass failed",
            extra={
                "namespace": key[0],
                "modeldeployment": key[1],
                "error": str(exc),
                "retry_seconds": round(pause.total_seconds(), 1),
            },
            exc_info=exc if level >= logging.ERROR else None,
        )
