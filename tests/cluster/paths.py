"""Where everything of one cluster is: directories, files, names and addresses. No behaviour."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

DEFAULT_NAME = "modelrollout"
PREFIX = "modelrollout-"
"""Cgroups of every cluster start with this, so that no cluster name can hit a cgroup of somebody else."""

SOURCE = Path(__file__).resolve().parent
REPOSITORY = SOURCE.parent.parent
CLUSTERS = Path("/var/tmp/modelrollout")

HIDDEN = (Path("/run"), Path("/var/lib"), Path("/var/log"))
"""Inside a cluster these are empty tmpfs: containerd, its shims, CNI and the kubelet have paths there that no setting
changes. Whatever a cluster needs from the machine must therefore be somewhere else; the preflight checks it."""

NODE_NAME = "node0"
NODE_ADDRESS = "10.250.0.1"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
POD_RANGE = "10.244.0.0/16"
API_PORT = 6443
"""All of these are inside the cluster's own network namespace: every cluster has the same ones."""

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The user's PATH may lack the sbin directories even for root."""


def cache() -> Path:
    """What may be kept between clusters and is slow to make again: programs, base images, wheels."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "modelrollout"


@dataclass(frozen=True)
class Paths:
    """The files of one cluster. All of them are below `state`, and `down` removes that."""

    name: str

    def __post_init__(self) -> None:
        """Refuse names that do not fit into paths, cgroups and the 107 bytes of a socket's path."""
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", self.name):
            raise ValueError(
                f"cluster name {self.name!r}: use 1 to 32 of the characters a-z, 0-9 and '-', no '-' at the ends"
            )

    @property
    def state(self) -> Path:
        """Everything the running cluster writes."""
        return CLUSTERS / self.name

    @property
    def cgroup(self) -> str:
        """The name of the cluster's cgroup in every hierarchy."""
        return PREFIX + self.name

    @property
    def record(self) -> Path:
        """Written when `up` has finished; a cluster without it was interrupted while starting."""
        return self.state / "cluster.json"

    @property
    def components(self) -> Path:
        """Process id and number of starts of every component, kept up to date by the init."""
        return self.state / "components.json"

    @property
    def kubeconfig(self) -> Path:
        """For programs on the host: the server is the forwarder on 127.0.0.1."""
        return self.state / "kubeconfig"

    @property
    def inside_kubeconfig(self) -> Path:
        """For programs inside the cluster's network namespace."""
        return self.state / "inside.kubeconfig"

    @property
    def audit_log(self) -> Path:
        """One JSON object per finished request to the API server."""
        return self.state / "audit.log"

    @property
    def logs(self) -> Path:
        """One file per component, and init.log."""
        return self.state / "log"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.state / "pki"

    @property
    def containerd_socket(self) -> Path:
        """containerd answers CRI, and `ctr`, here."""
        return self.state / "containerd.sock"

    @property
    def lock(self) -> Path:
        """Held by `up` and `down`. Not below `state`: a lock must outlive what it protects."""
        return cache() / "locks" / self.name
