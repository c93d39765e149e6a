"""Can this machine run a cluster? Ask before changing anything, and say for every problem what to do.

`gather` looks at the machine, `problems` and `missing_packages` judge; the second half is pure, so tests can give it any
machine they like.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import build, cgroups
from tests.cluster.components import CNI_PLUGINS
from tests.cluster.paths import CLUSTERS, HIDDEN, REPOSITORY, SYSTEM_PATH, cache
from tests.cluster.shell import ClusterError, call, environment, say

GIB = 1024**3
DISK, MEMORY = 10 * GIB, 4 * GIB
# What /proc/meminfo calls the total lacks what the kernel keeps for itself.
MEMORY_SLACK = 0.9
PYTHON, GO = (3, 11), (1, 24)

PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    str(CNI_PLUGINS / "bridge"): "containernetworking-plugins",
    "buildah": "buildah",
    "ip": "iproute2",
    "nft": "nftables",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "debootstrap": "debootstrap",
    "openssl": "openssl",
    # For the Go module proxy and the package index.
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
}
"""Program or file, and the Debian package it comes from."""


@dataclass(frozen=True)
class Facts:
    """What was found on the machine."""

    python: tuple[int, int] = PYTHON
    root: bool = True
    linux: bool = True
    go: tuple[int, int] | None = GO
    programs_built: bool = False
    missing: tuple[str, ...] = ()
    apt: bool = True
    cgroup_version: int = 1
    cgroup_writable: bool = True
    overlay: bool = True
    bridge_filter: bool = True
    disk_free: int = DISK
    disk_where: str = str(CLUSTERS)
    memory: int = MEMORY
    hidden: tuple[str, ...] = ()


def problems(facts: Facts) -> list[str]:
    """Return a sentence for everything a person must change; empty when the cluster can start."""
    if not facts.linux:
        return ["this is not Linux: run it in a Linux virtual machine"]
    return [*_of_programs(facts), *_of_the_kernel(facts), *_of_space(facts)]


def _of_programs(facts: Facts) -> Iterator[str]:
    if facts.python < PYTHON:
        yield f"Python {_dotted(facts.python)} is too old: run it with Python {_dotted(PYTHON)} or newer"
    if not facts.root:
        yield "not root: namespaces, mounts and cgroups need it; run the same command as root"
    if facts.go is None and not facts.programs_built:
        yield f"no Go compiler: install Go {_dotted(GO)} or newer and put `go` on the PATH"
    elif facts.go is not None and facts.go < GO and not facts.programs_built:
        yield f"Go {_dotted(facts.go)} is too old to build Kubernetes: install Go {_dotted(GO)} or newer"
    if facts.missing and not facts.apt:
        packages = " ".join(missing_packages(facts))
        yield (
            f"programs are missing ({', '.join(facts.missing)}) and there is no apt-get to install them: install what "
            f"the Debian packages {packages} hold"
        )


def _of_the_kernel(facts: Facts) -> Iterator[str]:
    if facts.cgroup_version == 0:
        yield f"no cgroups: mount cgroup2, or the cgroup v1 controllers, below {cgroups.ROOT}"
    elif not facts.cgroup_writable:
        yield f"{cgroups.ROOT} is read-only: in a container, start it privileged"
    if not facts.overlay:
        yield "the kernel has no overlayfs: `modprobe overlay`, or use a kernel that has it"
    if not facts.bridge_filter:
        yield "the kernel does not filter bridged packets: `modprobe br_netfilter`, or use a kernel that has it"


def _of_space(facts: Facts) -> Iterator[str]:
    if facts.disk_free < DISK:
        yield f"{_gib(facts.disk_free)} GiB free at {facts.disk_where}: free some, {_gib(DISK)} GiB are needed there"
    if facts.memory < MEMORY * MEMORY_SLACK:
        yield f"{_gib(facts.memory)} GiB of memory: use a machine with at least {_gib(MEMORY)} GiB"
    for path in facts.hidden:
        yield (
            f"{path} is below one of {', '.join(map(str, HIDDEN))}, which are private inside the cluster: move it, for "
            "the cache set XDG_CACHE_HOME"
        )


def missing_packages(facts: Facts) -> list[str]:
    """Return the Debian packages that will be installed."""
    return sorted({PACKAGES[program] for program in facts.missing})


def check() -> None:
    """Stop with all problems at once, or install what can be installed."""
    facts = gather()
    packages = missing_packages(facts)
    found = problems(facts)
    if found:
        note = f"\nThese Debian packages will then be installed: {' '.join(packages)}" if packages and facts.apt else ""
        raise ClusterError("this machine cannot run the cluster yet:\n" + "\n".join(f"- {p}" for p in found) + note)
    if facts.cgroup_version == 2:
        say("this machine has cgroup v2 only, with which this cluster has not been tried yet")
    if packages:
        install(packages)


def ensure(programs: Mapping[str, str]) -> None:
    """Install the packages of programs or files that are not there; each stands beside the package it comes from."""
    packages = sorted({package for program, package in programs.items() if not _found(program)})
    if packages:
        install(packages)


def install(packages: Sequence[str]) -> None:
    """Install Debian packages."""
    say(f"installing Debian packages: {' '.join(packages)}")
    apt = environment(DEBIAN_FRONTEND="noninteractive")
    call(["apt-get", "update", "-q"], env=apt)
    call(["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages], env=apt)


def gather() -> Facts:
    """Look at this machine; takes a fraction of a second and changes nothing (except loading kernel modules)."""
    built = all(build.path(name).exists() for name in ("kube", "pause"))
    version = cgroups.version()
    where = {CLUSTERS: _free(CLUSTERS), cache(): _free(cache())}
    tightest = min(where, key=lambda path: where[path])
    used = [("the cache", cache()), ("the work tree", REPOSITORY), ("Python", Path(sys.executable).resolve())]
    return Facts(
        python=sys.version_info[:2],
        root=os.geteuid() == 0,
        linux=sys.platform == "linux",
        go=None if built else _go(),
        programs_built=built,
        missing=tuple(program for program in PACKAGES if not _found(program)),
        apt=_found("apt-get"),
        cgroup_version=version,
        cgroup_writable=version == 0 or os.access(cgroups.tree(""), os.W_OK),
        overlay=_kernel_has("overlay", lambda: "\toverlay\n" in Path("/proc/filesystems").read_text()),
        bridge_filter=_kernel_has("br_netfilter", Path("/proc/sys/net/bridge").exists),
        disk_free=where[tightest],
        disk_where=str(tightest),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        hidden=tuple(
            f"{name} ({path})" for name, path in used if any(path.is_relative_to(hidden) for hidden in HIDDEN)
        ),
    )


def _found(program: str) -> bool:
    if program.startswith("/"):
        return Path(program).exists()
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}") is not None


def _go() -> tuple[int, int] | None:
    if not _found("go"):
        return None
    # GOTOOLCHAIN=local: asking for the version must not download another one.
    output = call(["go", "version"], env=environment(GOTOOLCHAIN="local"), cwd=Path("/"))
    match = re.search(r"go(\d+)\.(\d+)", output)
    return (int(match[1]), int(match[2])) if match else None


def _kernel_has(module: str, test: Callable[[], bool]) -> bool:
    if not test() and os.geteuid() == 0 and _found("modprobe"):
        subprocess.run(["modprobe", module], env=environment(), capture_output=True, check=False)
    return test()


def _free(path: Path) -> int:
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def _gib(size: int) -> str:
    return f"{size / GIB:.1f}"
