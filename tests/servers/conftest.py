"""Real model servers from PyPI, each with models that the tests trained, alive for the length of the session."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest

from tests.demo.models.releases import Release, releases
from tests.demo.models.train import write
from tests.servers.environments import start
from tests.servers.server import Server, free_ports, running

HERE = Path(__file__).parent
KSERVE_MODELS = ("v1", "v2", "cells-v1", "cells-always")


@pytest.fixture(scope="session")
def models() -> dict[str, Release]:
    """Every release, as trained here: what a server must answer."""
    return releases()


@pytest.fixture(scope="session")
def mlserver(models: dict[str, Release], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """MLServer with all of them, as versions of two models."""
    directory = tmp_path_factory.mktemp("mlserver")
    http, grpc, metrics = free_ports(3)
    server = {"host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    for version, release in models.items():
        write(directory / "models" / version, release, **server)
    shutil.copy(directory / "models/v1/settings.json", directory / "models")
    log = directory / "log"
    command = ("mlserver", "start", directory / "models")
    with running(http, "/v2/health/ready", lambda: start("modelserver", *command, log=log), log) as found:
        yield found


@pytest.fixture(scope="session")
def kserve(models: dict[str, Release], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """KServe's Python server with some of them; its protocol has no versions, so each is a model."""
    directory = tmp_path_factory.mktemp("kserve")
    (port,) = free_ports(1)
    for version in KSERVE_MODELS:
        joblib.dump(models[version].model, directory / f"{version}.joblib")
    named = [f"{version}={directory / version}.joblib" for version in KSERVE_MODELS]
    log = directory / "log"
    command = ("python", HERE / "kserve_server.py", str(port), *named)
    with running(port, "/v2/health/ready", lambda: start("kserve", *command, log=log), log) as found:
        yield found
