"""The shared cluster with the operator installed as an admin would install it, and a table of what every scenario lost."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.cluster.api import Cluster, ensure_up
from tests.cluster.project import ensure_images, tag
from tests.e2e.scenario import OPERATOR, SYSTEM, Scenario, forget

HERE = Path(__file__).parent
_ROWS = pytest.StashKey[list[tuple[str, ...]]]()
_HEAD = ("scenario", "requests", "lost by us", "model errors", "p50 ms", "p99 ms", "note")


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster, with our images and the operator; left running, so that a second run starts at once."""
    return install(os.environ.get("MODELROLLOUT_TEST_CLUSTER", "modelrollout"))


def install(name: str) -> Cluster:
    """Start the cluster unless it runs, and install the operator as an admin would."""
    found = ensure_up(name)
    ensure_images(found, ["operator", "router", "testmodel", "prometheus"])
    for namespace in found.get("namespaces", "-l", "modelrollout.test=e2e")["items"]:
        forget(found, namespace["metadata"]["name"])
    found.kubectl("apply", "--server-side", "--force-conflicts", "-k", HERE / "manifests")
    # The tag of a rebuilt image is the same, so running pods must be replaced.
    found.kubectl(*SYSTEM, "rollout", "restart", OPERATOR)
    found.kubectl(*SYSTEM, "rollout", "status", OPERATOR, "--timeout=120s")
    found.kubectl("-n", "e2e-prometheus", "rollout", "status", "deployment", "prometheus", "--timeout=120s")
    return found


@pytest.fixture
def scenario(cluster: Cluster, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scenario]:
    """A namespace of its own."""
    rows = request.config.stash.setdefault(_ROWS, [])
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")
    namespace = f"e2e-{words[:40]}".rstrip("-") + f"-{uuid4().hex[:6]}"
    cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("label", "namespace", namespace, "modelrollout.test=e2e")

    def note(report: dict[str, Any] | None = None, text: str = "") -> None:
        found = report or {}
        numbers = [str(found.get(key, "")) for key in ("requests", "ours", "model")]
        times = [f"{found[key]:.1f}" if key in found else "" for key in ("p50_ms", "p99_ms")]
        rows.append((request.node.name.removeprefix("test_").replace("_", " "), *numbers, *times, text))

    yield Scenario(cluster, namespace, tmp_path, note=note)
    forget(cluster, namespace)


@pytest.fixture(scope="session")
def modelserver(cluster: Cluster) -> str:
    """Name of the image with MLServer and every release."""
    ensure_images(cluster, ["modelserver"])
    return tag("modelserver")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What the audit log must show has only happened once everything else has run."""
    items.sort(key=lambda item: "test_rights" in item.nodeid)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table."""
    rows = config.stash.get(_ROWS, [])
    if not rows:
        return
    table = [_HEAD, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
    line: Callable[[tuple[str, ...]], str] = lambda row: "  ".join(  # noqa: E731  # one expression, used twice
        text.ljust(width) if column in (0, len(_HEAD) - 1) else text.rjust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    terminalreporter.write_sep("=", "what clients lost")
    for row in table:
        terminalreporter.write_line(line(row))
