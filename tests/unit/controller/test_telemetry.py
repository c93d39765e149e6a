import json
import logging
from datetime import UTC, datetime

import aiohttp
import pytest

from modelrollout.controller.telemetry import HealthServer, Telemetry, configure_logging
from modelrollout.domain.conditions import Condition
from modelrollout.domain.status import Past, Status
from modelrollout.errors import RolloutError
from tests.unit.controller.clock import EPOCH

KEY = ("n", "d")
AT = datetime(2026, 1, 2, tzinfo=UTC)


def past(revision, outcome="Completed"):
    return Past(revision=revision, attempt=1, strategy="canary", outcome=outcome, started_at=AT, ended_at=AT)


def stalled(reason):
    condition = Condition(type="Stalled", status="True", reason=reason, message="m", last_transition_time=AT)
    return Status(phase="Failed", conditions=(condition,))


@pytest.fixture
def telemetry():
    return Telemetry()


def value(telemetry, metric, /, **labels):
    return telemetry.registry.get_sample_value(f"modelrollout_{metric}", labels)


def test_objects_are_counted_by_phase(telemetry):
    telemetry.saw(KEY, Status(phase="Progressing"))
    telemetry.saw(("n", "e"), Status(phase="Progressing"))
    telemetry.saw(KEY, Status(phase="Stable"))
    assert value(telemetry, "modeldeployments", phase="Progressing") == 1
    assert value(telemetry, "modeldeployments", phase="Stable") == 1
    telemetry.forget(KEY)
    telemetry.forget(KEY)
    assert value(telemetry, "modeldeployments", phase="Stable") == 0


def test_ended_attempts_are_counted_once(telemetry):
    telemetry.saw(KEY, Status(history=(past("old"),)))
    assert value(telemetry, "rollouts_total", strategy="canary", outcome="Completed") is None
    for _ in range(2):
        telemetry.saw(KEY, Status(history=(past("new", "Aborted"), past("old"))))
    assert value(telemetry, "rollouts_total", strategy="canary", outcome="Aborted") == 1


def test_a_wiped_status_ends_no_attempt(telemetry):
    telemetry.saw(KEY, Status(history=(past("old"),)))
    telemetry.saw(KEY, Status())
    assert value(telemetry, "rollouts_total", strategy="canary", outcome="Completed") is None


def test_a_stall_is_shown_with_its_reason_as_long_as_it_lasts(telemetry):
    telemetry.saw(KEY, stalled("NameConflict"))
    assert value(telemetry, "stalled", namespace="n", name="d", reason="NameConflict") == 1
    telemetry.saw(KEY, stalled("InvalidSpec"))
    assert value(telemetry, "stalled", namespace="n", name="d", reason="NameConflict") is None
    assert value(telemetry, "stalled", namespace="n", name="d", reason="InvalidSpec") == 1
    telemetry.saw(KEY, Status(phase="Stable"))
    assert value(telemetry, "stalled", namespace="n", name="d", reason="InvalidSpec") is None
    telemetry.saw(KEY, stalled("InvalidSpec"))
    telemetry.forget(KEY)
    assert value(telemetry, "stalled", namespace="n", name="d", reason="InvalidSpec") is None


def test_a_log_line_is_one_object_with_time_level_and_what_is_bound(logging_as_it_was, capsys):
    configure_logging("INFO", lambda: EPOCH)
    logging.getLogger("modelrollout.x").info("weight 20", extra={"modeldeployment": "d", "weight": 20})
    logging.getLogger("kopf.objects").info("noise")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line) == {
        "time": "2026-01-02T03:04:05.000+00:00",
        "level": "INFO",
        "logger": "modelrollout.x",
        "event": "weight 20",
        "modeldeployment": "d",
        "weight": 20,
    }


class Health:
    def __init__(self, telemetry):
        self.problems, self.ready = (), False
        self.server = HealthServer(telemetry, lambda: self.problems, lambda: self.ready)

    async def get(self, path):
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def health(telemetry, unused_tcp_port):
    health = Health(telemetry)
    health.port = unused_tcp_port
    await health.server.start(unused_tcp_port, "127.0.0.1")
    yield health
    await health.server.stop()


async def test_health_says_what_is_wrong(health):
    assert await health.get("/healthz") == (200, "ok")
    health.problems = ("the watch on Pods is stale", "another one")
    assert await health.get("/healthz") == (503, "the watch on Pods is stale\nanother one")


async def test_readiness_is_another_question(health):
    assert (await health.get("/readyz"))[0] == 503
    health.ready = True
    assert await health.get("/readyz") == (200, "ok")


async def test_metrics_are_served(health, telemetry):
    telemetry.leader.set(1)
    status, text = await health.get("/metrics")
    assert (status, "modelrollout_leader 1.0" in text) == (200, True)


async def test_a_port_that_is_taken_is_said_with_its_setting(health, telemetry):
    second = Health(telemetry)
    with pytest.raises(RolloutError, match="MODELROLLOUT_HTTP_PORT"):
        await second.server.start(health.port, "127.0.0.1")
    await second.server.stop()
