"""`up` and `down`: from nothing to a usable cluster, and back to nothing."""

import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cluster import build, cgroups, cleanup, layout, pki, preflight, scratch
from tests.cluster.client import Client
from tests.cluster.components import write_configuration, write_kubeconfig
from tests.cluster.forward import listen
from tests.cluster.paths import API_PORT, SOURCE, Paths
from tests.cluster.shell import ClusterError, call, environment, locked, say

START_TIMEOUT = 180
"""A healthy start takes seconds; a machine that does something else at the same time may need a lot more."""
RECOVERY_TIMEOUT = 60
"""How long a running cluster may be unhealthy (components restart) before `up` replaces it."""


def up(paths: Paths) -> None:
    """Make the cluster usable: do nothing when it is, replace it when it is beyond recovery."""
    preflight.check()
    with locked(paths.lock):
        if _usable(paths):
            say(f"{paths.name} is up: {paths.kubeconfig}")
            return
        if cleanup.clear(paths):
            say(f"removed what was left of {paths.name}")
        start = time.monotonic()
        try:
            _create(paths)
        except KeyboardInterrupt:
            say("interrupted: removing what was started")
            cleanup.clear(paths)
            raise
        say(f"{paths.name} is up after {time.monotonic() - start:.1f} s: {paths.kubeconfig}")


def down(paths: Paths) -> None:
    """Remove the cluster; it is no mistake when there is none."""
    with locked(paths.lock):
        removed = cleanup.clear(paths)
    say(f"{paths.name} is removed" if removed else f"{paths.name} was not there")


def port(paths: Paths) -> int:
    """Return the port on 127.0.0.1 where the API server answers."""
    try:
        return int(json.loads(paths.record.read_text())["port"])
    except FileNotFoundError as error:
        raise ClusterError(
            f"cluster {paths.name} is not up: python3 -m tests.cluster --name {paths.name} up"
        ) from error


def missing(paths: Paths) -> str:
    """Return what keeps the cluster from being usable; the empty string when nothing does."""
    if cgroups.init(paths.cgroup) is None:
        return "init"
    if not paths.record.exists():
        return "a finished start"
    return Client(paths, port(paths)).missing()


def _usable(paths: Paths) -> bool:
    deadline = time.monotonic() + RECOVERY_TIMEOUT
    last = ""
    while lacking := missing(paths):
        # Without these two no amount of waiting helps.
        if lacking in {"init", "a finished start"} or time.monotonic() > deadline:
            return False
        if lacking != last:
            say(f"{paths.name} is running but not ready, waiting for: {lacking}")
            last = lacking
        time.sleep(0.5)
    return True


def _create(paths: Paths) -> None:
    kube = build.program("kube")
    archives = scratch.archives()
    say(f"starting Kubernetes {build.KUBERNETES} as cluster {paths.name}")
    cgroups.create(paths.cgroup)
    paths.logs.mkdir(parents=True)
    pki.create(paths.pki)
    write_configuration(paths)
    with _listen() as listener:
        number = int(listener.getsockname()[1])
        layout.start(paths, kube, listener)
    write_kubeconfig(paths, paths.kubeconfig, "admin", number)
    _write_kubectl(paths, kube)
    client = Client(paths, number)
    with ThreadPoolExecutor() as background:
        images = [background.submit(load_image, paths, archive) for archive in archives]
        _wait(paths, "API server", client.ready)
        say("API server is ready; deploying CoreDNS")
        call(
            [kube, "kubectl", "apply", "--filename", SOURCE / "manifests" / "coredns.yaml"],
            env=environment(KUBECONFIG=str(paths.kubeconfig), KUBECACHEDIR=str(paths.state / "kubectl-cache")),
        )
        for image in images:
            image.result()
    said = ""

    def complete() -> bool:
        nonlocal said
        lacking = client.missing()
        if lacking and lacking != said:
            say(f"waiting for {lacking}")
            said = lacking
        return not lacking

    _wait(paths, "cluster", complete)
    unfinished = paths.record.with_suffix(".new")
    unfinished.write_text(json.dumps({"name": paths.name, "port": number, "kube": str(kube)}))
    unfinished.rename(paths.record)


def _listen() -> socket.socket:
    """Listen at the usual port when it is free, else at any other."""
    try:
        return listen(API_PORT)
    except OSError:
        return listen()


def _write_kubectl(paths: Paths, kube: Path) -> None:
    """Write a `kubectl` that needs no settings, for people and for programs that look for one on the PATH."""
    script = paths.state / "bin" / "kubectl"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\nexport KUBECONFIG="${{KUBECONFIG:-{paths.kubeconfig}}}" KUBECACHEDIR="{paths.state}/kubectl-cache"\n'
        f'exec "{kube}" kubectl "$@"\n'
    )
    script.chmod(0o755)


def load_image(paths: Paths, archive: Path) -> list[str]:
    """Import an image archive (OCI or Docker) into the cluster's containerd; return the names it got."""
    _wait(paths, "containerd", paths.containerd_socket.is_socket)
    output = call(["ctr", "--address", paths.containerd_socket, "--namespace", "k8s.io", "images", "import", archive])
    # unpacking NAME (sha256:...)...done
    return [line.split()[1] for line in output.splitlines() if line.startswith("unpacking ")]


def _wait(paths: Paths, what: str, test: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    started = time.monotonic()
    while not test():
        now = time.monotonic()
        # The init appears in its namespace a moment after it was started.
        gone = now > started + 5 and cgroups.init(paths.cgroup) is None
        if gone or now > deadline:
            raise ClusterError(f"{what} did not become ready{_last_words(paths)}")
        time.sleep(0.05)


def _last_words(paths: Paths) -> str:
    """Return the ends of all logs: whoever reads the error in a test report cannot look at the files."""
    text = ""
    for log in sorted(paths.logs.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-5:]
        text += f"\n--- {log}\n" + "\n".join(line[:300] for line in lines)
    return text
