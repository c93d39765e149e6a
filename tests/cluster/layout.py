"""The namespaces of a cluster: what the outside starts, and what the init arranges inside before anything else.

    unshare (host)                               the only process of the cluster that the host's pid 1 adopts
      init  (pid 1 of the cluster's namespaces)  tests.cluster.init
        components, forwarder, shims, containers

Private mount, pid and network namespaces make the end easy: when the init is gone, however it went, the kernel ends
every process and takes every mount and network device with it.
"""

import socket
import subprocess
import sys
from pathlib import Path

from tests.cluster import cgroups
from tests.cluster.paths import HIDDEN, NODE_ADDRESS, REPOSITORY, SYSTEM_PATH, Paths
from tests.cluster.shell import call

# The shell enters the cgroup, leaves its child to the host's pid 1, and ends: nobody has to wait for a daemon.
_SCRIPT = 'echo $$ > "$1" && shift && { "$@" & }'
_UNSHARE = [
    *("setsid", "unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc"),
    *("--propagation", "private", "--"),
]

_SYSCTLS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}
"""Machine-wide values that a kubelet sets when it finds others."""


def start(paths: Paths, kube: Path, listener: socket.socket) -> None:
    """Start the init in new namespaces; it forwards what arrives at the listener to the API server."""
    procs = cgroups.tree(paths.cgroup) / cgroups.NODE / "cgroup.procs"
    init = [sys.executable, "-m", "tests.cluster.init", paths.name, str(kube), str(listener.fileno())]
    with (paths.logs / "init.log").open("wb") as log:
        subprocess.run(
            ["sh", "-c", _SCRIPT, "sh", str(procs), *_UNSHARE, *init],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
            cwd=REPOSITORY,
            # Nothing of the caller's environment: a proxy setting, for one, would send webhook calls away.
            env={"PATH": SYSTEM_PATH, "HOME": "/root", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
            check=True,
        )


def arrange_mounts(paths: Paths) -> None:
    """Inside: give the components a file system they can change without the machine noticing."""
    # Volumes need shared propagation; it ends at this namespace, whose root was made private first.
    call(["mount", "--make-rshared", "/"])
    for directory in HIDDEN:
        call(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", directory])
    for inner in ("/run/netns", "/run/lock", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers"):
        Path(inner).mkdir(parents=True)
    # A kubelet that reads the value it wants does not write: the machine keeps its own values, even if we are killed.
    for name, value in _SYSCTLS.items():
        wanted = paths.state / "sysctl" / name
        wanted.parent.mkdir(parents=True, exist_ok=True)
        wanted.write_text(f"{value}\n")
        if Path("/proc/sys", name).exists():
            call(["mount", "--bind", wanted, Path("/proc/sys", name)])


def arrange_network() -> None:
    """Inside: a node address, and a default route to nowhere (nothing leaves the namespace)."""
    call(
        ["ip", "-batch", "-"],
        stdin=f"""\
link set lo up
link add node0 type veth peer name sink0
link set sink0 up
addr add {NODE_ADDRESS}/24 dev node0
link set node0 up
route add default dev node0
""",
    )
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    # Replies between two pods on the bridge must pass the Service's address translation.
    between_pods = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if between_pods.exists():
        between_pods.write_text("1")
