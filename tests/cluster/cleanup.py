"""Leave nothing behind, in whatever state a cluster is: complete, half started, or with its init killed.

The order is the argument: no process of the cluster, hence no namespace, hence no mount and no network device; then the
empty cgroups, then the files.
"""

import contextlib
import shutil
import time
from pathlib import Path

from tests.cluster import cgroups
from tests.cluster.paths import CLUSTERS, Paths
from tests.cluster.shell import ClusterError

ATTEMPTS = 100
"""Counted, and not timed: on a busy machine a single one may take long."""


def clear(paths: Paths) -> bool:
    """Remove everything of the cluster; tell whether there was anything."""
    exists = paths.state.exists() or any((root / paths.cgroup).exists() for root in cgroups.hierarchies())
    if not exists:
        return False
    cgroups.kill(paths.cgroup)
    cgroups.remove(paths.cgroup)
    _remove_files(paths)
    return True


def _remove_files(paths: Paths) -> None:
    # The mounts were private to the cluster. Should one ever be visible here, deleting through it would be a disaster.
    mounted = [point for point in _mount_points() if point.is_relative_to(paths.state)]
    if mounted:
        raise ClusterError(f"refusing to delete {paths.state}: unmount {', '.join(map(str, mounted))} first")
    last: OSError | None = None
    for _ in range(ATTEMPTS):
        if not paths.state.exists():
            break
        try:
            shutil.rmtree(paths.state)
        except OSError as error:
            # The last mounts of a namespace go a moment after its last process.
            last = error
            time.sleep(0.1)
    else:
        raise ClusterError(f"cannot delete {paths.state}: {last}")
    # Another cluster may be there.
    with contextlib.suppress(OSError):
        CLUSTERS.rmdir()


def _mount_points() -> list[Path]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
