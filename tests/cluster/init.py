"""Pid 1 inside the cluster's namespaces: arrange them, start the components, restart those that end, reap the rest.

Restarting matters even on a healthy day: kube-controller-manager, for one, gives up for good when the API server needs
more than ten seconds.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import layout
from tests.cluster.components import Component, components
from tests.cluster.paths import API_PORT, REPOSITORY, Paths

PAUSE_BEFORE_RESTART = 0.5
POLL = 0.1


@dataclass
class _Job:
    component: Component
    pid: int = 0
    starts: int = 0
    not_before: float = 0.0


def main(name: str, kube: Path, listener: int) -> None:
    """Run until killed."""
    paths = Paths(name)
    wake, signalled = socket.socketpair()
    wake.setblocking(False)
    signalled.setblocking(False)
    signal.set_wakeup_fd(signalled.fileno())
    # A handler is needed to be woken; for pid 1 it also decides whether the signal exists at all.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # The shell that started us in the background ignores these, and every container would inherit that.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    layout.arrange_mounts(paths)
    layout.arrange_network()
    forwarder = [sys.executable, "-m", "tests.cluster.forward", f"{listener}=127.0.0.1:{API_PORT}"]
    jobs = [_Job(Component("forwarder", forwarder)), *(_Job(each) for each in components(paths, kube))]
    while True:
        _reap(jobs, paths)
        for job in jobs:
            if not job.pid and time.monotonic() >= job.not_before and job.component.may_start():
                _start(job, paths, listener)
                _report(jobs, paths)
        waiting = any(not job.pid for job in jobs)
        select.select([wake], [], [], POLL if waiting else None)
        while _drained(wake):
            pass


def _drained(wake: socket.socket) -> bool:
    try:
        return bool(wake.recv(4096))
    except BlockingIOError:
        return False


def _start(job: _Job, paths: Paths, listener: int) -> None:
    component = job.component
    with (paths.logs / f"{component.name}.log").open("ab") as log:
        process = subprocess.Popen(
            component.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=REPOSITORY,
            pass_fds=[listener] if component.name == "forwarder" else [],
            start_new_session=True,
        )
    job.pid = process.pid
    job.starts += 1
    # This process waits for everything it is given, so subprocess must not wait for its own.
    process.returncode = 0
    print(f"{time.monotonic():.2f} started {component.name}: pid {job.pid}, start {job.starts}", flush=True)


def _reap(jobs: list[_Job], paths: Paths) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        for job in jobs:
            if job.pid == pid:
                code = os.waitstatus_to_exitcode(status)
                print(f"{time.monotonic():.2f} ended {job.component.name}: exit code {code}", flush=True)
                job.pid = 0
                job.not_before = time.monotonic() + PAUSE_BEFORE_RESTART
                _report(jobs, paths)


def _report(jobs: list[_Job], paths: Paths) -> None:
    state = {job.component.name: {"pid": job.pid, "starts": job.starts} for job in jobs}
    unfinished = paths.components.with_suffix(".new")
    unfinished.write_text(json.dumps(state))
    unfinished.replace(paths.components)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
