"""What tests and the demonstration call.

cluster = ensure_up("modelrollout")
cluster.load(archive)
cluster.kubectl("apply", "-f", "-", stdin=manifest)
cluster.run(["curl", "http://10.96.12.34"])              # inside the cluster's network
with cluster.forward({"web": "10.96.12.34:80"}) as forward:
    forward.addresses["web"]                             # "127.0.0.1:41234" on the host
cluster.down()
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster import enter, lifecycle
from tests.cluster.forward import Forward
from tests.cluster.paths import DEFAULT_NAME, Paths
from tests.cluster.shell import ClusterError, call, environment

__all__ = ["Cluster", "ClusterError", "Forward", "ensure_up", "find"]


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    name: str
    paths: Paths = field(repr=False)
    port: int
    kube: Path = field(repr=False)

    @property
    def state_dir(self) -> Path:
        """Everything the running cluster writes."""
        return self.paths.state

    @property
    def kubeconfig(self) -> Path:
        """For programs on the host."""
        return self.paths.kubeconfig

    @property
    def inside_kubeconfig(self) -> Path:
        """For programs inside the cluster's network namespace; `run` and `popen` set it already."""
        return self.paths.inside_kubeconfig

    @property
    def audit_log(self) -> Path:
        """One JSON object per finished request to the API server."""
        return self.paths.audit_log

    @property
    def bin_dir(self) -> Path:
        """Holds a `kubectl` that is set up for this cluster: put it on the PATH."""
        return self.paths.state / "bin"

    def environment(self, **extra: str) -> dict[str, str]:
        """Return an environment for programs on the host: KUBECONFIG is set and kubectl is on the PATH."""
        cache = str(self.paths.state / "kubectl-cache")
        variables = environment(KUBECONFIG=str(self.kubeconfig), KUBECACHEDIR=cache)
        return {**variables, "PATH": f"{self.bin_dir}:{variables['PATH']}", **extra}

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Run kubectl on the host and return its output; raises ClusterError with kubectl's own words."""
        return call([self.kube, "kubectl", *arguments], stdin=stdin, env=self.environment())

    def get(self, *arguments: str) -> Any:
        """Return the parsed result of `kubectl get ... -o json`."""
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    def run(self, words: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[Any]:
        """Run a program of the host inside the cluster's network (options: those of subprocess.run)."""
        return enter.run(self.paths, words, **options)

    def popen(self, words: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
        """Start a program of the host inside the cluster's network (options: those of subprocess.Popen)."""
        return enter.popen(self.paths, words, **options)

    def load(self, archive: Path) -> list[str]:
        """Import an image archive; return the names of its images."""
        return lifecycle.load_image(self.paths, Path(archive))

    def images(self) -> list[str]:
        """Return the names of all images in the cluster."""
        return [name for name in self._manifests() if not name.startswith("sha256:")]

    def image_id(self, name: str) -> str | None:
        """Return the digest of an image's configuration, which says what is in it; None when there is no such image."""
        manifest = self._manifests().get(name)
        return json.loads(self._ctr("content", "get", manifest))["config"]["digest"] if manifest else None

    def _manifests(self) -> dict[str, str]:
        rows = [line.split() for line in self._ctr("images", "list").splitlines()[1:]]
        return {name: digest for name, _, digest, *_ in rows}

    def _ctr(self, *words: str) -> str:
        return call(["ctr", "--address", self.paths.containerd_socket, "--namespace", "k8s.io", *words])

    def forward(self, targets: Mapping[str, str]) -> Forward:
        """Give cluster addresses (name: "HOST:PORT") a free port on the host's 127.0.0.1 until closed."""
        return Forward(self.paths, targets)

    def missing(self) -> str:
        """Return what keeps the cluster from being usable; the empty string when nothing does."""
        return lifecycle.missing(self.paths)

    def component_states(self) -> dict[str, dict[str, int]]:
        """Return, for every component, its process id inside and how often it was started."""
        states: dict[str, dict[str, int]] = json.loads(self.paths.components.read_text())
        return states

    def down(self) -> None:
        """Remove the cluster."""
        lifecycle.down(self.paths)


def find(name: str = DEFAULT_NAME) -> Cluster:
    """Return the cluster of that name; raises ClusterError when it is not up."""
    paths = Paths(name)
    port = lifecycle.port(paths)
    return Cluster(name=name, paths=paths, port=port, kube=Path(json.loads(paths.record.read_text())["kube"]))


def ensure_up(name: str = DEFAULT_NAME) -> Cluster:
    """Start the cluster unless it is up, and return it."""
    lifecycle.up(Paths(name))
    return find(name)


def replace_process_with_kubectl(cluster: Cluster, arguments: Sequence[str]) -> None:
    """Become kubectl: terminal, signals and exit code are its own. Does not return."""
    os.execve(cluster.kube, ["kube", "kubectl", *arguments], cluster.environment())
