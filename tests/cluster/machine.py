"""Everything on a machine that a cluster could leave behind, as values that can be compared.

Other programs live on the machine too, and other clusters: what they change by themselves is not in the picture, and what
only a cluster's own processes have (namespaces, process ids) is remembered while it runs and looked for afterwards.
"""

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import cgroups
from tests.cluster.paths import PREFIX, Paths
from tests.cluster.shell import environment

_CHANGING = (
    "dev/cdrom",
    "fs/aio-nr",
    "fs/dentry-state",
    "fs/file-nr",
    "fs/inode-nr",
    "fs/inode-state",
    "fs/quota",
    "kernel/ns_last_pid",
    "kernel/pty/nr",
    "kernel/random",
    "net/netfilter/nf_conntrack_count",
)
"""Counters of the kernel among the settings: they change by themselves."""

_SHARED = ("/run/containerd", "/run/netns", "/var/lib/cni", "/var/lib/containerd", "/var/lib/kubelet", "/var/log/pods")
"""Where container runtimes and kubelets write unless something keeps them from it."""


@dataclass(frozen=True)
class Machine:
    """The machine at one moment."""

    mounts: tuple[str, ...]
    cgroups: tuple[str, ...]
    devices: tuple[str, ...]
    firewall: str
    files: tuple[str, ...]
    sysctls: dict[str, str]


def look(besides: Paths) -> Machine:
    """Return the machine as it is, other clusters than `besides` left out."""
    return Machine(
        mounts=tuple(sorted(line.split(" ", 2)[2] for line in _lines(Path("/proc/self/mountinfo")))),
        cgroups=tuple(
            str(path)
            for root in cgroups.hierarchies()
            for path in sorted(root.iterdir())
            if path.is_dir() and (path.name == besides.cgroup or not path.name.startswith(PREFIX))
        ),
        devices=tuple(sorted(path.name for path in Path("/sys/class/net").iterdir())),
        firewall=_output("nft", "list", "ruleset"),
        files=tuple(
            str(path)
            for root in (*_SHARED, besides.state)
            if Path(root).exists()
            for path in (Path(root), *_below(root))
        ),
        sysctls=_sysctls(),
    )


@dataclass(frozen=True)
class Own:
    """What belongs to one cluster alone while it runs."""

    processes: frozenset[tuple[int, int]]
    """Process id and time of start: the pair is never used again."""
    namespaces: frozenset[str]


NOTHING = Own(frozenset(), frozenset())


def own(paths: Paths) -> Own:
    """Return the processes of a cluster and the namespaces that they do not share with us."""
    processes = {(pid, _started(pid)) for pid in cgroups.processes(paths.cgroup)}
    namespaces = {each for pid, _ in processes for each in _namespaces(pid)} - set(_namespaces(os.getpid()))
    return Own(frozenset(process for process in processes if process[1]), frozenset(namespaces))


def alive(cluster: Own) -> Own:
    """Return what of it is still there."""
    last = max(start for _, start in cluster.processes)
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    # The number of a namespace that is gone is given to another one, hence only to processes that came later.
    older = [pid for pid in pids if 0 < _started(pid) <= last]
    return Own(
        frozenset(process for process in cluster.processes if _started(process[0]) == process[1]),
        cluster.namespaces & {each for pid in older for each in _namespaces(pid)},
    )


def _namespaces(pid: int) -> list[str]:
    found = []
    # The process may end while we look, or be a kernel's own.
    with contextlib.suppress(OSError):
        found = [str(path.readlink()) for path in Path(f"/proc/{pid}/ns").iterdir()]
    return found


def _started(pid: int) -> int:
    """Return when a process started, in the kernel's ticks; 0 when it has ended."""
    try:
        # The name, in parentheses, may hold anything.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if state == "Z" else int(fields[18])


def _sysctls() -> dict[str, str]:
    root = Path("/proc/sys")
    values = {}
    for path in _below(root):
        name = str(path.relative_to(root))
        if not path.is_file() or name.startswith(_CHANGING):
            continue
        # Some can only be written.
        with contextlib.suppress(OSError, UnicodeDecodeError):
            values[name] = path.read_text()
    return values


def _below(root: str | Path) -> list[Path]:
    return [
        Path(parent, name) for parent, directories, files in os.walk(root) for name in sorted([*directories, *files])
    ]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, env=environment()).stdout
