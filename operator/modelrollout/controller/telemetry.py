"""What the operator says about itself: metrics, log lines, health.

The numbers are on a registry of their own, so that tests and two operators in one process do not share them.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pythonjsonlogger.json import JsonFormatter

from modelrollout.controller.gauges import RolloutGauges
from modelrollout.controller.queue import Key
from modelrollout.domain.status import Status
from modelrollout.errors import RolloutError


class Telemetry:
    """All metrics of the operator."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reconcile_seconds = Histogram(
            "modelrollout_reconcile_seconds",
            "Duration of one pass.",
            buckets=(0.005, 0.02, 0.05, 0.1, 0.5, 2, 10),
            registry=self.registry,
        )
        self.reconciles = Counter(
            "modelrollout_reconciles", "Passes by result: ok, or the error's name.", ["result"], registry=self.registry
        )
        self.writes = Counter(
            "modelrollout_writes", "Writes to the API server by kind.", ["kind"], registry=self.registry
        )
        self.requests = Counter(
            "modelrollout_api_requests",
            "Requests to the API server, each attempt.",
            ["method", "code"],
            registry=self.registry,
        )
        self.queue_depth = Gauge(
            "modelrollout_queue_depth", "ModelDeployments that wait for a worker.", registry=self.registry
        )
        self.polls = Counter(
            "modelrollout_polls", "Answers of routers and metric sources.", ["origin", "result"], registry=self.registry
        )
        self.leader = Gauge("modelrollout_leader", "1 while this replica leads.", registry=self.registry)
        self.watch_event = Gauge(
            "modelrollout_last_watch_event_timestamp_seconds",
            "When a watch last delivered an event.",
            ["kind"],
            registry=self.registry,
        )
        self.objects = Gauge(
            "modelrollout_modeldeployments", "ModelDeployments by phase.", ["phase"], registry=self.registry
        )
        self.stalled = Gauge(
            "modelrollout_stalled",
            "1 while a ModelDeployment is Stalled.",
            ["namespace", "name", "reason"],
            registry=self.registry,
        )
        self.rollouts = Counter(
            "modelrollout_rollouts",
            "Ended attempts by strategy and outcome.",
            ["strategy", "outcome"],
            registry=self.registry,
        )
        self._gauges = RolloutGauges(self.registry)
        self._known: dict[Key, Status] = {}

    def saw(self, key: Key, status: Status) -> None:
        """Count a ModelDeployment by what its new status says."""
        self._gauges.saw(key, status)
        before = self._known.get(key)
        self._known[key] = status
        if before is None or before.phase != status.phase:
            if before is not None:
                self.objects.labels(before.phase).dec()
            self.objects.labels(status.phase).inc()
        # A status that was wiped has no history, and tells of no end.
        if before is not None and status.history and status.history[:1] != before.history[:1]:
            past = status.history[0]
            self.rollouts.labels(past.strategy, past.outcome).inc()
        if before is None or _stalled(before) != _stalled(status):
            self._unstall(key, before)
            reason = _stalled(status)
            if reason:
                self.stalled.labels(*key, reason).set(1)

    def forget(self, key: Key) -> None:
        """Stop counting a ModelDeployment that is gone."""
        self._gauges.forget(key)
        before = self._known.pop(key, None)
        if before is not None:
            self.objects.labels(before.phase).dec()
            self._unstall(key, before)

    def _unstall(self, key: Key, status: Status | None) -> None:
        reason = _stalled(status) if status else None
        if reason:
            self.stalled.remove(*key, reason)


def _stalled(status: Status) -> str | None:
    return next((item.reason for item in status.conditions if item.type == "Stalled" and item.status == "True"), None)


def configure_logging(level: str, clock: Callable[[], datetime]) -> None:
    """Write one JSON object per line to stderr."""

    class Formatter(JsonFormatter):
        def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802, ARG002  # the standard library's name and signature
            return clock().isoformat(timespec="milliseconds")

    handler = logging.StreamHandler()
    handler.setFormatter(
        Formatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "message": "event"},
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Kopf tells each watch and each handler call; a steady state must be silent.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


class HealthServer:
    """``/metrics``, ``/healthz`` and ``/readyz``; started before the election, so that a standby answers too.

    Args:
        telemetry: what to show.
        problems: returns why this process should be restarted; empty when it is healthy.
        ready: whether this process serves or could serve.
    """

    def __init__(
        self, telemetry: Telemetry, problems: Callable[[], tuple[str, ...]], ready: Callable[[], bool]
    ) -> None:
        self._telemetry = telemetry
        self._problems = problems
        self._ready = ready
        self._runner: web.AppRunner | None = None

    async def start(self, port: int, host: str | None = None) -> None:
        """Listen on a port.

        Raises:
            RolloutError: the port cannot be used.
        """
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as exc:
            raise RolloutError(
                f"Serving health and metrics on port {port}: {exc.strerror}. Set MODELROLLOUT_HTTP_PORT to a free port."
            ) from exc

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self._telemetry.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def _healthz(self, _request: web.Request) -> web.Response:
        problems = self._problems()
        return web.Response(text="\n".join(problems) or "ok", status=503 if problems else 200)

    async def _readyz(self, _request: web.Request) -> web.Response:
        ready = self._ready()
        return web.Response(text="ok" if ready else "not connected to the API server yet", status=200 if ready else 503)
