"""The cluster's cgroups: they are its process list, and the parents of its pods.

Everything that belongs to a cluster (components, containers, forwarders, programs started by `run`) is born into one
cgroup tree. Reading that tree gives exactly its processes; there are no process id files that could name a reused id.

cgroup v1 has one tree per controller, the process list is the one of the pids controller. cgroup v2 has a single tree
and can kill it in one write. The tests have passed with v1 (a hybrid machine). What is here for v2 follows the kernel's
documentation and has not been run: nothing is claimed of it, and `up` says so.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

from tests.cluster.paths import PREFIX
from tests.cluster.shell import ClusterError

ROOT = Path("/sys/fs/cgroup")
NODE, GUESTS = "node", "guests"
"""Below the cluster's cgroup: init and components; forwarders and programs started by `run`. Pods are beside them."""


def version() -> int:
    """Return 1, 2, or 0 for neither."""
    if (ROOT / "cgroup.controllers").exists():
        return 2
    return 1 if (ROOT / "pids" / "cgroup.procs").exists() else 0


def hierarchies() -> list[Path]:
    """Every directory that is the root of a tree. (A hybrid machine's `unified` tree has no controllers: unused.)"""
    if version() == 2:
        return [ROOT]
    return sorted(path for path in ROOT.iterdir() if not path.is_symlink() and (path / "cgroup.procs").exists())


def tree(name: str) -> Path:
    """The tree that lists the processes."""
    return (ROOT if version() == 2 else ROOT / "pids") / name


def create(name: str) -> None:
    """Make the cluster's cgroups; the kubelet wants its `cgroupRoot` to exist in every hierarchy."""
    for root in hierarchies():
        (root / name).mkdir(exist_ok=True)
    if version() == 2:
        for directory in (ROOT, ROOT / name):
            for controller in (directory / "cgroup.controllers").read_text().split():
                # Not every controller can be delegated on every machine; the kubelet names those it misses.
                with contextlib.suppress(OSError):
                    (directory / "cgroup.subtree_control").write_text(f"+{controller}")
    else:
        for file in ("cpuset.cpus", "cpuset.mems"):
            # A new cpuset is empty, and nothing can run in an empty one.
            child = ROOT / "cpuset" / name / file
            if child.exists() and not child.read_text().strip():
                child.write_text((ROOT / "cpuset" / file).read_text())
    # All pods together would weigh as much as one process of the machine, and starve beside a few busy ones.
    for file, usual in ((ROOT / "cpu" / name / "cpu.shares", 1024), (ROOT / name / "cpu.weight", 100)):
        if file.exists():
            file.write_text(str(4 * usual * (os.cpu_count() or 1)))
    for part in (NODE, GUESTS):
        (tree(name) / part).mkdir(exist_ok=True)


def processes(name: str) -> list[int]:
    """Every process of the cluster."""
    found: set[int] = set()
    for directory, _, _ in os.walk(tree(name)):
        # A cgroup may go away while we look.
        with contextlib.suppress(OSError):
            found.update(int(line) for line in (Path(directory) / "cgroup.procs").read_text().split())
    return sorted(found)


def init(name: str) -> int | None:
    """The cluster's pid 1, as seen from here: it is in the cgroup of the node and has pid 1 in the innermost namespace."""
    try:
        members = (tree(name) / NODE / "cgroup.procs").read_text().split()
    except OSError:
        return None
    for member in members:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{member}/status").read_text().splitlines():
                if line.startswith("NSpid:") and len(line.split()) > 2 and line.split()[-1] == "1":
                    return int(member)
    return None


def kill(name: str, timeout: float = 30) -> None:
    """End every process of the cluster, and return when none is left."""
    deadline = time.monotonic() + timeout
    while members := processes(name):
        if time.monotonic() > deadline:
            raise ClusterError(f"these processes of the cluster do not end: {members}")
        all_at_once = tree(name) / "cgroup.kill"
        if all_at_once.exists():
            all_at_once.write_text("1")
        else:
            for member in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
        time.sleep(0.02)


def remove(name: str, timeout: float = 10) -> None:
    """Remove the (empty) cgroups of the cluster in every hierarchy, children first."""
    deadline = time.monotonic() + timeout
    for root in hierarchies():
        while (root / name).exists():
            for directory, _, _ in os.walk(root / name, topdown=False):
                with contextlib.suppress(OSError):
                    Path(directory).rmdir()
            # The kernel refuses for a moment after the last process has ended.
            if (root / name).exists():
                if time.monotonic() > deadline:
                    raise ClusterError(f"cgroup {root / name} cannot be removed")
                time.sleep(0.02)


def clusters() -> list[str]:
    """Names of the clusters that have a cgroup."""
    parent = tree("")
    if not parent.is_dir():
        return []
    return sorted(path.name.removeprefix(PREFIX) for path in parent.iterdir() if path.name.startswith(PREFIX))
