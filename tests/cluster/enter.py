"""Starting programs of the host inside a cluster's network namespace.

They keep the host's files, user and process ids; only their network is the cluster's, so Service and Pod addresses
work. They are put into the cluster's cgroup first: a process inside keeps the namespace alive, and `down` must find it.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cluster import cgroups
from tests.cluster.paths import Paths
from tests.cluster.shell import ClusterError, environment

# The shell becomes the program: the process id that the caller sees is the program's.
_SCRIPT = 'echo $$ > "$1" && shift && exec "$@"'


def command(paths: Paths, words: Sequence[str | Path]) -> list[str]:
    """Return the command that runs these words inside the cluster's network."""
    init = cgroups.init(paths.cgroup)
    if init is None:
        raise ClusterError(f"cluster {paths.name} is not running: python3 -m tests.cluster --name {paths.name} up")
    guests = cgroups.tree(paths.cgroup) / cgroups.GUESTS / "cgroup.procs"
    enter = ["nsenter", f"--net=/proc/{init}/ns/net", "--", *(str(word) for word in words)]
    return ["sh", "-c", _SCRIPT, "sh", str(guests), *enter]


def variables(paths: Paths, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of such a program: kubectl and client libraries find the API server."""
    inside = {"KUBECONFIG": str(paths.inside_kubeconfig), "KUBECACHEDIR": str(paths.state / "kubectl-cache")}
    return {**environment(), **inside, **(env or {})}


def popen(
    paths: Paths,
    words: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> subprocess.Popen[Any]:
    """Start a program inside the cluster's network; `env` is added to the environment."""
    return subprocess.Popen(command(paths, words), env=variables(paths, env), **options)


def run(
    paths: Paths,
    words: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run a program inside the cluster's network to its end."""
    options.setdefault("check", False)
    return subprocess.run(command(paths, words), env=variables(paths, env), **options)  # noqa: PLW1510
