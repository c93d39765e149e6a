"""A real API server and its etcd, and nothing else: three seconds to start, for schemas and CEL rules."""

import contextlib
import ctypes
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.build import program

TOKEN = "api-tests"
ACCOUNTS = {
    "cluster-token": "system:serviceaccount:modelrollout-system:modelrollout-operator",
    "namespaced-token": "system:serviceaccount:models:modelrollout-operator",
}
"""Tokens of the operator's own account, as installed for a cluster and for one namespace."""
START = 60.0


@dataclass(frozen=True)
class ApiServer:
    """A running API server."""

    port: int
    tls: ssl.SSLContext
    ca: Path

    def request(
        self, method: str, path: str, body: Any = None, kind: str = "application/json", user: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Return status and decoded body. With ``user`` the server takes the request for that user's own."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=10)
        try:
            headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
            if user:
                headers["Impersonate-User"] = user
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def apply(self, path: str, body: dict[str, Any], **options: str) -> tuple[int, dict[str, Any]]:
        """Apply an object as kubectl does with ``--server-side``: unknown fields are errors."""
        query = "&".join(
            f"{key}={value}" for key, value in {"fieldManager": "test", "fieldValidation": "Strict", **options}.items()
        )
        return self.request("PATCH", f"{path}?{query}", body, kind="application/apply-patch+yaml")


@contextlib.contextmanager
def start(directory: Path, *flags: str) -> Iterator[ApiServer]:
    """Run etcd and kube-apiserver on loopback until the end of the block, with all data in a directory.

    Args:
        directory: for data, logs and keys.
        flags: further flags of the API server.
    """
    kube = program("kube")
    client, peer, port = _free_ports(3)
    accounts = "".join(f"{token},{name},{name}\n" for token, name in ACCOUNTS.items())
    (directory / "tokens.csv").write_text(f'{TOKEN},tester,1,"system:masters"\n{accounts}')
    key = directory / "sa.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    etcd = [
        "etcd",
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync",
        "--log-level=error",
    ]
    apiserver = [
        "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{client}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={directory}",
        f"--token-auth-file={directory / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24",
        # Without controllers no namespace has the account that this one asks for.
        "--disable-admission-plugins=ServiceAccount",
        "--endpoint-reconciler-type=none",
        "--service-account-issuer=https://localhost",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        *flags,
    ]
    with _process(kube, etcd, directory), _process(kube, apiserver, directory) as process:
        yield _wait(process, port, directory)


def _wait(process: subprocess.Popen[bytes], port: int, directory: Path) -> ApiServer:
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            ca = directory / "apiserver.crt"
            server = ApiServer(port, ssl.create_default_context(cafile=str(ca)), ca)
            if server.request("GET", "/api/v1/namespaces/default")[0] == 200:
                return server
        time.sleep(0.1)
    raise AssertionError(f"no API server: {(directory / 'kube-apiserver.log').read_text()[-3000:]}")


@contextlib.contextmanager
def _process(kube: Path, words: list[str], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (directory / f"{words[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            [kube, *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  # the tests start it before any thread
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _end_with_parent() -> None:
    # A test run that is killed must not leave servers behind. PR_SET_PDEATHSIG is 1.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    os.setsid()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
