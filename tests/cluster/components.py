"""Command lines and configuration files of the components, and what each must wait for.

Files that the components read as YAML are written as JSON, which is YAML too.
"""

import base64
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.client import Client
from tests.cluster.paths import (
    API_PORT,
    DNS_ADDRESS,
    NODE_ADDRESS,
    NODE_NAME,
    POD_RANGE,
    SERVICE_RANGE,
    Paths,
)
from tests.cluster.scratch import PAUSE

ETCD = "http://127.0.0.1:2379"
CNI_PLUGINS = Path("/usr/lib/cni")

# The defaults (20 requests a second) make the controllers the slowest part of a busy test.
_FAST = ["--kube-api-qps=300", "--kube-api-burst=600"]


@dataclass(frozen=True)
class Component:
    """One supervised process."""

    name: str
    command: list[str]
    may_start: Callable[[], bool] = lambda: True


def write_configuration(paths: Paths) -> None:
    """Write every file that the components read at start, except keys and certificates."""
    state = paths.state
    _write_json(state / "audit-policy.yaml", _AUDIT_POLICY)
    _write_json(state / "kubelet.yaml", _kubelet(paths))
    _write_json(state / "kube-proxy.yaml", _kube_proxy(paths))
    _write_json(state / "cni" / "10-bridge.conflist", _cni(paths))
    (state / "containerd.toml").write_text(_containerd(paths))
    (state / "resolv.conf").write_text(f"nameserver {DNS_ADDRESS}\n")
    for user in ("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy"):
        write_kubeconfig(paths, state / f"{user}.kubeconfig", user, API_PORT)
    write_kubeconfig(paths, paths.inside_kubeconfig, "admin", API_PORT)


def write_kubeconfig(paths: Paths, target: Path, user: str, port: int) -> None:
    """Write a self-contained kubeconfig for the API server at 127.0.0.1:port."""

    def data(file: str) -> str:
        return base64.b64encode((paths.pki / file).read_bytes()).decode()

    name = f"modelrollout-test-{paths.name}"
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": data("ca.crt")}
    credentials = {"client-certificate-data": data(f"{user}.crt"), "client-key-data": data(f"{user}.key")}
    target.touch(mode=0o600)
    _write_json(
        target,
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
            "current-context": name,
        },
    )


def components(paths: Paths, kube: Path) -> list[Component]:
    """Return every component, in the order of starting."""
    state, pki = paths.state, paths.pki
    client = Client(paths, API_PORT)

    def etcd_listens() -> bool:
        return _accepts(("127.0.0.1", 2379))

    def containerd_listens() -> bool:
        return _accepts(str(paths.containerd_socket))

    def kubeconfig(user: str) -> str:
        return f"--kubeconfig={state / user}.kubeconfig"

    etcd = [
        "etcd",
        f"--data-dir={state / 'etcd'}",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        # Survives the end of a process, not a power cut; nobody keeps a test cluster over a power cut.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
    apiserver = [
        "kube-apiserver",
        f"--etcd-servers={ETCD}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--advertise-address={NODE_ADDRESS}",
        f"--secure-port={API_PORT}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'sa.key'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        f"--kubelet-client-certificate={pki / 'apiserver-to-kubelet.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-to-kubelet.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--audit-policy-file={state / 'audit-policy.yaml'}",
        f"--audit-log-path={paths.audit_log}",
        # Tests read the log from its beginning: it must never be rotated away.
        "--audit-log-maxsize=100000",
    ]
    controller_manager = [
        "kube-controller-manager",
        kubeconfig("kube-controller-manager"),
        f"--service-account-private-key-file={pki / 'sa.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        *_FAST,
    ]
    scheduler = ["kube-scheduler", kubeconfig("kube-scheduler"), "--leader-elect=false", *_FAST]
    kubelet = [
        "kubelet",
        kubeconfig("kubelet"),
        f"--config={state / 'kubelet.yaml'}",
        f"--root-dir={state / 'kubelet'}",
        f"--cert-dir={state / 'kubelet-pki'}",
        f"--node-ip={NODE_ADDRESS}",
        f"--hostname-override={NODE_NAME}",
        # For cAdvisor, which otherwise looks at the default socket and leaves the container labels empty.
        f"--containerd={paths.containerd_socket}",
    ]
    kube_proxy = ["kube-proxy", f"--config={state / 'kube-proxy.yaml'}"]
    return [
        Component("containerd", ["containerd", "--config", str(state / "containerd.toml")]),
        Component("etcd", [str(kube), *etcd]),
        Component("kube-apiserver", [str(kube), *apiserver], etcd_listens),
        Component("kubelet", [str(kube), *kubelet], lambda: containerd_listens() and client.ready()),
        Component("kube-controller-manager", [str(kube), *controller_manager], client.ready),
        Component("kube-scheduler", [str(kube), *scheduler], client.ready),
        Component("kube-proxy", [str(kube), *kube_proxy], client.ready),
    ]


def _accepts(address: str | tuple[str, int]) -> bool:
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as client:
        client.settimeout(1)
        try:
            client.connect(address)
        except OSError:
            return False
        return True


def _write_json(target: Path, value: object) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(value, indent=1) + "\n")


# Who did what to which object: enough to compare the verbs used with the verbs granted.
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


def _kubelet(paths: Paths) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{paths.containerd_socket}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(paths.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        # The machine's own file may name a server that only the machine reaches.
        "resolvConf": str(paths.state / "resolv.conf"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{paths.cgroup}",
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "podLogsDir": str(paths.state / "podlogs"),
        "maxPods": 500,
        # How long a changed ConfigMap may take to reach a mounted volume.
        "syncFrequency": "10s",
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "serializeImagePulls": False,
        # Images were loaded by hand and cannot be pulled again: never collect them.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    }


def _kube_proxy(paths: Paths) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(paths.state / "kube-proxy.kubeconfig"), "qps": 200, "burst": 400},
        "hostnameOverride": NODE_NAME,
        "mode": "nftables",
        "clusterCIDR": POD_RANGE,
        "oomScoreAdj": 0,
        # The size of the connection table is the machine's, not the namespace's: leave it alone.
        "conntrack": {"maxPerCore": 0, "min": 0},
        "nftables": {"minSyncPeriod": "100ms"},
    }


def _cni(paths: Paths) -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(paths.state / "cni-addresses"),
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, ports]}


def _containerd(paths: Paths) -> str:
    state = paths.state
    return f"""\
version = 2
root = "{state}/containerd"
state = "{state}/containerd-run"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
  address = "{paths.containerd_socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{state}/containerd-opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # Inside a container or another sandbox even root may not lower the score.
  restrict_oom_score_adj = true
  disable_apparmor = true
  # Programs without privileges may listen below 1024, as they may under other runtimes.
  enable_unprivileged_ports = true

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{CNI_PLUGINS}"
  conf_dir = "{state}/cni"
"""
